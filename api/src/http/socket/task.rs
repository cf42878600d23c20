//! The task of one operation on a socket: confirms the caller, checks the document, executes, and passes its
//! messages to the socket's loop. It continues while the loop waits for the client, so no operation keeps a
//! database connection that it does not use.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Response, ServerError};
use axum::extract::ws::Message;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::introduction::Introduction;
use super::memory::Taken;
use super::protocol;
use crate::app::App;
use crate::budget::turns::{Pacer, Unread};
use crate::config::Limits;
use crate::graphql::context::Caller;
use crate::graphql::denials::turned_away;
use crate::http::answer::{dress, is_request_error, server_error, too_long};
use crate::http::operation::prepare;
use crate::http::params::Params;
use crate::refusal::{Code, Refusal};
use crate::telemetry::Telemetry;

/// One `subscribe` message and everything needed to run it.
pub(super) struct Task<E> {
    /// The application.
    pub(super) app: App,
    /// The schema.
    pub(super) schema: E,
    /// The client of the socket.
    pub(super) introduction: Arc<Introduction>,
    /// The operation as the client sent it.
    pub(super) params: Params,
    /// The memory it takes, counted for the client until the operation ends.
    pub(super) memory: Taken,
}

/// The ids of an operation.
#[derive(Clone)]
pub(super) struct Name {
    /// The client's id, unique on this socket.
    pub(super) id: Arc<str>,
    /// Our id, globally unique. The operation's errors, log lines and audit entries carry it.
    pub(super) request_id: Arc<str>,
}

/// One message of an operation.
pub(super) struct Step {
    /// The number of the operation on its socket.
    pub(super) number: u64,
    /// The client's id of the operation.
    pub(super) id: Arc<str>,
    /// The message for the client.
    pub(super) message: Message,
    /// The bytes of the message, which count until the client has taken them.
    pub(super) unread: Option<Unread>,
    /// True for the last message of the operation.
    pub(super) is_last: bool,
    /// Set if the caller may no longer use the socket: the reason.
    pub(super) lost_rights: Option<String>,
}

/// Sends the messages of one operation to the socket's loop.
pub(super) struct Answers {
    /// The number of the operation on its socket.
    pub(super) number: u64,
    /// Its ids.
    pub(super) name: Name,
    /// The limits that error messages name.
    pub(super) limits: Arc<Limits>,
    /// The metrics that count errors.
    pub(super) telemetry: Telemetry,
    /// The socket's loop.
    pub(super) steps: mpsc::Sender<Step>,
}

impl<E: Executor> Task<E> {
    /// Runs the operation to its end.
    pub(super) async fn run(self, answers: &Answers) {
        let Self { app, schema, introduction, params, memory: _counted } = self;
        let actor = introduction.identity.actor.clone();
        let caller = Caller { actor, request_id: Arc::clone(&answers.name.request_id) };
        if let Err(refusal) = introduction.confirm(&app).await {
            turned_away(&caller, &refusal);
            return answers.turn_away(&refusal).await;
        }
        let operation = match prepare(&app, caller, introduction.subject.clone(), params) {
            Ok(operation) => operation,
            Err(error) => return answers.fail(vec![error]).await,
        };
        tracing::info!(request_id = %answers.name.request_id, "an operation began");
        let pacer = operation.pacer.clone();
        if operation.kind == OperationType::Subscription {
            let mut responses = pin!(operation.follow(&schema));
            while let Some(response) = responses.next().await {
                // A subscription response without data means a lost response: the client must get the error and resume.
                let is_lost = response.data == async_graphql::Value::Null;
                if !answers.answer(response, is_lost, &pacer).await {
                    return;
                }
            }
        } else {
            pacer.take().await;
            let patience = Duration::from_secs(app.config.limits.request_seconds);
            let response = timeout(patience, operation.run(&schema, None))
                .await
                .unwrap_or_else(|_| Response::from_errors(vec![server_error(&Refusal::unavailable())]));
            if !answers.answer(response, false, &pacer).await {
                return;
            }
        }
        answers.complete().await;
    }
}

impl Answers {
    /// Sends one response and ends the turn. Returns false if this was the operation's last message.
    async fn answer(&self, mut response: Response, is_lost: bool, pacer: &Pacer) -> bool {
        if is_lost || is_request_error(&response) {
            pacer.release();
            self.fail(response.errors).await;
            return false;
        }
        dress(&mut response.errors, &self.name.request_id, &self.limits, &self.telemetry);
        let Some(message) = protocol::next(&self.name.id, &response, self.limits.answer_bytes) else {
            pacer.release();
            self.fail(vec![too_long(&self.limits)]).await;
            return false;
        };
        let bytes = if let Message::Text(text) = &message { text.len() } else { 0 };
        let unread = pacer.count(bytes);
        pacer.release();
        self.send(Step { unread: Some(unread), ..self.step(message) }).await
    }

    /// Sends that the operation has failed, and ends it.
    pub(super) async fn fail(&self, mut errors: Vec<ServerError>) {
        let unauthenticated = Some(&Code::Unauthenticated.as_str().into());
        let is_unauthenticated = |error: &&ServerError| {
            error.extensions.as_ref().and_then(|extensions| extensions.get("code")) == unauthenticated
        };
        let lost_rights = errors.iter().find(is_unauthenticated).map(|error| error.message.clone());
        dress(&mut errors, &self.name.request_id, &self.limits, &self.telemetry);
        let message = protocol::error(&self.name.id, &errors);
        self.send(Step { is_last: true, lost_rights, ..self.step(message) }).await;
    }

    async fn turn_away(&self, refusal: &Refusal) {
        self.fail(vec![server_error(refusal)]).await;
    }

    async fn complete(&self) {
        let message = protocol::complete(&self.name.id);
        self.send(Step { is_last: true, ..self.step(message) }).await;
    }

    fn step(&self, message: Message) -> Step {
        Step {
            number: self.number,
            id: Arc::clone(&self.name.id),
            message,
            unread: None,
            is_last: false,
            lost_rights: None,
        }
    }

    async fn send(&self, step: Step) -> bool {
        self.steps.send(step).await.is_ok()
    }
}
