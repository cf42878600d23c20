//! Invalid tokens: 401 over HTTP, 4401 on a socket, and no person is created.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use plaudit::auth::Role;
use plaudit::config::DEMO_SECRET;
use serde_json::{Value, json};
use tests::{Client, Closed, Frame, Socket, World, on_both};
use uuid::Uuid;

use super::{Kept, RECORD};

fn claims(w: &World, changes: &Value) -> Value {
    let now = w.clock.now().timestamp();
    let mut claims = json!({
        "sub": Uuid::from_u128(77), "role": "student", "iss": "plaudit", "aud": "plaudit",
        "nbf": now, "iat": now, "exp": now + 3_600,
    });
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            change => claims[name] = change.clone(),
        }
    }
    claims
}

fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Invalid tokens, and the part of the error that names the remedy.
fn unbelievable(w: &World) -> Vec<(String, &'static str)> {
    let at = w.clock.now().timestamp();
    let ours = |changes: Value| signed(&claims(w, &changes), Algorithm::HS256, DEMO_SECRET);
    let good = ours(json!({}));
    let (head_and_claims, _) = good.rsplit_once('.').unwrap();
    let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims(w, &json!({}))));
    let crit = json!({"alg": "HS256", "crit": ["exp"]});
    let crit = format!("{}.{}.x", part(&crit), part(&claims(w, &json!({}))));
    let service = |sub: &str| ours(json!({"role": "service", "sub": sub}));
    vec![
        ("nonsense".to_owned(), "send its three base64url parts"),
        (format!("{head_and_claims}."), "sign it with a key that this server knows"),
        (
            signed(
                &claims(w, &json!({})),
                Algorithm::HS256,
                "another secret of more than 32 bytes, not ours",
            ),
            "sign it with a key that this server knows",
        ),
        (
            signed(&claims(w, &json!({})), Algorithm::HS384, DEMO_SECRET),
            "sign it with the algorithm of the key",
        ),
        (none, "sign it with the algorithm of the key"),
        (crit, "remove crit"),
        (ours(json!({"padding": "x".repeat(8_192)})), "at most 8192 bytes"),
        (ours(json!({"exp": null})), "has no exp; give it in seconds since 1970"),
        (ours(json!({"exp": "tomorrow"})), "exp is not a valid time; give it in seconds since 1970"),
        (ours(json!({"exp": at - 6, "nbf": at - 60, "iat": at - 60})), "has expired; get a new one"),
        (ours(json!({"exp": at + 86_401})), "set exp to at most 86400 seconds after"),
        (ours(json!({"nbf": null})), "has no nbf"),
        (ours(json!({"nbf": at + 6})), "check the issuer's clock"),
        (ours(json!({"iss": null})), "the issuer this server trusts"),
        (ours(json!({"iss": ["plaudit"]})), "the issuer this server trusts"),
        (ours(json!({"iss": "someone"})), "get one from that issuer"),
        (ours(json!({"aud": null})), "with the name of this server"),
        (ours(json!({"aud": 1})), "with the name of this server"),
        (ours(json!({"aud": "other"})), "get one meant for it"),
        (ours(json!({"sub": null})), "must be a UUID that is not nil"),
        (ours(json!({"sub": "ada"})), "must be a UUID that is not nil"),
        (ours(json!({"sub": Uuid::nil()})), "must be a UUID that is not nil"),
        (ours(json!({"role": null})), "must be one of super_admin, admin"),
        (ours(json!({"role": "STUDENT"})), "must be one of super_admin, admin"),
        (ours(json!({"name": "Ada\r\nBcc: all"})), "must not contain control characters"),
        (service(""), "1 to 128 bytes of visible text"),
        (service("a\u{0}b"), "1 to 128 bytes of visible text"),
        (service(&"x".repeat(129)), "1 to 128 bytes of visible text"),
        (service("plaudit"), "name the sending system"),
        (service("Plaudit"), "name the sending system"),
    ]
}

/// The close of a socket whose `connection_init` had this payload.
async fn turned_away(w: &World, payload: Value) -> Closed {
    let mut socket = Socket::open(&w.url()).await;
    socket.send(json!({"type": "connection_init", "payload": payload})).await;
    match socket.frame().await {
        Frame::Closed(closed) => closed,
        other => panic!("{payload} is let in: {other:?}"),
    }
}

on_both! {
    async fn an_invalid_token_gives_no_access(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        for (token, words) in unbelievable(&w) {
            let client = Client::new(w.url(), Some(token.clone()));
            for (document, variables) in [
                ("{ __typename }", json!({})),
                (RECORD, json!({"input": {"userId": ada, "activity": "lesson_completed"}})),
            ] {
                let answer = client.ask(document, variables).await;
                assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"), "{words}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{words}");
                let reason = if words.contains("expired") { "TOKEN_EXPIRED" } else { "TOKEN_INVALID" };
                assert_eq!(answer.body["errors"][0]["extensions"]["reason"], reason, "{words}");
                assert_eq!(answer.body.get("data"), None, "{words}");
                let message = answer.body["errors"][0]["message"].as_str().unwrap();
                assert!(message.contains(words), "{message:?} does not say {words:?}");
                assert!(!message.contains(&token), "a token is not repeated");
            }
            let closed = turned_away(&w, json!({"authorization": format!("Bearer {token}")})).await;
            assert_eq!(closed.code, 4401, "{words}");
            assert!(!closed.reason.is_empty(), "{words}");
            kept.check(&w, words).await;
        }
        w.finish().await;
    }

    async fn an_authorization_without_bearer_gives_no_access(w: World) {
        let token = w.token(&Uuid::new_v4().to_string(), Role::Student);
        let kept = Kept::of(&w).await;
        let http = tests::http();
        let body = json!({"query": "{ __typename }"});
        for authorization in
            ["", "Bearer", "Bearer ", &token, &format!("Basic {token}"), &format!("Bearer {token} {token}")]
        {
            let request = http.post(format!("{}/graphql", w.url())).header("authorization", authorization);
            let answer = request.json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 401, "{authorization:?}");
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{authorization:?}");
            assert_eq!(
                turned_away(&w, json!({"authorization": authorization})).await.code,
                4401,
                "{authorization:?}"
            );
        }
        for payload in [json!({"authorization": 7}), json!({"authorization": {"token": token}})] {
            assert_eq!(turned_away(&w, payload).await.code, 4401);
        }
        let request = http.post(format!("{}/graphql", w.url())).bearer_auth(&token).bearer_auth(&token);
        assert_eq!(request.json(&body).send().await.unwrap().status(), 401, "two headers");
        kept.check(&w, "no bearer").await;
        w.finish().await;
    }

    async fn keys_inside_a_token_are_ignored(w: World) {
        let mut header = Header::new(Algorithm::HS256);
        header.jku = Some("http://127.0.0.1:1/keys".to_owned());
        header.x5u = Some("http://127.0.0.1:1/chain".to_owned());
        let claims = claims(&w, &json!({}));
        let sign =
            |secret: &str| encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        let theirs = Client::new(w.url(), Some(sign("a secret of somebody else, more than 32 bytes")));
        assert_eq!(theirs.ask("{ me { id } }", json!({})).await.status, 401);
        let ours = Client::new(w.url(), Some(sign(DEMO_SECRET)));
        assert_eq!(ours.ask("{ me { id } }", json!({})).await.data()["me"]["id"], json!(Uuid::from_u128(77)));
        w.finish().await;
    }

    async fn a_token_with_another_role_than_the_stored_one_is_refused(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        for role in [Role::Teacher, Role::Admin, Role::SuperAdmin, Role::Parent] {
            let client = w.person(ada, role);
            let answer = client.ask("{ me { id } }", json!({})).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"), "{role:?}");
            assert_eq!(answer.body["errors"][0]["extensions"]["reason"], "ROLE_CHANGED", "{role:?}");
            assert!(answer.body.to_string().contains("Get a token with the stored role"), "{}", answer.body);
            let payload = json!({"authorization": format!("Bearer {}", client.token().unwrap())});
            assert_eq!(turned_away(&w, payload).await.code, 4401, "{role:?}");
        }
        assert_eq!(
            w.person(ada, Role::Student).ask("{ me { id } }", json!({})).await.data()["me"]["id"],
            json!(ada)
        );
        kept.check(&w, "a role of one's own choosing").await;
        w.finish().await;
    }

    async fn a_socket_ends_with_its_token(w: World) {
        let ada = w.student("UTC").await;
        let mut socket = w.person(ada, Role::Student).socket().await;
        socket.subscribe("1", "subscription { achievementEarned { cursor } }", json!({})).await;
        w.followed_by(1).await;
        w.tick(chrono::TimeDelta::hours(1));
        // The subscription ends at the latest at the next award.
        w.service()
            .record(json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}}))
            .await;
        let Frame::Closed(closed) = socket.frame().await else { panic!("nothing is told any more") };
        assert_eq!(
            (closed.code, closed.reason.as_str()),
            (4403, "The token has expired. Reconnect with a new one.")
        );
        w.finish().await;
    }
}
