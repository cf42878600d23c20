//! Changes of the records that people manage. Each change is authorised, then written in one transaction, which may
//! also run the pipeline.

pub(crate) mod awards;
pub(crate) mod badges;
pub(crate) mod certificates;
pub(crate) mod courses;
pub(crate) mod deliveries;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod guardians;
pub(crate) mod lessons;
pub(crate) mod mail_settings;
pub(crate) mod people;
pub(crate) mod publication;
mod relations;
pub(crate) mod revocations;
pub(crate) mod webhooks;

use crate::app::App;
use crate::audit;
use crate::catalogue::Published;
pub(crate) use crate::pipeline::transaction::Interrupted;
use crate::pipeline::transaction::{Attempt, LockMode, Mode, transact};
use crate::refusal::Failure;
use crate::store::Txn;

/// Runs a change in a transaction, retrying on conflict; see [`transact`].
async fn attempt<'env, T>(
    app: &'env App,
    act: impl for<'txn> Fn(&'txn Txn, &'txn Published) -> Attempt<'env, 'txn, T>,
) -> Result<T, Failure> {
    transact(app, Mode::Change(LockMode::Shared), act).await
}

/// As [`attempt`], for a change during which no other transaction may run.
async fn attempt_alone<'env, T>(
    app: &'env App,
    act: impl for<'txn> Fn(&'txn Txn, &'txn Published) -> Attempt<'env, 'txn, T>,
) -> Result<T, Failure> {
    transact(app, Mode::Change(LockMode::Exclusive), act).await
}
