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

use crate::app::App;
use crate::audit;
use crate::catalogue::Published;
pub(crate) use crate::pipeline::transaction::Interrupted;
use crate::pipeline::transaction::{Attempt, LockMode, Mode, transact};
use crate::refusal::Failure;
use crate::store::Txn;

/// Runs a change in a transaction, repeated after a conflict; see [`transact`].
async fn attempt<'env, T>(
    app: &'env App,
    act: impl for<'txn> Fn(&'txn Txn, &'txn Published) -> Attempt<'env, 'txn, T>,
) -> Result<T, Failure> {
    transact(app, Mode::Change(LockMode::Shared), act).await
}

/// The same for a change that no other transaction may run beside.
async fn attempt_alone<'env, T>(
    app: &'env App,
    act: impl for<'txn> Fn(&'txn Txn, &'txn Published) -> Attempt<'env, 'txn, T>,
) -> Result<T, Failure> {
    transact(app, Mode::Change(LockMode::Exclusive), act).await
}
