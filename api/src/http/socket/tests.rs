//! Sessions with the small schema, over a pipe and with simulated time.

mod limits;
mod turns;

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, pause};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::app::App;
use crate::config::Config;
use crate::http::accept::{Connection, serve_connection};
use crate::http::router;
use crate::http::tests::{site, token};

/// A server for sockets, and its shared state.
struct Server {
    router: axum::Router,
    app: App,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
}

impl Server {
    fn new(config: Config) -> Self {
        pause();
        let (site, stop) = site(config);
        let (app, stopping) = (site.app.clone(), site.stopping.clone());
        Self { router: router(site), app, stop, stopping }
    }

    /// Opens a socket over a pipe that holds `room` bytes.
    async fn open_with(&self, room: usize, protocol: &str) -> Client {
        let (ours, theirs) = tokio::io::duplex(room);
        let serving = serve_connection(
            theirs,
            Connection::alone(),
            self.router.clone(),
            Duration::from_secs(5),
            self.stopping.clone(),
        );
        tokio::spawn(serving);
        let mut request = "ws://server/graphql".into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        request.headers_mut().insert("x-request-id", "the-socket".parse().unwrap());
        let (socket, response) = client_async(request, ours).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        Client { socket }
    }

    async fn open(&self) -> Client {
        self.open_with(64 * 1024, super::SUBPROTOCOL).await
    }

    /// A socket whose client has signed in as the service of this name.
    async fn introduced(&self, service: &str) -> Client {
        let mut client = self.open().await;
        let authorization = format!("Bearer {}", token(&self.app, service));
        client
            .send(json!({ "type": "connection_init", "payload": { "authorization": authorization } }))
            .await;
        assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
        client
    }
}

struct Client {
    socket: WebSocketStream<DuplexStream>,
}

impl Client {
    async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn ask(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    /// The next message of the protocol; fails if the socket closes.
    async fn receive(&mut self) -> Value {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code of the close frame; earlier messages are skipped.
    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.socket.next().await.unwrap().unwrap() {
                return frame.unwrap().code.into();
            }
        }
    }
}

fn seconds_since(start: Instant) -> u64 {
    (Instant::now() - start).as_secs()
}

#[tokio::test]
async fn invalid_bytes_close_the_socket_with_a_code() {
    // A masked frame of a reserved kind, and one of text that is not UTF-8.
    let server = Server::new(Config::demo());
    for (frame, code) in [([0x83, 0x80, 0, 0, 0, 0, 0], 1002), ([0x81, 0x81, 0, 0, 0, 0, 0xff], 1007)] {
        let mut client = server.introduced("crm").await;
        client.socket.get_mut().write_all(&frame).await.unwrap();
        assert_eq!(client.close_code().await, code);
    }
}

#[tokio::test]
async fn an_operation_answers_under_its_id_until_it_is_complete() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    client.ask("a", "subscription { count(to: 2) }").await;
    for expected in [
        json!({ "type": "next", "id": "a", "payload": { "data": { "count": 1 } } }),
        json!({ "type": "next", "id": "a", "payload": { "data": { "count": 2 } } }),
        json!({ "type": "complete", "id": "a" }),
    ] {
        assert_eq!(client.receive().await, expected);
    }
    client.ask("a", "mutation { set(number: 7) }").await;
    let next = json!({ "type": "next", "id": "a", "payload":
        { "data": { "set": 7 }, "extensions": { "cost": { "requested": 21, "limit": 10_000 } } } });
    assert_eq!(client.receive().await, next);
    assert_eq!(client.receive().await, json!({ "type": "complete", "id": "a" }));
    client.ask("a", "{ who }").await;
    assert_eq!(client.receive().await["payload"]["data"]["who"], "crm");
}

#[tokio::test]
async fn a_field_that_fails_is_next_and_a_request_error_is_error() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    client.ask("a", "{ fails }").await;
    let next = client.receive().await;
    assert_eq!((&next["type"], &next["payload"]["data"]), (&json!("next"), &Value::Null));
    assert_eq!(next["payload"]["errors"][0]["path"], json!(["fails"]));
    assert_eq!(client.receive().await, json!({ "type": "complete", "id": "a" }));

    for query in
        ["{", "{ nothing }", "query($n: Int!) { echo(number: $n) }", "subscription { count(to: 1) silence }"]
    {
        client.ask("b", query).await;
        let error = client.receive().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("b")), "{query}");
        assert_eq!(error["payload"][0]["extensions"]["code"], "INVALID_INPUT", "{query}");
    }
    client.ask("b", "{ hello }").await;
    assert_eq!(client.receive().await["type"], "next");
}

#[tokio::test]
async fn every_operation_has_its_own_request_id() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    let mut ids = std::collections::BTreeSet::new();
    for query in ["{ fails }", "{ fails }", "{", "{ nothing }", "subscription { refused }"] {
        client.ask("a", query).await;
        let told = client.receive().await;
        let errors = told["payload"]["errors"].as_array().or(told["payload"].as_array()).unwrap();
        let id = errors[0]["extensions"]["requestId"].as_str().unwrap();
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{query}: {id}");
        ids.insert(id.to_owned());
        if told["type"] == "next" {
            assert_eq!(client.receive().await["type"], "complete");
        }
    }
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn a_subscription_that_loses_an_answer_ends_with_an_error() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    client.ask("a", "subscription { refused }").await;
    assert_eq!(client.receive().await["type"], "error");
    client.ask("b", "subscription { breaks }").await;
    assert_eq!(client.receive().await["payload"]["data"]["breaks"], 1);
    let error = client.receive().await;
    assert_eq!((&error["type"], &error["payload"][0]["message"]), (&json!("error"), &json!("lost")));
    // No further message of either operation arrives.
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.receive().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn a_panic_ends_its_own_operation_only() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    client.ask("silent", "subscription { silence }").await;
    client.ask("a", "subscription { panics }").await;
    assert_eq!(client.receive().await["payload"]["data"]["panics"], 1);
    let error = client.receive().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("a")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "INTERNAL");
    client.ask("silent", "subscription { silence }").await;
    assert_eq!(client.close_code().await, 4409);
}

#[tokio::test]
async fn a_socket_without_a_token_has_no_caller() {
    let server = Server::new(Config::demo());
    let mut client = server.open().await;
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    client.ask("a", "{ __typename }").await;
    assert_eq!(client.receive().await["payload"]["data"], json!({ "__typename": "Query" }));
    assert_eq!(client.receive().await, json!({ "type": "complete", "id": "a" }));
    for query in ["{ __typename who }", "mutation { set(number: 1) }", "subscription { silence }"] {
        client.ask("b", query).await;
        let refused = client.receive().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("b")), "{query}");
        let extensions = &refused["payload"][0]["extensions"];
        let is = (&extensions["code"], &extensions["reason"]);
        assert_eq!(is, (&json!("UNAUTHENTICATED"), &json!("TOKEN_MISSING")), "{query}");
    }
}

#[tokio::test]
async fn a_missing_connection_init_is_4408_after_five_seconds() {
    let server = Server::new(Config::demo());
    let mut client = server.open().await;
    let start = Instant::now();
    assert_eq!(client.close_code().await, 4408);
    assert_eq!(seconds_since(start), 5);
}

#[tokio::test]
async fn the_end_of_the_token_is_4403() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    client.ask("a", "subscription { silence }").await;
    server.app.clock.advance(TimeDelta::seconds(59));
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.receive().await, json!({ "type": "pong" }));
    server.app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(client.close_code().await, 4403);
}

#[tokio::test]
async fn an_answer_after_the_token_expired_is_not_sent() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    server.app.clock.advance(TimeDelta::seconds(60));
    client.ask("a", "{ who }").await;
    assert_eq!(client.close_code().await, 4403);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_one_that_does_not_is_1013() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    let start = Instant::now();
    // Reading answers the pings; no other message arrives for ten minutes.
    let silence = tokio::time::timeout(Duration::from_secs(600), client.receive()).await;
    assert!(silence.is_err());
    assert_eq!(seconds_since(start), 600);

    // A client that does not read does not answer pings.
    let mut deaf = server.introduced("deaf").await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(deaf.close_code().await, 1013);
}

#[tokio::test]
async fn a_server_that_stops_is_1012_within_two_seconds() {
    let server = Server::new(Config::demo());
    let mut clients = Vec::new();
    for service in ["a", "b", "c"] {
        clients.push(server.introduced(service).await);
    }
    let start = Instant::now();
    server.stop.send(true).unwrap();
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1012);
    }
    assert!(seconds_since(start) <= 3, "{}", seconds_since(start));
}

#[tokio::test]
async fn another_protocol_is_4406() {
    let server = Server::new(Config::demo());
    let (ours, theirs) = tokio::io::duplex(1_024);
    let stopping = server.stopping.clone();
    tokio::spawn(serve_connection(
        theirs,
        Connection::alone(),
        server.router.clone(),
        Duration::from_secs(5),
        stopping,
    ));
    let request = "ws://server/graphql".into_client_request().unwrap();
    let (socket, _) = client_async(request, ours).await.unwrap();
    assert_eq!(Client { socket }.close_code().await, 4406);
}

#[tokio::test]
async fn a_query_on_a_socket_has_the_time_of_a_request() {
    let server = Server::new(Config::demo());
    let mut client = server.introduced("crm").await;
    let start = Instant::now();
    client.ask("a", "{ never }").await;
    let error = client.receive().await;
    assert_eq!(
        (&error["type"], &error["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("UNAVAILABLE"))
    );
    assert_eq!(seconds_since(start), 30);
}
