//! The records people keep: each act is decided, then written in one transaction, which may call
//! the pipeline inside it.

pub(crate) mod awards;
pub(crate) mod badges;
pub(crate) mod certificates;
pub(crate) mod courses;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod guardians;
pub(crate) mod lessons;
pub(crate) mod people;
pub(crate) mod publication;
mod relations;

use std::sync::Arc;

use crate::app::App;
use crate::audit;
use crate::catalogue::Published;
use crate::pipeline::{self, Within};
use crate::refusal::{Code, Failure, Refusal};
use crate::store::dialect::{AdvisoryLock, exclusive, shared};
use crate::store::{self, Txn};

/// How often an act is tried again when something changes beneath it.
const ATTEMPTS: u32 = 8;

/// Why an attempt at an act did not come to its end.
enum Interrupted {
    /// Something changed beneath it: look again.
    Again,
    /// It cannot be done.
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

impl From<Within> for Interrupted {
    fn from(within: Within) -> Self {
        match within {
            Within::Refused(refusal) => refusal.into(),
            Within::Again => Self::Again,
            Within::Store(error) => error.into(),
        }
    }
}

/// Does an act in one transaction, again while others are in its way; answers what it answers, once that is
/// durable, and hints at what it added to the feed. The catalogue is the published one and does not change beneath it.
async fn attempt<T, A>(app: &App, act: impl Fn(Arc<Txn>, Arc<Published>) -> A) -> Result<T, Failure>
where
    A: Future<Output = Result<(T, Option<i64>), Interrupted>>,
{
    attempt_beside(app, LockMode::Shared, act).await
}

/// The same for an act that nothing else runs beside: who has read a person before writes them before.
async fn attempt_alone<T, A>(app: &App, act: impl Fn(Arc<Txn>, Arc<Published>) -> A) -> Result<T, Failure>
where
    A: Future<Output = Result<(T, Option<i64>), Interrupted>>,
{
    attempt_beside(app, LockMode::Exclusive, act).await
}

/// What else may run while an act does.
#[derive(Debug, Clone, Copy)]
enum LockMode {
    Shared,
    Exclusive,
}

async fn attempt_beside<T, A>(
    app: &App,
    mode: LockMode,
    act: impl Fn(Arc<Txn>, Arc<Published>) -> A,
) -> Result<T, Failure>
where
    A: Future<Output = Result<(T, Option<i64>), Interrupted>>,
{
    let mut made = 0;
    loop {
        let (txn, published) = begin(app, mode).await?;
        let txn = Arc::new(txn);
        let done = act(Arc::clone(&txn), published).await;
        let kept = || store::Error::Impossible("an act has kept its transaction".into());
        let txn = Arc::into_inner(txn).ok_or_else(kept)?;
        let interrupted = match done {
            Ok((answer, head)) => {
                txn.commit().await?;
                app.bus.hint(head);
                return Ok(answer);
            }
            Err(interrupted) => interrupted,
        };
        txn.rollback().await;
        match interrupted {
            Interrupted::Failed(failure) => return Err(failure),
            Interrupted::Again if made == ATTEMPTS => return Err(crowded().into()),
            Interrupted::Again => made += 1,
        }
        app.catalogue.refresh(&app.db.apart()).await?;
        tokio::time::sleep(pipeline::jitter(made)).await;
    }
}

async fn begin(app: &App, mode: LockMode) -> Result<(Txn, Arc<Published>), Failure> {
    for _ in 0..ATTEMPTS {
        let txn = app.db.begin().await?;
        match mode {
            LockMode::Shared => shared(&txn, AdvisoryLock::Catalogue).await?,
            LockMode::Exclusive => exclusive(&txn, AdvisoryLock::Catalogue).await?,
        }
        let published = app.catalogue.current();
        if store::catalogue::version(&txn).await? == published.version {
            return Ok((txn, published));
        }
        txn.rollback().await;
        app.catalogue.refresh(&app.db.apart()).await?;
    }
    Err(store::Error::Busy.into())
}

fn crowded() -> Refusal {
    let message = "Others change the same record at this moment: send the same request again.";
    Refusal::new(Code::Unavailable, message)
}
