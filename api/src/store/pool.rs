//! Pools of connections. A connection is reused only if its state is known to be good: see [`Session`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts};
use sea_orm::sqlx;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::time::Instant;

use super::driver::{Driver, Options};
use super::error::{Error, is_lost};
use super::session::Session;

/// A connection that was idle for this long is pinged before use.
const IDLE: Duration = Duration::from_secs(10);
/// The timeout of that ping.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// The pause before the next attempt to connect to a database that refuses connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The era of the connections opened now. A connection of an earlier era is not reused: if one connection failed or
/// stopped responding, for example because of a lost route or a restarted database, the same has probably happened to all
/// others that were open then.
#[derive(Debug, Default)]
pub(super) struct Era(AtomicU64);

impl Era {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Ends the era.
    pub(super) fn end(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// An open connection of a pool.
pub(super) struct Pooled {
    /// The connection itself.
    pub(super) driver: Driver,
    /// Whether one of our transactions may be open on it.
    pub(super) in_transaction: bool,
    era: u64,
}

/// Opens the connections of a pool, and decides which are reused.
pub(super) struct Opener {
    options: Options,
    era: Arc<Era>,
}

impl managed::Manager for Opener {
    type Type = Pooled;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Pooled, sqlx::Error> {
        loop {
            let era = self.era.now();
            match Box::pin(Driver::open(&self.options)).await {
                Ok(driver) => return Ok(Pooled { driver, in_transaction: false, era }),
                // The database is starting. The pool's timeout limits the attempts.
                Err(error) if is_starting(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn recycle(&self, pooled: &mut Pooled, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if pooled.in_transaction || pooled.driver.counts_a_transaction() {
            return Err(RecycleError::message("a transaction is open on the connection"));
        }
        if pooled.era != self.era.now() {
            return Err(RecycleError::message("the connection is of an earlier era"));
        }
        if metrics.last_used() >= IDLE {
            match tokio::time::timeout(SIGN_OF_LIFE, Box::pin(pooled.driver.ping())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    self.era.end();
                    return Err(error.into());
                }
                Err(_) => {
                    self.era.end();
                    return Err(RecycleError::message("the connection does not respond"));
                }
            }
        }
        Ok(())
    }
}

/// Whether the database refuses connections only temporarily, for example while it starts.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    pool: managed::Pool<Opener>,
    era: Arc<Era>,
    answer: Duration,
    /// Total microseconds that callers have waited for a connection.
    waited: Arc<AtomicU64>,
}

/// The use of a pool, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// The purpose of the pool.
    pub name: &'static str,
    /// The maximum number of open connections.
    pub most: usize,
    /// The connections that are open.
    pub open: usize,
    /// The connections that are in use.
    pub used: usize,
    /// The callers that wait for a connection.
    pub waiting: usize,
    /// The total time that all callers have waited since the start.
    pub waited: Duration,
}

impl Pool {
    /// A pool of at most `size` connections, opened on demand. A caller waits at most `acquire` for a free connection,
    /// and again as long for a new one to open. A statement is abandoned after `answer`.
    ///
    /// # Errors
    /// If no pool can have this size.
    pub(super) fn new(
        options: Options,
        size: u32,
        acquire: Duration,
        answer: Duration,
        era: &Arc<Era>,
    ) -> Result<Self, Error> {
        let opener = Opener { options, era: Arc::clone(era) };
        let pool = managed::Pool::builder(opener)
            .max_size(usize::try_from(size).unwrap_or(usize::MAX))
            .timeouts(Timeouts { wait: Some(acquire), create: Some(acquire), recycle: None })
            // The most recently used connections already have prepared statements.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Impossible(error.to_string()))?;
        Ok(Self { pool, era: Arc::clone(era), answer, waited: Arc::default() })
    }

    /// A connection for one caller.
    pub(super) async fn session(&self) -> Result<Session, DbErr> {
        let began = Instant::now();
        let got = Box::pin(self.pool.get()).await;
        let waited = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Ordering::Relaxed);
        let connection: Object<Opener> = got.map_err(|error| match error {
            PoolError::Timeout(_) => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
            PoolError::Backend(error) => {
                if is_lost(&error) {
                    self.era.end();
                }
                DbErr::Conn(RuntimeErr::SqlxError(error.into()))
            }
            error => DbErr::Conn(RuntimeErr::Internal(error.to_string())),
        })?;
        Ok(Session::new(connection, Arc::clone(&self.era), self.answer))
    }

    /// The current use of the pool.
    pub(super) fn in_use(&self, name: &'static str) -> PoolUse {
        let status = self.pool.status();
        PoolUse {
            name,
            most: status.max_size,
            open: status.size,
            used: status.size.saturating_sub(status.available),
            waiting: status.waiting,
            waited: Duration::from_micros(self.waited.load(Ordering::Relaxed)),
        }
    }

    /// Closes the idle connections; those in use are closed when they are returned.
    pub(super) async fn close(&self) {
        let idle = self.pool.retain(|_, _| false).removed;
        self.pool.close();
        for pooled in idle {
            if let Err(error) = pooled.driver.close().await {
                tracing::debug!(%error, "closing a connection failed");
            }
        }
    }
}
