//! The behaviour that front ends rely on: the library, our scalars, pages, leaderboards, progress.

mod boards;
mod earned;
mod expensive;
mod library;
mod pages;
mod progress;
mod roots;
mod secrets;

use plaudit::config::Profile;
use serde_json::{Value, json};
use tests::{Backend, Client, Packs, World};

/// A pack of one activity, `done`, and these achievements.
fn pack(achievements: &[Value]) -> Packs {
    Packs::of(&json!({
        "pack": "deeds", "name": "Deeds", "description": "Something done.", "version": 1,
        "categories": [{"key": "odd", "name": "Odd"}, {"key": "even", "name": "Even"}],
        "activities": [{"key": "done", "description": "Something was done.", "xp": {"amount": 5}}],
        "achievements": achievements,
    }))
}

/// An achievement of that pack, earned by doing the activity `target` times.
fn deed(name: &str, category: &str, target: i64) -> Value {
    json!({
        "name": name, "description": "A deed.", "requirement": "Do something", "category": category,
        "rarity": "common", "rule": {"kind": "count", "activity": "done", "target": target},
    })
}

/// The text of an answer, for comparing the order of its fields.
async fn text(w: &World, client: &Client, query: &str, variables: Value) -> String {
    let request = tests::http()
        .post(format!("{}/graphql", w.url()))
        .bearer_auth(client.token().unwrap())
        .json(&json!({"query": query, "variables": variables}));
    request.send().await.unwrap().text().await.unwrap()
}

/// Checks that an argument is refused by its name, and that its field alone is null.
#[track_caller]
fn assert_argument_refused(answer: &tests::Answer, field: &str, remedy: &str) {
    assert_eq!((answer.status.as_u16(), answer.code()), (200, "INVALID_INPUT"), "{}", answer.body);
    let error = &answer.body["errors"][0];
    assert_eq!(error["extensions"]["field"], json!([field]), "{error}");
    assert!(error["message"].as_str().unwrap().contains(remedy), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_is_refused_with_a_reason_outside_the_demo() {
    let world = World::with(Backend::Sqlite, |config| config.profile = Profile::Production).await;
    let w = world.expect("SQLite is always there");
    for query in [
        "{ __schema { types { name } } }",
        "{ ...f } fragment f on Query { __type(name: \"User\") { name } }",
    ] {
        let answer = w.nobody().ask(query, json!({})).await;
        let message = "Introspection is disabled on this server. Use the file schema.graphql of its release.";
        assert_eq!(
            (answer.code(), answer.body["errors"][0]["message"].as_str()),
            ("INVALID_INPUT", Some(message))
        );
        assert_eq!(answer.body.get("data"), None);
    }
    assert_eq!(*w.nobody().ask("{ __typename }", json!({})).await.data(), json!({"__typename": "Query"}));
    w.finish().await;
}
