//! Turns of operations: the maximum for each kind of subject, and the errors when a turn is not granted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use super::gate::{Access, Turn, Unread};

use super::Subject;
use super::at_once::AtOnce;
use super::gate::{Bounds, Cause, Gate};
use crate::config::Config;
use crate::refusal::{Code, Refusal};

/// How long an HTTP request waits for its turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client should wait before it sends a refused request again.
const RETRY: Duration = Duration::from_secs(1);
/// Concurrent reads for each connection. The readers' queue stays so short that no read times out in it.
const READS_A_CONNECTION: usize = 8;
/// One subject may hold the unread answer bytes of all clients divided by this.
const SUBJECT_SHARE: usize = 16;

/// All turns of the server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    operations: Arc<Gate>,
    sign_ins: Arc<Gate>,
    numbers: AtOnce,
    writes: usize,
    bytes: usize,
}

/// The turn of one operation. The operation holds it while it executes and releases it while it waits.
/// Clones share the turn.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    shared: Arc<Paced>,
}

#[derive(Debug)]
struct Paced {
    turns: Turns,
    subject: Subject,
    access: Access,
    held: Mutex<Option<Turn>>,
}

impl Turns {
    /// Creates the turns from the settings.
    pub(crate) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let numbers = AtOnce {
            person: limits.operations_at_once,
            admin: limits.operations_at_once_admin,
            service: limits.operations_at_once_service,
            address: limits.operations_at_once_address,
        };
        let connections = usize::try_from(config.database_connections).unwrap_or(usize::MAX).max(1);
        let bytes = limits.answer_bytes_in_flight;
        let at_once: fn(&Subject, &AtOnce) -> usize = |subject, numbers| numbers.of(subject).0;
        let operations = Bounds {
            at_once,
            numbers,
            subject_writes: limits.mutations_at_once,
            first_reads: connections.saturating_mul(READS_A_CONNECTION),
            further_reads: connections,
            bytes,
            subject_bytes: bytes / SUBJECT_SHARE,
        };
        // A look-up is one short statement, so only each subject's own maximum applies.
        let sign_ins = Bounds {
            subject_writes: usize::MAX,
            first_reads: usize::MAX,
            further_reads: usize::MAX,
            bytes: usize::MAX,
            subject_bytes: usize::MAX,
            ..operations.clone()
        };
        Self {
            operations: Gate::new(operations),
            sign_ins: Gate::new(sign_ins),
            numbers,
            writes: limits.mutations_at_once,
            bytes,
        }
    }

    /// The pacer of a new operation. It holds no turn yet.
    pub(crate) fn pacer(&self, subject: Subject, access: Access) -> Pacer {
        let turns = self.clone();
        Pacer { shared: Arc::new(Paced { turns, subject, access, held: Mutex::new(None) }) }
    }

    /// A turn to look up the subject of a verified token. It precedes all other budgets.
    ///
    /// # Errors
    /// `RATE_LIMITED` or `UNAVAILABLE` if no turn is granted within `patience`.
    pub(crate) async fn sign_in(&self, subject: &Subject, patience: Duration) -> Result<Turn, Refusal> {
        let turn = self.sign_ins.take_within(subject, Access::Reads, patience).await;
        turn.map_err(|cause| self.refuse(subject, cause))
    }

    /// Total bytes of answers that clients have not read yet.
    pub(crate) fn unread(&self) -> usize {
        self.operations.unread()
    }

    fn refuse(&self, subject: &Subject, cause: Cause) -> Refusal {
        match cause {
            Cause::OwnTurns => {
                let (most, name) = self.numbers.of(subject);
                let message = format!(
                    "At most {most} operations of one caller execute at the same time ({name}). Send the request again \
                     when one has ended."
                );
                Refusal::rate_limited(message, RETRY)
            }
            Cause::OwnWrites => {
                let message = format!(
                    "At most {} mutations of one caller execute at the same time (limits.mutations_at_once). Send the \
                     request again when one has ended.",
                    self.writes
                );
                Refusal::rate_limited(message, RETRY)
            }
            Cause::OwnBytes => {
                let most = self.bytes / SUBJECT_SHARE;
                let message = format!(
                    "Your unread answers exceed {most} bytes (a sixteenth of limits.answer_bytes_in_flight). Read them, \
                     then retry."
                );
                Refusal::rate_limited(message, RETRY)
            }
            Cause::AllBytes => {
                let message = format!(
                    "The unread answers of all clients exceed {} bytes (limits.answer_bytes_in_flight). Send the same \
                     request again.",
                    self.bytes
                );
                Refusal { retry_after: Some(RETRY), ..Refusal::new(Code::Unavailable, message) }
            }
            Cause::AllReads => Refusal::unavailable(),
        }
    }
}

impl Pacer {
    /// Waits for the turn, unless it is already held.
    pub(crate) async fn take(&self) {
        if !self.is_held() {
            let Paced { turns, subject, access, .. } = &*self.shared;
            let turn = turns.operations.take(subject, *access).await;
            self.hold(turn);
        }
    }

    /// The same, but waits at most `patience`.
    ///
    /// # Errors
    /// `RATE_LIMITED` if the caller's own operations or unread answers are the reason, otherwise `UNAVAILABLE`.
    pub(crate) async fn take_within(&self, patience: Duration) -> Result<(), Refusal> {
        if !self.is_held() {
            let Paced { turns, subject, access, .. } = &*self.shared;
            let turn = turns.operations.take_within(subject, *access, patience).await;
            self.hold(turn.map_err(|cause| turns.refuse(subject, cause))?);
        }
        Ok(())
    }

    /// Takes the turn if it is free now; returns whether it is held.
    pub(crate) async fn take_now(&self) -> bool {
        self.take_within(Duration::ZERO).await.is_ok()
    }

    /// Releases the turn.
    pub(crate) fn release(&self) {
        drop(self.lock().take());
    }

    /// Counts the bytes of an answer until its client has read it.
    pub(crate) fn count(&self, bytes: usize) -> Unread {
        self.shared.turns.operations.count(&self.shared.subject, bytes)
    }

    /// Waits for work that needs no turn, such as a commit that one transaction makes for many callers.
    /// A service records many events at once, so it releases its turn meanwhile; other subjects keep theirs.
    pub(crate) async fn wait_for_commit<F: Future>(&self, commit: F) -> F::Output {
        if !matches!(self.shared.subject, Subject::Service(_)) {
            return commit.await;
        }
        self.release();
        let output = commit.await;
        // The events are recorded, so their answer must not wait for other operations of the service.
        let Paced { turns, subject, access, .. } = &*self.shared;
        self.hold(turns.operations.resume(subject, *access));
        output
    }

    fn is_held(&self) -> bool {
        self.lock().is_some()
    }

    fn hold(&self, turn: Turn) {
        *self.lock() = Some(turn);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Turn>> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
