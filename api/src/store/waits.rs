//! The use of the pools: connections taken and free, and the waits of transactions for one.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Database;
use super::dialect::Dialect;

/// How many transactions wait for a connection now, and how long all together have waited.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    waiting: AtomicI64,
    micros: AtomicU64,
}

impl Waits {
    /// Waits for a transaction to begin, and counts the wait.
    pub(super) async fn count<T>(&self, begins: impl Future<Output = T>) -> T {
        let _waiting = Waiting::new(self);
        begins.await
    }

    /// Transactions that wait now.
    pub(crate) fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Seconds that transactions have waited since the start.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// One wait; it ends when it is dropped, whether the transaction has begun or the caller has gone.
struct Waiting<'a> {
    waits: &'a Waits,
    since: Instant,
}

impl<'a> Waiting<'a> {
    fn new(waits: &'a Waits) -> Self {
        waits.waiting.fetch_add(1, Ordering::Relaxed);
        Self { waits, since: Instant::now() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.waiting.fetch_sub(1, Ordering::Relaxed);
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waits.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

/// The use of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolUse {
    /// `writer` or `reader` on SQLite, `all` on PostgreSQL.
    pub(crate) name: &'static str,
    /// Connections that somebody uses.
    pub(crate) in_use: u32,
    /// Open connections that wait to be used.
    pub(crate) idle: u32,
}

impl Database {
    /// The use of each pool.
    pub(crate) fn pools(&self) -> Vec<PoolUse> {
        let of = |name, size: u32, idle: usize| {
            let idle = u32::try_from(idle).unwrap_or(u32::MAX);
            PoolUse { name, in_use: size.saturating_sub(idle), idle }
        };
        match self.dialect() {
            Dialect::Sqlite => [("reader", self.reader()), ("writer", self.writer())]
                .map(|(name, connection)| {
                    let pool = connection.get_sqlite_connection_pool();
                    of(name, pool.size(), pool.num_idle())
                })
                .to_vec(),
            Dialect::Postgres => {
                let pool = self.writer().get_postgres_connection_pool();
                vec![of("all", pool.size(), pool.num_idle())]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    #[tokio::test]
    async fn a_wait_is_counted_while_it_lasts_and_its_length_afterwards() {
        pause();
        let waits = Waits::default();
        let begins = waits.count(async {
            let waiting = waits.waiting();
            advance(Duration::from_secs(2)).await;
            waiting
        });
        assert_eq!(begins.await, 1);
        assert_eq!((waits.waiting(), waits.seconds()), (0, 2.0));
    }

    #[tokio::test]
    async fn a_wait_whose_caller_has_gone_is_over() {
        let waits = Waits::default();
        let mut begins = Box::pin(waits.count(std::future::pending::<()>()));
        assert!(futures_util::poll!(&mut begins).is_pending());
        assert_eq!(waits.waiting(), 1);
        drop(begins);
        assert_eq!(waits.waiting(), 0);
    }
}
