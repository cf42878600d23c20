//! Which mails are planned, and when they go out.

use super::*;

/// Thursday noon in UTC; 13:00 in Rome.
fn noon() -> DateTime<Utc> {
    at("2026-01-15T12:00:00Z")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn reader(person: u128) -> (Uuid, Reader) {
    let id = Uuid::from_u128(person);
    (id, Reader { settings: mail_settings::usual(id), zone: Tz::Europe__Rome, today: 0 })
}

fn news(id: u128, group: u128, person: u128) -> News {
    News { id: Uuid::from_u128(id), group: Uuid::from_u128(group), person: Uuid::from_u128(person) }
}

/// Everybody reads their own news; `guardian` also that of `child`.
fn readers_of(people: &[u128], guardian: Option<(u128, u128)>) -> HashMap<Uuid, BTreeSet<Uuid>> {
    let mut readers: HashMap<Uuid, BTreeSet<Uuid>> =
        people.iter().map(|id| (Uuid::from_u128(*id), BTreeSet::from([Uuid::from_u128(*id)]))).collect();
    if let Some((guardian, child)) = guardian {
        readers.get_mut(&Uuid::from_u128(child)).unwrap().insert(Uuid::from_u128(guardian));
    }
    readers
}

/// The kinds, the times and the numbers of messages of the planned mails of one person with these settings.
fn planned(change: impl FnOnce(&mut Reader), now: DateTime<Utc>) -> Vec<(Kind, DateTime<Utc>)> {
    let (id, mut one) = reader(1);
    change(&mut one);
    let plan = mails(&[news(1, 7, 1)], &readers_of(&[1], None), &mut HashMap::from([(id, one)]), 10, now);
    plan.deliveries.iter().map(|mail| (mail.kind, mail.available_at)).collect()
}

#[test]
fn the_messages_of_one_cause_are_one_mail_and_another_cause_is_another() {
    let told = [news(1, 7, 1), news(2, 7, 1), news(3, 8, 1)];
    let plan = mails(&told, &readers_of(&[1], None), &mut HashMap::from([reader(1)]), 10, noon());
    assert_eq!(plan.deliveries.len(), 2);
    let mut sizes: Vec<usize> = plan
        .deliveries
        .iter()
        .map(|mail| plan.messages.iter().filter(|(delivery, _)| *delivery == mail.id).count())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
}

#[test]
fn planning_twice_gives_the_same_deliveries() {
    let plan =
        || mails(&[news(1, 7, 1)], &readers_of(&[1], None), &mut HashMap::from([reader(1)]), 10, noon());
    assert_eq!(plan(), plan());
}

#[test]
fn a_guardian_of_two_children_gets_one_mail_about_a_cause() {
    let told = [news(1, 7, 1), news(2, 7, 2)];
    let mut of = readers_of(&[1, 2], Some((9, 1)));
    of.get_mut(&Uuid::from_u128(2)).unwrap().insert(Uuid::from_u128(9));
    let plan = mails(&told, &of, &mut HashMap::from([reader(1), reader(2), reader(9)]), 10, noon());
    assert_eq!(plan.deliveries.len(), 3);
    let of_guardian = plan.deliveries.iter().find(|mail| mail.person_id == Uuid::from_u128(9)).unwrap();
    assert_eq!(plan.messages.iter().filter(|(delivery, _)| *delivery == of_guardian.id).count(), 2);
}

#[test]
fn who_cannot_be_reached_or_wants_no_mails_gets_none() {
    let plan = mails(&[news(1, 7, 1)], &readers_of(&[1], None), &mut HashMap::new(), 10, noon());
    assert_eq!(plan, Plan::default());
    assert_eq!(planned(|one| one.settings.mode = Mode::None, noon()), []);
}

#[test]
fn the_daily_mail_waits_for_its_local_hour() {
    // 17:00 in Rome is 16:00 in UTC.
    let daily = |now: &str| planned(|one| one.settings.mode = Mode::Daily, at(now));
    assert_eq!(daily("2026-01-15T12:00:00Z"), [(Kind::Digest, at("2026-01-15T16:00:00Z"))]);
    assert_eq!(daily("2026-01-15T15:59:00Z"), [(Kind::Digest, at("2026-01-16T16:00:00Z"))]);
    assert_eq!(daily("2026-01-15T16:00:00Z"), [(Kind::Digest, at("2026-01-16T16:00:00Z"))]);
}

#[test]
fn more_mails_than_the_limit_become_the_daily_mail() {
    let told: Vec<News> = (0..4).map(|number| news(number, 100 + number, 1)).collect();
    let plan = mails(&told, &readers_of(&[1], None), &mut HashMap::from([reader(1)]), 3, noon());
    let kinds: Vec<Kind> = plan.deliveries.iter().map(|mail| mail.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::News).count(), 3);
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Digest).count(), 1);
    assert_eq!(planned(|one| one.today = 10, noon()), [(Kind::Digest, at("2026-01-15T16:00:00Z"))]);
}

#[test]
fn in_quiet_hours_mails_wait_until_they_end() {
    let quiet = |from: i16, until: i16, now: &str| {
        planned(
            |one| (one.settings.quiet_from, one.settings.quiet_until) = (Some(from), Some(until)),
            at(now),
        )
    };
    // From 21 to 7 o'clock in Rome.
    assert_eq!(quiet(21, 7, "2026-01-15T20:30:00Z"), [(Kind::Digest, at("2026-01-16T06:00:00Z"))]);
    assert_eq!(quiet(21, 7, "2026-01-16T05:30:00Z"), [(Kind::Digest, at("2026-01-16T06:00:00Z"))]);
    assert_eq!(quiet(21, 7, "2026-01-16T06:00:00Z"), [(Kind::News, at("2026-01-16T06:00:00Z"))]);
    assert_eq!(quiet(21, 7, "2026-01-16T05:59:30Z"), [(Kind::Digest, at("2026-01-16T06:01:00Z"))]);
    assert_eq!(quiet(12, 14, "2026-01-15T12:00:00Z"), [(Kind::Digest, at("2026-01-15T13:00:00Z"))]);
}

#[test]
fn a_daily_mail_in_quiet_hours_goes_out_when_they_end() {
    let change = |one: &mut Reader| {
        one.settings.mode = Mode::Daily;
        (one.settings.quiet_from, one.settings.quiet_until) = (Some(16), Some(20));
    };
    assert_eq!(planned(change, noon()), [(Kind::Digest, at("2026-01-15T19:00:00Z"))]);
    // News within the quiet hours waits for the same moment.
    assert_eq!(planned(change, at("2026-01-15T17:00:00Z")), [(Kind::Digest, at("2026-01-15T19:00:00Z"))]);
}

#[test]
fn an_hour_that_a_change_of_the_clock_leaves_out_is_the_one_after_it() {
    // On 29 March 2026 the clocks in Rome go from 2 to 3 o'clock.
    let next = next_hour(at("2026-03-28T22:00:00Z"), Tz::Europe__Rome, 2);
    assert_eq!(next, at("2026-03-29T01:00:00Z"));
    // On 25 October 2026 it is 2 o'clock twice; the first one counts.
    let next = next_hour(at("2026-10-24T22:00:00Z"), Tz::Europe__Rome, 2);
    assert_eq!(next, at("2026-10-25T00:00:00Z"));
}
