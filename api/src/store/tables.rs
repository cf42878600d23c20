//! The tables themselves: brought up to date, or asked whether they are.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Statement};

use super::connect::{Database, Reads};
use super::dialect::{Agreement, Dialect, take};
use super::error::Error;

/// Applies the steps of the history that are missing; returns their names.
///
/// # Errors
/// When a step fails; on both databases it is then as if it had not been tried.
pub async fn migrate(db: &Database) -> Result<Vec<String>, Error> {
    let pending = pending(db).await?;
    match db.dialect() {
        Dialect::Sqlite => Migrator::up(db.writer(), None).await?,
        Dialect::Postgres => {
            // The migrator takes no lock of its own; two that start together would collide.
            let txn = db.begin().await?;
            take(&txn, Agreement::Tables).await?;
            Migrator::up(txn.connection(), None).await?;
            txn.commit().await?;
        }
    }
    Ok(pending)
}

/// The steps not applied yet, oldest first. Writes nothing, not even the table of steps.
///
/// # Errors
/// When the database does not answer.
pub async fn pending(db: &Database) -> Result<Vec<String>, Error> {
    let applied = applied(db).await?;
    let names = Migrator::migrations().into_iter().map(|step| step.name().to_owned());
    Ok(names.filter(|name| !applied.contains(name)).collect())
}

async fn applied(db: &Database) -> Result<Vec<String>, Error> {
    let reader = db.reader();
    let backend = reader.get_database_backend();
    let exists = match db.dialect() {
        Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
        Dialect::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
    };
    if reader.query_one_raw(Statement::from_string(backend, exists)).await?.is_none() {
        return Ok(Vec::new());
    }
    let names = "SELECT version FROM seaql_migrations";
    let rows = reader.query_all_raw(Statement::from_string(backend, names)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?)
}
