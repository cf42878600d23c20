//! The schema as a contract: committed, described, stable, and every list has a cost.

mod costs;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::{Backend, World};

/// GraphiQL's introspection query, with up to seven levels of lists and non-nulls.
const INTROSPECTION: &str = "{ __schema { directives { name description args { ...input } } types {
    kind name description specifiedByURL
    fields(includeDeprecated: true) { name description args { ...input } type { ...type } }
    inputFields { ...input } enumValues(includeDeprecated: true) { name description }
    interfaces { name } possibleTypes { name } } } }
    fragment input on __InputValue { name description defaultValue type { ...type } }
    fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// The schema's own types, as introspection returns them.
async fn types() -> Vec<Value> {
    let w = World::on(Backend::Sqlite).await.expect("SQLite is always there");
    let answer = w.nobody().ask(INTROSPECTION, json!({})).await;
    let types = answer.data()["__schema"]["types"].as_array().unwrap().clone();
    w.finish().await;
    types.into_iter().filter(|one| !name(one).starts_with("__")).collect()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A type in the schema language.
fn written(kind: &Value) -> String {
    match kind["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", written(&kind["ofType"])),
        "LIST" => format!("[{}]", written(&kind["ofType"])),
        _ => name(kind).to_owned(),
    }
}

#[test]
fn the_schema_in_the_repository_is_the_servers() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema.graphql");
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    let differs = kept.lines().zip(plaudit::schema_sdl().lines()).position(|(kept, is)| kept != is);
    assert!(
        kept == plaudit::schema_sdl(),
        "schema.graphql is not the server's, from line {}: run `cargo run -- schema > schema.graphql` and read the difference",
        differs.map_or_else(|| kept.lines().count().to_string(), |line| (line + 1).to_string()),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_described() {
    let mut silent = Vec::new();
    let mut described = 0;
    let mut look = |path: String, one: &Value| match one["description"].as_str().map(str::trim) {
        None | Some("") => silent.push(path),
        Some(_) => described += 1,
    };
    for one in types().await {
        look(name(&one).to_owned(), &one);
        for field in list(&one["fields"]) {
            look(format!("{}.{}", name(&one), name(field)), field);
            for argument in list(&field["args"]) {
                look(format!("{}.{}({})", name(&one), name(field), name(argument)), argument);
            }
        }
        for inside in list(&one["inputFields"]).iter().chain(list(&one["enumValues"])) {
            look(format!("{}.{}", name(&one), name(inside)), inside);
        }
    }
    assert_eq!(silent, Vec::<String>::new(), "these have no description");
    assert!(described > 200, "{described} descriptions: the walk has lost its way");
}

#[tokio::test(flavor = "multi_thread")]
async fn promised_fields_keep_their_types() {
    let mut is: BTreeMap<String, (BTreeSet<String>, String)> = BTreeMap::new();
    for one in types().await {
        for field in list(&one["fields"]) {
            let arguments = list(&field["args"]).iter().map(input).collect();
            is.insert(format!("{}.{}", name(&one), name(field)), (arguments, written(&field["type"])));
        }
        for field in list(&one["inputFields"]) {
            let (key, shape) = (format!("{}.{}", name(&one), name(field)), input(field));
            let shape = shape.split_once(": ").unwrap().1.to_owned();
            is.insert(key, (BTreeSet::new(), shape));
        }
        for value in list(&one["enumValues"]) {
            is.insert(format!("{}.{}", name(&one), name(value)), (BTreeSet::new(), String::new()));
        }
    }
    let promised = include_str!("contract/promised.txt").lines().filter(|line| !line.starts_with('#'));
    let mut broken = Vec::new();
    for promise in promised {
        let (key, arguments, kind) = read(promise);
        let kept = is.get(key).is_some_and(|(has, is)| is == kind && arguments.is_subset(has));
        if !kept {
            broken.push(format!("{promise} — is: {:?}", is.get(key)));
        }
    }
    assert_eq!(broken, Vec::<String>::new(), "promised, and different now");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_with_an_id_is_a_node() {
    let types = types().await;
    let node = types.iter().find(|one| name(one) == "Node").unwrap();
    let are: BTreeSet<&str> = list(&node["possibleTypes"]).iter().map(name).collect();
    assert_eq!(
        are,
        BTreeSet::from([
            "Achievement",
            "Award",
            "AuditEntry",
            "Certificate",
            "Comment",
            "Course",
            "Lesson",
            "User",
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_root_is_non_null() {
    let types = types().await;
    for kind in ["Query", "Mutation"] {
        let root = types.iter().find(|one| name(one) == kind).unwrap();
        let fields = list(&root["fields"]);
        let strict: Vec<&str> =
            fields.iter().filter(|field| field["type"]["kind"] == "NON_NULL").map(name).collect();
        assert!(fields.len() > 10, "{kind} has fields");
        assert_eq!(strict, Vec::<&str>::new(), "if one of these fails, the results of all others are lost");
    }
}

#[test]
fn every_scalar_of_ours_names_its_specification() {
    let sdl = plaudit::schema_sdl();
    let scalars: BTreeSet<&str> = sdl.lines().filter_map(|line| line.strip_prefix("scalar ")).collect();
    let expected = BTreeSet::from([
        "Date @specifiedBy(url: \"https://scalars.graphql.org/andimarek/local-date\")",
        "DateTime @specifiedBy(url: \"https://scalars.graphql.org/andimarek/date-time\")",
        "JSON @specifiedBy(url: \"https://www.rfc-editor.org/rfc/rfc8259\")",
        "URL @specifiedBy(url: \"https://url.spec.whatwg.org/\")",
    ]);
    assert_eq!(scalars, expected);
}

/// An argument or input field: `name: Type = default`.
fn input(value: &Value) -> String {
    let default = value["defaultValue"].as_str().map_or_else(String::new, |default| format!(" = {default}"));
    format!("{}: {}{default}", name(value), written(&value["type"]))
}

/// A promised field as `Type.field`, its arguments, its type.
fn read(promise: &str) -> (&str, BTreeSet<String>, &str) {
    if let Some((key, rest)) = promise.split_once('(') {
        let (arguments, kind) = rest.split_once("): ").unwrap();
        return (key, arguments.split(", ").map(str::to_owned).collect(), kind);
    }
    let (key, kind) = promise.split_once(": ").unwrap_or((promise, ""));
    (key, BTreeSet::new(), kind)
}
