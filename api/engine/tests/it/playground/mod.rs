//! A pack with every kind of rule, a few people on both sides of the date line, and functions that create events.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use engine::{
    Catalog, Cause, Event, Held, LocalDay, MetricState, Pack, Settings, Streak, catalog::achievement_id,
    entitlement, local, memory::School, rebuild,
};
use serde_json::Value;
use uuid::Uuid;

/// The number of people. Each was referred by the previous one; the first by the last.
pub(crate) const PEOPLE: u128 = 4;

/// The zones of the people.
pub(crate) const ZONES: [Tz; 4] =
    [Tz::Pacific__Kiritimati, Tz::America__Los_Angeles, Tz::Europe__Berlin, Tz::Pacific__Pago_Pago];

/// The compiled playground.
pub(crate) fn catalog() -> Catalog {
    let pack = Pack::parse("pack.json", include_str!("pack.json")).unwrap();
    let mut settings = Settings::default();
    settings.set("playground", "opensOn", "2026-03-02");
    Catalog::compile(&[pack], &settings).unwrap()
}

/// A person by number.
pub(crate) fn person(number: u128) -> Uuid {
    Uuid::from_u128(0xaaaa_0000 + number % PEOPLE)
}

/// A school with all people. Person 1 has Kindness from a teacher and a revoked Hundred; person 2 holds an award that can no
/// longer be earned; person 3 has an imported award of Points.
pub(crate) fn school() -> School {
    let mut school = School::default();
    for number in 0..PEOPLE {
        let zone = ZONES[usize::try_from(number).unwrap()];
        school.join(person(number), zone, Some(person(number + PEOPLE - 1)));
    }
    give(&mut school, person(1), "playground/kindness", Cause::Person, (40, false));
    give(&mut school, person(1), "playground/hundred", Cause::Rule, (100, true));
    give(&mut school, person(3), "playground/points", Cause::Import, (10, false));
    give(&mut school, person(2), "playground/retired", Cause::Rule, (30, false));
    school
}

fn give(school: &mut School, person: Uuid, key: &str, cause: Cause, (xp_bonus, revoked): (i64, bool)) {
    let kept = school.people.get_mut(&person).unwrap();
    let earned_at = "2026-02-01T00:00:00Z".parse().unwrap();
    let held = Held { cause, earned_at, xp_bonus, revoked, flagged: false };
    kept.awards.insert((achievement_id(key), 1), held);
    if !revoked {
        kept.award_count += 1;
        kept.xp += xp_bonus;
        kept.xp_reached_at = Some(earned_at);
        kept.entries.push(xp_bonus);
    }
}

/// An event `minutes` after the first of March 2026, in the zone of the person; `number` is its identity.
pub(crate) fn event(
    catalog: &Catalog,
    number: usize,
    who: u128,
    minutes: i64,
    activity: &str,
    attributes: Value,
) -> Event {
    let start: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
    let occurred_at = start + Duration::minutes(minutes);
    let zone = ZONES[usize::try_from(who % PEOPLE).unwrap()];
    let there = local(occurred_at, zone);
    let declared = catalog.activity(activity).unwrap();
    Event {
        id: Uuid::from_u128(0xeeee_0000 + u128::try_from(number).unwrap()),
        source: if number.is_multiple_of(2) { "app".into() } else { "web".into() },
        external_id: format!("e{number}").into(),
        person: person(who),
        activity: activity.into(),
        occurred_at,
        place: 0,
        local_date: there.date,
        local_hour: there.hour,
        zone,
        reported_on: None,
        makes_active: declared.counts_for_streak,
        attributes: catalog.parse_attributes(declared, Some(&attributes)).unwrap(),
    }
}

/// The event, recorded while its person was in this zone.
pub(crate) fn in_zone(event: Event, zone: Tz) -> Event {
    let there = local(event.occurred_at, zone);
    Event { local_date: there.date, local_hour: there.hour, zone, ..event }
}

/// The part of a person's state that must not depend on order, batches or repeats.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) metrics: BTreeMap<Uuid, MetricState>,
    pub(crate) members: BTreeSet<(Uuid, String)>,
    pub(crate) active_days: BTreeSet<LocalDay>,
    pub(crate) streak: Streak,
    pub(crate) day_totals: BTreeMap<(String, NaiveDate), i64>,
    /// By achievement and occurrence: when it was earned. The moment of a derived event is that of the event that caused
    /// it when it arrived, so a person with derived events has no moments here. Neither has a person whose local dates
    /// run backwards in time: another active day between two others can break such a streak.
    pub(crate) entitled: BTreeMap<(String, i64), Option<DateTime<Utc>>>,
    pub(crate) entitled_xp: i64,
}

/// Everyone's digest.
pub(crate) fn digest(catalog: &Catalog, school: &School) -> BTreeMap<Uuid, Digest> {
    school
        .people
        .iter()
        .map(|(id, kept)| {
            let entitlement = entitlement(catalog, &school.whole(*id));
            let mut events = school.events_of(*id);
            events.sort_by_key(Event::key);
            let has_moments = events.iter().all(|event| &*event.source != "plaudit")
                && events.is_sorted_by_key(|event| event.local_date);
            let named = entitlement.awards.iter().map(|key| {
                ((key_of(catalog, key.0), key.1), Some(kept.awards[key].earned_at).filter(|_| has_moments))
            });
            let digest = Digest {
                metrics: kept.metrics.clone(),
                members: kept.members.clone(),
                active_days: kept.active_days.clone(),
                streak: kept.streak.clone(),
                day_totals: kept.day_totals.clone(),
                entitled: named.collect(),
                entitled_xp: entitlement.xp,
            };
            (*id, digest)
        })
        .collect()
}

/// Fails if the stored state differs from the one calculated from events, awards and ledger.
#[track_caller]
pub(crate) fn check(catalog: &Catalog, school: &School) {
    for (id, kept) in &school.people {
        let rebuilt = rebuild(catalog, &school.events_of(*id));
        assert_eq!(kept.metrics, rebuilt.metrics, "metrics");
        assert_eq!(kept.members, rebuilt.members, "members");
        assert_eq!(kept.active_days, rebuilt.active_days, "active days");
        assert_eq!(kept.streak, rebuilt.streak, "streak");
        assert_eq!(kept.day_totals, rebuilt.day_totals, "day totals");
        let counted = kept.awards.values().filter(|award| !award.revoked);
        let bonuses: i64 = counted.map(|award| award.xp_bonus).sum();
        assert_eq!(kept.xp, rebuilt.base_xp + bonuses, "XP is base and bonuses");
        assert_eq!(kept.xp, kept.entries.iter().sum::<i64>(), "XP is the ledger's");
        let entitled = entitlement(catalog, &school.whole(*id)).awards;
        let retired = achievement_id("playground/retired");
        let judged = kept.awards.iter().filter(|((achievement, _), award)| {
            award.cause == Cause::Rule && !award.revoked && *achievement != retired
        });
        let sound: BTreeSet<_> = judged.filter(|(_, award)| !award.flagged).map(|(key, _)| *key).collect();
        assert_eq!(sound, entitled, "awards held and not flagged are the entitlement");
    }
}

/// An achievement's key, without the pack.
pub(crate) fn key_of(catalog: &Catalog, id: Uuid) -> String {
    catalog.achievement(id).unwrap().key.trim_start_matches("playground/").to_owned()
}
