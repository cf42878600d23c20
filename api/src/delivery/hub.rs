//! Wakes subscribers. One reader per process follows the feed and caches its newest entries. Subscribers that are
//! up to date read the cache; the others read the table. Both read places only. The award at a place is loaded
//! when it is sent, so no subscriber receives outdated data.

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

/// Number of places in the cache.
const KEPT: usize = 4_096;
/// Places that one read of the table returns.
const PAGE: u64 = 500;
/// Places that one read of the cache returns, so that many slow readers use little memory.
const TAIL_PAGE: usize = 500;
/// How often the head is read to find commits of other processes.
const POLL: Duration = Duration::from_millis(100);

/// The newest part of the feed, and the subscribers that wait for more.
pub(crate) struct Hub {
    tail: RwLock<Tail>,
    head: watch::Sender<i64>,
    /// The head of the table at the last read.
    seen: AtomicI64,
}

struct Tail {
    /// Every place after this position and up to the head is in `places`.
    start: i64,
    places: VecDeque<Item>,
}

/// A part of the feed.
pub(crate) struct Stretch {
    /// The matching places, in order.
    pub(crate) places: Vec<Item>,
    /// The position up to which the feed was read. The next read starts after it.
    pub(crate) reached: i64,
}

impl Hub {
    /// Creates an empty hub; [`Hub::follow`] fills it.
    pub(crate) fn new() -> Self {
        Self {
            tail: RwLock::new(Tail { start: 0, places: VecDeque::new() }),
            head: watch::Sender::new(0),
            seen: AtomicI64::new(0),
        }
    }

    /// Subscribes to moves of the head.
    pub(crate) fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// Number of committed positions that were not read yet; `hinted` is the last one that this process committed.
    pub(crate) fn lag(&self, hinted: i64) -> i64 {
        let committed = self.seen.load(Ordering::Relaxed).max(hinted);
        committed.saturating_sub(*self.head.borrow()).max(0)
    }

    /// The number of subscribers.
    pub(crate) fn listeners(&self) -> usize {
        self.head.receiver_count()
    }

    /// The next part after `position`: for all people, or for one person.
    ///
    /// # Errors
    /// If it has to read the table and the database fails.
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

    /// Follows the feed until `stop` turns true. It wakes on a hint, and also polls.
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

    /// Starts at the head of the feed. Subscribers that want earlier places read the table.
    ///
    /// # Errors
    /// If the database fails.
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
