//! Opens the database: one writer beside many readers on SQLite, one pool on PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::LevelFilter;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait,
};

use super::dialect::Dialect;
use super::error::Error;
use super::waits::Waits;

/// A statement that takes longer is worth a warning.
const SLOW: Duration = Duration::from_secs(1);

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    dialect: Dialect,
    statements: Arc<AtomicU64>,
    waits: Arc<Waits>,
}

/// How many connections there may be, and how long they are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// The pool's size on PostgreSQL; on SQLite, readers beside the one writer.
    pub connections: u32,
    /// How long to wait for a free one.
    pub acquire: Duration,
    /// How long a statement may take on PostgreSQL.
    pub statement: Duration,
}

impl Database {
    /// Opens `url`: `sqlite://PATH?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// When the URL is neither, or the database does not answer in time.
    pub async fn open(url: &str, pool: Pool) -> Result<Self, Error> {
        let dialect = Dialect::of(url)?;
        let statements = Arc::new(AtomicU64::new(0));
        let (mut writer, mut reader);
        match dialect {
            Dialect::Sqlite => {
                writer = sea_orm::Database::connect(sqlite(url, &Pool { connections: 1, ..pool })).await?;
                reader = sea_orm::Database::connect(sqlite(url, &pool)).await?;
                count_statements(&mut reader, &statements);
                count_statements(&mut writer, &statements);
            }
            Dialect::Postgres => {
                writer = sea_orm::Database::connect(postgres(url, &pool)).await?;
                count_statements(&mut writer, &statements);
                reader = writer.clone();
            }
        }
        Ok(Self { writer, reader, dialect, statements, waits: Arc::default() })
    }

    /// A database that never answers.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let connection = DatabaseConnection::default();
        let (statements, waits) = (Arc::default(), Arc::default());
        Self { writer: connection.clone(), reader: connection, dialect: Dialect::Sqlite, statements, waits }
    }

    /// Which of the two it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many statements requests have run; lists are tested to cost the same for 1 and for 20 rows.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// The same database for the tasks that look at it again and again by themselves: what they ask is
    /// counted apart, so that [`Database::statements`] tells what requests cost.
    #[must_use]
    pub(crate) fn apart(&self) -> Self {
        let mut apart = Self { statements: Arc::new(AtomicU64::new(0)), ..self.clone() };
        count_statements(&mut apart.reader, &apart.statements);
        count_statements(&mut apart.writer, &apart.statements);
        apart
    }

    /// Answers if the database does.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.reader.ping().await?)
    }

    /// Closes every connection. The last one to close a SQLite file leaves no file beside it.
    pub(crate) async fn close(self) {
        for connection in [self.reader, self.writer] {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a pool did not close");
            }
        }
    }

    /// Answers if the database does, over a connection that writes.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        Ok(self.writer.ping().await?)
    }

    /// The waits of transactions for a connection.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Where queries that change nothing run.
    pub(super) fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Where the tables are migrated.
    pub(super) fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a writing transaction: on SQLite the write lock is taken at once, since a
    /// transaction that reads first and writes later fails as soon as two meet.
    ///
    /// # Errors
    /// When no connection is free in time.
    pub(crate) async fn begin(&self) -> Result<Txn, Error> {
        let txn = self.waits.count(self.writer.begin_with_options(self.dialect.writing())).await?;
        Ok(Txn { txn, dialect: self.dialect })
    }

    /// Begins a transaction that only reads and sees one moment from start to end.
    ///
    /// # Errors
    /// When no connection is free in time.
    pub(crate) async fn snapshot(&self) -> Result<Txn, Error> {
        let txn = self.waits.count(self.reader.begin_with_options(self.dialect.snapshot())).await?;
        Ok(Txn { txn, dialect: self.dialect })
    }
}

/// An open transaction: the licence to write. Dropped without [`Txn::commit`], it is rolled back.
pub(crate) struct Txn {
    txn: DatabaseTransaction,
    pub(super) dialect: Dialect,
}

impl Txn {
    /// Makes all of it durable.
    ///
    /// # Errors
    /// When the database could not; then nothing of it is kept.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        Ok(self.txn.commit().await?)
    }

    /// Gives all of it up.
    ///
    /// # Errors
    /// When the connection is gone, which gives it up as well.
    pub(crate) async fn rollback(self) -> Result<(), Error> {
        Ok(self.txn.rollback().await?)
    }
}

fn count_statements(connection: &mut DatabaseConnection, statements: &Arc<AtomicU64>) {
    let statements = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        statements.fetch_add(1, Ordering::Relaxed);
    });
}

fn sqlite(url: &str, of: &Pool) -> ConnectOptions {
    let mut options = pool(url, of);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("foreign_keys", "ON")
            .pragma("busy_timeout", "5000")
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "MEMORY")
    });
    options
}

fn postgres(url: &str, of: &Pool) -> ConnectOptions {
    let mut options = pool(url, of);
    options.statement_timeout(of.statement).set_application_name("plaudit");
    // "Already exists, skipping" is no news: warnings and worse are.
    options.map_sqlx_postgres_opts(|postgres| postgres.options([("client_min_messages", "warning")]));
    options
}

fn pool(url: &str, of: &Pool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(of.connections)
        .min_connections(1)
        .acquire_timeout(of.acquire)
        .connect_timeout(of.acquire)
        .test_before_acquire_if_idle_for(Duration::from_secs(10))
        .record_stmt_in_spans(false)
        // Texts with places for values, never the values.
        .sqlx_logging(true)
        .sqlx_logging_level(LevelFilter::Debug)
        .sqlx_slow_statements_logging_settings(LevelFilter::Warn, SLOW);
    options
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::sort(error)
    }
}

/// Where a query may run: beside all others, or inside a transaction.
pub(crate) trait Reads: Sync {
    /// The driver's connection.
    type Connection: ConnectionTrait;

    /// The connection to read with.
    fn connection(&self) -> &Self::Connection;
}

impl Reads for Database {
    type Connection = DatabaseConnection;

    fn connection(&self) -> &DatabaseConnection {
        &self.reader
    }
}

impl Reads for Txn {
    type Connection = DatabaseTransaction;

    fn connection(&self) -> &DatabaseTransaction {
        &self.txn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_logged_at_debug_and_slow_ones_as_warnings() {
        let second = Duration::from_secs(1);
        let of = Pool { connections: 1, acquire: second, statement: second };
        for options in [sqlite("sqlite://x.db", &of), postgres("postgres://localhost/x", &of)] {
            assert!(options.get_sqlx_logging());
            assert_eq!(options.get_sqlx_logging_level(), LevelFilter::Debug);
            let slow = options.get_sqlx_slow_statements_logging_settings();
            assert_eq!(slow, (LevelFilter::Warn, second));
        }
    }
}
