//! The operations that run on one socket: each is a task that sends its messages under the client's id.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::Executor;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument;

use super::task::{Answers, Name, Step, Task};
use crate::config::Limits;
use crate::http::answer::server_error;
use crate::refusal::Refusal;
use crate::telemetry::Telemetry;

/// The running operations. Dropping this stops them.
pub(super) struct Operations {
    running: HashMap<Arc<str>, Running>,
    tasks: JoinSet<()>,
    limits: Arc<Limits>,
    telemetry: Telemetry,
    steps: mpsc::Receiver<Step>,
    sender: mpsc::Sender<Step>,
    started: u64,
}

struct Running {
    number: u64,
    abort: AbortHandle,
}

impl Operations {
    /// Creates an empty set.
    pub(super) fn new(limits: Arc<Limits>, telemetry: Telemetry) -> Self {
        // The socket's queue has the bound; the loop takes each message as soon as that queue has room.
        let (sender, steps) = mpsc::channel(1);
        Self { running: HashMap::new(), tasks: JoinSet::new(), limits, telemetry, steps, sender, started: 0 }
    }

    /// The number of running operations.
    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// Whether this id is in use.
    pub(super) fn has(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    /// Starts an operation.
    pub(super) fn start<E: Executor>(&mut self, name: Name, task: Task<E>) {
        // Removes the tasks that have ended.
        while self.tasks.try_join_next().is_some() {}
        self.started += 1;
        let number = self.started;
        let id = Arc::clone(&name.id);
        // The operation's log lines carry its own id in addition to the socket's.
        let span = tracing::info_span!("operation", id = %name.request_id);
        let (limits, telemetry) = (Arc::clone(&self.limits), self.telemetry.clone());
        let answers = Answers { number, name, limits, telemetry, steps: self.sender.clone() };
        let run = async move {
            if AssertUnwindSafe(task.run(&answers)).catch_unwind().await.is_err() {
                tracing::error!("an operation on a socket panicked");
                answers.fail(vec![server_error(&Refusal::internal())]).await;
            }
        };
        let abort = self.tasks.spawn(run.instrument(span));
        self.running.insert(id, Running { number, abort });
    }

    /// Stops an operation and returns whether it was running. No further message of it is sent.
    pub(super) fn stop(&mut self, id: &str) -> bool {
        let running = self.running.remove(id);
        running.is_some_and(|running| {
            running.abort.abort();
            true
        })
    }

    /// The next message of any operation; pending while there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Step {
        loop {
            let Some(step) = self.steps.recv().await else {
                return std::future::pending().await;
            };
            // A message of a stopped operation is dropped, even if its id is in use again.
            let is_running = self.running.get(&step.id).is_some_and(|running| running.number == step.number);
            if !is_running {
                continue;
            }
            if step.is_last {
                self.running.remove(&step.id);
            }
            return step;
        }
    }
}
