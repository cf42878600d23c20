//! Write transactions: run with the published catalogue, retried on conflict. After the commit the feed's new head is
//! announced.

use std::time::Duration;

use scoped_futures::ScopedBoxFuture;
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::catalogue::Published;
use crate::refusal::{Failure, Refusal};
use crate::store::locks::{AdvisoryLock, exclusive, shared};
use crate::store::{self, Txn};
use crate::trace;

/// Attempts after a conflict, including conflicts at COMMIT.
const ATTEMPTS: u32 = 8;
/// Attempts after a lost connection.
const LOST: u32 = 1;

/// The reason why an attempt ended without a commit.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// The data that it read has changed meanwhile: retry.
    Again,
    /// It failed: do not retry.
    Failed(Failure),
}

impl From<store::Error> for Interrupted {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Collision(_) => Self::Again,
            error => Self::Failed(error.into()),
        }
    }
}

impl From<Refusal> for Interrupted {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

/// The lock mode of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// Other transactions can run at the same time, except a publication.
    Shared,
    /// No other transaction can run at the same time.
    Exclusive,
}

/// The mode of a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Uses the connections for changes. Not retried after a lost connection.
    Change(LockMode),
    /// Uses the connections for recording. Retried over another connection after a lost connection. After a COMMIT with
    /// an unknown result, retried only if `is_idempotent`.
    Record {
        /// A second execution changes nothing.
        is_idempotent: bool,
    },
}

/// The work of one transaction; returns its result, and the feed's head if it moved. It may borrow the transaction and
/// values that live as long as `'env`.
pub(crate) type Attempt<'env, 'txn, T> = ScopedBoxFuture<'env, 'txn, Result<(T, Option<i64>), Interrupted>>;

/// Runs `act` in a transaction, retrying on conflict; returns its result after the commit. The published catalogue does
/// not change while `act` runs.
///
/// # Errors
/// The error of `act`; Busy if all attempts had conflicts; or when the database fails.
pub(crate) async fn transact<'env, T>(
    app: &'env App,
    mode: Mode,
    act: impl for<'txn> Fn(&'txn Txn, &'txn Published) -> Attempt<'env, 'txn, T>,
) -> Result<T, Failure> {
    let (mut attempts, mut lost) = (0, 0);
    loop {
        let span = tracing::debug_span!(target: trace::TARGET, "transaction", attempt = i64::from(attempts + lost + 1));
        let (interrupted, is_commit) = match attempt(app, mode, &act).instrument(span).await {
            Ok((result, head)) => {
                app.bus.hint(head);
                return Ok(result);
            }
            Err(ended) => ended,
        };
        match interrupted {
            Interrupted::Again if attempts == ATTEMPTS => return Err(store::Error::Busy.into()),
            Interrupted::Again => {
                attempts += 1;
                app.catalogue.refresh(&app.db.apart()).await?;
                tokio::time::sleep(jitter(attempts)).await;
            }
            Interrupted::Failed(Failure::Store(error))
                if lost < LOST && error.is_lost_connection() && mode.can_repeat(is_commit) =>
            {
                lost += 1;
                let error = error.chain();
                tracing::warn!(error, "the connection was lost; repeating the transaction over another");
            }
            Interrupted::Failed(failure) => return Err(failure),
        }
    }
}

impl Mode {
    fn can_repeat(self, is_commit: bool) -> bool {
        matches!(self, Self::Record { is_idempotent } if is_idempotent || !is_commit)
    }
}

/// Runs one transaction. The error states whether COMMIT returned it; such a transaction may have succeeded.
async fn attempt<'env, T>(
    app: &App,
    mode: Mode,
    act: &impl for<'txn> Fn(&'txn Txn, &'txn Published) -> Attempt<'env, 'txn, T>,
) -> Result<(T, Option<i64>), (Interrupted, bool)> {
    let begun = match mode {
        Mode::Change(_) => app.db.begin().await,
        Mode::Record { .. } => app.db.begin_recording().await,
    };
    let txn = begun.map_err(|error| (error.into(), false))?;
    let published = app.catalogue.current();
    let done = match lock(&txn, mode, &published).await {
        Ok(()) => act(&txn, &published).await,
        Err(interrupted) => Err(interrupted),
    };
    match done {
        Ok(done) => match txn.commit().await {
            Ok(()) => Ok(done),
            Err(error) => Err((error.into(), true)),
        },
        Err(interrupted) => {
            txn.rollback().await;
            Err((interrupted, false))
        }
    }
}

/// Locks the catalogue until the transaction ends, if the version in memory is the published one.
async fn lock(txn: &Txn, mode: Mode, published: &Published) -> Result<(), Interrupted> {
    match mode {
        Mode::Change(LockMode::Exclusive) => exclusive(txn, AdvisoryLock::Catalogue).await?,
        Mode::Change(LockMode::Shared) | Mode::Record { .. } => shared(txn, AdvisoryLock::Catalogue).await?,
    }
    let is_current = store::catalogue::version(txn).await? == published.version;
    if is_current { Ok(()) } else { Err(Interrupted::Again) }
}

/// A random delay of a few milliseconds that grows with each attempt, so that conflicting transactions do not conflict
/// again.
pub(crate) fn jitter(attempt: u32) -> Duration {
    let random = u64::from(Uuid::new_v4().as_fields().0) % 8;
    Duration::from_millis((1 + random) * u64::from(attempt))
}
