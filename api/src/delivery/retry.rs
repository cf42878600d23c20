//! What follows an attempt: delivered, tried again after a pause, or buried.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::deliveries::{Kind, Row, Verdict};

/// The pauses after the first, second, … attempt, in seconds: eight attempts over about a day.
const PAUSES: [i64; 7] = [5, 60, 600, 3_600, 10_800, 28_800, 43_200];

/// The pause after an attempt that was not made.
const LATER: TimeDelta = TimeDelta::seconds(10);

/// The answer of a receiver that wants no more requests.
const GONE: &str = "the receiver wants no more requests (status 410)";

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The other side has accepted it.
    Delivered,
    /// It was not delivered, and may be later.
    Failed(String),
    /// The other side did not answer after it had got everything: it may have been delivered.
    Unknown(String),
    /// It was not tried, because a part of this server did not work. The attempt does not count.
    Later(String),
    /// The receiver wants no more requests.
    Gone,
    /// It will never be delivered.
    Refused(String),
    /// There is nothing to deliver any more, for example because the person wants no mails.
    Skipped(&'static str),
    /// It waits until this time. The attempt does not count.
    Waits(DateTime<Utc>),
}

impl Outcome {
    /// The outcome's name in metrics.
    pub(super) fn name(&self, verdict: &Verdict) -> &'static str {
        match (self, verdict.buried_at) {
            (Self::Delivered, _) => "delivered",
            (Self::Skipped(_), _) => "skipped",
            (_, Some(_)) => "buried",
            (_, None) => "retried",
        }
    }
}

/// What to store about a leased delivery after its attempt.
pub(super) fn verdict(delivery: &Row, outcome: &Outcome, now: DateTime<Utc>) -> Verdict {
    // What may have delivered was noted as a doubt; a known result ends it.
    let doubts = match outcome {
        Outcome::Unknown(_) => delivery.doubts.saturating_add(1),
        _ => delivery.doubts,
    };
    let kept = Verdict {
        id: delivery.id,
        fence: delivery.fence,
        settled_at: None,
        buried_at: None,
        available_at: now,
        attempts: delivery.attempts,
        doubts,
        reason: None,
        status: delivery.status,
        answer: delivery.answer.clone(),
    };
    match outcome {
        Outcome::Delivered => Verdict { settled_at: Some(now), ..kept },
        Outcome::Gone => Verdict { buried_at: Some(now), reason: Some(GONE.to_owned()), ..kept },
        Outcome::Later(reason) => Verdict {
            available_at: now + LATER,
            attempts: delivery.attempts.saturating_sub(1),
            reason: Some(reason.clone()),
            ..kept
        },
        Outcome::Waits(until) => {
            Verdict { available_at: *until, attempts: delivery.attempts.saturating_sub(1), ..kept }
        }
        Outcome::Skipped(reason) => {
            Verdict { settled_at: Some(now), reason: Some((*reason).to_owned()), ..kept }
        }
        Outcome::Refused(reason) => Verdict { buried_at: Some(now), reason: Some(reason.clone()), ..kept },
        Outcome::Failed(reason) | Outcome::Unknown(reason) => match pause(delivery) {
            Some(pause) => Verdict { available_at: now + pause, reason: Some(reason.clone()), ..kept },
            None => {
                let reason = format!("{reason}; given up after {} attempts", delivery.attempts);
                Verdict { buried_at: Some(now), reason: Some(reason), ..kept }
            }
        },
    }
}

/// The pause before the next attempt, 20 % shorter or longer by the delivery's id, so that what failed together is not tried
/// together. None after the last attempt; a test has one attempt.
fn pause(delivery: &Row) -> Option<TimeDelta> {
    if delivery.kind == Kind::Test {
        return None;
    }
    let done = usize::try_from(delivery.attempts).ok()?;
    let pause = PAUSES.get(done.checked_sub(1)?)?;
    let chance = i64::from(*delivery.id.as_bytes().get(done)?);
    Some(TimeDelta::milliseconds(pause * (800 + chance * 400 / 255)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::deliveries::Channel;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn leased(attempts: i32, doubts: i32) -> Row {
        Row {
            id: Uuid::from_u128(0xff),
            channel: Channel::Mail,
            kind: Kind::News,
            person_id: Uuid::nil(),
            created_at: NOW,
            available_at: NOW,
            attempts,
            doubts,
            fence: 7,
            leased_until: Some(NOW),
            settled_at: None,
            buried_at: None,
            reason: None,
            webhook_id: None,
            status: None,
            answer: None,
        }
    }

    #[test]
    fn eight_attempts_take_about_a_day_and_then_it_is_buried() {
        let failed = Outcome::Failed("no connection".to_owned());
        let mut waited = TimeDelta::zero();
        for attempt in 1..8 {
            let verdict = verdict(&leased(attempt, 1), &failed, NOW);
            assert_eq!((verdict.buried_at, verdict.doubts, verdict.fence), (None, 1, 7));
            waited += verdict.available_at - NOW;
        }
        // Every byte of the id but the last is 0, so each pause is 20 % shorter.
        assert_eq!(waited.num_seconds(), 87_065 * 8 / 10);
        let last = verdict(&leased(8, 1), &failed, NOW);
        assert_eq!(last.buried_at, Some(NOW));
        assert_eq!(last.reason.as_deref(), Some("no connection; given up after 8 attempts"));
        assert_eq!(failed.name(&last), "buried");
    }

    #[test]
    fn an_id_makes_the_pause_up_to_a_fifth_longer() {
        let most = Row { id: Uuid::max(), ..leased(1, 1) };
        assert_eq!(pause(&most), Some(TimeDelta::milliseconds(6_000)));
        assert_eq!(pause(&leased(1, 1)), Some(TimeDelta::milliseconds(4_000)));
    }

    #[test]
    fn an_attempt_that_was_not_made_does_not_count() {
        let verdict = verdict(&leased(8, 0), &Outcome::Later("the database failed".to_owned()), NOW);
        assert_eq!((verdict.buried_at, verdict.attempts), (None, 7));
        assert_eq!(verdict.available_at, NOW + LATER);
    }

    #[test]
    fn what_waits_or_is_skipped_is_neither_a_failure_nor_an_attempt() {
        let until = NOW + TimeDelta::hours(8);
        let waits = verdict(&leased(1, 0), &Outcome::Waits(until), NOW);
        assert_eq!((waits.available_at, waits.attempts, waits.buried_at), (until, 0, None));
        let skipped = Outcome::Skipped("the person wants no mails");
        let ended = verdict(&leased(1, 0), &skipped, NOW);
        assert_eq!((ended.settled_at, ended.buried_at), (Some(NOW), None));
        assert_eq!(ended.reason.as_deref(), Some("the person wants no mails"));
        assert_eq!(skipped.name(&ended), "skipped");
    }

    #[test]
    fn only_an_unknown_result_stays_a_doubt() {
        let doubts = |outcome: Outcome| verdict(&leased(1, 2), &outcome, NOW).doubts;
        assert_eq!(doubts(Outcome::Unknown("cut".to_owned())), 3);
        assert_eq!(doubts(Outcome::Failed("busy".to_owned())), 2);
        assert_eq!(doubts(Outcome::Refused("no such user".to_owned())), 2);
        assert_eq!(doubts(Outcome::Delivered), 2);
    }
}
