//! Every path to a person's record, derived from the schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::World;

/// Every root field, every id argument, and every field that leads to a person or a person's data.
pub(super) async fn paths(w: &World) -> BTreeSet<String> {
    let ask = "{ __schema { types { kind name inputFields { name type { ...t } }
        fields { name type { ...t } args { name type { ...t } } } } } }
        fragment t on __Type { name ofType { name ofType { name ofType { name } } } }";
    let answer = w.nobody().ask(ask, json!({})).await;
    let types = answer.data()["__schema"]["types"].as_array().unwrap().clone();
    let by_name: BTreeMap<&str, &Value> =
        types.iter().map(|one| (one["name"].as_str().unwrap(), one)).collect();
    let mut paths = BTreeSet::new();
    for (name, one) in &by_name {
        if name.starts_with("__") || one["kind"] != "OBJECT" {
            continue;
        }
        let is_root = ["Query", "Mutation", "Subscription"].contains(name);
        // The payload of a mutation is tested with the mutation, and a page with the field that returns it.
        let is_part = ["Payload", "Result", "Connection", "Edge"].iter().any(|end| name.ends_with(end));
        for field in one["fields"].as_array().unwrap() {
            let path = format!("{name}.{}", field["name"].as_str().unwrap());
            let mut ids = Vec::new();
            for argument in field["args"].as_array().unwrap() {
                given_ids(&by_name, argument, &mut ids);
            }
            let theirs = [
                "User",
                "Award",
                "Certificate",
                "Comment",
                "UserConnection",
                "CommentConnection",
                "AwardConnection",
                "CertificateConnection",
            ];
            let leads = *name == "User" || theirs.contains(&named(&field["type"]));
            if ids.is_empty() && (is_root || (leads && !is_part)) {
                paths.insert(path.clone());
            }
            paths.extend(ids.iter().map(|id| format!("{path}({id})")));
        }
    }
    paths
}

/// The names of the ids in an argument and in its input types.
fn given_ids(types: &BTreeMap<&str, &Value>, argument: &Value, ids: &mut Vec<String>) {
    let kind = named(&argument["type"]);
    if kind == "ID" {
        ids.push(argument["name"].as_str().unwrap().to_owned());
    }
    for field in types[kind]["inputFields"].as_array().into_iter().flatten() {
        given_ids(types, field, ids);
    }
}

fn named(kind: &Value) -> &str {
    if kind["name"].is_null() { named(&kind["ofType"]) } else { kind["name"].as_str().unwrap() }
}
