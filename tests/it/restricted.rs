//! Restricted keys: tokens of services with scopes, and tokens that were revoked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plaudit::auth::Role;
use plaudit::clock::Clock;
use plaudit::revoke::{self, Revoked};
use serde_json::{Value, json};
use tests::{Answer, Client, Closed, Frame, on_both};
use uuid::Uuid;

/// The claim `jti` of a token.
fn id_of(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

/// Code and reason of the only error.
fn refusal(answer: &Answer) -> (Value, Value) {
    let extensions = &answer.body["errors"][0]["extensions"];
    (extensions["code"].clone(), extensions["reason"].clone())
}

on_both! {
    async fn a_scoped_token_does_what_its_scopes_say_and_nothing_else(w: World) {
        let ada = w.student("UTC").await;
        let documents = [
            ("events:write", "mutation($id: ID!) { recordEvent(input: {userId: $id, activity: \"comment_written\"}) { userErrors { message } } }"),
            ("people:write", "mutation($id: ID!) { upsertUser(input: {id: $id, displayName: \"Ada\"}) { userErrors { message } } }"),
            ("people:read", "query($id: ID!) { user(id: $id) { id } }"),
        ];
        for (scope, _) in documents {
            let client = Client::new(w.url(), Some(w.scoped_token(scope)));
            for (of, document) in documents {
                let answer = client.ask(document, json!({"id": ada})).await;
                match (of == scope, of) {
                    (true, "people:read") => assert_eq!(answer.data()["user"]["id"], json!(ada)),
                    (true, _) => assert_eq!(answer.data().as_object().unwrap().values().next().unwrap()["userErrors"], json!([])),
                    (false, "people:read") => assert_eq!(answer.body["data"]["user"], Value::Null, "{scope}"),
                    (false, _) => assert_eq!(refusal(&answer), (json!("FORBIDDEN"), json!("SCOPE_MISSING")), "{scope} {of}"),
                }
            }
        }
        w.finish().await;
    }

    async fn a_revoked_token_is_refused_within_seconds_and_its_socket_is_closed(w: World) {
        let (ada, token) = (w.student("UTC").await, w.token("school", Role::Service));
        let client = Client::new(w.url(), Some(token.clone()));
        assert_eq!(client.ask("{ feedCursor }", json!({})).await.body["errors"], Value::Null);
        let mut socket = client.socket().await;
        socket.subscribe("1", "subscription { achievementEarned { cursor } }", json!({})).await;
        w.followed_by(1).await;
        revoke::run(&w.config, &Clock::System, &Revoked::Token(id_of(&token))).await.unwrap();
        let refused = loop {
            let answer = client.ask("{ feedCursor }", json!({})).await;
            if answer.body["errors"] != Value::Null {
                break answer;
            }
        };
        assert_eq!(refusal(&refused), (json!("UNAUTHENTICATED"), json!("TOKEN_REVOKED")));
        // Another token of the same service goes on.
        let record = "mutation($id: ID!) { recordEvent(input: {userId: $id, activity: \"comment_written\"}) { userErrors { message } } }";
        let answer = w.service().ask(record, json!({"id": ada})).await;
        assert_eq!(answer.data()["recordEvent"]["userErrors"], json!([]));
        let closed = loop {
            if let Frame::Closed(closed) = socket.frame().await {
                break closed;
            }
        };
        let reason = "The token was revoked. Reconnect with a new one.".to_owned();
        assert_eq!(closed, Closed { code: 4403, reason });
        w.finish().await;
    }

    async fn a_person_has_no_scopes_to_lose(w: World) {
        let id = Uuid::new_v4();
        let answer = w.person(id, Role::Student).ask("{ me { id } }", json!({})).await;
        assert_eq!(answer.data()["me"]["id"], json!(id));
        w.finish().await;
    }
}
