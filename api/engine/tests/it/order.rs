//! Order does not matter: every permutation, split and repeat of the same events and grants results in the same state,
//! which equals the state calculated from all events.

use std::collections::BTreeMap;

use crate::playground::{Digest, PEOPLE, ZONES, catalog, check, digest, event, in_zone, person, school};
use engine::{Catalog, Event, Grant, catalog::achievement_id, memory::School};
use proptest::{prelude::*, sample::Index};
use serde_json::json;
use uuid::Uuid;

/// The values of an event: person, time (in minutes), activity, a number that selects attributes, and the zone, if it is
/// not the person's.
pub(crate) type Seed = (u128, i64, u8, u8, Option<usize>);

pub(crate) fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    let day = prop_oneof![3 => 0..12_i64, 1 => 0..40_i64];
    // Often in the same minute, so that source and id must decide the order.
    let minute = prop_oneof![0..1440_i64, Just(600), Just(1200)];
    let moment = (day, minute).prop_map(|(day, minute)| day * 1440 + minute);
    let activity = prop_oneof![6 => Just(0_u8), 2 => Just(1), 2 => Just(2), 1 => Just(3)];
    let zone = prop_oneof![3 => Just(None), 1 => (0..ZONES.len()).prop_map(Some)];
    prop::collection::vec((0..PEOPLE, moment, activity, any::<u8>(), zone), 1..most)
}

pub(crate) fn events(catalog: &Catalog, seeds: &[Seed]) -> Vec<Event> {
    let make = |(number, (who, minutes, activity, choice, zone)): (usize, &Seed)| {
        let (activity, attributes) = match activity {
            0 => (
                "answered",
                json!({
                    "correct": choice % 4 != 0,
                    "level": if choice % 3 == 0 { json!("A1") } else if choice % 3 == 1 { json!("A2") } else { json!(null) },
                    "points": choice % 51,
                }),
            ),
            1 => ("read", json!({ "lesson": format!("l{}", choice % 5) })),
            2 => ("ran", json!({ "language": format!("l{}", choice % 4), "lines": choice })),
            _ => ("granted", json!({ "amount": u16::from(*choice) + 1 })),
        };
        let event = event(catalog, number, *who, *minutes, activity, attributes);
        zone.map_or(event.clone(), |zone| in_zone(event, ZONES[zone]))
    };
    seeds.iter().enumerate().map(make).collect()
}

/// A badge with 40 XP: the person, and the time in minutes.
type Badge = (u128, i64);

fn give(catalog: &Catalog, school: &mut School, (who, minutes): Badge) {
    // An event at that time knows the moment.
    let at = event(catalog, 0, who, minutes, "read", json!({})).occurred_at;
    let achievement = achievement_id("playground/kindness");
    let (id, person) = (Uuid::nil(), person(who));
    school.grant(catalog, Grant { id, person, achievement, xp_bonus: 40, at, by: None, notes: None });
    check(catalog, school);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_permutation_split_and_repeats_end_in_the_same_state(
        seeds in seeds(90),
        shuffle in any::<u64>(),
        sizes in prop::collection::vec(1..30_usize, 1..20),
        repeats in prop::collection::vec(any::<(Index, Index)>(), 0..20),
        badges in prop::collection::vec((0..PEOPLE, 0..17_280_i64), 0..3),
    ) {
        let catalog = catalog();
        let events = events(&catalog, &seeds);

        let mut in_time = events.clone();
        in_time.sort_by_key(Event::key);
        let mut one_by_one = school();
        // A person has a badge once: the first of two grants counts.
        let badges: BTreeMap<u128, i64> = badges.into_iter().rev().collect();
        for (who, minutes) in &badges {
            give(&catalog, &mut one_by_one, (*who, *minutes));
        }
        for event in &in_time {
            one_by_one.record(&catalog, std::slice::from_ref(event)).unwrap();
            check(&catalog, &one_by_one);
        }
        let expected = digest(&catalog, &one_by_one);

        let mut at_once = school();
        at_once.record(&catalog, &events).unwrap();
        check(&catalog, &at_once);
        for (who, minutes) in &badges {
            give(&catalog, &mut at_once, (*who, *minutes));
        }
        compare(&digest(&catalog, &at_once), &expected, "one batch, in the order they came")?;

        let mut shuffled = permute(&events, shuffle);
        for (from, to) in repeats {
            let event = from.get(&shuffled).clone();
            shuffled.insert(to.index(shuffled.len() + 1), event);
        }
        let mut in_batches = school();
        let mut rest = shuffled.as_slice();
        let mut left = badges.clone();
        for size in sizes.iter().cycle() {
            if let Some(badge) = left.pop_first() {
                give(&catalog, &mut in_batches, badge);
            }
            if rest.is_empty() && left.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at(rest.len().min(*size));
            in_batches.record(&catalog, batch).unwrap();
            check(&catalog, &in_batches);
            rest = after;
        }
        compare(&digest(&catalog, &in_batches), &expected, "shuffled, in batches, with repeats")?;
    }
}

/// Fails with the first person and the part that differs.
pub(crate) fn compare(
    found: &BTreeMap<Uuid, Digest>,
    expected: &BTreeMap<Uuid, Digest>,
    how: &str,
) -> Result<(), TestCaseError> {
    for (person, expected) in expected {
        let found = &found[person];
        prop_assert_eq!(&found.metrics, &expected.metrics, "{}, metrics of {}", how, person);
        prop_assert_eq!(&found.entitled, &expected.entitled, "{}, awards of {}", how, person);
        prop_assert_eq!(found, expected, "{}, {}", how, person);
    }
    Ok(())
}

/// A permutation determined by one number.
pub(crate) fn permute(events: &[Event], mut seed: u64) -> Vec<Event> {
    let mut keyed: Vec<(u64, &Event)> = events
        .iter()
        .map(|event| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 16, event)
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, event)| event.clone()).collect()
}
