//! The operations that run on one socket: each a stream of answers under the client's id.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Response};
use futures_util::future::AbortHandle;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt, abortable, once};
use tokio::time::timeout;

use crate::http::answer::{is_request_error, server_error};
use crate::http::operation::Operation;
use crate::refusal::Refusal;

/// What an operation goes by.
#[derive(Clone)]
pub(super) struct Name {
    /// On this socket: the client's word for it.
    pub(super) id: Arc<str>,
    /// Everywhere: its errors, the log and the audit have it.
    pub(super) request_id: Arc<str>,
}

/// Something an operation did.
pub(super) enum Event {
    /// It answered, and may go on.
    Answered(Name, Box<Response>),
    /// It failed for good.
    Failed(Name, Box<Response>),
    /// It is over.
    Completed(Name),
}

/// The operations under way.
#[derive(Default)]
pub(super) struct Operations {
    running: HashMap<Arc<str>, Running>,
    streams: SelectAll<BoxStream<'static, Step>>,
    started: u64,
}

struct Running {
    number: u64,
    kind: OperationType,
    abort: AbortHandle,
}

/// What one stream yields: its number, its name, and an answer or its end.
struct Step {
    number: u64,
    name: Name,
    answer: Option<Response>,
}

impl Operations {
    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// Whether this id is in use.
    pub(super) fn has(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    /// Starts an operation; a query or a mutation has `patience` to answer.
    pub(super) fn start<E: Executor>(
        &mut self,
        name: Name,
        schema: E,
        operation: Operation,
        patience: Duration,
    ) {
        self.started += 1;
        let number = self.started;
        let kind = operation.kind;
        let mut answers = match kind {
            OperationType::Subscription => operation.follow(&schema).boxed(),
            OperationType::Query | OperationType::Mutation => once(async move {
                let answer = timeout(patience, operation.run(&schema)).await;
                answer.unwrap_or_else(|_| Response::from_errors(vec![server_error(&Refusal::unavailable())]))
            })
            .boxed(),
        };
        // Its lines in the log have its own id beside the socket's.
        let span = tracing::info_span!("operation", id = %name.request_id);
        span.in_scope(|| tracing::info!(request_id = %name.request_id, "an operation began"));
        let answers = stream::poll_fn(move |cx| span.in_scope(|| answers.poll_next_unpin(cx)));
        let (answers, abort) = abortable(AssertUnwindSafe(answers).catch_unwind());
        let id = Arc::clone(&name.id);
        let end = Step { number, name: name.clone(), answer: None };
        let steps = answers
            .map(move |answer| Step {
                number,
                name: name.clone(),
                answer: Some(answer.unwrap_or_else(panicked)),
            })
            .chain(once(async move { end }));
        self.streams.push(steps.boxed());
        self.running.insert(id, Running { number, kind, abort });
    }

    /// Stops an operation. Nothing more is said about it.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(running) = self.running.remove(id) {
            running.abort.abort();
        }
    }

    /// The next thing any operation does; never, while none runs. Loses nothing when dropped.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let Some(step) = self.streams.next().await else {
                return std::future::pending().await;
            };
            // A step of a stopped operation is nobody's, also if its id is in use again.
            let Some(running) =
                self.running.get(&step.name.id).filter(|running| running.number == step.number)
            else {
                continue;
            };
            let Some(answer) = step.answer else {
                self.running.remove(&step.name.id);
                return Event::Completed(step.name);
            };
            // A subscription whose answer has no data has lost it for good: the client must know, and resume.
            let lost =
                running.kind == OperationType::Subscription && answer.data == async_graphql::Value::Null;
            if is_request_error(&answer) || lost {
                self.stop(&step.name.id);
                return Event::Failed(step.name, Box::new(answer));
            }
            return Event::Answered(step.name, Box::new(answer));
        }
    }
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("an operation on a socket panicked");
    Response::from_errors(vec![server_error(&Refusal::internal())])
}
