//! Operations on a socket that wait for their turn or for the client's look-up.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Server, seconds_since};
use crate::auth::Role;
use crate::budget::Subject;
use crate::config::Config;
use crate::http::tests::token;

/// A server on which one operation of a service executes at a time.
fn one_at_once() -> Server {
    let mut config = Config::demo();
    config.limits.operations_at_once_service = 1;
    Server::new(config)
}

#[tokio::test]
async fn an_operation_waits_for_its_turn_while_pings_are_answered() {
    let server = one_at_once();
    let mut client = server.introduced("crm").await;
    client.ask("a", "{ never }").await;
    for id in ["b", "c"] {
        client.ask(id, "{ hello }").await;
    }
    // It waits for the next award, which needs no turn.
    client.ask("d", "subscription { silence }").await;
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.receive().await, json!({ "type": "pong" }));
    // Another caller has its own turns.
    let mut other = server.introduced("lms").await;
    other.ask("b", "{ hello }").await;
    assert_eq!(other.receive().await["payload"]["data"]["hello"], "world");
    // Its 30 seconds have passed, so it releases its turn.
    assert_eq!(client.receive().await["id"], "a");
    for id in ["b", "c"] {
        assert_eq!(client.receive().await["id"], id);
        assert_eq!(client.receive().await, json!({ "type": "complete", "id": id }));
    }
}

#[tokio::test]
async fn an_operation_that_waits_for_its_turn_can_be_stopped() {
    let server = one_at_once();
    let mut client = server.introduced("crm").await;
    client.ask("a", "{ never }").await;
    client.ask("b", "{ hello }").await;
    client.ask("b", "{ hello }").await;
    assert_eq!(client.close_code().await, 4409);

    let mut client = server.introduced("crm").await;
    client.ask("a", "{ never }").await;
    client.ask("b", "mutation { set(number: 1) }").await;
    client.send(json!({ "type": "complete", "id": "b" })).await;
    client.ask("b", "mutation { set(number: 2) }").await;
    client.send(json!({ "type": "complete", "id": "a" })).await;
    assert_eq!(client.receive().await["payload"]["data"], json!({ "set": 2 }));
    assert_eq!(client.receive().await, json!({ "type": "complete", "id": "b" }));
}

#[tokio::test]
async fn all_operations_of_a_full_socket_are_answered() {
    let server = one_at_once();
    let mut client = server.introduced("crm").await;
    client.ask("first", "{ never }").await;
    for number in 0..120 {
        client.ask(&format!("{number}"), &format!("{{ echo(number: {number}) }}")).await;
    }
    client.send(json!({ "type": "complete", "id": "first" })).await;
    // 99 have room in addition to the first; the other 21 are refused while that one runs.
    let mut answered = BTreeMap::new();
    while answered.len() < 120 {
        let told = client.receive().await;
        let id: i64 = told["id"].as_str().unwrap().parse().unwrap();
        match told["type"].as_str().unwrap() {
            "next" => assert_eq!(told["payload"]["data"]["echo"], id),
            "complete" => drop(answered.insert(id, "answer".to_owned())),
            _ => {
                assert_eq!(told["payload"][0]["extensions"].get("retryAfter"), None);
                let code = told["payload"][0]["extensions"]["code"].as_str().unwrap().to_owned();
                answered.insert(id, code);
            }
        }
    }
    let expected = (0..120).map(|id| (id, if id < 99 { "answer" } else { "TOO_COMPLEX" }.to_owned()));
    assert_eq!(answered, expected.collect());
}

/// The subject of a person, and its `connection_init` message.
fn person(server: &Server) -> (Subject, Value) {
    let id = uuid::Uuid::from_u128(7);
    let life = TimeDelta::minutes(1);
    let token = server.app.keys.mint(&id.to_string(), Role::Student, None, life, server.app.clock.now());
    let authorization = format!("Bearer {}", token.unwrap());
    let init = json!({ "type": "connection_init", "payload": { "authorization": authorization } });
    (Subject::Person { id, role: Role::Student }, init)
}

#[tokio::test]
async fn messages_are_read_while_the_client_is_looked_up() {
    let server = Server::new(Config::demo());
    let (subject, init) = person(&server);
    let mut look_ups = Vec::new();
    for _ in 0..4 {
        look_ups.push(server.app.turns.sign_in(&subject, Duration::ZERO).await.unwrap());
    }
    let ask = |id: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": "{ hello }" } });
    for (message, code) in [
        (ask("taken"), 4409),
        (json!({ "type": "connection_init" }), 4429),
        (json!({ "type": "nonsense" }), 4400),
    ] {
        let mut client = server.open().await;
        client.send(init.clone()).await;
        client.send(json!({ "type": "ping", "payload": { "number": 1 } })).await;
        assert_eq!(client.receive().await, json!({ "type": "pong", "payload": { "number": 1 } }));
        client.send(ask("b")).await;
        client.send(json!({ "type": "complete", "id": "b" })).await;
        client.send(ask("b")).await;
        client.send(ask("taken")).await;
        client.send(message).await;
        assert_eq!(client.close_code().await, code);
    }
    // The deadline of `connection_init` is met; the look-up has the time limit of a request.
    let mut client = server.open().await;
    let start = Instant::now();
    client.send(init).await;
    assert_eq!(client.close_code().await, 1013);
    assert_eq!(seconds_since(start), 30);
    drop(look_ups);
}

#[tokio::test]
async fn operations_before_the_acknowledgement_start_after_it_in_order() {
    let server = Server::new(Config::demo());
    let authorization = format!("Bearer {}", token(&server.app, "crm"));
    let init = json!({ "type": "connection_init", "payload": { "authorization": authorization } });
    let mut client = server.open().await;
    client.send(init.clone()).await;
    client.ask("a", "{ who }").await;
    client.ask("b", "{ hello }").await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    assert_eq!(client.receive().await["payload"]["data"]["who"], "crm");
    assert_eq!(client.receive().await, json!({ "type": "complete", "id": "a" }));
    assert_eq!(client.receive().await["payload"]["data"]["hello"], "world");

    // Without a connection_init the operation does not wait.
    let mut client = server.open().await;
    client.ask("a", "{ who }").await;
    assert_eq!(client.close_code().await, 4401);
}
