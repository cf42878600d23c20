//! Wakes subscribers. One reader a process follows the feed and keeps its newest stretch; whoever is
//! up to date reads there, whoever is behind reads the table. Either way it is places that are read: what
//! stands at a place is looked up when it is told, so that nobody is told what was.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::app::App;
use crate::pulse::Beat;
use crate::store::feed::Item;
use crate::store::{self, feed};

/// Places the newest stretch holds.
const KEPT: usize = 4_096;
/// Places one read of the table brings.
const PAGE: u64 = 500;
/// Places one read of the newest stretch brings, so that many readers that are behind stay small.
const TAIL_PAGE: usize = 500;
/// How often the head is looked at for what other processes have committed.
const POLL: Duration = Duration::from_millis(100);

/// The newest stretch of the feed, and who waits for more.
pub(crate) struct Hub {
    tail: RwLock<Tail>,
    head: watch::Sender<i64>,
    /// The head of the table when it was last read.
    seen: AtomicI64,
}

struct Tail {
    /// Every place behind this position and up to the head is in `places`.
    start: i64,
    places: VecDeque<Item>,
}

/// A piece of the feed.
pub(crate) struct Stretch {
    /// The places asked for, in order.
    pub(crate) places: Vec<Item>,
    /// How far was read: the next read begins behind this.
    pub(crate) reached: i64,
}

impl Hub {
    /// A hub that knows nothing yet; [`Hub::follow`] makes it follow.
    pub(crate) fn new() -> Self {
        Self {
            tail: RwLock::new(Tail { start: 0, places: VecDeque::new() }),
            head: watch::Sender::new(0),
            seen: AtomicI64::new(0),
        }
    }

    /// Hears that the head has moved.
    pub(crate) fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// Positions that are committed and not read yet; `hinted` is the last one this process committed.
    pub(crate) fn lag(&self, hinted: i64) -> i64 {
        let committed = self.seen.load(Ordering::Relaxed).max(hinted);
        committed.saturating_sub(*self.head.borrow()).max(0)
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.head.receiver_count()
    }

    /// The next stretch behind `position`: everyone's, or one person's.
    ///
    /// # Errors
    /// When it has to be read from the table and the database fails.
    pub(crate) async fn read(
        &self,
        app: &App,
        position: i64,
        person: Option<Uuid>,
    ) -> Result<Stretch, store::Error> {
        if let Some(stretch) = self.read_tail(position, person) {
            return Ok(stretch);
        }
        let head = feed::head(&app.db).await?;
        let places = feed::after(&app.db, position, person, PAGE).await?;
        let full = u64::try_from(places.len()).unwrap_or(u64::MAX) >= PAGE;
        let last = places.last().map(|place| place.position);
        // A page that is not full reaches at least to the head that was read before it.
        let reached = if full { last.unwrap_or(position) } else { last.unwrap_or(head).max(head) };
        Ok(Stretch { places, reached })
    }

    fn read_tail(&self, position: i64, person: Option<Uuid>) -> Option<Stretch> {
        let tail = self.tail.read().unwrap_or_else(PoisonError::into_inner);
        if position < tail.start {
            return None;
        }
        let reached = tail.places.back().map_or(tail.start, |place| place.position);
        let new = tail.places.partition_point(|place| place.position <= position);
        let wanted =
            tail.places.range(new..).filter(|place| person.is_none_or(|person| place.person_id == person));
        let places: Vec<Item> = wanted.take(TAIL_PAGE).cloned().collect();
        let reached = match places.last() {
            Some(last) if places.len() == TAIL_PAGE => last.position,
            _ => reached,
        };
        Some(Stretch { places, reached: reached.max(position) })
    }

    /// Follows the feed until told to stop: wakes at a hint, and looks by itself now and then.
    pub(crate) async fn follow(&self, app: App, beat: Beat, mut stop: watch::Receiver<bool>) {
        let mut hints = app.bus.listen();
        loop {
            if let Err(error) = beat.turn(self.catch_up(&app)).await {
                tracing::warn!(error = error.chain(), "the feed cannot be read; trying again");
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = hints.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Begins at the feed's head: who wants what lies before it reads the table.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn begin(&self, app: &App) -> Result<(), store::Error> {
        let head = feed::head(&app.db).await?;
        self.tail.write().unwrap_or_else(PoisonError::into_inner).start = head;
        self.head.send_replace(head);
        Ok(())
    }

    async fn catch_up(&self, app: &App) -> Result<(), store::Error> {
        loop {
            let known = *self.head.borrow();
            let head = feed::head(&app.db).await?;
            self.seen.store(head, Ordering::Relaxed);
            if head <= known {
                return Ok(());
            }
            let places = feed::after(&app.db, known, None, PAGE).await?;
            let Some(head) = places.last().map(|place| place.position) else { return Ok(()) };
            self.keep(places);
            self.head.send_replace(head);
        }
    }

    fn keep(&self, places: Vec<Item>) {
        let mut tail = self.tail.write().unwrap_or_else(PoisonError::into_inner);
        tail.places.extend(places);
        while tail.places.len() > KEPT {
            if let Some(oldest) = tail.places.pop_front() {
                tail.start = oldest.position;
            }
        }
    }
}
