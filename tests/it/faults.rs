//! Shared by the tests of a failing disk and of a failing network.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Client, Process};
use uuid::Uuid;

/// The time within which the server must work again.
pub(crate) const SOON: Duration = Duration::from_secs(15);
const UPSERT: &str =
    "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { code } } }";
pub(crate) const RECORD: &str =
    "mutation($input: RecordEventInput!) { recordEvent(input: $input) { eventId userErrors { code } } }";
const BADGE: &str = "mutation($input: CreateBadgeInput!) { createBadge(input: $input) { achievement { id } userErrors { code } } }";
pub(crate) const AWARD: &str =
    "mutation($input: AwardBadgeInput!) { awardBadge(input: $input) { award { id } userErrors { code } } }";
pub(crate) const REVOKE: &str =
    "mutation($input: RevokeAwardInput!) { revokeAward(input: $input) { userErrors { code } } }";
pub(crate) const ERASE: &str =
    "mutation($input: ErasePersonInput!) { erasePerson(input: $input) { userErrors { code } } }";

/// Repeats this until the server acknowledges it, which must be soon; returns the answer's data.
pub(crate) async fn acknowledged(client: &Client, document: &str, input: Value) -> Value {
    let sending = async {
        loop {
            let Ok(answer) = client.try_ask(document, json!({"input": input})).await else { continue };
            if answer.body.get("errors").is_some() {
                assert_eq!(answer.code(), "UNAVAILABLE", "{}", answer.body);
                continue;
            }
            let data = &answer.body["data"];
            let errors = data.as_object().and_then(|data| data.values().next());
            match errors.map(|payload| &payload["userErrors"][0]["code"]) {
                Some(Value::String(code)) if code == "UNAVAILABLE" => {}
                // The erasure was committed, and its response was lost.
                Some(Value::String(code)) if code == "NOT_FOUND" && document == ERASE => return data.clone(),
                Some(Value::String(code)) => panic!("refused with {code}: {document} {input}"),
                _ => return data.clone(),
            }
        }
    };
    let answered = tokio::time::timeout(SOON, sending).await;
    answered.unwrap_or_else(|_| panic!("the server does not serve again within {SOON:?}: {document}"))
}

/// A new person.
pub(crate) async fn person(service: &Client) -> Uuid {
    let id = Uuid::new_v4();
    acknowledged(service, UPSERT, json!({"id": id, "displayName": "Ada"})).await;
    id
}

/// The id of a new badge.
pub(crate) async fn badge(admin: &Client) -> Value {
    let input = json!({"name": "Team Player", "iconUrl": "https://school.example/badge.png", "xpBonus": 0});
    acknowledged(admin, BADGE, input).await["createBadge"]["achievement"]["id"].clone()
}

/// The status of the server's readiness.
pub(crate) async fn ready(server: &Process) -> u16 {
    tests::http()
        .get(format!("{}/health/ready", server.url))
        .send()
        .await
        .expect("the server answers")
        .status()
        .as_u16()
}
