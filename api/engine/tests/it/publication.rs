//! A publication equals history replayed: a catalogue that is published after the events ends in the same state as one that
//! was in force from the start. Random catalogues, random histories.

use chrono::{DateTime, Utc};
use engine::{
    Catalog, Event, Pack, Settings,
    memory::{Kept, School},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::order::{compare, events, permute, seeds};
use crate::playground::{PEOPLE, ZONES, check, digest, person};

/// Random numbers of one achievement, used one after another.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    /// A number from 0 to `sides` - 1; 0 after the last one.
    fn roll(&mut self, sides: u8) -> u8 {
        self.0.next().map_or(0, |number| number % sides)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.roll(u8::try_from(of.len()).unwrap()))]
    }

    fn target(&mut self, most: u8) -> u8 {
        1 + self.roll(most)
    }
}

/// Attributes of the playground's activities by which values differ.
const DIFFERS: [(&str, &str); 3] = [("answered", "level"), ("read", "lesson"), ("ran", "language")];

/// Conditions on events of this activity, or none.
fn conditions(dice: &mut Dice<'_>, activity: &str) -> Value {
    match (activity, dice.roll(4)) {
        ("answered", 0) => json!({ "correct": true }),
        ("answered", 1) => json!({ "level": { "in": ["A1", "A2"] }, "points": { "atLeast": 5 } }),
        ("ran", 0) => json!({ "language": "l1" }),
        ("read", 0) => json!({ "lesson": { "in": ["l1", "l2", "l3"] } }),
        _ => json!({}),
    }
}

fn when(dice: &mut Dice<'_>) -> Value {
    match dice.roll(6) {
        0 => json!({ "hour": { "atLeast": 12 } }),
        1 => json!({ "weekday": { "in": ["monday", "sunday", "tuesday"] } }),
        2 => json!({ "date": { "atLeast": "2026-03-03", "atMost": "2026-03-20" } }),
        _ => json!(null),
    }
}

/// A rule on events. The window and the repetition of an achievement are possible with these alone.
fn on_events(dice: &mut Dice<'_>) -> Value {
    let (activity, attribute) = dice.pick(&DIFFERS);
    let (conditions, when) = (conditions(dice, activity), when(dice));
    let with = |mut rule: Value| {
        rule["where"] = conditions.clone();
        rule["when"] = when.clone();
        rule
    };
    match dice.roll(9) {
        0 => json!({ "kind": "count", "activities": ["read", "answered", "ran"], "target": dice.target(12) }),
        1 => json!({ "kind": "count", "activity": "referred", "target": dice.target(2) }),
        2 => with(
            json!({ "kind": "count", "activity": activity, "maxPerDay": dice.target(3), "target": dice.target(8) }),
        ),
        3 => with(
            json!({ "kind": "count", "activity": activity, "maxPerDay": dice.target(3), "oncePerDay": attribute,
                          "target": dice.target(6) }),
        ),
        4 => {
            json!({ "kind": "sum", "activity": "answered", "attribute": "points", "target": 20 + dice.roll(200) })
        }
        5 => with(
            json!({ "kind": "distinct", "activity": activity, "by": attribute, "target": dice.target(4) }),
        ),
        6 => {
            let unit = dice.pick(&["day", "week", "month", "weekend"]);
            with(
                json!({ "kind": "distinct", "activity": activity, "by": { "calendar": unit }, "target": dice.target(3) }),
            )
        }
        7 => json!({ "kind": "each", "activity": "answered", "attribute": "level", "values": ["A1", "A2"],
                     "target": dice.target(3), "when": when }),
        _ => with(json!({ "kind": "count", "activity": activity, "target": dice.target(8) })),
    }
}

fn run(dice: &mut Dice<'_>) -> Value {
    let at_a1 = dice.roll(2) == 0;
    json!({ "kind": "run", "activity": "answered", "where": if at_a1 { json!({ "level": "A1" }) } else { json!({}) },
            "holds": { "correct": true }, "target": dice.target(5) })
}

fn rule(dice: &mut Dice<'_>, depth: u8) -> Value {
    let parts =
        |dice: &mut Dice<'_>| -> Vec<Value> { (0..dice.target(3)).map(|_| rule(dice, depth + 1)).collect() };
    match dice.roll(if depth < 2 { 13 } else { 9 }) {
        0 => json!({ "kind": "xp", "target": 10 + u16::from(dice.roll(250)) * 4 }),
        1 => json!({ "kind": "level", "target": 2 + dice.roll(4) }),
        2 | 3 => json!({ "kind": "streak", "target": dice.target(5) }),
        4 => run(dice),
        5 => json!({ "kind": "awards", "target": dice.target(4) }),
        6 => json!({ "kind": "awards", "category": "plain", "target": dice.target(3) }),
        9 => json!({ "kind": "all", "of": parts(dice) }),
        10 => json!({ "kind": "any", "of": parts(dice) }),
        11 => {
            let of = parts(dice);
            let count = 1 + usize::from(dice.roll(3)) % of.len();
            json!({ "kind": "at_least", "of": of, "count": count })
        }
        12 if depth == 0 => json!({ "kind": "person" }),
        _ => on_events(dice),
    }
}

fn achievement(number: usize, numbers: &[u8]) -> Value {
    let dice = &mut Dice(numbers.iter());
    // Rules on awards ask for at most four achievements, or three of the first category.
    let mut made = json!({
        "name": format!("N{number}"), "requirement": "x", "category": if number < 3 { "plain" } else { dice.pick(&["plain", "tree", "chain"]) },
        "xpBonus": dice.pick(&[0, 0, 5, 40, 130]),
    });
    if dice.roll(12) == 0 {
        made["state"] = dice.pick(&["draft", "retired"]).into();
    }
    if number > 0 && dice.roll(4) == 0 {
        made["prerequisites"] = json!([format!("n{}", usize::from(dice.roll(200)) % number)]);
    }
    match dice.roll(5) {
        0 => {
            made["repeatable"] = true.into();
            made["rule"] = on_events(dice);
        }
        1 => {
            made["window"] = json!({ "from": "2026-03-03T12:00:00Z", "until": "2026-03-08T00:00:00Z" });
            // Referral events have no time of their own, so no window limits them.
            made["rule"] = Some(on_events(dice))
                .filter(|rule| rule["activity"] != "referred")
                .unwrap_or_else(|| run(dice));
        }
        2 if dice.roll(3) == 0 => {
            (made["repeatable"], made["xpBonus"]) = (true.into(), 0.into());
            made["rule"] = json!({ "kind": "xp", "target": 1000 });
        }
        _ => made["rule"] = rule(dice, 0),
    }
    made
}

/// The playground's activities with these achievements. If `counts` is false, reading makes no day active.
fn catalog(achievements: Vec<Value>, has_referrals: bool, counts: bool) -> Result<Catalog, String> {
    let mut pack: Value = serde_json::from_str(include_str!("playground/pack.json")).unwrap();
    pack["activities"][1]["countsForStreak"] = counts.into();
    if !has_referrals {
        pack["activities"].as_array_mut().unwrap().retain(|activity| activity["on"] != "referral");
    }
    pack["achievements"] = achievements.into();
    pack.as_object_mut().unwrap().remove("ranks");
    let told = |problems: Vec<engine::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let pack = Pack::parse("pack.json", &pack.to_string()).map_err(told)?;
    Catalog::compile(&[pack], &Settings::default()).map_err(told)
}

fn school() -> School {
    let mut school = School::default();
    for number in 0..PEOPLE {
        let zone = ZONES[usize::try_from(number).unwrap()];
        school.join(person(number), zone, Some(person(number + PEOPLE - 1)));
    }
    school
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn a_publication_awards_what_its_catalogue_would_have_awarded_from_the_start(
        numbers in prop::collection::vec(prop::collection::vec(any::<u8>(), 24), 4..12),
        seeds in seeds(50),
        shuffle in prop::option::of(any::<u64>()),
        has_referrals in prop::bool::weighted(0.8),
        counts in prop::bool::weighted(0.7),
    ) {
        let made = numbers.iter().enumerate().map(|(number, numbers)| achievement(number, numbers)).collect();
        let catalog = catalog(made, true, true).unwrap();
        let empty = self::catalog(Vec::new(), has_referrals, counts).unwrap();
        let now: DateTime<Utc> = "2026-06-01T00:00:00Z".parse().unwrap();
        let sorted = |catalog: &Catalog| {
            let mut events = events(catalog, &seeds);
            events.sort_by_key(Event::key);
            events
        };

        let mut live = school();
        live.record(&catalog, &sorted(&catalog)).unwrap();
        check(&catalog, &live);

        let mut published = school();
        let in_time = sorted(&empty);
        let arrived = shuffle.map_or_else(|| in_time.clone(), |seed| permute(&in_time, seed));
        for some in arrived.chunks(arrived.len().div_ceil(3)) {
            published.record(&empty, some).unwrap();
        }
        published.publish(&empty, &catalog, now).unwrap();
        check(&catalog, &published);

        compare(&digest(&catalog, &published), &digest(&catalog, &live), "published")?;
        for (person, kept) in &published.people {
            let live = &live.people[person];
            let has_flagged = |kept: &Kept| kept.awards.values().any(|award| award.flagged);
            prop_assert!(!has_flagged(kept), "a publication awards nothing outside the entitlement");
            if !has_flagged(live) {
                prop_assert_eq!((kept.xp, kept.award_count), (live.xp, live.award_count));
                if shuffle.is_none() && has_referrals {
                    prop_assert_eq!(kept.xp_reached_at, live.xp_reached_at);
                    prop_assert_eq!(&kept.awards, &live.awards);
                }
            }
        }
    }
}
