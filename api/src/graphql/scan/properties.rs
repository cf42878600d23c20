//! The scan is never less strict than the parser: for every document that the parser accepts, the scan counts at
//! least as many tokens and at least as many levels of nesting.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Positioned, Value};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::RngSeed;

use super::scan;
use crate::config::Limits;
use crate::refusal::Code;

/// The minimum size of a parsed document: its tokens, and its nested brackets.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    tokens: usize,
    depth: usize,
}

impl Size {
    const TOKEN: Self = Self { tokens: 1, depth: 0 };

    fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::default(), |sum, part| Self {
            tokens: sum.tokens + part.tokens,
            depth: sum.depth.max(part.depth),
        })
    }

    /// The size with a pair of brackets around it.
    fn bracketed(self) -> Self {
        Self { tokens: self.tokens + 2, depth: self.depth + 1 }
    }
}

fn value(value: &Value) -> Size {
    match value {
        Value::List(items) => Size::of(items.iter().map(self::value)).bracketed(),
        Value::Object(fields) => {
            Size::of(fields.values().flat_map(|field| [Size::TOKEN, Size::TOKEN, self::value(field)]))
                .bracketed()
        }
        _ => Size::TOKEN,
    }
}

fn arguments(values: impl Iterator<Item = Value>) -> Size {
    let parts: Vec<Size> = values.flat_map(|given| [Size::TOKEN, Size::TOKEN, value(&given)]).collect();
    if parts.is_empty() { Size::default() } else { Size::of(parts).bracketed() }
}

/// The values of arguments. A variable counts as one token, although it has two.
macro_rules! values {
    ($arguments:expr) => {
        $arguments
            .iter()
            .map(|(_, given)| given.node.clone().into_const_with(|_| Ok::<_, ()>(Value::Null)).unwrap())
    };
}

fn directives(directives: &[Positioned<Directive>]) -> Size {
    let one = |directive: &Positioned<Directive>| {
        [Size::TOKEN, Size::TOKEN, arguments(values!(directive.node.arguments))]
    };
    Size::of(directives.iter().flat_map(one))
}

fn field(field: &Field) -> Size {
    let alias = if field.alias.is_some() { [Size::TOKEN; 2] } else { [Size::default(); 2] };
    let parts = [Size::TOKEN, arguments(values!(field.arguments)), directives(&field.directives)];
    Size::of(alias.into_iter().chain(parts).chain([selections(&field.selection_set.node)]))
}

fn selections(set: &SelectionSet) -> Size {
    if set.items.is_empty() {
        return Size::default();
    }
    let one = |selection: &Positioned<Selection>| match &selection.node {
        Selection::Field(one) => field(&one.node),
        Selection::FragmentSpread(spread) => {
            Size::of([Size::TOKEN, Size::TOKEN, directives(&spread.node.directives)])
        }
        Selection::InlineFragment(fragment) => {
            let on =
                if fragment.node.type_condition.is_some() { [Size::TOKEN; 2] } else { [Size::default(); 2] };
            let parts =
                [directives(&fragment.node.directives), selections(&fragment.node.selection_set.node)];
            Size::of(on.into_iter().chain([Size::TOKEN]).chain(parts))
        }
    };
    Size::of(set.items.iter().map(one)).bracketed()
}

fn document(document: &ExecutableDocument) -> Size {
    let operations = document.operations.iter().map(|(name, operation)| {
        let operation = &operation.node;
        let variables = operation.variable_definitions.iter().flat_map(|definition| {
            // `$name: Type`, and a default value after an equals sign.
            let default = definition.node.default_value.as_ref();
            let default = default.map(|given| Size::of([Size::TOKEN, value(&given.node)]));
            [
                Size { tokens: 4, depth: 0 },
                default.unwrap_or_default(),
                directives(&definition.node.directives),
            ]
        });
        let variables = Size::of(variables);
        let variables = if variables.tokens == 0 { variables } else { variables.bracketed() };
        let name = if name.is_some() { Size { tokens: 2, depth: 0 } } else { Size::default() };
        Size::of([
            name,
            variables,
            directives(&operation.directives),
            selections(&operation.selection_set.node),
        ])
    });
    let fragments = document.fragments.values().map(|fragment| {
        let parts = [directives(&fragment.node.directives), selections(&fragment.node.selection_set.node)];
        Size::of([Size { tokens: 4, depth: 0 }].into_iter().chain(parts))
    });
    Size::of(operations.chain(fragments))
}

/// Fails if the scan accepts a document that exceeds a limit according to the parser.
fn expect_no_laxer(text: &str) -> Result<bool, TestCaseError> {
    let Ok(parsed) = parse_query(text) else { return Ok(false) };
    let size = document(&parsed);
    let plenty =
        Limits { query_bytes: usize::MAX, tokens: usize::MAX, nesting: usize::MAX, ..Limits::default() };
    let tokens = Limits { tokens: size.tokens - 1, ..plenty.clone() };
    let nesting = Limits { nesting: size.depth - 1, ..plenty };
    for limits in [tokens, nesting] {
        // The scan refuses two empty strings without a gap as a block string without an end. This is stricter.
        prop_assert!(scan(text, &limits).is_err(), "{:?} {:?}", size, text);
    }
    Ok(true)
}

/// Text between two tokens, often empty.
fn gap() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just(""),
        4 => Just(" "),
        1 => Just(","),
        1 => Just("\r\n"),
        1 => Just("\t"),
        1 => Just("\u{feff}"),
        1 => Just("# [[{{ \" \"\"\"\n"),
        1 => Just("#\r"),
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "true",
        "false",
        "null",
        "0",
        "00",
        "7",
        "-1",
        "0.5",
        "1.50",
        "1e5",
        "0E-1",
        "E",
        "nullable",
        "on",
        "$v",
        "\"\"",
        "\"[[{\"",
        r#""\"[""#,
        r#""\\""#,
        r#""\u005b\/\n""#,
        "\"# é[\"",
        r#""""""""#,
        r#""""[{ " "" \""" {""""#,
        "\"\"\"\n# [\n\"\"\"",
    ]);
    known.prop_map(str::to_owned)
}

fn any_value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec((inner.clone(), gap()), 0..6).prop_map(|items| {
                let items: String = items.into_iter().map(|(item, gap)| item + gap).collect();
                format!("[{items}]")
            }),
            prop::collection::vec((inner, gap()), 0..4).prop_map(|fields| {
                let fields = fields.into_iter().zip(["a", "b", "c", "d"]);
                let fields: String =
                    fields.map(|((field, gap), name)| format!("{name}:{gap}{field},")).collect();
                format!("{{{fields}}}")
            }),
        ]
    })
}

fn any_selection() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (any_value(), gap()).prop_map(|(given, gap)| format!("f{gap}(x:{given})")),
        (any_value(), gap()).prop_map(|(given, gap)| format!("a:{gap}f@d(x:{gap}{given})")),
        Just("...F".to_owned()),
        Just("truth".to_owned()),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        (
            prop::collection::vec((inner, gap()), 1..4),
            prop::sample::select(vec!["g", "... on T", "...", "b:h@s"]),
        )
            .prop_map(|(items, before)| {
                let items: Vec<String> =
                    items.into_iter().map(|(item, gap)| gap.to_owned() + &item).collect();
                format!("{before}{{{}}}", items.join(" "))
            })
    })
}

fn any_document() -> impl Strategy<Value = String> {
    let head = prop_oneof![
        Just(String::new()),
        Just("\u{feff}query".to_owned()),
        Just("queryQ".to_owned()),
        any_value().prop_map(|given| format!("mutation M($v:[I!]!={given})")),
    ];
    let tail =
        prop_oneof![Just(String::new()), any_selection().prop_map(|one| format!("fragmentF on T{{{one}}}"))];
    (head, any_selection(), tail).prop_map(|(head, selection, tail)| format!("{head}{{{selection}}}{tail}"))
}

/// A fixed seed generates the same documents in every run. Change it to test others.
const SEED: u64 = 1;

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(SEED),
        ..ProptestConfig::with_cases(512)
    })]

    #[test]
    fn the_scan_is_not_laxer_than_the_parser(text in any_document()) {
        expect_no_laxer(&text)?;
    }

    #[test]
    fn nor_for_a_document_that_was_changed(
        text in any_document(),
        at in any::<prop::sample::Index>(),
        cut in 0..3_usize,
        new in prop::sample::select(vec!["", "\"", "\\", "#", "\n", "[", "}", "0", ".", "\"\"\"", "null", "\u{feff}"]),
    ) {
        let letters: Vec<char> = text.chars().collect();
        let at = at.index(letters.len());
        let changed: String = letters.iter().take(at).collect::<String>() + new
            + &letters.iter().skip(at + cut).collect::<String>();
        expect_no_laxer(&changed)?;
    }

    #[test]
    fn what_nests_deep_is_refused_before_it_is_parsed(
        gaps in prop::collection::vec(gap(), 60..200),
        before in scalar(),
        bracket in prop::sample::select(vec!["[", "{a:", "{a(b:", "(a:"]),
    ) {
        let deep: String = gaps.iter().map(|gap| format!("{gap}{bracket}")).collect();
        let text = format!("{{f(a:{before},b:{deep}");
        let refused = scan(&text, &Limits { query_bytes: usize::MAX, ..Limits::default() }).err();
        prop_assert_eq!(refused.map(|refusal| refusal.code), Some(Code::TooComplex));
    }
}

#[test]
fn the_documents_that_are_tried_are_documents() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let parsed = (0..64).filter(|_| {
        let text = any_document().new_tree(&mut runner).unwrap().current();
        expect_no_laxer(&text).unwrap()
    });
    assert!(parsed.count() > 16, "enough of them parse");
}
