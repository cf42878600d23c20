//! Wakes subscribers. One reader a process follows the feed and keeps its newest stretch; whoever is
//! up to date reads there, whoever is behind reads the table. The data is the feed's either way.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::app::App;
use crate::store::feed::Entry;
use crate::store::{self, feed};

/// Entries the newest stretch holds.
const KEPT: usize = 4_096;
/// Entries one read of the table brings.
const PAGE: u64 = 500;
/// How often the head is looked at for what other processes have committed.
const POLL: Duration = Duration::from_millis(100);

/// The newest stretch of the feed, and who waits for more.
pub(crate) struct Hub {
    tail: RwLock<Tail>,
    head: watch::Sender<i64>,
}

struct Tail {
    /// Every entry behind this position and up to the head is in `entries`.
    start: i64,
    entries: VecDeque<Arc<Entry>>,
}

/// A piece of the feed.
pub(crate) struct Stretch {
    /// The entries asked for, in order.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// How far was read: the next read begins behind this.
    pub(crate) reached: i64,
}

impl Hub {
    /// A hub that knows nothing yet; [`Hub::follow`] makes it follow.
    pub(crate) fn new() -> Self {
        Self { tail: RwLock::new(Tail { start: 0, entries: VecDeque::new() }), head: watch::Sender::new(0) }
    }

    /// Hears that the head has moved.
    pub(crate) fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
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
        let entries = feed::after(&app.db, position, person, PAGE).await?;
        let full = u64::try_from(entries.len()).unwrap_or(u64::MAX) >= PAGE;
        let last = entries.last().map(|entry| entry.position);
        // A page that is not full reaches at least to the head that was read before it.
        let reached = if full { last.unwrap_or(position) } else { last.unwrap_or(head).max(head) };
        Ok(Stretch { entries: entries.into_iter().map(Arc::new).collect(), reached })
    }

    fn read_tail(&self, position: i64, person: Option<Uuid>) -> Option<Stretch> {
        let tail = self.tail.read().unwrap_or_else(PoisonError::into_inner);
        if position < tail.start {
            return None;
        }
        let reached = tail.entries.back().map_or(tail.start, |entry| entry.position);
        let new = tail.entries.partition_point(|entry| entry.position <= position);
        let entries = tail
            .entries
            .range(new..)
            .filter(|entry| person.is_none_or(|person| entry.award.person_id == person));
        Some(Stretch { entries: entries.cloned().collect(), reached: reached.max(position) })
    }

    /// Follows the feed until told to stop: wakes at a hint, and looks by itself now and then.
    pub(crate) async fn follow(&self, app: App, mut stop: watch::Receiver<bool>) {
        let mut hints = app.bus.listen();
        loop {
            if let Err(error) = self.catch_up(&app).await {
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
            if feed::head(&app.db).await? <= known {
                return Ok(());
            }
            let entries = feed::after(&app.db, known, None, PAGE).await?;
            let Some(head) = entries.last().map(|entry| entry.position) else { return Ok(()) };
            self.keep(entries);
            self.head.send_replace(head);
        }
    }

    fn keep(&self, entries: Vec<Entry>) {
        let mut tail = self.tail.write().unwrap_or_else(PoisonError::into_inner);
        tail.entries.extend(entries.into_iter().map(Arc::new));
        while tail.entries.len() > KEPT {
            if let Some(oldest) = tail.entries.pop_front() {
                tail.start = oldest.position;
            }
        }
    }
}
