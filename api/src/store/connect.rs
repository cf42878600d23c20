//! Opens the database. Separate pools of connections serve different callers, so that none can use up the connections of
//! another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector, SqlxSqliteConnector,
};
use tokio::sync::Semaphore;

use super::dialect::Dialect;
use super::driver::{Deadlines, Options};
use super::error::Error;
use super::file;
use super::pool::{Era, Pool, PoolUse};
use super::txn::Txn;

/// Connections to PostgreSQL for writing transactions, except those that record events.
const WRITERS: u32 = 6;
/// Connections to PostgreSQL that record events: one for each lane of the batcher.
const RECORDERS: u32 = 2;
/// Connections to PostgreSQL for sign-in and for the readiness check.
const RESERVED: u32 = 2;
/// Connections to PostgreSQL for the server's own tasks.
const TASKS: u32 = 2;
/// Maximum time after PostgreSQL's own timeout until we abandon a statement.
const GRACE: Duration = Duration::from_secs(2);
/// How long SQLite waits for its lock; see the pragma `busy_timeout`.
const SQLITE_LOCK: Duration = Duration::from_secs(5);
/// The timeout of the readiness check.
const PING: Duration = Duration::from_secs(1);

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Arc<Pools>,
    /// Runs queries that change nothing.
    reads: Source,
    /// Runs writing transactions.
    writes: Source,
    dialect: Dialect,
}

/// The pools. On SQLite the writer is one connection for every purpose.
struct Pools {
    readers: Pool,
    writers: Pool,
    recorders: Pool,
    reserved: Pool,
    tasks: Pool,
    /// How to open an additional connection, for migrations.
    options: Options,
}

/// A pool, and the counter of its statements.
#[derive(Clone)]
pub(crate) struct Source {
    pub(super) pool: Pool,
    pub(super) statements: Arc<AtomicU64>,
    pub(super) dialect: Dialect,
    /// Permits for statements that one operation may run at the same time outside transactions; `None` for no limit.
    pub(super) at_once: Option<Arc<Semaphore>>,
}

/// The number of connections, and the time limits.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Connections for queries that change nothing.
    pub connections: u32,
    /// How long to wait for a free connection, and for a new one to open.
    pub acquire: Duration,
    /// How long a statement may take.
    pub statement: Duration,
}

impl PoolLimits {
    fn deadlines(&self, dialect: Dialect) -> Deadlines {
        let answer = match dialect {
            Dialect::Sqlite => self.statement.max(SQLITE_LOCK),
            Dialect::Postgres => self.statement,
        };
        Deadlines { statement: self.statement, answer: answer + GRACE.min(answer) }
    }
}

impl Database {
    /// Opens `url`: `sqlite://PATH?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// If the URL is neither, or the database does not respond in time.
    pub async fn open(url: &str, limits: PoolLimits) -> Result<Self, Error> {
        let database = Self::lazy(url, limits)?;
        if let Options::Sqlite(options) = &database.pools.options {
            file::create(url, options)?;
        }
        database.reads.pool.session().await?.ping().await.map_err(unanswered)?;
        Ok(database)
    }

    /// The database at `url`, without opening a connection.
    fn lazy(url: &str, limits: PoolLimits) -> Result<Self, Error> {
        let dialect = Dialect::of(url)?;
        let deadlines = limits.deadlines(dialect);
        let options = Options::of(url, dialect, deadlines)?;
        let era = Arc::new(Era::default());
        let pool = |size| {
            // Connections to a server share a network route. Connections to a file do not, so each pool has its own era.
            let era = match dialect {
                Dialect::Sqlite => &Arc::default(),
                Dialect::Postgres => &era,
            };
            Pool::new(options.clone(), size, limits.acquire, deadlines.answer, era)
        };
        let readers = pool(limits.connections)?;
        let (writers, recorders, reserved, tasks) = match dialect {
            Dialect::Sqlite => {
                let writer = pool(1)?;
                (writer.clone(), writer, pool(1)?, pool(1)?)
            }
            Dialect::Postgres => (pool(WRITERS)?, pool(RECORDERS)?, pool(RESERVED)?, pool(TASKS)?),
        };
        let statements = Arc::default();
        let reads = Source { pool: readers.clone(), statements, dialect, at_once: None };
        let writes = Source { pool: writers.clone(), ..reads.clone() };
        let pools = Arc::new(Pools { readers, writers, recorders, reserved, tasks, options });
        Ok(Self { pools, reads, writes, dialect })
    }

    /// A database that never responds.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let moment = Duration::from_millis(100);
        let limits = PoolLimits { connections: 1, acquire: moment, statement: moment };
        Self::lazy("sqlite:///nowhere/plaudit.db", limits).unwrap()
    }

    /// A raw connection of the writers' pool.
    #[cfg(test)]
    pub(super) async fn write_session(&self) -> super::session::Session {
        self.writes.pool.session().await.unwrap()
    }

    /// SQLite or PostgreSQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many statements requests have run. Tests check that a list with 1 row and with 20 rows costs the same.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.reads.statements.load(Ordering::Relaxed)
    }

    /// The current use of each pool.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        let pools = &self.pools;
        let mut used = vec![pools.readers.in_use("readers"), pools.writers.in_use("writers")];
        if self.dialect == Dialect::Postgres {
            used.push(pools.recorders.in_use("recorders"));
        }
        used.extend([pools.reserved.in_use("reserved"), pools.tasks.in_use("tasks")]);
        used
    }

    /// The same database for the server's own tasks, with connections that requests cannot use up. Its statements are
    /// counted separately, so that [`Database::statements`] counts only those of requests.
    #[must_use]
    pub(crate) fn apart(&self) -> Self {
        self.over(&self.pools.tasks, Arc::default())
    }

    /// The same database for leaderboards, with the connections of queries. Its statements are counted separately, because one
    /// reader's statements serve many.
    #[must_use]
    pub(crate) fn shared(&self) -> Self {
        self.over(&self.pools.readers, Arc::default())
    }

    /// The same database for sign-in, with connections that other requests cannot use up.
    #[must_use]
    pub(crate) fn reserved(&self) -> Self {
        self.over(&self.pools.reserved, Arc::clone(&self.reads.statements))
    }

    /// The same database for one operation, which runs at most this many statements at the same time. Statements in
    /// transactions do not count.
    #[must_use]
    pub(crate) fn at_once(&self, statements: usize) -> Self {
        let mut limited = self.clone();
        limited.reads.at_once = Some(Arc::new(Semaphore::new(statements)));
        limited
    }

    fn over(&self, pool: &Pool, statements: Arc<AtomicU64>) -> Self {
        let reads = Source { pool: pool.clone(), statements, dialect: self.dialect, at_once: None };
        let writes = match self.dialect {
            Dialect::Sqlite => Source { pool: self.pools.writers.clone(), ..reads.clone() },
            Dialect::Postgres => reads.clone(),
        };
        Self { pools: Arc::clone(&self.pools), reads, writes, dialect: self.dialect }
    }

    /// Checks that the database responds within a second, on a connection that requests cannot use up.
    ///
    /// # Errors
    /// If it does not respond.
    pub async fn ping(&self) -> Result<(), Error> {
        within_a_second(&self.pools.reserved).await
    }

    /// The time of the database's clock.
    ///
    /// # Errors
    /// If it does not respond.
    pub(crate) async fn now(&self) -> Result<DateTime<Utc>, Error> {
        // On SQLite this is the clock of this machine, because SQLite is part of this process.
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
            Dialect::Postgres => {
                "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
            }
        };
        let row = self.connection().query_one_raw(super::statement(self.connection(), sql, [])).await?;
        let text: String = match row {
            Some(row) => row.try_get_by_index(0)?,
            None => return Err(Error::Impossible("the clock answers nothing".into())),
        };
        text.parse().map_err(|_| Error::Impossible("the clock is not readable".into()))
    }

    /// Checks that the database responds within a second, on a connection for recording.
    ///
    /// # Errors
    /// If it does not respond.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        within_a_second(&self.pools.recorders).await
    }

    /// Checks that transactions with writes can be committed. They leave no change.
    ///
    /// # Errors
    /// If one was not committed.
    pub(crate) async fn probe_write(&self) -> Result<(), Error> {
        let texts: &[&str] = match self.dialect() {
            // As much as a batch needs. A single page could still fit into the write-ahead log of a full disk.
            Dialect::Sqlite => &[
                "CREATE TABLE IF NOT EXISTS probe_of_writing (id integer PRIMARY KEY, bytes blob);
                 INSERT OR REPLACE INTO probe_of_writing VALUES (1, zeroblob(262144))",
                "DROP TABLE probe_of_writing",
            ],
            Dialect::Postgres => &["UPDATE feed_counter SET position = position WHERE id = 1"],
        };
        for text in texts {
            let txn = self.begin_recording().await?;
            txn.execute_unprepared(text).await?;
            txn.commit().await?;
        }
        Ok(())
    }

    /// Closes the idle connections. When the last connection to a SQLite file closes, SQLite removes its extra files.
    pub(crate) async fn close(self) {
        let pools = &self.pools;
        for pool in [&pools.readers, &pools.writers, &pools.recorders, &pools.reserved, &pools.tasks] {
            pool.close().await;
        }
    }

    /// One more connection without statement deadlines, for migrations and copies. The caller closes it.
    // Without the pool's maintenance task: it can loop forever if it reads a counter that has just wrapped around.
    pub(super) async fn untimed(&self) -> Result<DatabaseConnection, Error> {
        Ok(match &self.pools.options {
            Options::Sqlite(options) => {
                let pool = SqlitePoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
                let pool = pool.connect_with(options.as_ref().clone()).await.map_err(unanswered)?;
                SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
            }
            Options::Postgres(options) => {
                let untimed = options
                    .as_ref()
                    .clone()
                    .options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")]);
                let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
                let pool = pool.connect_with(untimed).await.map_err(unanswered)?;
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
            }
        })
    }

    /// Begins a writing transaction. On SQLite it takes the write lock at once, because two transactions that first
    /// read and then write would fail when they meet.
    ///
    /// # Errors
    /// If no connection becomes free in time.
    pub(crate) async fn begin(&self) -> Result<Txn, Error> {
        Txn::begin(&self.writes, self.dialect.writing()).await
    }

    /// Begins a transaction that records events, on connections for recording only.
    ///
    /// # Errors
    /// If no connection becomes free in time.
    pub(crate) async fn begin_recording(&self) -> Result<Txn, Error> {
        let recorders = Source { pool: self.pools.recorders.clone(), ..self.writes.clone() };
        Txn::begin(&recorders, self.dialect.writing()).await
    }

    /// Begins a read-only transaction that sees one snapshot.
    ///
    /// # Errors
    /// If no connection becomes free in time.
    pub(crate) async fn snapshot(&self) -> Result<Txn, Error> {
        Txn::begin(&self.reads, self.dialect.snapshot()).await
    }
}

/// Checks that the database responds within a second on a connection of this pool.
async fn within_a_second(pool: &Pool) -> Result<(), Error> {
    let answer = async { pool.session().await?.ping().await.map_err(unanswered) };
    match tokio::time::timeout(PING, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let silence = format!("the database did not respond within {} ms", PING.as_millis());
            Err(DbErr::Conn(RuntimeErr::Internal(silence)).into())
        }
    }
}

fn unanswered(error: sea_orm::sqlx::Error) -> Error {
    DbErr::Conn(RuntimeErr::SqlxError(error.into())).into()
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::sort(error)
    }
}

/// A place to run queries: the database, or a transaction.
pub(crate) trait Reads: Sync {
    /// The connection as SeaORM sees it.
    type Connection: ConnectionTrait;

    /// The connection to read with.
    fn connection(&self) -> &Self::Connection;
}

impl Reads for Database {
    type Connection = Source;

    fn connection(&self) -> &Source {
        &self.reads
    }
}
