//! The checklist for a mutation in CONTRIBUTING.md: each place that a new mutation must not miss. A failure names the file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tidy::code::{File, files};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text_of<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is missing")).text
}

/// The names of the mutations in the schema.
fn mutations() -> Vec<String> {
    let schema = std::fs::read_to_string(root().join("schema.graphql")).unwrap();
    let fields = schema.split("\ntype Mutation {").nth(1).unwrap().split("\n}").next().unwrap();
    let named = fields.lines().filter_map(|line| line.split_once('('));
    let names = named.map(|(name, _)| name.trim().to_owned());
    names
        .filter(|name| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric()))
        .collect()
}

/// Whether the text has the word, not as a part of another word.
fn has(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let part = |letter: char| letter.is_alphanumeric() || letter == '_';
        !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part)
    })
}

/// The mutations that a place misses, and what to do.
fn missing(files: &[File], mutations: &[String]) -> BTreeSet<String> {
    let price = text_of(files, "api/src/graphql/price.rs");
    let table = text_of(files, "tests/it/policy/table.rs");
    let tests = |name: &str| {
        files.iter().any(|file| {
            let path = file.path.as_str();
            path.starts_with("tests/it/") && !path.starts_with("tests/it/policy/") && has(&file.text, name)
        })
    };
    let mut faults = BTreeSet::new();
    for name in mutations {
        if !price.contains(&format!("\"{name}\"")) {
            faults.insert(format!("api/src/graphql/price.rs: `of_mutation` has no price of {name}"));
        }
        if !has(table, &format!("Mutation.{name}")) {
            faults.insert(format!("tests/it/policy/table.rs: no row asks {name}"));
        }
        if !tests(name) {
            faults.insert(format!("tests/it: no test of behaviour sends {name}"));
        }
    }
    let actions = text_of(files, "entity/src/audit_log.rs");
    let actions = actions.split("pub enum Action").nth(1).unwrap().split("string_value = \"").skip(1);
    for action in actions.map(|text| text.split('"').next().unwrap()) {
        let noted = files.iter().any(|file| {
            file.path.starts_with("tests/it/")
                && file.path != "tests/it/checklist.rs"
                && has(&file.text, action)
        });
        if !noted {
            faults.insert(format!("tests/it: no test finds `{action}` in the audit log"));
        }
    }
    let policy = text_of(files, "api/src/auth/rights.rs");
    let variants =
        policy.split("pub enum Action {").nth(1).or_else(|| policy.split("enum Action {").nth(1)).unwrap();
    let variants = variants.split("\n}").next().unwrap().lines().map(str::trim);
    let all = policy.split("pub const ALL").nth(1).unwrap().split("];").next().unwrap();
    for variant in variants.filter(|line| line.ends_with(',') && !line.starts_with("//")) {
        let variant = variant.trim_end_matches(',');
        if !has(all, &format!("Self::{variant}")) {
            faults.insert(format!("api/src/auth/rights.rs: `Action::ALL` has no {variant}"));
        }
    }
    faults
}

#[test]
fn every_mutation_has_followed_the_checklist() {
    let (files, mutations) = (files(root()), mutations());
    assert_eq!(mutations.len(), 27, "{mutations:?}");
    let faults = missing(&files, &mutations);
    assert!(faults.is_empty(), "see CONTRIBUTING.md\n{}", faults.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_mutation_that_misses_a_place_is_reported_with_the_file() {
    let faults = missing(&files(root()), &["inventPlanet".to_owned()]);
    let expected = [
        "api/src/graphql/price.rs: `of_mutation` has no price of inventPlanet",
        "tests/it/policy/table.rs: no row asks inventPlanet",
    ];
    assert_eq!(faults.into_iter().collect::<Vec<_>>(), expected);
}
