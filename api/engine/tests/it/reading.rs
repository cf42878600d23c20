//! Displayed values: progress, ranks, levels, streaks; and the attributes of events.

use std::collections::BTreeMap;

use engine::{Catalog, Event, LocalDay, progress, summary};
use serde_json::{Value, json};

use crate::playground::{catalog, event, person, school};

const DAY: i64 = 1440;

fn shown(catalog: &Catalog, events: &[Event], today: &str) -> BTreeMap<String, (i64, i64, f64)> {
    let mut school = school();
    school.record(catalog, events).unwrap();
    let state = school.whole(person(2));
    let today = LocalDay { date: today.parse().unwrap(), zone: state.zone };
    catalog
        .achievements()
        .iter()
        .map(|achievement| {
            let shown = progress(catalog, achievement, &state, today);
            let key = achievement.key.trim_start_matches("playground/").to_owned();
            (key, (shown.current, shown.target, shown.percent))
        })
        .collect()
}

fn answers(catalog: &Catalog, answers: &[(i64, bool, Value)]) -> Vec<Event> {
    let make = |(number, (minutes, correct, level)): (usize, &(i64, bool, Value))| {
        let attributes = json!({ "correct": correct, "level": level, "points": 5 });
        event(catalog, number, 2, *minutes, "answered", attributes)
    };
    answers.iter().enumerate().map(make).collect()
}

#[test]
fn progress_shows_the_current_value_and_the_target() {
    let catalog = catalog();
    let events = answers(
        &catalog,
        &[
            (0, true, json!("A1")),
            (1, true, json!("A1")),
            (2, true, json!("A1")),
            (3, false, json!("A2")),
            (DAY, true, json!(null)),
        ],
    );
    let shown = shown(&catalog, &events, "2026-03-02");
    assert_eq!(shown["right"], (4, 5, 80.0));
    assert_eq!(shown["points"], (25, 100, 25.0));
    assert_eq!(shown["row"], (1, 3, 33.33), "a run shows its current length");
    assert_eq!(shown["four-days"], (2, 4, 50.0));
    assert_eq!(shown["both-levels"], (3, 4, 75.0), "min(3, 2) and 1 of 2 and 2");
    assert_eq!(shown["again"], (5, 6, 83.33), "the next time");
    assert_eq!(shown["first"], (5, 1, 100.0), "percent stops at 100");
    assert_eq!(shown["all-of-it"], (2, 3, 66.67), "parts met: the longest run and the streak");
    assert_eq!(shown["any-of-it"].1, 500, "the part that is nearest");
    assert_eq!(shown["kindness"], (0, 1, 0.0));
}

#[test]
fn a_streak_continues_until_a_whole_day_is_missed() {
    let catalog = catalog();
    let events = answers(&catalog, &[(0, true, json!(null)), (DAY, true, json!(null))]);
    for (today, current) in [("2026-03-02", 2), ("2026-03-03", 2), ("2026-03-04", 0)] {
        assert_eq!(shown(&catalog, &events, today)["four-days"].0, current, "on {today}");
    }
}

#[test]
fn ranks_show_the_current_rank_and_the_missing_achievements() {
    let catalog = catalog();
    let pack = catalog.pack("playground").unwrap();
    let told = |held| {
        let summary = summary(pack, held);
        (summary.current_rank, summary.next_rank, summary.remaining)
    };
    assert_eq!(told(0), (Some("New"), Some("Known"), Some(4)));
    assert_eq!(told(3), (Some("New"), Some("Known"), Some(1)));
    assert_eq!(told(4), (Some("Known"), None, None));
}

#[test]
fn attributes_are_parsed_with_their_defaults() {
    let catalog = catalog();
    let answered = catalog.activity("answered").unwrap();
    let parsed =
        catalog.parse_attributes(answered, Some(&json!({ "correct": true, "level": null }))).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), json!({ "correct": true, "points": 10 }));
    let read = catalog.activity("read").unwrap();
    assert!(catalog.parse_attributes(read, None).unwrap().is_empty());
}

#[test]
fn invalid_attributes_are_reported_by_name() {
    let catalog = catalog();
    let answered = catalog.activity("answered").unwrap();
    for (given, path, message) in [
        (json!({}), "correct", "`correct` is required: true or false"),
        (json!({ "correct": "yes" }), "correct", "`correct` must be true or false, not text"),
        (
            json!({ "correct": true, "levle": "A1" }),
            "levle",
            "`answered` has no attribute `levle`; did you mean `level`?",
        ),
        (
            json!({ "correct": true, "level": "A9" }),
            "level",
            "`level` must be one of A1, A2; did you mean `A1`?",
        ),
        (
            json!({ "correct": true, "points": 51 }),
            "points",
            "`points` must be a whole number from 0 to 50, not 51",
        ),
        (
            json!({ "correct": true, "points": 1.5 }),
            "points",
            "`points` must be a whole number from 0 to 50, not 1.5",
        ),
        (
            json!({ "correct": true, "points": u64::MAX }),
            "points",
            "`points` must be a whole number from 0 to 50, not 18446744073709551615",
        ),
    ] {
        let problems = catalog.parse_attributes(answered, Some(&given)).unwrap_err();
        let found: Vec<(&str, &str)> =
            problems.iter().map(|problem| (problem.path[0].as_str(), problem.message.as_str())).collect();
        assert_eq!(found, [(path, message)]);
    }
    let read = catalog.activity("read").unwrap();
    let nul = catalog.parse_attributes(read, Some(&json!({ "lesson": "a\u{0}b" }))).unwrap_err();
    assert_eq!(nul[0].message, "`lesson` must not contain control characters such as NUL or line breaks");
    let long = catalog.parse_attributes(read, Some(&json!({ "lesson": "é".repeat(201) }))).unwrap_err();
    assert_eq!(long[0].message, "`lesson` must be text of at most 200 characters; this has 201");
    assert!(catalog.parse_attributes(read, Some(&json!({ "lesson": "é".repeat(200) }))).is_ok());
    let list = catalog.parse_attributes(read, Some(&json!([1]))).unwrap_err();
    assert_eq!(list[0].path, Vec::<String>::new());
}

#[test]
fn equal_requirements_share_one_metric() {
    let catalog = catalog();
    let metrics = |key: &str| {
        let achievement = catalog.achievement_by_key(&format!("playground/{key}")).unwrap();
        catalog.metrics_of(achievement)
    };
    assert_eq!(metrics("row")[0], metrics("all-of-it")[0]);
    assert_eq!(metrics("first"), metrics("again"));
    assert_ne!(metrics("first"), metrics("right"));
    let unique: std::collections::BTreeSet<_> = catalog.metrics().iter().map(|metric| metric.id()).collect();
    assert_eq!(unique.len(), catalog.metrics().len());
}

#[test]
fn ids_are_the_same_for_ever() {
    let catalog = catalog();
    let first = catalog.achievement_by_key("playground/first").unwrap();
    assert_eq!(first.id.to_string(), "90812ab7-7f99-5c69-b816-0e23ac103af5");
    assert_eq!(catalog.metrics_of(first)[0].to_string(), "f1ffdb26-3aba-51e2-9d70-9b78f572a6c2");
}
