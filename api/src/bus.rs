//! Hints that the feed has grown. A missed hint only adds latency: the data comes from the feed.

use tokio::sync::watch;

/// Carries hints within this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bus {
    head: watch::Sender<i64>,
}

impl Bus {
    /// A bus without a hint.
    pub(crate) fn new() -> Self {
        Self { head: watch::Sender::new(0) }
    }

    /// Announces that the feed reaches at least to `head`.
    pub(crate) fn hint(&self, head: Option<i64>) {
        if let Some(head) = head {
            self.head.send_if_modified(|known| {
                let grown = head > *known;
                *known = head.max(*known);
                grown
            });
        }
    }

    /// The last announced position.
    pub(crate) fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Subscribes to later hints.
    pub(crate) fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }
}
