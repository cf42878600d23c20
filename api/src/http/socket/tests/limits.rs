//! The limits of one caller on sockets: operations, memory, sockets, pings, and time to read.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::Server;
use crate::config::Config;
use crate::http::params::Params;
use crate::http::socket::SUBPROTOCOL;
use crate::http::tests::{bearer, token};

#[tokio::test]
async fn a_client_that_floods_the_socket_with_pings_is_closed() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    for _ in 0..100 {
        client.socket.send(Message::Ping(Default::default())).await.unwrap();
    }
    client.ask("a", "{ who }").await;
    assert_eq!(client.receive().await["payload"]["data"]["who"], "crm");
    client.socket.send(Message::Ping(Default::default())).await.unwrap();
    assert_eq!(client.close_code().await, 1013);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_1013_after_three_seconds() {
    let server = Server::new(Config::demo());
    let mut client = server.open_with(1_024, SUBPROTOCOL).await;
    client.send(json!({ "type": "connection_init", "payload": { "authorization": bearer() } })).await;
    client.receive().await;
    client.ask("a", "subscription { count(to: 1000000) }").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(client.close_code().await, 1013);
}

#[tokio::test]
async fn the_number_of_sockets_per_caller_is_limited() {
    let mut config = Config::demo();
    config.limits.sockets_per_user = 2;
    let server = Server::new(config);
    let (mut first, _second) = (server.introduced("crm").await, server.introduced("crm").await);
    let third = async || {
        let mut client = server.open().await;
        let authorization = format!("Bearer {}", token(&server.app, "crm"));
        client
            .send(json!({ "type": "connection_init", "payload": { "authorization": authorization } }))
            .await;
        client
    };
    assert_eq!(third().await.close_code().await, 1013);
    let _other = server.introduced("lms").await;

    first.socket.close(None).await.unwrap();
    while first.socket.next().await.is_some() {}
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(third().await.receive().await, json!({ "type": "connection_ack" }));
}

#[tokio::test]
async fn the_number_of_operations_per_socket_is_limited() {
    let mut config = Config::demo();
    config.limits.subscriptions_per_socket = 2;
    let server = Server::new(config);
    let mut client = server.introduced("crm").await;
    for id in ["a", "b", "c"] {
        client.ask(id, "subscription { silence }").await;
    }
    let error = client.receive().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("c")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "TOO_COMPLEX");
    let message = "2 operations already run on this socket (limits.subscriptions_per_socket). Complete one first, or \
                   open another socket.";
    assert_eq!(error["payload"][0]["message"], message);
    client.send(json!({ "type": "complete", "id": "a" })).await;
    client.ask("c", "subscription { count(to: 1) }").await;
    assert_eq!(client.receive().await["payload"]["data"]["count"], 1);
}

#[tokio::test]
async fn the_memory_of_one_callers_operations_on_sockets_is_limited() {
    let ask = |id: &str| {
        let variables = json!({ "x": vec![json!({ "": 0 }); 100] });
        let payload = json!({ "query": "subscription { silence }", "variables": variables });
        json!({ "type": "subscribe", "id": id, "payload": payload })
    };
    let mut config = Config::demo();
    // Two of them fit into a quarter.
    let message = ask("a").to_string();
    let params = Params::from_body(ask("a")["payload"].to_string().as_bytes(), 1_000).unwrap();
    config.limits.body_bytes_in_flight = 4 * 2 * params.memory(&message);
    let server = Server::new(config);
    let (mut one, mut other) = (server.introduced("crm").await, server.introduced("crm").await);
    one.send(ask("a")).await;
    one.send(json!({ "type": "ping" })).await;
    assert_eq!(one.receive().await, json!({ "type": "pong" }));
    other.send(ask("b")).await;
    other.send(ask("c")).await;
    let error = other.receive().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("c")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    let message = "Your operations on sockets take about";
    assert!(error["payload"][0]["message"].as_str().unwrap().starts_with(message), "{error}");
    let mut another = server.introduced("lms").await;
    another.send(ask("a")).await;
    another.ask("b", "{ hello }").await;
    assert_eq!(another.receive().await["type"], "next");

    one.send(json!({ "type": "complete", "id": "a" })).await;
    one.send(json!({ "type": "ping" })).await;
    assert_eq!(one.receive().await, json!({ "type": "pong" }));
    other.ask("d", "{ hello }").await;
    assert_eq!(other.receive().await["type"], "next");
}
