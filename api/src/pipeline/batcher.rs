//! Coalesces callers that arrive together: one transaction, and each is answered after its commit.
//! While a commit is under way others queue up; the next one takes them, of each source in turn.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::line::Line;
use super::{Outcomes, Submission, commit};
use crate::app::App;
use crate::pulse::{Beat, deadlines};
use crate::store::{self, Database, Dialect};
use crate::telemetry::Open;

/// Events one transaction takes at most, but for a single caller's own.
const EVENTS_A_TRANSACTION: usize = 1_000;
/// Events of one source that may wait: as many as the next two transactions take.
const EVENTS_OF_A_SOURCE: usize = 2 * EVENTS_A_TRANSACTION;
/// Events that all who wait may bring together, so that what waits fits into memory.
const EVENTS_WAITING: usize = 50_000;

/// How long a lane rests before it proves that it could record: it pings the database where it writes.
const REST: Duration = Duration::from_secs(5);

/// The entrance to the pipeline. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Batcher {
    line: Arc<Line<Waiting>>,
    places: Arc<Semaphore>,
}

/// The other end: what has been submitted and waits for a transaction.
pub(crate) struct Queue {
    line: Arc<Line<Waiting>>,
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
        let line = Line::new(EVENTS_OF_A_SOURCE);
        let queue = Queue { line: Arc::clone(&line) };
        (Self { line, places: Arc::new(Semaphore::new(EVENTS_WAITING)) }, queue)
    }

    /// Submits, and waits for the commit.
    pub(super) async fn submit(&self, submission: Submission) -> Result<Outcomes, store::Error> {
        let (reply, answer) = oneshot::channel();
        let count = submission.events.len();
        // First the room of its own source: only so many of each source wait for the room of all.
        let place = self
            .line
            .enter(&submission.recorder.source().text(), count)
            .await
            .ok_or(store::Error::Stopping)?;
        let events = u32::try_from(count.min(EVENTS_WAITING)).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.places).acquire_many_owned(events).await;
        let waiting = Waiting { submission, reply, places: places.map_err(|_| store::Error::Stopping)? };
        if !place.wait(waiting) {
            return Err(store::Error::Stopping);
        }
        answer.await.map_err(|_| store::Error::Busy)?
    }
}

impl Queue {
    /// Commits what is submitted until `stop` says that no more should be taken and nothing waits.
    pub(crate) async fn run(self, app: App, stop: tokio::sync::watch::Receiver<bool>) {
        // SQLite has one writer; on PostgreSQL one transaction may fill while another waits for its disk.
        let lanes = match app.db.dialect() {
            Dialect::Sqlite => 1,
            Dialect::Postgres => 2,
        };
        let mut running = JoinSet::new();
        // What the probes ask is not what requests cost.
        let apart = app.db.apart();
        for lane in 1..=lanes {
            let (app, line, mut stop) = (app.clone(), Arc::clone(&self.line), stop.clone());
            let beat = app.pulse.watch(format!("batcher lane {lane}"), deadlines::LANE);
            let apart = apart.clone();
            running.spawn(async move {
                let mut failed = false;
                loop {
                    let told = async { drop(stop.wait_for(|stop| *stop).await) };
                    let batch = tokio::select! {
                        biased;
                        batch = line.gather(EVENTS_A_TRANSACTION) => batch,
                        () = told => {
                            line.close();
                            line.take(EVENTS_A_TRANSACTION)
                        }
                        () = sleep(REST) => {
                            failed = !probe(&apart, &beat, failed).await;
                            continue;
                        }
                    };
                    if batch.is_empty() {
                        break;
                    }
                    beat.begin_turn();
                    let _busy = app.telemetry.open(Open::Lane);
                    failed = !settle(&app, batch).await;
                    if !failed {
                        beat.end_turn();
                    }
                }
            });
        }
        while running.join_next().await.is_some() {}
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.line.close();
    }
}

/// Pings the database over the connections that record; after a transaction that failed, it writes, since a full disk
/// answers pings. Returns whether that succeeded; until it does, the lane owes its turn.
async fn probe(db: &Database, beat: &Beat, failed: bool) -> bool {
    let probed = if failed { beat.turn(db.probe_write()).await } else { beat.turn(db.probe()).await };
    if let Err(error) = &probed {
        tracing::warn!(error = error.chain(), "a batcher lane cannot reach the database; trying again");
    }
    probed.is_ok()
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
        // The first probe is due five seconds after the lane has started, and the lane may take ten from then on.
        pass(14).await;
        assert_eq!(app.pulse.late(), Vec::<String>::new());
        pass(6).await;
        assert_eq!(app.pulse.late(), ["batcher lane 1"]);
        drop(batcher);
        stop.send_replace(true);
        running.await.unwrap();
    }
}
