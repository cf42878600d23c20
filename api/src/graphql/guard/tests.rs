//! Tables of documents with the expected result of the guard.

use std::time::{Duration, Instant};

use async_graphql::Variables;
use async_graphql::parser::types::OperationType;
use serde_json::json;

use super::{Rejection, admit};
use crate::config::Limits;
use crate::refusal::{Code, Refusal};

fn limits() -> Limits {
    Limits {
        nodes: 12,
        aliases: 2,
        directives_per_field: 1,
        directives: 2,
        operations: 2,
        ..Limits::default()
    }
}

fn refusal(text: &str, limits: &Limits) -> Option<Refusal> {
    match admit(text, Some("Q"), &Variables::default(), false, limits) {
        Ok(_) => None,
        Err(Rejection::Refused(refusal)) => Some(refusal),
        Err(Rejection::Unparsed(error)) => panic!("{text}: {error}"),
    }
}

#[track_caller]
fn admitted(text: &str) {
    assert_eq!(refusal(text, &limits()), None, "{text}");
}

#[track_caller]
fn refused(text: &str, message: &str) {
    let refusal = refusal(text, &limits()).unwrap_or_else(|| panic!("admitted: {text}"));
    assert_eq!((refusal.code, refusal.message.as_str()), (Code::TooComplex, message), "{text}");
}

const NODES: &str = "The document has more than 12 fields, spreads and directives (limits.nodes).";
const ALIASES: &str = "The document has more than 2 aliases (limits.aliases).";
const DIRECTIVES: &str = "The document has more than 2 directives (limits.directives).";
const IN_ONE_PLACE: &str =
    "The document has more than 1 directives in one place (limits.directives_per_field).";

#[test]
fn fields_spreads_inline_fragments_and_directives_are_nodes() {
    admitted("query Q {a b c d e f g h i j k l}");
    refused("query Q {a b c d e f g h i j k l m}", NODES);
    admitted("query Q {a{b{c{d}}} e f g h i j k l}");
    refused("query Q {a{b{c{d}}} e f g h i j k l m}", NODES);
    admitted("query Q {...{a b c d e f g h i j k}}");
    refused("query Q {...{a b c d e f g h i j k l}}", NODES);
    admitted("query Q {a @x b c d e f g h i j k}");
    refused("query Q {a @x b c d e f g h i j k l}", NODES);
}

#[test]
fn a_fragment_counts_wherever_it_is_spread() {
    let fragment = "fragment F on T {a b c d e}";
    admitted(&format!("query Q {{...F ...F}} {fragment}"));
    refused(&format!("query Q {{x{{...F}} ...F}} {fragment}"), NODES);
    admitted(&format!("query Q {{x{{...F}} y}} {fragment}"));
}

#[test]
fn operations_are_weighed_together() {
    admitted("query Q {a b c d e f} query R {a b c d e f}");
    refused("query Q {a b c d e f} query R {a b c d e f g}", NODES);
    refused(
        "query Q {a} query R {a} query S {a}",
        "The document has more than 2 operations (limits.operations).",
    );
}

#[test]
fn aliases_count_wherever_their_fragment_is_spread() {
    admitted("query Q {x:a y:a z}");
    refused("query Q {x:a y:a z:a}", ALIASES);
    admitted("query Q {...F ...F} fragment F on T {x:a}");
    refused("query Q {...F ...F ...F} fragment F on T {x:a}", ALIASES);
}

#[test]
fn directives_have_a_limit_in_one_place_and_in_all() {
    admitted("query Q {a @x b @x}");
    refused("query Q {a @x b @x c @x}", DIRECTIVES);
    refused("query Q {a @x @x}", IN_ONE_PLACE);
    refused("query Q {...F @x @x} fragment F on T {a}", IN_ONE_PLACE);
    refused("query Q {... @x @x {a}}", IN_ONE_PLACE);
    refused("query Q @x @x {a}", IN_ONE_PLACE);
    refused("query Q($v: Int @x @x) {a}", IN_ONE_PLACE);
    refused("query Q {a} fragment F on T @x @x {a}", IN_ONE_PLACE);
    refused("query Q($v: Int @x) @x {a @x}", DIRECTIVES);
    refused("query Q {...F ...F ...F} fragment F on T @x {a}", DIRECTIVES);
}

#[test]
fn a_circle_of_fragments_has_no_end() {
    refused("query Q {...F} fragment F on T {...F}", NODES);
    refused("query Q {...F} fragment F on T {...G} fragment G on T {a ...F}", NODES);
}

#[test]
fn a_fragment_nobody_spreads_is_weighed_too() {
    refused("query Q {a} fragment F on T {...F ...F}", NODES);
    refused("query Q {a} fragment F on T {a b c d e f g h i j k l m}", NODES);
}

#[test]
fn a_spread_of_a_missing_fragment_is_left_to_validation() {
    admitted("query Q {...Nowhere}");
}

#[test]
fn fragments_that_spread_each_other_are_refused_at_once() {
    let mut text = "query Q {...F0} fragment F40 on T {a}".to_owned();
    for level in 0..40 {
        text += &format!(" fragment F{level} on T {{...F{next} ...F{next}}}", next = level + 1);
    }
    let started = Instant::now();
    let refusal = refusal(&text, &Limits::default()).unwrap();
    assert_eq!(
        refusal.message,
        "The document has more than 2000 fields, spreads and directives (limits.nodes)."
    );
    // 2^40 visits would take hours. One visit of each fragment takes microseconds.
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// A chain of this many fragments. Each spreads the next one inside `inside` nested fields.
fn chain(fragments: usize, inside: usize, spread: bool) -> String {
    let root = if spread { "...F0" } else { "a" };
    let mut text = format!("query Q {{{root}}} fragment F{fragments} on T {{a}}");
    for level in 0..fragments {
        let (open, close) = ("a{".repeat(inside), "}".repeat(inside));
        text += &format!(" fragment F{level} on T {{{open}...F{next}{close}}}", next = level + 1);
    }
    text
}

#[test]
fn a_chain_of_fragments_is_as_deep_as_all_of_them_together() {
    let most = Limits { nodes: 100_000, tokens: 100_000, query_bytes: 1 << 20, ..Limits::default() };
    let deep = "The document nests deeper than 50 levels, each fragment counted where it is spread (limits.nesting).";
    // The thread has the stack size of a runtime worker. An unlimited recursion would overflow it and end the test
    // run. The order in which the guard visits fragments is random, so each document is checked several times.
    let on_a_worker = move || {
        for _ in 0..5 {
            for spread in [true, false] {
                for (fragments, inside) in [(24, 46), (2_000, 0), (500, 20), (3, 20)] {
                    let refusal = refusal(&chain(fragments, inside, spread), &most).unwrap();
                    assert_eq!((refusal.code, refusal.message.as_str()), (Code::TooComplex, deep));
                }
            }
            // The root, 48 fragments and the last fragment are 50 levels. Without the root, one more fragment fits.
            assert_eq!(refusal(&chain(48, 0, true), &most), None);
            assert_eq!(refusal(&chain(49, 0, true), &most).unwrap().message, deep);
            assert_eq!(refusal(&chain(49, 0, false), &most), None);
            assert_eq!(refusal(&chain(50, 0, false), &most).unwrap().message, deep);
        }
    };
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(on_a_worker);
    worker.unwrap().join().unwrap();
}

#[test]
fn a_fragment_weighed_near_the_root_is_too_deep_further_down() {
    let most = Limits::default();
    let below = |levels: usize| {
        let (open, close) = ("a{".repeat(levels), "}".repeat(levels));
        format!("query Q {{...F0 {open}...F0{close}}} {}", chain(20, 0, false).replacen("query Q {a}", "", 1))
    };
    assert_eq!(refusal(&below(28), &most), None);
    assert_eq!(
        refusal(&below(29), &most).unwrap().message,
        "The document nests deeper than 50 levels, each fragment counted where it is spread (limits.nesting)."
    );
}

#[test]
fn a_subscription_is_one_plain_field() {
    let ok = |text: &str| {
        admit(text, None, &Variables::default(), false, &limits()).map(|admitted| admitted.kind).ok()
    };
    assert_eq!(ok("subscription {a}"), Some(OperationType::Subscription));
    assert_eq!(ok("subscription {x:a(b:1){c d}}"), Some(OperationType::Subscription));
    for text in [
        "subscription {a b}",
        "subscription {...F} fragment F on S {a}",
        "subscription {...{a}}",
        "subscription {a @include(if:true)}",
        "subscription {__typename}",
    ] {
        match admit(text, None, &Variables::default(), false, &limits()) {
            Err(Rejection::Refused(refusal)) => assert_eq!(
                (refusal.code, refusal.message.as_str()),
                (
                    Code::InvalidInput,
                    "A subscription must select exactly one field at its root, without fragments and directives there."
                ),
                "{text}"
            ),
            _ => panic!("{text}"),
        }
    }
}

#[test]
fn the_operation_is_the_one_named_or_the_only_one() {
    let kind =
        |text: &str, name: Option<&str>| match admit(text, name, &Variables::default(), false, &limits()) {
            Ok(admitted) => Ok(admitted.kind),
            Err(Rejection::Refused(refusal)) => Err(refusal.message),
            Err(Rejection::Unparsed(error)) => panic!("{error}"),
        };
    let two = "query Q {a} mutation M {b}";
    assert_eq!(kind("{a}", None), Ok(OperationType::Query));
    assert_eq!(kind("mutation M {a}", None), Ok(OperationType::Mutation));
    assert_eq!(kind(two, Some("Q")), Ok(OperationType::Query));
    assert_eq!(kind(two, Some("M")), Ok(OperationType::Mutation));
    assert_eq!(kind(two, Some("X")), Err("The document has no operation named `X`.".to_owned()));
    assert_eq!(kind("{a}", Some("X")), Err("The document has no operation named `X`.".to_owned()));
    assert_eq!(
        kind(two, None),
        Err("The document has several operations: set operationName to choose one.".to_owned())
    );
}

#[test]
fn only_declared_variables_are_kept() {
    let variables = Variables::from_json(serde_json::json!({"a": 1, "b": [2]}));
    let admitted = admit("query($a: Int) { f(a: $a) }", None, &variables, false, &limits()).ok().unwrap();
    assert_eq!(admitted.declared.into_iter().map(|name| name.to_string()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_required_variable_needs_a_value() {
    let field = |text: &str, variables: serde_json::Value| match admit(
        text,
        None,
        &Variables::from_json(variables),
        false,
        &limits(),
    ) {
        Ok(_) => None,
        Err(Rejection::Refused(refusal)) => Some((refusal.field, refusal.message)),
        Err(Rejection::Unparsed(error)) => panic!("{error}"),
    };
    let missing = || {
        Some((
            vec!["variables".to_owned(), "v".to_owned()],
            "The variable `$v` is required: send a value of type [Int!]!.".to_owned(),
        ))
    };
    assert_eq!(field("query($v: [Int!]!) {a(v: $v)}", json!({})), missing());
    assert_eq!(field("query($v: [Int!]!) {a(v: $v)}", json!({ "v": null })), missing());
    assert_eq!(field("query($v: [Int!]! = [1]) {a(v: $v)}", json!({ "v": null })), missing());
    assert_eq!(field("query($v: [Int!]! = [1]) {a(v: $v)}", json!({})), None);
    assert_eq!(field("query($v: [Int!]!) {a(v: $v)}", json!({ "v": [] })), None);
    assert_eq!(field("query($v: [Int!]) {a(v: $v)}", json!({})), None);
}

#[test]
fn what_is_not_graphql_is_told_by_the_parser() {
    match admit("{", None, &Variables::default(), false, &limits()) {
        Err(Rejection::Unparsed(error)) => assert_eq!(error.locations.len(), 1),
        _ => panic!("admitted"),
    }
}
