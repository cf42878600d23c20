//! Every kind of rule is met exactly at its target: tables of events, and the events that earn the award.

use engine::{Catalog, Pack, Settings, memory::School};
use serde_json::{Value, json};

use crate::playground::{event, person};

/// A catalogue of the playground's activities and these achievements.
fn catalog(achievements: &[Value]) -> Catalog {
    let mut pack: Value = serde_json::from_str(include_str!("playground/pack.json")).unwrap();
    let achievements = achievements.iter().enumerate().map(|(index, given)| {
        let mut whole = json!({ "name": format!("N{index}"), "requirement": "x", "category": "plain" });
        whole.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        whole
    });
    pack["achievements"] = achievements.collect();
    let pack = Pack::parse("pack.json", &pack.to_string()).unwrap();
    Catalog::compile(&[pack], &Settings::default()).unwrap()
}

/// Sends events (minutes, activity, attributes) of person 2, who lives in Berlin, one by one. Returns the numbers of the
/// events, from 1, that earn an award.
fn earned_after(achievements: &[Value], events: &[(i64, &str, Value)]) -> Vec<(usize, String)> {
    let catalog = catalog(achievements);
    let mut school = School::default();
    school.join(person(2), chrono_tz::Europe::Berlin, None);
    let mut earned = Vec::new();
    for (number, (minutes, activity, attributes)) in events.iter().enumerate() {
        let event = event(&catalog, number, 2, *minutes, activity, attributes.clone());
        let step = school.record(&catalog, &[event]).unwrap();
        for award in step.awards {
            let name = catalog.achievement(award.key.achievement).unwrap().name.clone();
            earned.push((number + 1, name));
        }
    }
    earned
}

#[track_caller]
fn check(rule: Value, events: &[(i64, &str, Value)], expected: &[usize]) {
    let earned = earned_after(&[json!({ "rule": rule })], events);
    let after: Vec<usize> = earned.into_iter().map(|(after, _)| after).collect();
    assert_eq!(after, expected);
}

fn answers(corrects: &[bool]) -> Vec<(i64, &'static str, Value)> {
    (0..).zip(corrects).map(|(minute, correct)| (minute, "answered", json!({ "correct": correct }))).collect()
}

const DAY: i64 = 1440;

#[test]
fn count_counts_events_that_meet_its_conditions() {
    let right = json!({ "kind": "count", "activity": "answered", "where": { "correct": true }, "target": 2 });
    check(right, &answers(&[true, false, false, true, true]), &[4]);
    let points = json!({ "kind": "count", "activity": "answered", "where": { "points": { "atLeast": 5, "atMost": 7 } }, "target": 2 });
    let with = |points: i64| (points, "answered", json!({ "correct": true, "points": points }));
    check(points, &[with(4), with(5), with(8), with(7)], &[4]);
    let listed = json!({ "kind": "count", "activity": "answered", "where": { "level": { "in": ["A2"] } }, "target": 1 });
    let at = |level: Value| (0, "answered", json!({ "correct": true, "level": level }));
    check(listed, &[at(json!(null)), at(json!("A1")), at(json!("A2"))], &[3]);
}

#[test]
fn when_looks_at_the_persons_own_clock() {
    // Berlin is an hour ahead of UTC in March, until the 29th.
    let read = |minutes| (minutes, "read", json!({}));
    let evening =
        json!({ "kind": "count", "activity": "read", "when": { "hour": { "in": [22, 23] } }, "target": 1 });
    check(evening, &[read(20 * 60 + 59), read(23 * 60), read(21 * 60)], &[3]);
    // The 1st of March 2026 is a Sunday.
    let monday = json!({ "kind": "count", "activity": "read", "when": { "weekday": "monday" }, "target": 1 });
    check(monday, &[read(22 * 60 + 59), read(23 * 60)], &[2]);
    let dates = json!({ "kind": "count", "activity": "read", "when": { "date": { "atLeast": "2026-03-03", "atMost": "2026-03-03" } }, "target": 1 });
    check(dates, &[read(DAY), read(3 * DAY), read(2 * DAY)], &[3]);
}

#[test]
fn sum_adds_an_attribute_and_its_default() {
    let sum = json!({ "kind": "sum", "activity": "answered", "attribute": "points", "target": 25 });
    check(sum.clone(), &answers(&[true, true, true]), &[3]);
    check(
        sum,
        &[
            (0, "answered", json!({ "correct": true, "points": 24 })),
            (1, "answered", json!({ "correct": true, "points": 1 })),
        ],
        &[2],
    );
}

#[test]
fn xp_and_levels_are_reached_exactly() {
    let granted = |amount: i64| (amount, "granted", json!({ "amount": amount }));
    check(json!({ "kind": "xp", "target": 100 }), &[granted(99), granted(1)], &[2]);
    check(json!({ "kind": "level", "target": 2 }), &[granted(99), granted(1)], &[2]);
    check(json!({ "kind": "level", "target": 3 }), &[granted(299), granted(1)], &[2]);
}

#[test]
fn a_count_can_be_limited_per_day() {
    let read = |minutes: i64| (minutes, "read", json!({}));
    let two_a_day = json!({ "kind": "count", "activity": "read", "maxPerDay": 2, "target": 4 });
    check(two_a_day, &[read(0), read(1), read(2), read(DAY), read(DAY + 1)], &[5]);
    // Equal values of one day count once; events without a value all count.
    let once = json!({ "kind": "count", "activity": "answered", "maxPerDay": 3, "oncePerDay": "level", "target": 4 });
    let at = |minutes: i64, level: Value| (minutes, "answered", json!({ "correct": true, "level": level }));
    let none = Value::Null;
    let day = [
        at(0, json!("A1")),
        at(1, json!("A1")),
        at(2, none.clone()),
        at(3, none.clone()),
        at(4, json!("A2")),
    ];
    let next = [at(DAY, json!("A1"))];
    check(once, &[&day[..], &next[..]].concat(), &[6]);
}

#[test]
fn a_streak_is_of_local_days_in_a_row() {
    let streak = json!({ "kind": "streak", "target": 3 });
    let read = |minutes| (minutes, "read", json!({}));
    check(streak.clone(), &[read(0), read(DAY), read(3 * DAY), read(4 * DAY), read(5 * DAY)], &[5]);
    // 23:30 UTC is the next day in Berlin.
    check(streak.clone(), &[read(0), read(DAY - 30), read(2 * DAY)], &[3]);
    check(streak.clone(), &[read(0), (DAY, "granted", json!({ "amount": 1 })), read(2 * DAY)], &[]);
    // The missing day is recorded last and joins the days before and after it.
    check(streak, &[read(0), read(2 * DAY), read(DAY)], &[3]);
}

#[test]
fn a_run_is_broken_by_failing_events_and_not_by_unrelated_ones() {
    let run = json!({ "kind": "run", "activity": "answered", "holds": { "correct": true }, "target": 3 });
    check(run, &answers(&[true, true, false, true, true, true]), &[6]);
    let at_a1 = json!({ "kind": "run", "activity": "answered", "where": { "level": "A1" }, "holds": { "correct": true }, "target": 2 });
    let answer = |minute: i64, level: &str, correct: bool| {
        (minute, "answered", json!({ "correct": correct, "level": level }))
    };
    check(at_a1, &[answer(0, "A1", true), answer(1, "A2", false), answer(2, "A1", true)], &[3]);
}

#[test]
fn distinct_tells_values_and_units_of_the_calendar_apart() {
    let languages = json!({ "kind": "distinct", "activity": "ran", "by": "language", "target": 2 });
    let ran = |minute: i64, language: &str| (minute, "ran", json!({ "language": language }));
    check(languages, &[ran(0, "rust"), ran(1, "rust"), ran(2, "c")], &[3]);
    let by = |unit: &str, target: i64| json!({ "kind": "distinct", "activity": "read", "by": { "calendar": unit }, "target": target });
    let read = |day: i64| (day * DAY, "read", json!({}));
    // Day 0 is Sunday the 1st, day 6 a Saturday and day 7 its Sunday; day 31 is the 1st of April.
    check(by("day", 2), &[read(0), (5, "read", json!({})), read(1)], &[3]);
    check(by("week", 2), &[read(1), read(7), read(8)], &[3]);
    check(by("month", 2), &[read(0), read(30), read(31)], &[3]);
    check(by("weekend", 2), &[read(6), read(7), read(8), read(13)], &[4]);
}

#[test]
fn each_wants_the_target_at_every_value() {
    let each = json!({ "kind": "each", "activity": "answered", "attribute": "level", "values": ["A1", "A2"], "target": 2 });
    let at = |minute: i64, level: &str| (minute, "answered", json!({ "correct": true, "level": level }));
    check(each, &[at(0, "A1"), at(1, "A1"), at(2, "A1"), at(3, "A2"), at(4, "A2")], &[5]);
}

#[test]
fn trees_are_met_by_their_parts() {
    let read = json!({ "kind": "count", "activity": "read", "target": 1 });
    let ran = json!({ "kind": "count", "activity": "ran", "target": 1 });
    let answered = json!({ "kind": "count", "activity": "answered", "target": 1 });
    let events = [
        (0, "read", json!({})),
        (1, "ran", json!({ "language": "c" })),
        (2, "answered", json!({ "correct": true })),
    ];
    let parts = [read, ran, answered];
    check(json!({ "kind": "all", "of": parts }), &events, &[3]);
    check(json!({ "kind": "any", "of": parts }), &events, &[1]);
    check(json!({ "kind": "at_least", "count": 2, "of": parts }), &events, &[2]);
}

#[test]
fn a_window_lets_only_its_own_events_count() {
    let windowed = json!({ "window": { "from": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z" },
        "rule": { "kind": "count", "activity": "read", "target": 1 } });
    let read = |minutes| (minutes, "read", json!({}));
    let earned = earned_after(std::slice::from_ref(&windowed), &[read(DAY - 1), read(2 * DAY), read(DAY)]);
    assert_eq!(earned, [(3, "N0".to_owned())]);
    let unset = json!({ "window": { "from": { "setting": "opensOn" } },
        "rule": { "kind": "count", "activity": "read", "target": 1 } });
    assert_eq!(earned_after(&[unset], &[read(0), read(DAY), read(1000 * DAY)]), []);
}

#[test]
fn a_bonus_counts_for_xp_and_awards_rules_in_the_same_step() {
    let first = json!({ "xpBonus": 90, "rule": { "kind": "count", "activity": "answered", "target": 1 } });
    let hundred = json!({ "xpBonus": 200, "rule": { "kind": "xp", "target": 100 } });
    let level = json!({ "rule": { "kind": "level", "target": 3 } });
    let collector = json!({ "rule": { "kind": "awards", "target": 3 } });
    let gated =
        json!({ "prerequisites": ["n3"], "rule": { "kind": "count", "activity": "answered", "target": 1 } });
    let earned = earned_after(&[first, hundred, level, collector, gated], &answers(&[true]));
    let names: Vec<&str> = earned.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["N0", "N1", "N2", "N3", "N4"]);
}

#[test]
fn a_prerequisite_gates_the_award_and_not_the_counting() {
    let first = json!({ "rule": { "kind": "count", "activity": "answered", "target": 2 } });
    let gated =
        json!({ "prerequisites": ["n0"], "rule": { "kind": "count", "activity": "read", "target": 1 } });
    let events = [
        (0, "read", json!({})),
        (1, "answered", json!({ "correct": true })),
        (2, "answered", json!({ "correct": true })),
    ];
    let both = [first, gated];
    assert_eq!(earned_after(&both, &events), [(3, "N0".to_owned()), (3, "N1".to_owned())]);
    let events = [1, 2, 0].map(|index: usize| events[index].clone());
    assert_eq!(earned_after(&both, &events), [(2, "N0".to_owned()), (3, "N1".to_owned())]);
}

#[test]
fn a_repeatable_award_comes_at_every_multiple() {
    let again =
        json!({ "repeatable": true, "rule": { "kind": "count", "activity": "answered", "target": 2 } });
    let after: Vec<usize> =
        earned_after(&[again], &answers(&[true; 7])).into_iter().map(|(after, _)| after).collect();
    assert_eq!(after, [2, 4, 6]);
    let points = json!({ "repeatable": true,
        "rule": { "kind": "sum", "activity": "answered", "attribute": "points", "target": 10 } });
    let earned = earned_after(&[points], &[(0, "answered", json!({ "correct": true, "points": 35 }))]);
    assert_eq!(earned.len(), 3, "one event can bring it several times");
}

#[test]
fn drafts_and_retired_ones_are_not_earned() {
    let rule = json!({ "kind": "count", "activity": "read", "target": 1 });
    let draft = json!({ "state": "draft", "rule": rule });
    let retired = json!({ "state": "retired", "rule": rule });
    assert_eq!(earned_after(&[draft, retired], &[(0, "read", json!({}))]), []);
}

#[test]
fn a_bonus_makes_a_batch_need_the_achievements_on_xp() {
    let bonus = |xp_bonus: i64| json!({ "xpBonus": xp_bonus, "rule": { "kind": "count", "activity": "answered", "target": 1 } });
    for (xp_bonus, needed) in [(100, 2), (0, 1)] {
        let catalog = catalog(&[bonus(xp_bonus), json!({ "rule": { "kind": "xp", "target": 100 } })]);
        // A wrong answer gives no XP.
        let wrong = event(&catalog, 0, 2, 0, "answered", json!({ "correct": false }));
        let needs = engine::needs(&catalog, &[wrong], &std::collections::BTreeMap::new());
        let candidates = engine::candidates(&catalog, &needs, &engine::State::default());
        assert_eq!(candidates.awards.len(), needed, "with a bonus of {xp_bonus}");
    }
}

#[test]
fn a_flagged_award_does_not_count_if_it_is_retired_or_its_pack_is_not_loaded() {
    let row = json!({ "xpBonus": 120, "rule": { "kind": "run", "activity": "answered", "holds": { "correct": true }, "target": 3 } });
    let hundred = json!({ "name": "Hundred", "rule": { "kind": "xp", "target": 100 } });
    let mut gone = row.clone();
    gone["state"] = json!("retired");
    let (whole, less) = (catalog(&[row, hundred.clone()]), catalog(std::slice::from_ref(&hundred)));
    let retired = catalog(&[gone, hundred]);
    let mut school = School::default();
    school.join(person(2), chrono_tz::UTC, None);
    for (number, (minutes, correct)) in
        [(0, true), (10, true), (20, true), (15, false)].into_iter().enumerate()
    {
        let answer = event(&whole, number, 2, minutes, "answered", json!({ "correct": correct }));
        school.record(&whole, &[answer]).unwrap();
    }
    let state = school.whole(person(2));
    assert_eq!((state.xp, state.awards.values().filter(|award| award.flagged).count()), (150, 2));
    assert_eq!(engine::entitlement(&less, &state).xp, 30);
    assert_eq!(engine::misjudged(&less, &state), std::collections::BTreeMap::new(), "both stay flagged");
    assert_eq!(engine::entitlement(&retired, &state).xp, 30);
}

#[test]
fn a_late_event_keeps_the_moment_of_a_streak_whose_pack_is_not_loaded() {
    let two_days = json!({ "rule": { "kind": "streak", "target": 2 } });
    let before = catalog(std::slice::from_ref(&two_days));
    let mut pack: Value = serde_json::from_str(include_str!("playground/pack.json")).unwrap();
    let others = |activity: &Value| activity["key"] != "answered" && activity["key"] != "referred";
    pack["activities"].as_array_mut().unwrap().retain(others);
    pack["achievements"] = json!([{ "name": "N0", "requirement": "x", "category": "plain" }]);
    pack["achievements"][0].as_object_mut().unwrap().extend(two_days.as_object().unwrap().clone());
    let pack = Pack::parse("pack.json", &pack.to_string()).unwrap();
    let after = Catalog::compile(&[pack], &Settings::default()).unwrap();
    let mut school = School::default();
    school.join(person(2), chrono_tz::UTC, None);
    let day = 1_440;
    for (number, minutes) in [60, day + 60].into_iter().enumerate() {
        // A wrong answer gives no XP.
        let wrong = event(&before, number, 2, minutes, "answered", json!({ "correct": false }));
        school.record(&before, &[wrong]).unwrap();
    }
    let earned = |school: &School| -> Vec<_> {
        school.people[&person(2)].awards.values().map(|award| award.earned_at).collect()
    };
    let moments = earned(&school);
    assert_eq!(moments.len(), 1);
    for (number, minutes) in [20 * day, 21 * day, 120].into_iter().enumerate() {
        let read = event(&after, 2 + number, 2, minutes, "read", json!({}));
        school.record(&after, &[read]).unwrap();
    }
    assert_eq!(earned(&school), moments);
}

#[test]
fn an_event_before_a_badge_is_dated_without_the_badges_xp() {
    let hundred = json!({ "name": "Hundred", "rule": { "kind": "xp", "target": 100 } });
    let badge = json!({ "name": "Kind", "xpBonus": 40, "rule": { "kind": "person" } });
    let catalog = catalog(&[hundred, badge]);
    let mut school = School::default();
    school.join(person(2), chrono_tz::UTC, None);
    let granted = |number, minutes, amount: i64| {
        event(&catalog, number, 2, minutes, "granted", json!({ "amount": amount }))
    };
    let (first, second) = (granted(0, 10, 30), granted(1, 500, 40));
    let at = granted(2, 1_000, 1).occurred_at;
    school.record(&catalog, &[first]).unwrap();
    let achievement = engine::catalog::achievement_id("playground/kind");
    let id = uuid::Uuid::nil();
    let grant = engine::Grant { id, person: person(2), achievement, xp_bonus: 40, at, by: None, notes: None };
    school.grant(&catalog, grant);
    // It happened before the badge and after the last event: 30, 70, and with the badge 110.
    school.record(&catalog, &[second]).unwrap();
    let hundred = (engine::catalog::achievement_id("playground/hundred"), 1);
    assert_eq!(school.people[&person(2)].awards[&hundred].earned_at, at);
    // 110 without the badge.
    let third = granted(3, 700, 40);
    school.record(&catalog, std::slice::from_ref(&third)).unwrap();
    assert_eq!(school.people[&person(2)].awards[&hundred].earned_at, third.occurred_at);
}
