//! Running exports: one for each caller, and few on this server, because each reads all data of a person over one
//! connection.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Subject;

/// Maximum number of concurrent exports. Further exports wait without a connection.
const AT_ONCE: usize = 2;

/// The callers with a running export.
#[derive(Debug)]
pub(crate) struct Exports {
    callers: Arc<Mutex<HashSet<Subject>>>,
    turns: Arc<Semaphore>,
}

impl Default for Exports {
    fn default() -> Self {
        Self { callers: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Exports {
    /// Starts an export for a caller and waits for its turn; `None` if the caller already has one.
    pub(crate) async fn begin(&self, caller: Subject) -> Option<Export> {
        if !self.callers.lock().unwrap_or_else(PoisonError::into_inner).insert(caller.clone()) {
            return None;
        }
        let mut export = Export { callers: Arc::clone(&self.callers), caller, turn: None };
        // The semaphore is never closed.
        export.turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        Some(export)
    }
}

/// A running export. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Export {
    callers: Arc<Mutex<HashSet<Subject>>>,
    caller: Subject,
    turn: Option<OwnedSemaphorePermit>,
}

impl Drop for Export {
    fn drop(&mut self) {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.caller);
        self.turn.take();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Exports, Subject};

    fn caller(name: &str) -> Subject {
        Subject::Service(name.into())
    }

    #[tokio::test]
    async fn a_caller_has_one_export_at_a_time() {
        let exports = Exports::default();
        let first = exports.begin(caller("a")).await.unwrap();
        assert!(exports.begin(caller("a")).await.is_none());
        drop(first);
        assert!(exports.begin(caller("a")).await.is_some());
    }

    #[tokio::test]
    async fn exports_beyond_two_wait_for_their_turn_and_are_forgotten_with_it() {
        let exports = Exports::default();
        let first = exports.begin(caller("a")).await.unwrap();
        let _second = exports.begin(caller("b")).await.unwrap();
        assert!(exports.begin(caller("c")).now_or_never().is_none());
        assert!(exports.begin(caller("c")).now_or_never().is_none(), "a caller who gave up may begin again");
        drop(first);
        assert!(exports.begin(caller("c")).await.is_some());
        drop(_second);
        assert!(exports.callers.lock().unwrap().is_empty());
    }
}
