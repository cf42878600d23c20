//! The load of the chaos: senders that repeat until they are answered, and subscribers that always come back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::client_of;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use uuid::Uuid;

const REGISTER: &str =
    "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
const RECORD: &str =
    "mutation($input: RecordEventInput!) { recordEvent(input: $input) { userErrors { message } } }";
const FOLLOW: &str =
    "subscription($after: String) { achievementEarned(after: $after) { cursor award { id } } }";
/// How long a subscriber waits for a message before it connects to another server.
const SILENCE: Duration = Duration::from_secs(5);

/// What senders, subscribers and the chaos know of each other.
#[derive(Default)]
pub(super) struct Shared {
    /// The addresses of the servers, and a number that spreads the load over them.
    servers: Mutex<(Vec<String>, usize)>,
    /// The number of acknowledged events.
    acknowledged: watch::Sender<i64>,
    stopped: watch::Sender<bool>,
    /// The number of awards that end a subscriber.
    expected: watch::Sender<Option<usize>>,
}

impl Shared {
    /// The servers are here from now on.
    pub(super) fn at(&self, servers: Vec<String>) {
        self.servers.lock().unwrap().0 = servers;
    }

    /// Only one server is left.
    pub(super) fn only(&self, server: String) {
        self.at(vec![server]);
    }

    /// Waits until a few more events are acknowledged.
    pub(super) async fn progress(&self) {
        let (now, mut told) = (*self.acknowledged.borrow(), self.acknowledged.subscribe());
        let _ = timeout(Duration::from_secs(30), told.wait_for(|count| *count >= now + 3))
            .await
            .expect("events go on");
    }

    /// Ends the senders after the events that they have begun.
    pub(super) fn stop_sending(&self) {
        self.stopped.send_replace(true);
    }

    /// Ends the subscribers when they have seen this number of awards.
    pub(super) fn expect(&self, awards: usize) {
        self.expected.send_replace(Some(awards));
    }

    fn next(&self) -> String {
        let mut servers = self.servers.lock().unwrap();
        servers.1 += 1;
        let nth = servers.1 % servers.0.len();
        servers.0[nth].clone()
    }
}

/// A sender.
pub(super) struct Crowd {
    shared: Arc<Shared>,
}

impl Crowd {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// New people, each of whom earns something by two events, until it is stopped. Returns the number of events.
    pub(super) async fn send(self) -> i64 {
        let mut events = 0;
        while !*self.shared.stopped.borrow() {
            let person = Uuid::new_v4();
            let input = json!({"id": person, "displayName": "Ada", "email": "ada@school.example"});
            self.acknowledge(REGISTER, input).await;
            for activity in ["comment_written", "session_join"] {
                let input =
                    json!({"id": format!("{activity}-{person}"), "userId": person, "activity": activity});
                self.acknowledge(RECORD, input).await;
                events += 1;
                self.shared.acknowledged.send_modify(|count| *count += 1);
            }
        }
        events
    }

    /// Sends the same input until a server accepts it.
    async fn acknowledge(&self, document: &str, input: Value) {
        loop {
            let client = client_of(&self.shared.next(), "school", Role::Service);
            let asked = client.try_ask(document, json!({"input": input}));
            let Ok(Ok(answer)) = timeout(Duration::from_secs(20), asked).await else { continue };
            let payload = answer.body["data"].as_object().and_then(|data| data.values().next());
            if payload.is_some_and(|payload| payload["userErrors"] == json!([])) {
                return;
            }
        }
    }
}

/// Follows the awards after this cursor over any server, and resumes at another one when a connection ends. Returns their
/// ids when it has seen as many as are expected.
pub(super) async fn follow(shared: Arc<Shared>, mut cursor: String) -> Vec<String> {
    let (mut seen, mut expected) = (Vec::new(), shared.expected.subscribe());
    loop {
        let whole = |seen: &Vec<String>, expected: &watch::Receiver<Option<usize>>| {
            expected.borrow().is_some_and(|number| seen.len() >= number)
        };
        if whole(&seen, &expected) {
            return seen;
        }
        let server = shared.next();
        let Some(mut socket) = connect(&server, &cursor).await else {
            tokio::task::yield_now().await;
            continue;
        };
        loop {
            let message = tokio::select! {
                message = timeout(SILENCE, socket.next()) => message,
                _ = expected.changed() => break,
            };
            let Ok(Some(Ok(Message::Text(text)))) = message else {
                // A ping is not the end.
                if matches!(message, Ok(Some(Ok(Message::Ping(_) | Message::Pong(_))))) {
                    continue;
                }
                break;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str() {
                Some("ping") => drop(socket.send(Message::text(json!({"type": "pong"}).to_string())).await),
                Some("next") => {
                    let Some(earned) = message["payload"]["data"]["achievementEarned"].as_object() else {
                        break;
                    };
                    earned["cursor"].as_str().unwrap().clone_into(&mut cursor);
                    seen.push(earned["award"]["id"].as_str().unwrap().to_owned());
                    if whole(&seen, &expected) {
                        return seen;
                    }
                }
                _ => break,
            }
        }
    }
}

type Open = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A socket with a running subscription.
async fn connect(server: &str, cursor: &str) -> Option<Open> {
    let mut request = format!("{}/graphql", server.replacen("http", "ws", 1)).into_client_request().unwrap();
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = timeout(SILENCE, connect_async(request)).await.ok()?.ok()?;
    let token = client_of(server, "school", Role::Service).token()?.to_owned();
    let init = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}});
    socket.send(Message::text(init.to_string())).await.ok()?;
    let acknowledged = timeout(SILENCE, socket.next()).await.ok()??.ok()?;
    if !acknowledged.to_text().ok()?.contains("connection_ack") {
        return None;
    }
    let payload = json!({"query": FOLLOW, "variables": {"after": cursor}});
    let subscribe = json!({"id": "1", "type": "subscribe", "payload": payload});
    socket.send(Message::text(subscribe.to_string())).await.ok()?;
    Some(socket)
}
