//! Coalesces callers that arrive together: one transaction, and each is answered after its commit.
//! While a commit is under way others queue up; the next one takes them all.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::{Outcomes, Submission, commit};
use crate::app::App;
use crate::store::{self, Dialect};

/// Events one transaction takes at most, but for a single caller's own.
const EVENTS_A_TRANSACTION: usize = 1_000;
/// Callers that may wait before the next one has to wait for a place.
const WAITING: usize = 1_024;
/// Events that all who wait may bring together, so that what waits fits into memory.
const EVENTS_WAITING: usize = 50_000;

/// The entrance to the pipeline. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Batcher {
    entrance: mpsc::Sender<Waiting>,
    places: Arc<Semaphore>,
}

/// The other end: what has been submitted and waits for a transaction.
pub(crate) struct Queue {
    exit: mpsc::Receiver<Waiting>,
}

struct Waiting {
    submission: Submission,
    reply: oneshot::Sender<Result<Outcomes, store::Error>>,
    /// Its places among the events that may wait; free once it is answered.
    places: OwnedSemaphorePermit,
}

impl Batcher {
    /// An entrance and its queue; [`Queue::run`] serves it.
    pub(crate) fn new() -> (Self, Queue) {
        let (entrance, exit) = mpsc::channel(WAITING);
        (Self { entrance, places: Arc::new(Semaphore::new(EVENTS_WAITING)) }, Queue { exit })
    }

    /// Submits, and waits for the commit.
    pub(super) async fn submit(&self, submission: Submission) -> Result<Outcomes, store::Error> {
        let (reply, answer) = oneshot::channel();
        let events = u32::try_from(submission.events.len().min(EVENTS_WAITING)).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.places).acquire_many_owned(events).await;
        let waiting = Waiting { submission, reply, places: places.map_err(|_| store::Error::Stopping)? };
        self.entrance.send(waiting).await.map_err(|_| store::Error::Stopping)?;
        answer.await.map_err(|_| store::Error::Busy)?
    }
}

impl Queue {
    /// Commits what is submitted until every entrance is gone and the queue is empty, or `stop` says
    /// that no more should be taken.
    pub(crate) async fn run(self, app: App, stop: tokio::sync::watch::Receiver<bool>) {
        // SQLite has one writer; on PostgreSQL one transaction may fill while another waits for its disk.
        let lanes = match app.db.dialect() {
            Dialect::Sqlite => 1,
            Dialect::Postgres => 2,
        };
        let exit = Arc::new(Mutex::new(self.exit));
        let mut running = JoinSet::new();
        for _ in 0..lanes {
            let (app, exit, mut stop) = (app.clone(), Arc::clone(&exit), stop.clone());
            running.spawn(async move {
                loop {
                    let told = async { drop(stop.wait_for(|stop| *stop).await) };
                    let batch = tokio::select! {
                        biased;
                        batch = gather(&exit) => batch,
                        () = told => drain(&exit).await,
                    };
                    if batch.is_empty() {
                        break;
                    }
                    settle(&app, batch).await;
                }
            });
        }
        while running.join_next().await.is_some() {}
    }
}

/// Waits for a caller, and takes all who wait with it. Empty once every entrance is gone.
async fn gather(exit: &Mutex<mpsc::Receiver<Waiting>>) -> Vec<Waiting> {
    let mut exit = exit.lock().await;
    let mut batch: Vec<Waiting> = exit.recv().await.into_iter().collect();
    fill(&mut exit, &mut batch);
    batch
}

/// Takes those who wait already, and waits for nobody.
async fn drain(exit: &Mutex<mpsc::Receiver<Waiting>>) -> Vec<Waiting> {
    let mut exit = exit.lock().await;
    exit.close();
    let mut batch = Vec::new();
    fill(&mut exit, &mut batch);
    batch
}

fn fill(exit: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>) {
    let mut events: usize = batch.iter().map(|waiting| waiting.submission.events.len()).sum();
    while events < EVENTS_A_TRANSACTION {
        let Ok(waiting) = exit.try_recv() else { break };
        events += waiting.submission.events.len();
        batch.push(waiting);
    }
}

/// Commits a batch. A panic costs those who wait in it their answer, not everybody after them the pipeline.
async fn settle(app: &App, batch: Vec<Waiting>) {
    if AssertUnwindSafe(write(app, batch)).catch_unwind().await.is_err() {
        tracing::error!("a transaction of the pipeline panicked and was rolled back");
    }
}

async fn write(app: &App, batch: Vec<Waiting>) {
    let (submissions, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.submission, (waiting.reply, waiting.places))).unzip();
    let answers = commit(app, &submissions).await;
    for ((reply, _), answer) in replies.into_iter().zip(answers) {
        // A caller who has gone away misses the answer, not the event.
        let _ = reply.send(answer);
    }
}
