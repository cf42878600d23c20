//! Coalesces callers that arrive together: one transaction, and each is answered after its commit.
//! While a commit is under way others queue up; the next one takes them all.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Outcomes, Submission, commit};
use crate::app::App;
use crate::pulse::{Beat, deadlines};
use crate::store::{self, Database, Dialect};
use crate::telemetry::Open;

/// Events one transaction takes at most, but for a single caller's own.
const EVENTS_A_TRANSACTION: usize = 1_000;
/// Callers that may wait before the next one has to wait for a place.
const WAITING: usize = 1_024;
/// Events that all who wait may bring together, so that what waits fits into memory.
const EVENTS_WAITING: usize = 50_000;

/// How long a lane rests before it proves that it could record: it pings the database where it writes.
const REST: Duration = Duration::from_secs(5);

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
        // What the probes ask is not what requests cost.
        let apart = app.db.apart();
        for lane in 1..=lanes {
            let (app, exit, mut stop) = (app.clone(), Arc::clone(&exit), stop.clone());
            let beat = app.pulse.watch(format!("batcher lane {lane}"), deadlines::LANE);
            let apart = apart.clone();
            running.spawn(async move {
                loop {
                    let told = async { drop(stop.wait_for(|stop| *stop).await) };
                    let batch = tokio::select! {
                        biased;
                        batch = gather(&exit) => batch,
                        () = told => drain(&exit).await,
                        () = sleep(REST) => {
                            probe(&apart, &beat).await;
                            continue;
                        }
                    };
                    if batch.is_empty() {
                        break;
                    }
                    beat.begin_turn();
                    let _busy = app.telemetry.open(Open::Lane);
                    if settle(&app, batch).await {
                        beat.end_turn();
                    }
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

/// Pings the database over the connections that record. A silent database makes the lane late.
async fn probe(db: &Database, beat: &Beat) {
    if let Err(error) = beat.turn(db.probe()).await {
        tracing::warn!(error = error.chain(), "a batcher lane cannot reach the database; trying again");
    }
}

/// Commits a batch; returns true if the database decided it. A panic costs those who wait in it their answer, not
/// everybody after them the pipeline.
async fn settle(app: &App, batch: Vec<Waiting>) -> bool {
    let decided = AssertUnwindSafe(write(app, batch)).catch_unwind().await;
    decided.unwrap_or_else(|_| {
        tracing::error!("a transaction of the pipeline panicked and was rolled back");
        true
    })
}

async fn write(app: &App, batch: Vec<Waiting>) -> bool {
    let (submissions, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.submission, (waiting.reply, waiting.places))).unzip();
    let answers = commit(app, &submissions).await;
    let away = |answer: &Result<Outcomes, store::Error>| {
        matches!(answer, Err(store::Error::Unavailable(_) | store::Error::Busy))
    };
    let decided = !answers.iter().any(away);
    for ((reply, _), answer) in replies.into_iter().zip(answers) {
        // A caller who has gone away misses the answer, not the event.
        let _ = reply.send(answer);
    }
    decided
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use tokio::time::{advance, pause};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    #[tokio::test]
    async fn an_idle_lane_that_could_not_record_becomes_late() {
        pause();
        let app = App::for_tests(Config::demo(), Clock::hand(DateTime::UNIX_EPOCH));
        let (batcher, queue) = Batcher::new();
        let stop = tokio::sync::watch::Sender::new(false);
        let running = tokio::spawn(queue.run(app.clone(), stop.subscribe()));
        let pass = async |seconds: u64| {
            for _ in 0..seconds * 10 {
                advance(Duration::from_millis(100)).await;
                tokio::task::yield_now().await;
            }
        };
        // The first probe is due after five seconds, and the lane may take ten from then on.
        pass(14).await;
        assert_eq!(app.pulse.late(), Vec::<String>::new());
        pass(3).await;
        assert_eq!(app.pulse.late(), ["batcher lane 1"]);
        drop(batcher);
        stop.send_replace(true);
        running.await.unwrap();
    }
}
