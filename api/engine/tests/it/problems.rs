//! The problems of a pack are reported with their paths and remedies, all at once.

use engine::{Catalog, Pack, Problem, Settings};
use serde_json::{Value, json};

/// A valid pack with one achievement that has these fields.
fn pack(achievement: Value) -> Value {
    let mut whole = json!({ "name": "First Steps", "requirement": "Do it", "category": "plain" });
    whole.as_object_mut().unwrap().extend(achievement.as_object().unwrap().clone());
    json!({
        "pack": "school", "name": "School",
        "settings": { "opensOn": { "type": "date", "description": "When it opens." } },
        "categories": [{ "key": "plain", "name": "Plain" }],
        "activities": [
            { "key": "answered", "attributes": {
                "correct": { "type": "bool", "required": true },
                "level": { "type": "string", "oneOf": ["A1", "A2"] },
                "points": { "type": "int", "min": 0, "max": 100 },
                "delta": { "type": "int" } } },
            { "key": "referred", "on": "referral", "countsForStreak": false,
              "derive": { "activity": "answered", "target": 10 } }
        ],
        "achievements": [whole]
    })
}

fn problems_of(packs: &[Value], settings: &[(&str, &str)]) -> Vec<Problem> {
    let packs: Result<Vec<Pack>, _> =
        packs.iter().map(|pack| Pack::parse("school.json", &pack.to_string())).collect();
    let mut set = Settings::default();
    for (key, value) in settings {
        set.set("school", key, value);
    }
    match packs {
        Ok(packs) => Catalog::compile(&packs, &set).err().unwrap_or_default(),
        Err(problems) => problems,
    }
}

/// The paths and remedies of all problems with one achievement.
#[track_caller]
fn expect(achievement: Value, expected: &[(&str, &str)]) {
    let problems = problems_of(&[pack(achievement)], &[]);
    let found: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.path.as_str(), problem.remedy.as_str())).collect();
    let expected: Vec<(String, &str)> =
        expected.iter().map(|(path, remedy)| (format!("achievements[0]{path}"), *remedy)).collect();
    let expected: Vec<(&str, &str)> =
        expected.iter().map(|(path, remedy)| (path.as_str(), *remedy)).collect();
    assert_eq!(found, expected, "{problems:#?}");
}

fn count(extra: Value) -> Value {
    let mut rule = json!({ "kind": "count", "activity": "answered", "target": 1 });
    rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({ "rule": rule })
}

#[test]
fn a_pack_without_a_fault_has_no_problems() {
    expect(count(json!({})), &[]);
}

#[test]
fn unknown_names_are_reported_with_the_most_similar_known_one() {
    expect(count(json!({ "activity": "answerd" })), &[(".rule.activity", "did you mean `answered`?")]);
    expect(
        count(json!({ "where": { "corect": true } })),
        &[(".rule.where.corect", "did you mean `correct`?")],
    );
    expect(
        json!({ "category": "plane", "rule": { "kind": "xp", "target": 1 } }),
        &[(".category", "did you mean `plain`?")],
    );
    expect(
        json!({ "prerequisites": ["first-stepz"], "rule": { "kind": "xp", "target": 1 } }),
        &[(".prerequisites[0]", "did you mean `school/first-steps`?")],
    );
    expect(
        json!({ "window": { "from": { "setting": "openOn" } }, "rule": count(json!({}))["rule"] }),
        &[(".window.from", "did you mean `opensOn`?")],
    );
    expect(
        json!({ "rule": { "kind": "awards", "target": 1, "pack": "scool" } }),
        &[(".rule.pack", "did you mean `school`?")],
    );
}

#[test]
fn conditions_must_fit_their_attributes() {
    let value = "choose a value it may have";
    expect(count(json!({ "where": { "correct": "yes" } })), &[(".rule.where.correct", value)]);
    expect(count(json!({ "where": { "level": "A3" } })), &[(".rule.where.level", value)]);
    expect(count(json!({ "where": { "level": { "in": ["A1", "B9"] } } })), &[(".rule.where.level", value)]);
    expect(count(json!({ "where": { "points": 101 } })), &[(".rule.where.points", value)]);
    expect(
        count(json!({ "where": { "level": { "atLeast": "A1" } } })),
        &[(".rule.where.level", r#"use a value, or {"in": […]}"#)],
    );
    expect(
        count(json!({ "where": { "points": { "atLeast": 9, "atMost": 3 } } })),
        &[(".rule.where.points", "swap them")],
    );
    expect(count(json!({ "when": { "hour": 24 } })), &[(".rule.when.hour", "choose from 0 to 23")]);
    expect(
        count(json!({ "when": { "weekday": "mondy" } })),
        &[(".rule.when.weekday", "did you mean `monday`?")],
    );
    expect(
        count(json!({ "when": { "date": "31.1.2026" } })),
        &[(".rule.when.date", "write it as 2026-01-31")],
    );
}

#[test]
fn numbers_must_make_sense() {
    expect(count(json!({ "target": 0 })), &[(".rule.target", "choose from 1 to 2147483647")]);
    expect(
        json!({ "xpBonus": -1, "rule": { "kind": "level", "target": 100_000 } }),
        &[(".xpBonus", "choose from 0 to 1000000"), (".rule.target", "choose a lower level")],
    );
    expect(
        json!({ "rule": { "kind": "sum", "activity": "answered", "attribute": "delta", "target": 5 } }),
        &[(".rule.attribute", r#"declare it as {"type": "int", "min": 0}"#)],
    );
    expect(
        json!({ "rule": { "kind": "at_least", "count": 3, "of": [{ "kind": "xp", "target": 1 }] } }),
        &[(".rule.count", "choose from 1 to 1")],
    );
}

#[test]
fn a_window_needs_a_rule_on_events() {
    let window = json!({ "from": "2026-01-01T00:00:00Z" });
    for kind in ["xp", "level", "streak", "awards"] {
        expect(
            json!({ "window": window, "rule": { "kind": kind, "target": 1 } }),
            &[(".rule", "leave the window out, or count events")],
        );
    }
    expect(
        json!({ "window": { "from": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z" }, "rule": count(json!({}))["rule"] }),
        &[(".window", "make `until` later than `from`")],
    );
}

#[test]
fn a_derived_event_must_not_depend_on_its_time() {
    let remedy = "count such events without conditions on time";
    expect(count(json!({ "activity": "referred", "when": { "hour": 3 } })), &[(".rule", remedy)]);
    expect(
        json!({ "rule": { "kind": "distinct", "activity": "referred", "by": { "calendar": "day" }, "target": 1 } }),
        &[(".rule", remedy)],
    );
    expect(
        json!({ "window": { "until": "2026-01-01T00:00:00Z" }, "rule": count(json!({ "activity": "referred" }))["rule"] }),
        &[(".rule", remedy)],
    );
}

#[test]
fn a_limit_per_day_must_make_sense() {
    expect(count(json!({ "maxPerDay": 20, "oncePerDay": "points" })), &[]);
    for wrong in [0, 21] {
        expect(count(json!({ "maxPerDay": wrong })), &[(".rule.maxPerDay", "choose from 1 to 20")]);
    }
    expect(
        count(json!({ "oncePerDay": "points" })),
        &[(".rule.oncePerDay", "give both, or only `maxPerDay`")],
    );
    expect(
        count(json!({ "maxPerDay": 2, "oncePerDay": "point" })),
        &[(".rule.oncePerDay", "did you mean `points`?")],
    );
    let remedy = "count such events without conditions on time";
    expect(count(json!({ "activity": "referred", "maxPerDay": 2 })), &[(".rule", remedy)]);
}

#[test]
fn only_slowly_growing_rules_can_be_repeatable() {
    expect(
        json!({ "repeatable": true, "rule": { "kind": "streak", "target": 3 } }),
        &[(".rule", "use count, sum, distinct, each or xp, or leave out `repeatable`")],
    );
    expect(
        json!({ "repeatable": true, "xpBonus": 5, "rule": { "kind": "xp", "target": 1000 } }),
        &[(".xpBonus", "a repeatable achievement on XP has no bonus")],
    );
    expect(
        json!({ "repeatable": true, "rule": { "kind": "sum", "activity": "answered", "attribute": "points", "target": 9 } }),
        &[(".rule", "raise the target, or lower the max of `points`")],
    );
}

#[test]
fn a_person_rule_cannot_be_combined_with_others() {
    expect(json!({ "rule": { "kind": "person" } }), &[]);
    expect(
        json!({ "rule": { "kind": "any", "of": [{ "kind": "person" }] } }),
        &[(".rule.of[0]", "make it an achievement of its own, and a prerequisite of this one")],
    );
}

#[test]
fn achievements_that_wait_for_themselves_are_refused() {
    let mut circle = pack(json!({ "prerequisites": ["second"], "rule": { "kind": "xp", "target": 1 } }));
    let second = json!({ "name": "Second", "requirement": "x", "category": "plain", "prerequisites": ["first-steps"],
        "rule": { "kind": "xp", "target": 1 } });
    circle["achievements"].as_array_mut().unwrap().push(second);
    let paths: Vec<String> = problems_of(&[circle], &[]).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["achievements[0].prerequisites", "achievements[1].prerequisites"]);
}

#[test]
fn packs_together_must_not_disagree() {
    let one = pack(count(json!({})));
    let mut other = one.clone();
    other["pack"] = json!("other");
    other["levels"] = json!({ "step": 70 });
    let mut first = one.clone();
    first["levels"] = json!({ "step": 50 });
    let problems = problems_of(&[first, other], &[]);
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["levels.step", "activities[0].key", "activities[1].key"]);
}

#[test]
fn an_action_belongs_to_one_activity_and_referrals_to_each_that_derives_from_them() {
    let one = pack(count(json!({})));
    let mut other = one.clone();
    other["pack"] = json!("other");
    other["activities"][0]["key"] = json!("replied");
    other["activities"][1]["key"] = json!("brought");
    other["activities"][1]["derive"]["activity"] = json!("replied");
    assert_eq!(problems_of(&[one.clone(), other.clone()], &[]), []);
    let (mut first, mut second) = (one, other);
    for pack in [&mut first, &mut second] {
        pack["activities"][0]["attributes"]["correct"]["required"] = false.into();
    }
    first["activities"][0]["on"] = json!("lesson");
    second["activities"][0]["on"] = json!("comment");
    assert_eq!(problems_of(&[first.clone(), second.clone()], &[]), []);
    second["activities"][0]["on"] = json!("lesson");
    let problems: Vec<String> = problems_of(&[first, second], &[]).iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["school.json: activities[0].on: `answered` of `school` belongs to the same action; \
             remove `on`, and count `answered` in the rules"]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let mut broken = pack(count(json!({ "target": 0, "activity": "nothing" })));
    broken["pack"] = json!("My School");
    broken["ranks"] = json!([{ "name": "A", "awards": 1 }, { "name": "B", "awards": 1 }]);
    broken["activities"][0]["xp"] = json!({ "amount": 1, "attribute": "points" });
    let problems = problems_of(&[broken], &[]);
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        ["pack", "activities[0].xp", "ranks[0].awards", "ranks[1].awards", "achievements[0].rule.activity"]
    );
    assert_eq!(
        problems[0].to_string(),
        "school.json: pack: `My School` is not in kebab-case; write `my-school`"
    );
}

#[test]
fn an_invalid_date_setting_is_reported_by_its_variable() {
    let problems = problems_of(&[pack(count(json!({})))], &[("opensOn", "soon")]);
    assert_eq!(problems[0].path, "PLAUDIT_SCHOOL_OPENS_ON");
    assert_eq!(problems[0].remedy, "write it as 2026-01-31");
}

#[test]
fn parse_errors_name_their_place() {
    let mut unknown = pack(count(json!({})));
    unknown["activities"][0]["dailycap"] = json!(5);
    let problems = problems_of(&[unknown], &[]);
    assert_eq!(problems[0].path, "activities[0].dailycap");
    assert_eq!(problems[0].remedy, "did you mean `dailyCap`?");
    let problems = problems_of(&[pack(json!({ "rule": { "kind": "counts", "target": 1 } }))], &[]);
    assert_eq!(problems[0].path, "achievements[0].rule.kind");
    assert_eq!(problems[0].remedy, "did you mean `count`?");
    let problems = problems_of(&[pack(count(json!({ "where": { "points": 1.5 } })))], &[]);
    assert!(problems[0].message.contains("a whole number"), "{}", problems[0].message);
}

#[test]
fn an_action_can_record_every_activity_that_belongs_to_it() {
    let told = |attributes: Value, on: &str| {
        let mut one = pack(count(json!({})));
        one["activities"][0]["attributes"] = attributes;
        one["activities"][0]["on"] = on.into();
        one["achievements"] = json!([]);
        one["activities"].as_array_mut().unwrap().truncate(1);
        let problems = problems_of(&[one], &[]).into_iter();
        problems.map(|problem| format!("{}: {}", problem.path, problem.message)).collect::<Vec<_>>()
    };
    let id = json!({ "type": "string", "required": true });
    assert_eq!(told(json!({ "lesson": id, "course": id }), "lesson"), Vec::<String>::new());
    assert_eq!(told(json!({ "lesson": id, "course": id, "text": id }), "comment"), Vec::<String>::new());
    for (attributes, on, expected) in [
        (
            json!({ "house": id }),
            "joined",
            "house.required: the action has no `house`, so its events cannot have one",
        ),
        (
            json!({ "text": id }),
            "lesson",
            "text.required: the action has no `text`, so its events cannot have one",
        ),
        (
            json!({ "lesson": { "type": "int" } }),
            "lesson",
            "lesson: `lesson` of this action is an id of 36 characters",
        ),
        (
            json!({ "course": { "type": "string", "oneOf": ["rust"] } }),
            "enroll",
            "course: `course` of this action is an id of 36 characters",
        ),
        (
            json!({ "course": { "type": "string", "maxLength": 35 } }),
            "enroll",
            "course: `course` of this action is an id of 36 characters",
        ),
    ] {
        assert_eq!(told(attributes, on), [format!("activities[0].attributes.{expected}")]);
    }
    let mut derived = pack(count(json!({})));
    derived["activities"][1]["key"] = "joined".into();
    let problems = problems_of(&[derived], &[]);
    assert!(problems.iter().any(|problem| problem.path == "activities[1].key"), "{problems:?}");
}
