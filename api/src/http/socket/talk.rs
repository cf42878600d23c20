//! What a socket knows about its client, and how each message changes it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Executor, ServerError};
use axum::extract::ws::Message;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::operations::{Event, Name, Operations};
use super::protocol::{self, Close, Heard};
use super::seats::Seat;
use super::too_big;
use crate::budget::Subject;
use crate::graphql::context::Caller;
use crate::graphql::denials::turned_away;
use crate::http::Site;
use crate::http::answer::{dress, explain, server_error, too_long};
use crate::http::identity::{self, Identity};
use crate::http::operation::{charge_bad_request, prepare};
use crate::http::params::Params;
use crate::id;
use crate::refusal::{Code, Failure, Refusal};

/// Why a conversation is over.
#[derive(Debug)]
pub(super) enum End {
    /// We say why.
    Closed(Close),
    /// The client is gone; there is nobody to tell.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Closed(close)
    }
}

type Step = Result<(), End>;

/// One conversation.
pub(super) struct Talk<E> {
    site: Site<E>,
    /// Of the request that opened the socket.
    request_id: Arc<str>,
    address: Option<IpAddr>,
    queue: mpsc::Sender<Message>,
    /// What runs for the client.
    pub(super) operations: Operations,
    client: Option<Client>,
    opened: Instant,
    heard: Instant,
    pinged: Instant,
}

/// A client that has introduced itself.
struct Client {
    identity: Identity,
    _seat: Seat,
}

impl<E: Executor> Talk<E> {
    pub(super) fn new(
        site: Site<E>,
        request_id: Arc<str>,
        address: Option<IpAddr>,
        queue: mpsc::Sender<Message>,
    ) -> Self {
        let now = Instant::now();
        let operations = Operations::default();
        Self {
            site,
            request_id,
            address,
            queue,
            operations,
            client: None,
            opened: now,
            heard: now,
            pinged: now,
        }
    }

    /// Bytes of the longest message.
    pub(super) fn most_bytes(&self) -> usize {
        self.site.limits.socket_message_bytes
    }

    /// Reacts to one frame.
    pub(super) async fn hear(&mut self, message: Message) -> Step {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Close::new(Close::BAD_MESSAGE, "Messages are text.").into()),
            // Pings are answered below us; the other end may also just hang up.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
        };
        if text.len() > self.most_bytes() {
            return Err(too_big(self.most_bytes()));
        }
        match protocol::hear(&text)? {
            Heard::ConnectionInit { payload } => self.welcome(payload.unwrap_or_default()).await,
            Heard::Ping { payload } => self.say(protocol::pong(payload)).await,
            Heard::Pong { .. } => Ok(()),
            Heard::Subscribe { id, payload } => self.start(&id, payload).await,
            Heard::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    /// Passes on what an operation did.
    pub(super) fn tell(&mut self, permit: mpsc::OwnedPermit<Message>, event: Event) -> Step {
        // What was found out just now may be about a token that has just ended.
        self.check_token()?;
        self.check_rights(&event)?;
        permit.send(match event {
            Event::Answered(name, mut answer) => {
                let (limits, telemetry) = (&self.site.limits, &self.site.app.telemetry);
                dress(&mut answer.errors, &name.request_id, limits, telemetry);
                protocol::next(&name.id, &answer, limits.answer_bytes).unwrap_or_else(|| {
                    self.operations.stop(&name.id);
                    let mut errors = vec![too_long(limits)];
                    dress(&mut errors, &name.request_id, limits, telemetry);
                    protocol::error(&name.id, &errors)
                })
            }
            Event::Failed(name, mut answer) => {
                dress(&mut answer.errors, &name.request_id, &self.site.limits, &self.site.app.telemetry);
                protocol::error(&name.id, &answer.errors)
            }
            Event::Completed(name) => protocol::complete(&name.id),
        });
        Ok(())
    }

    /// Looks whether a deadline has passed, and pings where it is time.
    pub(super) fn look_at_the_clock(&mut self) -> Step {
        let limits = &self.site.limits;
        if self.client.is_none() && self.opened.elapsed() >= Duration::from_secs(limits.socket_init_seconds) {
            let reason = format!("No connection_init within {} seconds.", limits.socket_init_seconds);
            return Err(Close::new(Close::INIT_TIMEOUT, reason).into());
        }
        self.check_token()?;
        let every = Duration::from_secs(limits.socket_ping_seconds);
        if self.heard.elapsed() >= every * 2 {
            return Err(Close::new(Close::LATER, "Pings are not answered.").into());
        }
        if self.heard.max(self.pinged).elapsed() >= every {
            self.pinged = Instant::now();
            // Where there is no room the client is busy reading, and the writer's own deadline watches it.
            let _ = self.queue.try_send(Message::Ping(Default::default()));
        }
        Ok(())
    }

    async fn welcome(&mut self, payload: Map<String, Value>) -> Step {
        if self.client.is_some() {
            return Err(Close::new(Close::SECOND_INIT, "Too many initialisation requests").into());
        }
        let identity = match payload.get("authorization") {
            None | Some(Value::Null) => Identity::default(),
            Some(Value::String(text)) => {
                let believed = identity::of_authorization(&self.site.app, text).await;
                believed.map_err(|failure| {
                    let address = Subject::of(None, self.address);
                    // A failure of the database is not the client's, and costs nothing.
                    let limited = match failure {
                        Failure::Refused(_) => charge_bad_request(&self.site.app, &address).err(),
                        Failure::Store(_) => None,
                    };
                    match limited {
                        Some(limited) => Close::new(Close::LATER, limited.message),
                        None => not_let_in(&self.request_id, failure),
                    }
                })?
            }
            Some(_) => return Err(Close::new(Close::UNAUTHORIZED, "`authorization` is a string").into()),
        };
        let holder = Subject::of(identity.actor.as_ref(), self.address);
        // Clients without a token and without a known address are not one client.
        let known = holder != Subject::Unnamed;
        let most = if known { self.site.limits.sockets_per_user } else { usize::MAX };
        let Some(seat) = self.site.seats.take(holder, most) else {
            let reason = format!("At most {most} sockets at once (sockets_per_user).");
            return Err(Close::new(Close::LATER, reason).into());
        };
        self.client = Some(Client { identity, _seat: seat });
        self.say(protocol::acknowledge()).await
    }

    async fn start(&mut self, id: &str, params: Params) -> Step {
        let Some(client) = &self.client else {
            return Err(Close::new(Close::UNAUTHORIZED, "Unauthorized").into());
        };
        if self.operations.has(id) {
            let reason = format!("Subscriber for {id} already exists");
            return Err(Close::new(Close::DUPLICATE_ID, reason).into());
        }
        // A socket has one id, and everything asked over it another.
        let request_id = id::new(self.site.app.clock.now()).to_string();
        let name = Name { id: id.into(), request_id: request_id.into() };
        let most = self.site.limits.subscriptions_per_socket;
        if self.operations.count() >= most {
            let message = format!("At most {most} operations run on one socket (subscriptions_per_socket).");
            return self.refuse(&name, server_error(&Refusal::new(Code::RateLimited, message))).await;
        }
        let caller =
            Caller { actor: client.identity.actor.clone(), request_id: Arc::clone(&name.request_id) };
        // A socket lives as long as its token; the rights of who opened it may end before.
        if let Err(failure) = client.identity.confirm(&self.site.app).await {
            let (_, refusal) = explain(failure);
            turned_away(&caller, &refusal);
            return match refusal.code {
                Code::Unauthenticated => Err(Close::new(Close::EXPIRED, refusal.message).into()),
                _ => self.refuse(&name, server_error(&refusal)).await,
            };
        }
        self.check_token()?;
        let subject = Subject::of(client.identity.actor.as_ref(), self.address);
        match prepare(&self.site.app, caller, subject, params) {
            Ok(operation) => {
                let patience = Duration::from_secs(self.site.limits.request_seconds);
                self.operations.start(name, self.site.schema.clone(), operation, patience);
                Ok(())
            }
            Err(error) => self.refuse(&name, error).await,
        }
    }

    async fn refuse(&mut self, name: &Name, error: ServerError) -> Step {
        let mut errors = vec![error];
        dress(&mut errors, &name.request_id, &self.site.limits, &self.site.app.telemetry);
        self.say(protocol::error(&name.id, &errors)).await
    }

    async fn say(&mut self, message: Message) -> Step {
        self.queue.send(message).await.map_err(|_| End::Gone)
    }

    /// A subscription that finds its caller's role changed ends the socket: nothing else on it is allowed either.
    fn check_rights(&self, event: &Event) -> Result<(), Close> {
        let known = self.client.as_ref().is_some_and(|client| client.identity.actor.is_some());
        let Event::Failed(_, answer) = event else { return Ok(()) };
        let code = Some(&Code::Unauthenticated.as_str().into());
        let lost = |error: &&ServerError| {
            error.extensions.as_ref().and_then(|extensions| extensions.get("code")) == code
        };
        match answer.errors.iter().find(lost) {
            Some(error) if known => Err(Close::new(Close::EXPIRED, error.message.as_str())),
            _ => Ok(()),
        }
    }

    fn check_token(&self) -> Result<(), Close> {
        let ends = self.client.as_ref().and_then(|client| client.identity.expires_at());
        if ends.is_some_and(|ends| self.site.app.clock.now() >= ends) {
            return Err(Close::new(Close::EXPIRED, "The token has expired; come back with a fresh one."));
        }
        Ok(())
    }
}

/// How a client leaves that could not be let in.
fn not_let_in(request_id: &Arc<str>, failure: Failure) -> Close {
    let (_, refusal) = explain(failure);
    turned_away(&Caller { actor: None, request_id: Arc::clone(request_id) }, &refusal);
    let code = match refusal.code {
        Code::Unavailable | Code::Internal | Code::RateLimited => Close::LATER,
        _ => Close::UNAUTHORIZED,
    };
    Close::new(code, refusal.message)
}
