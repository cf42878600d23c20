//! Migrates the tables, and finds missing migrations.

use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use super::connect::{Database, Reads};
use super::dialect::Dialect;
use super::error::Error;
use super::locks::LOCK_TABLES;

/// The time limit of all migrations together.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Applies the missing migrations in one transaction; returns their names.
///
/// # Errors
/// If a migration fails: the tables are then unchanged.
pub async fn migrate(db: &Database) -> Result<Vec<String>, Error> {
    let connection = db.untimed().await?;
    let migrated = tokio::time::timeout(LONGEST, migrate_over(&connection, db.dialect())).await;
    // This connection is used for nothing else: closing it also ends an open transaction.
    connection.close().await?;
    migrated.map_err(|_| {
        Error::Unavailable(DbErr::Conn(RuntimeErr::Internal(
            "the migration took more than an hour".to_owned(),
        )))
    })?
}

async fn migrate_over(connection: &DatabaseConnection, dialect: Dialect) -> Result<Vec<String>, Error> {
    let immediate = match dialect {
        Dialect::Sqlite => Some(SqliteTransactionMode::Immediate),
        Dialect::Postgres => None,
    };
    let options = TransactionOptions { sqlite_transaction_mode: immediate, ..TransactionOptions::default() };
    let txn = connection.begin_with_options(options).await?;
    // The migrator takes no lock. Two processes that start together would conflict.
    if dialect == Dialect::Postgres {
        txn.execute_unprepared(LOCK_TABLES).await?;
    }
    let pending = missing(&txn, dialect).await?;
    Migrator::up(&txn, None).await?;
    txn.commit().await?;
    Ok(pending)
}

/// The missing migrations, oldest first. Writes nothing, not even the table of migrations.
///
/// # Errors
/// If the database does not respond.
pub async fn pending(db: &Database) -> Result<Vec<String>, Error> {
    missing(db.connection(), db.dialect()).await
}

async fn missing(db: &impl ConnectionTrait, dialect: Dialect) -> Result<Vec<String>, Error> {
    let applied = applied(db, dialect).await?;
    let names = Migrator::migrations().into_iter().map(|step| step.name().to_owned());
    Ok(names.filter(|name| !applied.contains(name)).collect())
}

async fn applied(db: &impl ConnectionTrait, dialect: Dialect) -> Result<Vec<String>, Error> {
    let backend = db.get_database_backend();
    let exists = match dialect {
        Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
        Dialect::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
    };
    if db.query_one_raw(Statement::from_string(backend, exists)).await?.is_none() {
        return Ok(Vec::new());
    }
    let names = "SELECT version FROM seaql_migrations";
    let rows = db.query_all_raw(Statement::from_string(backend, names)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?)
}
