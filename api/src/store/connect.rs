//! Opens the database, and says which connections serve whom: no caller can use up those of another kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
/// Connections to PostgreSQL for signing in and for the readiness check.
const RESERVED: u32 = 2;
/// Connections to PostgreSQL for the tasks of the server itself.
const TASKS: u32 = 2;
/// How much later than PostgreSQL itself we give up a statement, at most.
const GRACE: Duration = Duration::from_secs(2);
/// How long SQLite waits for its lock: see the pragma `busy_timeout`.
const SQLITE_LOCK: Duration = Duration::from_secs(5);
/// How long the readiness check waits.
const PING: Duration = Duration::from_secs(1);

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Arc<Pools>,
    /// Where queries that change nothing run.
    reads: Source,
    /// Where writing transactions run.
    writes: Source,
    dialect: Dialect,
}

/// Every connection is of one of these. On SQLite the writer is one connection, for every purpose.
struct Pools {
    readers: Pool,
    writers: Pool,
    recorders: Pool,
    reserved: Pool,
    tasks: Pool,
    /// How one more connection is opened, for the migration of the tables.
    options: Options,
}

/// A pool, and where its statements are counted.
#[derive(Clone)]
pub(crate) struct Source {
    pub(super) pool: Pool,
    pub(super) statements: Arc<AtomicU64>,
    pub(super) dialect: Dialect,
    /// Connections for single statements that one operation may use at the same time; `None` for no limit.
    pub(super) at_once: Option<Arc<Semaphore>>,
}

/// How many connections there may be, and how long they are waited for.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Connections for queries that change nothing.
    pub connections: u32,
    /// How long to wait for a free one, and for a new one to be opened.
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
    /// When the URL is neither, or the database does not answer in time.
    pub async fn open(url: &str, limits: PoolLimits) -> Result<Self, Error> {
        let database = Self::lazy(url, limits)?;
        if let Options::Sqlite(options) = &database.pools.options {
            file::create(url, options)?;
        }
        database.reads.pool.session().await?.ping().await.map_err(unanswered)?;
        Ok(database)
    }

    /// The database at `url`, before any connection is opened.
    fn lazy(url: &str, limits: PoolLimits) -> Result<Self, Error> {
        let dialect = Dialect::of(url)?;
        let deadlines = limits.deadlines(dialect);
        let options = Options::of(url, dialect, deadlines)?;
        let era = Arc::new(Era::default());
        let pool = |size| {
            // The connections to a server share a route. Those to a file do not, so each pool has an era of its own.
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

    /// A database that never answers.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let moment = Duration::from_millis(100);
        let limits = PoolLimits { connections: 1, acquire: moment, statement: moment };
        Self::lazy("sqlite:///nowhere/plaudit.db", limits).unwrap()
    }

    /// A connection of the writers, as it is.
    #[cfg(test)]
    pub(super) async fn write_session(&self) -> super::session::Session {
        self.writes.pool.session().await.unwrap()
    }

    /// Which of the two it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many statements requests have run; lists are tested to cost the same for 1 and for 20 rows.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.reads.statements.load(Ordering::Relaxed)
    }

    /// How the connections are used now, a pool each.
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

    /// The same database for the tasks of the server itself, over connections that requests cannot use up. What
    /// they ask is counted apart, so that [`Database::statements`] is what requests cost.
    #[must_use]
    pub(crate) fn apart(&self) -> Self {
        self.over(&self.pools.tasks, Arc::default())
    }

    /// The same database for signing in, over connections that other requests cannot use up.
    #[must_use]
    pub(crate) fn reserved(&self) -> Self {
        self.over(&self.pools.reserved, Arc::clone(&self.reads.statements))
    }

    /// The same database for one operation, which runs at most so many statements at the same time. Statements of
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

    /// Returns within a second if the database answers, over a connection that requests cannot use up.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        within_a_second(&self.pools.reserved).await
    }

    /// Returns within a second if the database answers over a connection that records.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        within_a_second(&self.pools.recorders).await
    }

    /// Returns once transactions that change nothing in all have been committed over such a connection.
    ///
    /// # Errors
    /// When they were not.
    pub(crate) async fn probe_write(&self) -> Result<(), Error> {
        let texts: &[&str] = match self.dialect() {
            // As much as a batch needs: a single page can fit into the log of a disk that is full.
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

    /// Closes the connections that nothing uses. The last connection to close a SQLite file leaves no file beside it.
    pub(crate) async fn close(self) {
        let pools = &self.pools;
        for pool in [&pools.readers, &pools.writers, &pools.recorders, &pools.reserved, &pools.tasks] {
            pool.close().await;
        }
    }

    /// One more connection whose statements have no deadline, for migrations and copies; the caller closes it.
    // Without upkeep: the pool's task for it can loop without end when it reads a count that has just wrapped around.
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

    /// Begins a writing transaction: on SQLite the write lock is taken at once, since a
    /// transaction that reads first and writes later fails as soon as two meet.
    ///
    /// # Errors
    /// When no connection is free in time.
    pub(crate) async fn begin(&self) -> Result<Txn, Error> {
        Txn::begin(&self.writes, self.dialect.writing()).await
    }

    /// Begins a transaction that records events, over connections that are used for nothing else.
    ///
    /// # Errors
    /// When no connection is free in time.
    pub(crate) async fn begin_recording(&self) -> Result<Txn, Error> {
        let recorders = Source { pool: self.pools.recorders.clone(), ..self.writes.clone() };
        Txn::begin(&recorders, self.dialect.writing()).await
    }

    /// Begins a transaction that only reads and sees one moment from start to end.
    ///
    /// # Errors
    /// When no connection is free in time.
    pub(crate) async fn snapshot(&self) -> Result<Txn, Error> {
        Txn::begin(&self.reads, self.dialect.snapshot()).await
    }
}

/// Returns within a second if the database answers over a connection of this pool.
async fn within_a_second(pool: &Pool) -> Result<(), Error> {
    let answer = async { pool.session().await?.ping().await.map_err(unanswered) };
    match tokio::time::timeout(PING, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let silence = format!("the database did not answer within {} ms", PING.as_millis());
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

/// Where a query may run: beside all others, or inside a transaction.
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
