//! Heartbeats of the server's loops. A loop owes a turn from when it starts work until the work is done. A loop that
//! waits for work owes nothing. Readiness names the loops that have owed a turn for too long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum time of one turn of each loop before the server is not ready.
pub(crate) mod deadlines {
    use std::time::Duration;

    /// One transaction of a batcher lane, with its retries.
    pub(crate) const LANE: Duration = Duration::from_secs(10);
    /// One read of the feed.
    pub(crate) const HUB: Duration = Duration::from_secs(5);
    /// One transaction that plans deliveries, and one bounded deletion of old ones.
    pub(crate) const RELAY: Duration = Duration::from_secs(10);
    /// One transaction that leases deliveries or stores their results. Attempts are not part of a turn.
    pub(crate) const CHANNEL: Duration = Duration::from_secs(10);
    /// One check of the published catalogue.
    pub(crate) const CATALOGUE: Duration = Duration::from_secs(10);
    /// One ping of the database. A ping times out after a second, so after a failed one the loop is late until one
    /// succeeds.
    pub(crate) const DATABASE: Duration = Duration::from_millis(900);
}

/// The heartbeats of one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    started: Instant,
    loops: Arc<Mutex<Vec<Arc<Rhythm>>>>,
}

/// The state of one loop.
#[derive(Debug)]
struct Rhythm {
    name: String,
    deadline: Duration,
    /// Milliseconds from the start of the pulse to the last turn that succeeded.
    turned: AtomicU64,
    /// Milliseconds from the start of the pulse to the first attempt since then; [`RESTING`] if it owes none.
    owes_since: AtomicU64,
    ended: AtomicBool,
}

/// The loop waits for work.
const RESTING: u64 = u64::MAX;

/// The handle that a loop holds. A loop whose handle was dropped counts as late.
#[derive(Debug)]
pub(crate) struct Beat {
    started: Instant,
    rhythm: Arc<Rhythm>,
}

/// The age of a loop's last successful turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Age {
    /// The loop's name.
    pub(crate) name: String,
    /// Time since its last successful turn.
    pub(crate) since: Duration,
}

impl Pulse {
    /// A pulse without loops.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), loops: Arc::default() }
    }

    /// Registers a loop. It rests until its first turn.
    pub(crate) fn watch(&self, name: impl Into<String>, deadline: Duration) -> Beat {
        let rhythm = Arc::new(Rhythm {
            name: name.into(),
            deadline,
            turned: AtomicU64::new(millis(self.started.elapsed())),
            owes_since: AtomicU64::new(RESTING),
            ended: AtomicBool::new(false),
        });
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&rhythm));
        Beat { started: self.started, rhythm }
    }

    /// A handle of no loop, for work that a caller waits for.
    pub(crate) fn unwatched(&self) -> Beat {
        Self { started: self.started, loops: Arc::default() }.watch("", Duration::MAX)
    }

    /// The names of the loops that have ended, or have owed a turn for longer than their deadline; sorted.
    pub(crate) fn late(&self) -> Vec<String> {
        let now = millis(self.started.elapsed());
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let mut late: Vec<String> =
            loops.iter().filter(|one| one.is_late(now)).map(|one| one.name.clone()).collect();
        late.sort();
        late
    }

    /// The age of every loop's last successful turn.
    pub(crate) fn ages(&self) -> Vec<Age> {
        let now = millis(self.started.elapsed());
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |one: &Arc<Rhythm>| Age {
            name: one.name.clone(),
            since: Duration::from_millis(now.saturating_sub(one.turned.load(Ordering::Relaxed))),
        };
        loops.iter().map(age).collect()
    }
}

impl Rhythm {
    fn is_late(&self, now: u64) -> bool {
        let since = self.owes_since.load(Ordering::Relaxed);
        let overdue = since != RESTING && now.saturating_sub(since) > millis(self.deadline);
        overdue || self.ended.load(Ordering::Relaxed)
    }
}

impl Beat {
    /// Starts a turn. After a failed turn, the loop still owes the first of the attempts.
    pub(crate) fn begin_turn(&self) {
        let now = millis(self.started.elapsed());
        let owes = &self.rhythm.owes_since;
        let _ = owes.compare_exchange(RESTING, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The turn succeeded: the loop owes nothing until it starts the next one.
    pub(crate) fn end_turn(&self) {
        self.rhythm.turned.store(millis(self.started.elapsed()), Ordering::Relaxed);
        self.rhythm.owes_since.store(RESTING, Ordering::Relaxed);
    }

    /// Runs one turn and returns its result. A failed turn remains owed.
    pub(crate) async fn turn<T, E>(&self, turn: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.begin_turn();
        let result = turn.await;
        if result.is_ok() {
            self.end_turn();
        }
        result
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.rhythm.ended.store(true, Ordering::Relaxed);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);
    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_loop_is_late_when_one_turn_takes_longer_than_its_deadline() {
        pause();
        let pulse = Pulse::new();
        let beat = pulse.watch("lane", DEADLINE);
        beat.begin_turn();
        advance(DEADLINE).await;
        assert_eq!(pulse.late(), Vec::<String>::new());
        advance(MOMENT).await;
        assert_eq!(pulse.late(), ["lane"]);
        beat.end_turn();
        assert_eq!(pulse.late(), Vec::<String>::new());
        beat.begin_turn();
        assert_eq!(pulse.late(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_loop_that_rests_is_never_late_and_its_age_grows() {
        pause();
        let pulse = Pulse::new();
        let beat = pulse.watch("lane", DEADLINE);
        beat.begin_turn();
        advance(MOMENT).await;
        beat.end_turn();
        advance(Duration::from_secs(86_400)).await;
        assert_eq!(pulse.late(), Vec::<String>::new());
        assert_eq!(pulse.ages(), [Age { name: "lane".to_owned(), since: Duration::from_secs(86_400) }]);
    }

    #[tokio::test]
    async fn a_loop_whose_turns_fail_is_late_after_its_deadline() {
        pause();
        let pulse = Pulse::new();
        let beat = pulse.watch("relay", DEADLINE);
        for _ in 0..11 {
            assert_eq!(pulse.late(), Vec::<String>::new());
            assert_eq!(beat.turn(async { Err::<(), _>("away") }).await, Err("away"));
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(pulse.late(), ["relay"]);
        assert_eq!(beat.turn(async { Ok::<_, ()>(7) }).await, Ok(7));
        assert_eq!(pulse.late(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_loop_that_has_ended_is_late() {
        let pulse = Pulse::new();
        let (hub, relay) = (pulse.watch("hub", DEADLINE), pulse.watch("relay", DEADLINE));
        drop((relay, hub));
        assert_eq!(pulse.late(), ["hub", "relay"]);
    }
}
