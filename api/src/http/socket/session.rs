//! The state of a socket's session, and how each message changes it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use axum::extract::ws::{Message, Utf8Bytes};
use serde_json::{Map, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::introduction::{Introduction, introduce};
use super::memory::Full;
use super::operations::Operations;
use super::protocol::{self, ClientMessage, Close};
use super::queue::{Queue, Room};
use super::task::{Name, Step as OperationStep, Task};
use super::too_big;
use crate::budget::Subject;
use crate::graphql::context::Caller;
use crate::graphql::denials::turned_away;
use crate::http::Site;
use crate::http::answer::{dress, explain, server_error};
use crate::http::operation::charge_bad_request;
use crate::http::params::Params;
use crate::http::quota::Share;
use crate::id;
use crate::refusal::{Code, Failure, Refusal};

/// Why a session has ended.
#[derive(Debug)]
pub(super) enum End {
    /// The server closes it, with a reason.
    Closed(Close),
    /// The client has disconnected.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Closed(close)
    }
}

type Step = Result<(), End>;

/// Operations that a client may send before `connection_ack`; all of them together are at most as long as one message.
const EARLY: usize = 16;

/// How long a client should wait before it retries when its operations take too much memory.
const RETRY: Duration = Duration::from_secs(1);

/// Pings, pongs and unnecessary `complete` messages that a client may send within `CONTROLS_SPAN`.
const MOST_CONTROLS: u32 = 100;
/// See [`MOST_CONTROLS`].
const CONTROLS_SPAN: Duration = Duration::from_secs(10);

/// A result of a task of the socket.
pub(super) enum Event {
    /// The result of the client's look-up.
    Introduced(Box<Result<Introduction, Failure>>),
    /// A message of an operation, and room for it.
    Operation(Room, Box<OperationStep>),
}

/// The session of one socket.
pub(super) struct Session<E> {
    site: Site<E>,
    /// The id of the request that opened the socket.
    request_id: Arc<str>,
    address: Option<IpAddr>,
    queue: Queue,
    /// The client's running operations.
    operations: Operations,
    /// The look-up for a `connection_init` without a reply so far.
    introducing: JoinSet<Result<Introduction, Failure>>,
    /// Operations that arrived after that `connection_init`, in order, each as its id and its message. They start
    /// after the reply.
    early: Vec<(String, Utf8Bytes)>,
    client: Option<Client>,
    opened: Instant,
    last_received: Instant,
    pinged: Instant,
    /// Control frames in the current span, and when the span began.
    controls: (u32, Instant),
}

/// A client that has introduced itself.
struct Client {
    introduction: Arc<Introduction>,
    _seat: Share<Subject>,
}

impl<E: Executor> Session<E> {
    pub(super) fn new(site: Site<E>, request_id: Arc<str>, address: Option<IpAddr>, queue: Queue) -> Self {
        let now = Instant::now();
        let operations = Operations::new(Arc::clone(&site.limits), site.app.telemetry.clone());
        Self {
            site,
            request_id,
            address,
            queue,
            operations,
            introducing: JoinSet::new(),
            early: Vec::new(),
            client: None,
            opened: now,
            last_received: now,
            pinged: now,
            controls: (0, now),
        }
    }

    /// Maximum bytes of a message.
    pub(super) fn most_bytes(&self) -> usize {
        self.site.limits.socket_message_bytes
    }

    /// Processes one frame. It waits at most for room in the client's own queue, never for the database.
    pub(super) async fn receive(&mut self, message: Message) -> Step {
        self.last_received = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Close::new(Close::BAD_MESSAGE, "Messages must be text.").into()),
            // The WebSocket library answers pings.
            Message::Ping(_) | Message::Pong(_) => return self.count_control(),
            Message::Close(_) => return Err(End::Gone),
        };
        if text.len() > self.most_bytes() {
            return Err(too_big(self.most_bytes()));
        }
        match protocol::parse(&text)? {
            ClientMessage::ConnectionInit { payload } => self.introduce(&payload.unwrap_or_default()),
            ClientMessage::Ping { payload } => {
                self.count_control()?;
                self.send(protocol::pong(payload)).await
            }
            ClientMessage::Pong { .. } => self.count_control(),
            ClientMessage::Subscribe { id, payload } => self.start(&id, payload, text).await,
            ClientMessage::Complete { id } => {
                self.early.retain(|(early, _)| *early != id);
                // The id may belong to an operation that has just ended.
                if self.operations.stop(&id) { Ok(()) } else { self.count_control() }
            }
        }
    }

    /// Counts a message that starts nothing and is not charged. The WebSocket library answers its own pings outside our
    /// queue, so a client that sends many and reads none would fill memory.
    fn count_control(&mut self) -> Step {
        if self.controls.1.elapsed() >= CONTROLS_SPAN {
            self.controls = (0, Instant::now());
        }
        self.controls.0 += 1;
        if self.controls.0 <= MOST_CONTROLS {
            return Ok(());
        }
        let seconds = CONTROLS_SPAN.as_secs();
        let reason = format!(
            "More than {MOST_CONTROLS} pings, pongs or unnecessary complete messages in {seconds} seconds."
        );
        Err(Close::new(Close::LATER, reason).into())
    }

    /// Forwards a message of an operation to the client.
    pub(super) fn forward(&mut self, room: Room, step: OperationStep) -> Step {
        // The message may concern a token that has just expired.
        self.check_token()?;
        let is_known =
            self.client.as_ref().is_some_and(|client| client.introduction.identity.actor.is_some());
        // The caller's role has changed: it may run no further operation on this socket.
        if let Some(reason) = step.lost_rights.filter(|_| is_known) {
            return Err(Close::new(Close::EXPIRED, reason).into());
        }
        room.put(step.message, step.unread);
        Ok(())
    }

    /// Checks the deadlines, and sends a ping when one is due.
    pub(super) fn check_deadlines(&mut self) -> Step {
        let limits = &self.site.limits;
        let is_silent = self.client.is_none() && self.introducing.is_empty();
        if is_silent && self.opened.elapsed() >= Duration::from_secs(limits.socket_init_seconds) {
            let reason = format!("No connection_init within {} seconds.", limits.socket_init_seconds);
            return Err(Close::new(Close::INIT_TIMEOUT, reason).into());
        }
        self.check_token()?;
        let every = Duration::from_secs(limits.socket_ping_seconds);
        if self.last_received.elapsed() >= every * 2 {
            return Err(Close::new(Close::LATER, "The client does not answer pings.").into());
        }
        if self.last_received.max(self.pinged).elapsed() >= every {
            self.pinged = Instant::now();
            // If there is no room, the client is busy reading, and the writer's own deadline applies.
            self.queue.offer(Message::Ping(Default::default()));
        }
        Ok(())
    }

    /// Starts the look-up of the client; `next` yields the result.
    fn introduce(&mut self, payload: &Map<String, Value>) -> Step {
        if self.client.is_some() || !self.introducing.is_empty() {
            return Err(Close::new(Close::SECOND_INIT, "Too many initialisation requests").into());
        }
        // Clients write the name as in HTTP, where case does not matter.
        let named = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let authorization = match named.map(|(_, value)| value) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(Close::new(Close::UNAUTHORIZED, "`authorization` must be a string").into()),
        };
        let (app, address) = (self.site.app.clone(), self.address);
        self.introducing.spawn(async move { introduce(&app, authorization, address).await });
        Ok(())
    }

    /// The next result of a task of this socket; pending while there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Event {
        let Self { queue, operations, introducing, .. } = self;
        // Messages of operations wait in their tasks until the queue has room.
        let operation = async {
            match queue.room().await {
                Some(room) => Event::Operation(room, Box::new(operations.next().await)),
                None => std::future::pending().await,
            }
        };
        let introduced = async {
            match introducing.join_next().await {
                Some(Ok(result)) => Event::Introduced(Box::new(result)),
                // The task panicked; the panic hook has logged it.
                Some(Err(_)) => Event::Introduced(Box::new(Err(Refusal::internal().into()))),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = operation => event,
            event = introduced => event,
        }
    }

    /// Accepts the client, or ends the session.
    pub(super) async fn welcome(&mut self, introduced: Result<Introduction, Failure>) -> Step {
        let introduction = introduced.map_err(|failure| not_let_in(&self.request_id, failure))?;
        // Clients without a token and without a known address are not counted as one client.
        let is_known = introduction.subject != Subject::Unnamed;
        let most = if is_known { self.site.limits.sockets_per_user } else { usize::MAX };
        let Some(seat) = self.site.connection_limit.one(introduction.subject.clone(), most) else {
            let reason =
                format!("At most {most} sockets at once (limits.sockets_per_user). Close one first.");
            return Err(Close::new(Close::LATER, reason).into());
        };
        self.client = Some(Client { introduction: Arc::new(introduction), _seat: seat });
        self.send(protocol::acknowledge()).await?;
        for (_, message) in std::mem::take(&mut self.early) {
            if let ClientMessage::Subscribe { id, payload } = protocol::parse(&message)? {
                self.start(&id, payload, message).await?;
            }
        }
        Ok(())
    }

    async fn start(&mut self, id: &str, params: Params, message: Utf8Bytes) -> Step {
        let Some(client) = &self.client else {
            let bytes = self.early.iter().map(|(_, message)| message.len()).sum::<usize>() + message.len();
            let has_room = self.early.len() < EARLY && bytes <= self.most_bytes();
            if !self.introducing.is_empty() && has_room {
                if self.early.iter().any(|(early, _)| early == id) {
                    return Err(in_use(id));
                }
                self.early.push((id.to_owned(), message));
                return Ok(());
            }
            return Err(Close::new(Close::UNAUTHORIZED, "Unauthorized").into());
        };
        if self.operations.has(id) {
            return Err(in_use(id));
        }
        self.check_token()?;
        // The socket has one id, and each operation on it has another.
        let request_id = id::new(self.site.app.clock.now()).to_string();
        let name = Name { id: id.into(), request_id: request_id.into() };
        let most = self.site.limits.subscriptions_per_socket;
        if self.operations.count() >= most {
            let message = format!(
                "{most} operations already run on this socket (limits.subscriptions_per_socket). Complete one first, \
                 or open another socket."
            );
            return self.refuse(&name, Refusal::new(Code::TooComplex, message)).await;
        }
        let bytes = params.memory(&message);
        let memory = match self.site.memory.take(&client.introduction.subject, bytes, &self.site.limits) {
            Ok(memory) => memory,
            Err(full) => return self.refuse(&name, refusal(full)).await,
        };
        let task = Task {
            app: self.site.app.clone(),
            schema: self.site.schema.clone(),
            introduction: Arc::clone(&client.introduction),
            params,
            memory,
        };
        self.operations.start(name, task);
        Ok(())
    }

    async fn refuse(&mut self, name: &Name, refusal: Refusal) -> Step {
        let subject = self.client.as_ref().map(|client| client.introduction.subject.clone());
        let spent = subject.and_then(|subject| charge_bad_request(&self.site.app, &subject).err());
        let mut errors = vec![server_error(&spent.unwrap_or(refusal))];
        dress(&mut errors, &name.request_id, &self.site.limits, &self.site.app.telemetry);
        self.send(protocol::error(&name.id, &errors)).await
    }

    async fn send(&mut self, message: Message) -> Step {
        self.queue.room().await.ok_or(End::Gone)?.put(message, None);
        Ok(())
    }

    fn check_token(&self) -> Result<(), Close> {
        let ends = self.client.as_ref().and_then(|client| client.introduction.identity.expires_at());
        if ends.is_some_and(|ends| self.site.app.clock.now() >= ends) {
            return Err(Close::new(Close::EXPIRED, "The token has expired. Reconnect with a new one."));
        }
        if self.client.as_ref().is_some_and(|client| client.introduction.identity.is_revoked(&self.site.app))
        {
            return Err(Close::new(Close::EXPIRED, "The token was revoked. Reconnect with a new one."));
        }
        Ok(())
    }
}

fn refusal(full: Full) -> Refusal {
    match full {
        Full::Caller(most) => Refusal::rate_limited(
            format!(
                "Your operations on sockets take about {most} bytes, the limit for one client (a quarter of \
                limits.body_bytes_in_flight). Complete one first."
            ),
            RETRY,
        ),
        Full::All(most) => {
            let message = format!(
                "The operations of all clients on sockets take about {most} bytes, their limit (four times \
                limits.body_bytes_in_flight). Try again later."
            );
            Refusal { retry_after: Some(RETRY), ..Refusal::new(Code::Unavailable, message) }
        }
    }
}

fn in_use(id: &str) -> End {
    Close::new(Close::DUPLICATE_ID, format!("Subscriber for {id} already exists")).into()
}

/// The close for a client that could not be accepted.
fn not_let_in(request_id: &Arc<str>, failure: Failure) -> Close {
    let (_, refusal) = explain(failure);
    turned_away(&Caller { actor: None, request_id: Arc::clone(request_id) }, &refusal);
    let code = match refusal.code {
        Code::Unavailable | Code::Internal | Code::RateLimited => Close::LATER,
        _ => Close::UNAUTHORIZED,
    };
    Close::new(code, refusal.message)
}
