//! Incomplete bodies: the bytes they hold, and which clients are refused when there is no room.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::request::Parts;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::pause;

use super::{Bodies, ClientAddress, Held, No, Sender};
use crate::auth::{Claims, Role, Scopes};
use crate::config::Limits;
use crate::telemetry::Telemetry;

fn limits() -> Limits {
    Limits { body_bytes: 100, anonymous_body_bytes: 50, body_bytes_in_flight: 400, ..Limits::default() }
}

fn head(announced: &str) -> Parts {
    let request = Request::builder().header("content-length", announced);
    request.body(()).unwrap().into_parts().0
}

fn anonymous(address: [u8; 4]) -> Sender {
    Sender::of(None, Some(ClientAddress(Some(IpAddr::from(address)))))
}

fn service(name: &str) -> Sender {
    let expires_at = chrono::DateTime::UNIX_EPOCH;
    let claims = Claims {
        subject: name.to_owned(),
        role: Role::Service,
        name: None,
        scopes: Scopes::ALL,
        id: None,
        key: None,
        expires_at,
    };
    Sender::of(Some(&claims), None)
}

/// A body that arrives in parts.
struct Parked {
    send: mpsc::UnboundedSender<Bytes>,
    reading: JoinHandle<Result<Held, No>>,
}

impl Parked {
    fn new(bodies: &Arc<Bodies>, sender: Sender, announced: &str) -> Self {
        let (send, mut chunks) = mpsc::unbounded_channel::<Bytes>();
        let chunks =
            stream::poll_fn(move |cx| chunks.poll_recv(cx).map(|chunk| chunk.map(Ok::<_, std::io::Error>)));
        let (bodies, parts) = (Arc::clone(bodies), head(announced));
        let body = Body::from_stream(chunks);
        let reading = tokio::spawn(async move { bodies.read(&parts, body, &sender, &limits()).await });
        Self { send, reading }
    }

    /// Sends bytes and lets the reader take them.
    async fn send(&self, bytes: usize) {
        self.send.send(vec![b'x'; bytes].into()).unwrap();
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) -> Result<Held, u16> {
        drop(self.send);
        self.reading.await.unwrap().map_err(|(status, _)| status.as_u16())
    }
}

#[tokio::test]
async fn a_declared_length_costs_nothing_and_arrived_bytes_count_until_dropped() {
    let bodies = Arc::new(Bodies::new(Telemetry::new()));
    let mut parked = Vec::new();
    for _ in 0..300 {
        parked.push(Parked::new(&bodies, anonymous([10, 0, 0, 1]), "50"));
    }
    tokio::task::yield_now().await;
    assert_eq!(bodies.held.keys(), 0);
    let first = parked.pop().unwrap();
    first.send(20).await;
    first.send(1).await;
    let held = first.end().await.unwrap();
    assert_eq!((held.bytes.len(), bodies.holders()), (21, 3));
    drop(held);
    assert_eq!(bodies.holders(), 0);
}

#[tokio::test]
async fn one_client_holds_a_quarter_clients_without_a_token_half_and_a_part_is_kept_for_small_bodies() {
    let bodies = Arc::new(Bodies::new(Telemetry::new()));
    let mut parked = Vec::new();
    let mut park = async |sender: Sender, bytes: usize| {
        let one = Parked::new(&bodies, sender, "10");
        one.send(bytes).await;
        if one.reading.is_finished() {
            return one.end().await.err();
        }
        parked.push(one);
        None
    };
    assert_eq!(park(service("one"), 100).await, None);
    assert_eq!(park(service("one"), 1).await, Some(429));
    for _ in 0..2 {
        assert_eq!(park(anonymous([10, 0, 0, 1]), 50).await, None);
    }
    assert_eq!(park(anonymous([10, 0, 0, 1]), 1).await, Some(429));
    for address in [2, 3] {
        assert_eq!(park(anonymous([10, 0, 0, address]), 50).await, None);
    }
    assert_eq!(park(anonymous([10, 0, 0, 4]), 1).await, Some(503), "half is for those with a token");
    // Each must leave as much free as it holds, and an eighth of the total for those that hold little: here one byte.
    for (name, bytes) in [("two", 25), ("three", 12), ("four", 6), ("five", 3), ("six", 2), ("seven", 1)] {
        assert_eq!(park(service(name), bytes + 1).await, Some(503), "{name}");
        assert_eq!(park(service(name), bytes).await, None, "{name}");
    }
    for name in ["eight", "nine"] {
        assert_eq!(park(service(name), 2).await, Some(503), "{name}");
        assert_eq!(park(service(name), 1).await, None, "{name}");
    }
    for one in parked {
        one.end().await.unwrap();
    }
    assert_eq!(bodies.holders(), 0);
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_not_read() {
    let bodies = Arc::new(Bodies::new(Telemetry::new()));
    let parked = Parked::new(&bodies, anonymous([10, 0, 0, 1]), "51");
    assert_eq!(parked.end().await.err(), Some(413));
    let parked = Parked::new(&bodies, service("one"), "100");
    parked.send(60).await;
    parked.send(41).await;
    assert_eq!(parked.end().await.err(), Some(413), "what arrives decides");
}

#[tokio::test]
async fn an_interrupted_body_frees_its_bytes() {
    pause();
    let bodies = Arc::new(Bodies::new(Telemetry::new()));
    let parked = Parked::new(&bodies, service("one"), "100");
    parked.send(60).await;
    assert_eq!(bodies.holders(), 2);
    let Err((status, refusal)) = parked.reading.await.unwrap() else { panic!("the body is not complete") };
    assert_eq!(status.as_u16(), 408);
    assert_eq!(refusal.message, "The body took longer than 10 seconds (limits.body_seconds).");
    assert_eq!(bodies.holders(), 0);
}
