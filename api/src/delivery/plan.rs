//! Plans deliveries: which person gets which messages, in which mail, and when; and which webhook. Pure: rows in, rows out.
//!
//! Messages of one cause are one mail. A person's settings, their quiet hours and the limit per day decide whether it goes out
//! at once or waits; what waits for the same moment is one mail, the digest.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use uuid::{Uuid, uuid};

use crate::store::deliveries::{self, Kind};
use crate::store::mail_settings::{self, Mode};
use crate::store::{outbox, webhooks};

/// The ids of deliveries are UUIDv5 in this namespace, so that a delivery is planned once.
pub(super) const NAMESPACE: Uuid = uuid!("5f0c2c7e-3b0a-4d0e-9c58-6a1f0b7d9e21");
/// A digest that is due sooner than this takes no more messages: it may be on its way in another process.
const CLOSING: TimeDelta = TimeDelta::minutes(1);

/// A person who may get mails.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// What they have chosen.
    pub(super) settings: mail_settings::Row,
    /// Their time zone.
    pub(super) zone: Tz,
    /// The mails about single causes that were planned for them within a day.
    pub(super) today: i64,
}

/// A message to plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    /// The id of the message.
    pub(super) id: Uuid,
    /// The cause.
    pub(super) group: Uuid,
    /// The person it is about.
    pub(super) person: Uuid,
}

/// The planned deliveries, and for each of their messages the pair (delivery, message).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// New deliveries. Some may be planned already.
    pub(super) deliveries: Vec<deliveries::Row>,
    /// (delivery, message).
    pub(super) messages: Vec<(Uuid, Uuid)>,
}

/// The mails about these messages. `readers_of` has the people who read the news of a person: the person and guardians.
/// A reader gets at most `per_day` mails about single causes within a day.
pub(super) fn mails(
    news: &[News],
    readers_of: &HashMap<Uuid, BTreeSet<Uuid>>,
    readers: &mut HashMap<Uuid, Reader>,
    per_day: i64,
    now: DateTime<Utc>,
) -> Plan {
    let mut letters: BTreeMap<(Uuid, Uuid), Vec<Uuid>> = BTreeMap::new();
    for one in news {
        for reader in readers_of.get(&one.person).into_iter().flatten() {
            letters.entry((one.group, *reader)).or_default().push(one.id);
        }
    }
    let mut deliveries: BTreeMap<Uuid, deliveries::Row> = BTreeMap::new();
    let mut messages = Vec::new();
    for ((group, person), ids) in letters {
        let Some(reader) = readers.get_mut(&person) else { continue };
        if reader.settings.mode == Mode::None {
            continue;
        }
        let (kind, at, of) = match waits_until(reader, per_day, now) {
            None => (Kind::News, now, format!("{group}")),
            Some(at) => (Kind::Digest, at, at.to_rfc3339()),
        };
        let id = Uuid::new_v5(&NAMESPACE, format!("mail/{of}/{person}").as_bytes());
        if kind == Kind::News {
            reader.today = reader.today.saturating_add(1);
        }
        deliveries.entry(id).or_insert_with(|| deliveries::mail(id, kind, person, at, now));
        messages.extend(ids.into_iter().map(|message| (id, message)));
    }
    Plan { deliveries: deliveries.into_values().collect(), messages }
}

/// The requests about these messages to the webhooks that want them.
pub(super) fn requests(messages: &[outbox::Row], webhooks: &[webhooks::Row], now: DateTime<Utc>) -> Plan {
    let mut plan = Plan::default();
    for webhook in webhooks {
        let wanted: BTreeSet<&str> = webhooks::types(webhook).collect();
        for message in messages.iter().filter(|message| wanted.contains(webhooks::type_of(message.kind))) {
            let of = format!("webhook/{}/{}", webhook.id, message.id);
            let id = Uuid::new_v5(&NAMESPACE, of.as_bytes());
            // Due since it happened, so that the oldest goes first.
            let due = message.created_at;
            plan.deliveries.push(deliveries::request(
                id,
                Kind::Event,
                webhook.id,
                message.person_id,
                due,
                now,
            ));
            plan.messages.push((id, message.id));
        }
    }
    plan
}

/// Until when news for this reader waits; none if it goes out at once.
fn waits_until(reader: &Reader, per_day: i64, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Reader { settings, zone, today } = reader;
    let quiet = settings.quiet_from.zip(settings.quiet_until);
    let after_quiet = after_quiet_hours(settings, *zone, now);
    if settings.mode == Mode::Each && after_quiet > now {
        return Some(after_quiet);
    }
    if settings.mode == Mode::Each && *today < per_day {
        return None;
    }
    let hour = settings.digest_hour;
    let hour = quiet.filter(|(from, until)| is_between(hour, *from, *until)).map_or(hour, |(_, until)| until);
    Some(next_hour(now, *zone, hour))
}

/// Now, or the end of the reader's quiet hours.
pub(super) fn after_quiet_hours(
    settings: &mail_settings::Row,
    zone: Tz,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let quiet = settings.quiet_from.zip(settings.quiet_until);
    let until = quiet.filter(|(from, until)| is_between(hour_of(now, zone), *from, *until));
    // What is due within a minute takes no more messages; a minute later is soon enough.
    let moment = |until: i16| hours_from(now, zone, until).find(|at| *at > now);
    let late = |at: DateTime<Utc>| if at - now > CLOSING { at } else { at + CLOSING };
    until.and_then(|(_, until)| moment(until)).map_or(now, late)
}

/// Whether an hour is in a span of hours, which may cross midnight.
fn is_between(hour: i16, from: i16, until: i16) -> bool {
    if from <= until { (from..until).contains(&hour) } else { hour >= from || hour < until }
}

fn hour_of(now: DateTime<Utc>, zone: Tz) -> i16 {
    i16::try_from(now.with_timezone(&zone).hour()).unwrap_or_default()
}

/// The next time at which it is `hour` o'clock in this zone, at least a minute from now. Where the clock is set ahead past
/// the hour, the first moment after the gap.
pub(super) fn next_hour(now: DateTime<Utc>, zone: Tz, hour: i16) -> DateTime<Utc> {
    hours_from(now, zone, hour).find(|at| *at > now + CLOSING).unwrap_or(now + TimeDelta::days(1))
}

/// The moments at which it is `hour` o'clock in this zone, today and on the next days.
fn hours_from(now: DateTime<Utc>, zone: Tz, hour: i16) -> impl Iterator<Item = DateTime<Utc>> {
    let time = NaiveTime::from_hms_opt(u32::try_from(hour).unwrap_or_default(), 0, 0).unwrap_or_default();
    let today = now.with_timezone(&zone).date_naive();
    today.iter_days().take(3).filter_map(move |day| {
        let local = day.and_time(time);
        let exact = zone.from_local_datetime(&local).earliest();
        let at = exact.or_else(|| zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest());
        at.map(|at| at.with_timezone(&Utc))
    })
}

#[cfg(test)]
mod tests;
