//! Locks between the transactions of all processes.

use sea_orm::{ConnectionTrait, Statement};

use super::connect::Reads;
use super::dialect::Dialect;
use super::error::Error;
use super::txn::Txn;

/// Locks shared between transactions, as PostgreSQL's advisory locks. SQLite has only one writer at a time, so it
/// needs no such locks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AdvisoryLock {
    /// Batches hold it shared, a publication exclusive: the catalogue changes only between batches.
    Catalogue,
    /// The process that plans deliveries holds it, so that one plans at a time.
    Outbox,
}

impl AdvisoryLock {
    fn key(self) -> i64 {
        // An arbitrary number: "plaudit" in ASCII. The number after it is the migration's lock.
        match self {
            Self::Catalogue => 0x70_6c_61_75_64_69_74,
            Self::Outbox => 0x70_6c_61_75_64_69_76,
        }
    }
}

/// The lock that a migration takes first, so that only one process changes the tables at a time.
pub(super) const LOCK_TABLES: &str = "SELECT pg_advisory_xact_lock(31644363228735861)";

/// Takes a lock in shared mode until the transaction ends.
pub(crate) async fn shared(txn: &Txn, lock: AdvisoryLock) -> Result<(), Error> {
    advise(txn, "SELECT pg_advisory_xact_lock_shared($1)", lock).await
}

/// Takes a lock in exclusive mode until the transaction ends. Waits for all shared holders.
pub(crate) async fn exclusive(txn: &Txn, lock: AdvisoryLock) -> Result<(), Error> {
    advise(txn, "SELECT pg_advisory_xact_lock($1)", lock).await
}

async fn advise(txn: &Txn, sql: &str, lock: AdvisoryLock) -> Result<(), Error> {
    if txn.dialect == Dialect::Postgres {
        let db = txn.connection();
        let values = [lock.key().into()];
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    }
    Ok(())
}
