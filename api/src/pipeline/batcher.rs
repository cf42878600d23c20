//! Records concurrent submissions in one transaction; answers each caller after the commit.
//! Submissions that arrive during a commit wait. The next transaction takes them, one of each source in turn.

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

/// The maximum number of events per transaction. One submission may exceed it.
const EVENTS_A_TRANSACTION: usize = 1_000;
/// The maximum number of waiting events of one source: as many as the next two transactions take.
const EVENTS_OF_A_SOURCE: usize = 2 * EVENTS_A_TRANSACTION;
/// The maximum number of waiting events of all sources, so that they fit into memory.
const EVENTS_WAITING: usize = 50_000;

/// How long a lane is idle before it checks that it can record, with a ping over its own connections.
const REST: Duration = Duration::from_secs(5);

/// Submits events to the pipeline. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Batcher {
    line: Arc<Line<Waiting>>,
    places: Arc<Semaphore>,
}

/// The submissions that wait for a transaction.
pub(crate) struct Queue {
    line: Arc<Line<Waiting>>,
}

struct Waiting {
    submission: Submission,
    reply: oneshot::Sender<Result<Outcomes, store::Error>>,
    /// Its share of [`EVENTS_WAITING`]; released after the answer.
    places: OwnedSemaphorePermit,
}

impl Batcher {
    /// A batcher and its queue; [`Queue::run`] commits the submissions.
    pub(crate) fn new() -> (Self, Queue) {
        let line = Line::new(EVENTS_OF_A_SOURCE);
        let queue = Queue { line: Arc::clone(&line) };
        (Self { line, places: Arc::new(Semaphore::new(EVENTS_WAITING)) }, queue)
    }

    /// Submits events and waits for the commit.
    pub(super) async fn submit(&self, submission: Submission) -> Result<Outcomes, store::Error> {
        let (reply, answer) = oneshot::channel();
        let count = submission.events.len();
        // The limit per source applies first, so that one source cannot fill the limit for all sources.
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
    /// Commits submissions until `stop` is true and no submission waits.
    pub(crate) async fn run(self, app: App, stop: tokio::sync::watch::Receiver<bool>) {
        // SQLite has one writer. On PostgreSQL one transaction can fill while another waits for the disk.
        let lanes = match app.db.dialect() {
            Dialect::Sqlite => 1,
            Dialect::Postgres => 2,
        };
        let mut running = JoinSet::new();
        // Statements of probes must not count as statements of requests.
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

/// Pings the database over the connections for recording. After a failed transaction it writes instead, because a
/// database with a full disk still answers pings. Returns whether it succeeded; until then the lane's turn stays open.
async fn probe(db: &Database, beat: &Beat, failed: bool) -> bool {
    let probed = if failed { beat.turn(db.probe_write()).await } else { beat.turn(db.probe()).await };
    if let Err(error) = &probed {
        tracing::warn!(error = error.chain(), "a batcher lane cannot reach the database; trying again");
    }
    probed.is_ok()
}

/// Commits a batch; returns true if the database decided it. After a panic the callers of this batch get no answer, but
/// the pipeline continues.
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
        // If the caller has disconnected, only the answer is lost; the event is recorded.
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
        // The first probe is due 5 s after the lane has started. The lane may then take 10 s.
        pass(14).await;
        assert_eq!(app.pulse.late(), Vec::<String>::new());
        pass(6).await;
        assert_eq!(app.pulse.late(), ["batcher lane 1"]);
        drop(batcher);
        stop.send_replace(true);
        running.await.unwrap();
    }
}
