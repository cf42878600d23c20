//! The exact costs of documents. The table of prices has every list of the schema.

use async_graphql::Variables;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, FieldDefinition, TypeKind, TypeSystemDefinition};
use serde_json::{Value, json};

use super::{Cost, price};
use crate::config::Limits;
use crate::graphql::guard::{Rejection, admit};
use crate::graphql::price::{MOST_CATALOG, Rows};

fn cost(document: &str, variables: Value) -> Cost {
    let limits = Limits { complexity: usize::MAX, ..Limits::default() };
    let admitted = admit(document, None, &Variables::from_json(variables), false, &limits);
    admitted.unwrap_or_else(|rejection| panic!("{document}: {rejection:?}")).cost
}

#[track_caller]
fn check(document: &str, variables: Value, units: u64) {
    assert_eq!(cost(document, variables).units, units, "{document}");
}

/// The fields of all objects, as (type, field).
fn fields() -> Vec<(String, FieldDefinition)> {
    let definitions = parse_schema(crate::graphql::schema::sdl()).unwrap().definitions;
    let mut fields = Vec::new();
    for definition in definitions {
        let TypeSystemDefinition::Type(one) = definition else { continue };
        let TypeKind::Object(object) = one.node.kind else { continue };
        let of = object.fields.into_iter().map(|field| (one.node.name.node.to_string(), field.node));
        fields.extend(of);
    }
    fields
}

#[test]
fn no_list_of_the_schema_is_priced_below_its_maximum() {
    let mut lists = 0;
    for (parent, field) in fields() {
        let name = field.name.node.as_str();
        let kind = &field.ty.node.base;
        let is_page = matches!(kind, BaseType::Named(kind) if kind.ends_with("Connection"));
        let is_list = matches!(kind, BaseType::List(_));
        if !is_page && !is_list {
            continue;
        }
        lists += 1;
        let rows = price::of(&parent, name).rows;
        let shown = format!("{parent}.{name}: {rows:?}");
        let argument = |name: &str| field.arguments.iter().find(|argument| argument.node.name.node == *name);
        match (parent.as_str(), name) {
            // A path of a few words, without subfields.
            ("UserError", "field") => continue,
            // The mutation counts these rows, because it has the length of the input.
            ("RecordEventsPayload" | "AwardBadgesPayload", "results") => {
                let mutation = if parent.starts_with("Record") { "recordEvents" } else { "awardBadges" };
                assert!(matches!(price::of("Mutation", mutation).rows, Rows::Sent { .. }), "{shown}");
            }
            // The catalogue counts these rows, because its page counts achievements.
            ("Category", "achievements") => {
                let catalog = price::of("Query", "catalog").rows;
                assert!(matches!(catalog, Rows::Page { most: MOST_CATALOG, .. }), "{shown}");
                assert_eq!(price::of("Catalog", "categories").rows, Rows::OfPage, "{shown}");
            }
            ("Catalog", "categories") => assert_eq!(rows, Rows::OfPage),
            (parent, "edges" | "nodes") if parent.ends_with("Connection") => {
                assert_eq!(rows, Rows::OfPage, "{shown}");
            }
            _ => match rows {
                Rows::Page { usual, most } | Rows::First { usual, most } => {
                    assert_eq!(is_page, matches!(rows, Rows::Page { .. }), "{shown}");
                    let first = &argument("first").unwrap_or_else(|| panic!("{shown}: no `first`")).node;
                    let default = first.default_value.as_ref().map(|value| value.node.to_string());
                    assert_eq!(default, Some(usual.to_string()), "{shown}");
                    let words = first.description.as_ref().map_or("", |text| text.node.as_str());
                    assert!(words.contains(&format!("0 to {most}.")), "{shown}: {words}");
                }
                Rows::AtMost(most) => {
                    assert!(most > 1 && argument("first").is_none(), "{shown}");
                    assert!(!is_page, "{shown}");
                }
                Rows::One | Rows::OfPage | Rows::Sent { .. } => panic!("a list without a price: {shown}"),
            },
        }
    }
    assert!(lists > 60, "{lists} lists: the walk has lost its way");
}

#[test]
fn the_table_names_no_field_that_does_not_exist() {
    let fields = fields();
    let exists = |parent: &str, field: &str| {
        fields.iter().any(|(of, one)| of == parent && one.name.node.as_str() == field)
    };
    for (parent, field) in [
        ("Query", "catalog"),
        ("Query", "inProgress"),
        ("Course", "lessons"),
        ("User", "children"),
        ("StudentAchievements", "badges"),
        ("Leaderboard", "standing"),
        ("Achievement", "earnedCount"),
        ("Certificate", "additionalMetadata"),
        ("Mutation", "exportPerson"),
        ("Mutation", "recordEvents"),
        ("Subscription", "achievementEarned"),
    ] {
        assert!(exists(parent, field), "{parent}.{field}");
        assert_ne!(price::of(parent, field), price::of("User", "displayName"), "{parent}.{field}");
    }
}

#[test]
fn rows_are_counted_by_the_arguments_literal_given_or_omitted() {
    check("{ me { id } }", json!({}), 3 + 1 + 1);
    check("{ me { earned(first: 7) { nodes { id } } } }", json!({}), 3 + 1 + 1 + 1 + 7);
    check("{ earned { nodes { id xpBonus } } }", json!({}), 3 + 1 + 20 * 2);
    check("{ earned(last: 7) { nodes { id } } }", json!({}), 3 + 1 + 7);
    check("{ earned(first: 0) { nodes { id } } }", json!({}), 3 + 1 + 1);
    // A number above the maximum costs the maximum. Execution refuses it.
    check("{ earned(first: 1000) { nodes { id } } }", json!({}), 3 + 1 + 100);
    let paged = "query($n: Int) { earned(first: $n) { nodes { id } edges { cursor } totalCount } }";
    check(paged, json!({"n": 7}), 3 + 1 + 7 + 7 + 2 + 1);
    check(paged, json!({"n": null}), 3 + 1 + 20 + 20 + 2 + 1);
    check(paged, json!({}), 3 + 1 + 20 + 20 + 2 + 1);
    check("query($n: Int = 7) { earned(first: $n) { nodes { id } } }", json!({}), 3 + 1 + 7);
    let nested = "{ courses(first: 2) { nodes { lessons { id } students(first: 5) { nodes { id } } } } }";
    check(nested, json!({}), 3 + 1 + 2 * ((1 + 100) + (20 + 1 + 5)));
    check("{ catalog { categories { achievements { key } } } }", json!({}), 3 + 1 + 200 * (1 + 1));
    check("{ catalog(first: 5) { totalCount categories { key } } }", json!({}), 3 + 1 + 1 + 5);
}

#[test]
fn fragments_cost_what_they_hold_wherever_they_are_spread() {
    check("{ me { ...a ...a } } fragment a on User { id xp }", json!({}), 3 + 1 + 4);
    check(
        "{ earned(first: 7) { ...a } } fragment a on AwardConnection { nodes { id } }",
        json!({}),
        3 + 1 + 7,
    );
    check(
        "{ node(id: \"\") { id ... on User { xp } ... on Course { lessons { id } } } }",
        json!({}),
        3 + 1 + 1 + 1 + 101,
    );
    // An invalid document also has a cost, and the computation does not fail.
    check("{ nothing { at { all } } ...missing }", json!({}), 3);
}

#[test]
fn what_searches_counts_or_writes_costs_more() {
    check("{ people(first: 1) { totalCount } }", json!({}), 100 + 3 + 1);
    check("{ people(first: 1) { a: totalCount b: totalCount } }", json!({}), 100 + 6 + 1);
    check(
        "{ courses(first: 2) { totalCount nodes { students(first: 1) { ...a } } } } fragment a on UserConnection { totalCount }",
        json!({}),
        3 + 101 + 1 + 2 * (20 + 3 + 1),
    );
    check("{ people(first: 1, search: \"a\") { nodes { id } } }", json!({}), 100 + 200 + 1 + 1);
    check(
        "{ people(first: 1, search: \"a\", role: ADMIN) { nodes { id } } }",
        json!({}),
        100 + 1_000 + 1 + 1,
    );
    check(
        "query($s: String) { people(first: 1, search: $s) { nodes { id } } }",
        json!({"s": null}),
        100 + 1 + 1,
    );
    check("{ leaderboard { totalCount } }", json!({}), 1 + 101);
    check("{ leaderboard(achievement: \"a\") { standing { rank } } }", json!({}), 1 + (101 + 800) + 1);
    let both = "{ leaderboard(achievement: \"a\") { metric totalCount a: standings { nodes { rank } } } }";
    check(both, json!({}), 1 + 1 + (101 + 800) + (101 + 800) + 20);
    check("mutation { exportPerson(input: {userId: \"\"}) { export } }", json!({}), 1_000 + 1 + 1);
    check("mutation { erasePerson(input: {userId: \"\"}) { userErrors { code } } }", json!({}), 200 + 1 + 5);
    check("{ certificates(first: 10) { nodes { additionalMetadata } } }", json!({}), 3 + 1 + 10 * 11);
    check("{ certificates(first: 10) { totalCount } }", json!({}), 3 + 1 + 101);
}

#[test]
fn lists_and_counts_within_a_reach_cost_teachers_more() {
    let cost = |document: &str, is_teacher: bool| {
        let limits = Limits { complexity: usize::MAX, ..Limits::default() };
        admit(document, None, &Variables::default(), is_teacher, &limits).unwrap().cost.units
    };
    for (document, other, teacher) in [
        ("{ people(first: 1) { totalCount } }", 100 + 3 + 1, 400 + 2_001 + 1),
        ("{ people(first: 1) { a: totalCount b: totalCount } }", 100 + 6 + 1, 400 + 4_002 + 1),
        ("{ certificates(first: 10) { totalCount } }", 3 + 101 + 1, 203 + 2_001 + 1),
        ("{ courses(first: 1) { totalCount } }", 3 + 101 + 1, 3 + 101 + 1),
        ("{ courses(first: 1) { nodes { students(first: 1) { totalCount } } } }", 4 + 24, 4 + 62),
    ] {
        assert_eq!((cost(document, false), cost(document, true)), (other, teacher), "{document}");
    }
}

#[test]
fn a_batch_costs_by_the_number_of_its_rows() {
    let record =
        "mutation($input: RecordEventsInput!) { recordEvents(input: $input) { results { eventId } } }";
    let events = |count: usize| json!({"input": {"events": vec![json!({}); count]}});
    // The payload's selection costs 2 for each row, and ten selected fields cost 1 unit.
    check(record, events(0), 1 + 4 + 1);
    check(record, events(1), 1 + 4 + 1);
    check(record, events(1_000), 1 + 4_000 + 200);
    let of_list =
        "mutation($e: [RecordEventInput!]!) { recordEvents(input: {events: $e}) { results { eventId } } }";
    check(of_list, json!({"e": vec![json!({}); 1_000]}), 1 + 4_000 + 200);
    let literal = "mutation { recordEvents(input: {events: [{}, {}]}) { results { eventId } } }";
    check(literal, json!({}), 1 + 8 + 1);
    let award = "mutation($input: AwardBadgesInput!) { awardBadges(input: $input) { results { award {
        id earnedAt notes achievement { id key name badgeUrl } user { id displayName } } userErrors { code message } } } }";
    let whole = cost(award, json!({"input": {"badgeId": "", "rows": vec![json!({}); 500]}})).units;
    assert!(whole <= 10_000, "500 badges with all that a screen shows cost {whole}");
    let told = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) { results { index eventId duplicate
        xpGained awards { id achievement { id key name } xpBonus earnedAt } userErrors { field code message reason } }
        userErrors { field code message } } }";
    let whole = cost(told, events(1_000)).units;
    assert!(whole <= 10_000, "1,000 events with all that recording knows cost {whole}");
}

#[test]
fn a_front_ends_pages_stay_within_the_limit() {
    let dashboard = "{ me { id displayName role xp level { number xpIntoLevel xpForNext } streak { current longest activeToday }
            summary { totalEarned currentRank nextRank } }
        earned(first: 50) { nodes { id earnedAt xpBonus achievement { id key name rarity badgeUrl } } pageInfo { endCursor hasNextPage } }
        inProgress(first: 20) { nodes { achievement { id key name badgeUrl } current target percent } }
        leaderboard { totalCount standings(first: 20) { nodes { rank score user { id displayName } } } standing { rank score } }
        courses(first: 20) { nodes { id title lessons { id title position } } } feedCursor }";
    let units = cost(dashboard, json!({})).units;
    assert!(units <= 10_000, "{units}");
    let catalog =
        "{ catalog { totalCount categories { key name achievements { id key name description category track
        tier rarity xpBonus badgeUrl requirement awardedBy secret earnedCount } } } }";
    let units = cost(catalog, json!({})).units;
    assert!(units <= 10_000, "{units}");
}

#[test]
fn a_refusal_names_the_field_that_costs_most() {
    let told = |document: &str| {
        let limits = Limits { complexity: 100, ..Limits::default() };
        match admit(document, None, &Variables::default(), false, &limits).map(|_| ()) {
            Err(Rejection::Refused(refusal)) => refusal.message,
            other => panic!("{document}: {other:?}"),
        }
    };
    let limit = |units: u64, of: &str| {
        format!(
            "The operation costs {units} units, more than 100 (limits.complexity). Ask for fewer rows, lists or counts.{of}"
        )
    };
    // A statement, the page, and for each row the list of lessons itself with 100 rows of 2 fields.
    let courses = 3 + 1 + 10 * (1 + 100 * 2);
    for document in [
        "{ me { id } taught: courses(first: 10) { nodes { lessons { id title } } } }",
        "{ me { id } ...all } fragment all on Query { taught: courses(first: 10) { nodes { ... { lessons { id title } } } } }",
    ] {
        let of = " Most of it is for `taught×10.nodes.lessons×100`.";
        assert_eq!(told(document), limit(3 + 1 + 1 + courses, of), "{document}");
    }
    assert_eq!(told(&format!("{{ {} }}", "__typename ".repeat(101))), limit(101, ""));
}

#[test]
fn recording_is_recognised_by_what_it_selects() {
    let record = |selected: &str| {
        let document =
            format!("mutation {{ recordEvent(input: {{userId: \"\", activity: \"\"}}) {{ {selected} }} }}");
        let Cost { units, recording } = cost(&document, json!({}));
        assert!(recording == 0 || recording == units, "{selected}");
        recording > 0
    };
    for plain in [
        "eventId",
        "__typename eventId duplicate xpGained",
        "awards { id achievement { key } earnedAt } userErrors { field code message reason }",
        "... { eventId } ... on RecordEventPayload { duplicate }",
    ] {
        assert!(record(plain), "{plain}");
    }
    for expensive in [
        "user { id }",
        "eventId user { earned { nodes { id } } }",
        "awards { user { id } }",
        "awards { awardedBy { id } }",
        "awards { notes }",
        "awards { achievement { earnedCount } }",
        "... { user { id } }",
        "...missing",
    ] {
        assert!(!record(expensive), "{expensive}");
    }
    let both = "mutation { a: recordEvent(input: {}) { eventId } b: recordEvent(input: {}) { user { id } }
        createCourse(input: {}) { userErrors { code } } }";
    assert_eq!(
        cost(both, json!({})),
        Cost { units: (4 + 1 + 1) + (4 + 1 + 2) + (100 + 1 + 5), recording: 6 }
    );
    let query = "{ recordEvent { eventId } }";
    assert_eq!(cost(query, json!({})).recording, 0);
}
