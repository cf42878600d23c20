//! A successful commit is durable, and a connection in an uncertain state is not reused.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::Txn;
use crate::store::connect::{Database, PoolLimits, Reads};
use crate::store::error::Error;

/// A database in a temporary file.
struct Scratch {
    db: Database,
    folder: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Scratch {
    async fn create() -> Self {
        let folder = std::env::temp_dir().join(format!("plaudit_txn_{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.join("a.db").display());
        let limits = PoolLimits {
            connections: 1,
            acquire: Duration::from_secs(10),
            statement: Duration::from_secs(30),
        };
        let db = Database::open(&url, limits).await.unwrap();
        let txn = db.begin().await.unwrap();
        run(&txn, "CREATE TABLE pages (id integer PRIMARY KEY, text blob)").await.unwrap();
        let line = "CREATE TABLE lines (page integer REFERENCES pages (id) DEFERRABLE INITIALLY DEFERRED)";
        run(&txn, line).await.unwrap();
        txn.commit().await.unwrap();
        Self { db, folder }
    }

    /// The number of pages that another connection sees.
    async fn pages(&self) -> i64 {
        let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM pages");
        let row = self.db.connection().query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    async fn add_page(&self) -> Result<(), Error> {
        let txn = self.db.begin().await?;
        run(&txn, "INSERT INTO pages (text) VALUES ('a')").await?;
        txn.commit().await
    }
}

async fn run(txn: &Txn, text: &str) -> Result<(), Error> {
    txn.execute_unprepared(text).await?;
    Ok(())
}

#[tokio::test]
async fn commits_after_a_failed_commit_are_kept() {
    let scratch = Scratch::create().await;
    // The page of the line is missing, which only the commit detects; the transaction then stays open.
    let txn = scratch.db.begin().await.unwrap();
    run(&txn, "INSERT INTO lines VALUES (7)").await.unwrap();
    assert!(matches!(txn.commit().await, Err(Error::Broken(_))));
    // A refusal rolls back. On a connection with a wrong count, all following statements would be inside a savepoint.
    scratch.db.begin().await.unwrap().rollback().await;
    for nth in 1..=3 {
        scratch.add_page().await.unwrap();
        assert_eq!(scratch.pages().await, nth);
    }
}

#[tokio::test]
async fn a_full_disk_rolls_the_transaction_back_and_later_ones_succeed() {
    let scratch = Scratch::create().await;
    let fill = "INSERT INTO pages (text) VALUES (zeroblob(1000000))";
    let txn = scratch.db.begin().await.unwrap();
    run(&txn, "PRAGMA max_page_count = 10").await.unwrap();
    run(&txn, "INSERT INTO pages (text) VALUES ('before')").await.unwrap();
    assert!(matches!(run(&txn, fill).await, Err(Error::Unavailable(_))));
    // No further statement runs in it, and it cannot be committed.
    let after = run(&txn, "INSERT INTO pages (text) VALUES ('after')").await;
    assert!(matches!(after, Err(Error::Broken(_))), "{after:?}");
    assert!(matches!(txn.commit().await, Err(Error::Impossible(_))));
    assert_eq!(scratch.pages().await, 0);
    scratch.add_page().await.unwrap();
    assert_eq!(scratch.pages().await, 1);
}

#[tokio::test]
async fn a_connection_whose_transaction_the_database_ended_is_closed() {
    let scratch = Scratch::create().await;
    let txn = scratch.db.begin().await.unwrap();
    // SQLite does this on some errors: the connection is outside a transaction, without a notice.
    run(&txn, "PRAGMA cache_size = 77; ROLLBACK").await.unwrap();
    txn.rollback().await;
    let txn = scratch.db.begin().await.unwrap();
    let size = Statement::from_string(DbBackend::Sqlite, "PRAGMA cache_size");
    let size: i64 = txn.query_one_raw(size).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(size, -65_536, "a new connection has the settings of every connection");
    txn.rollback().await;
}

#[tokio::test]
async fn a_commit_outside_a_transaction_is_a_failure() {
    let scratch = Scratch::create().await;
    let txn = scratch.db.begin().await.unwrap();
    run(&txn, "ROLLBACK").await.unwrap();
    assert!(txn.commit().await.is_err());
    scratch.add_page().await.unwrap();
    assert_eq!(scratch.pages().await, 1);
}

#[tokio::test]
async fn a_connection_inside_a_transaction_cannot_begin_another() {
    let scratch = Scratch::create().await;
    // The only writer, in a transaction that its pool does not know about.
    let mut session = scratch.db.write_session().await;
    session.execute_text("BEGIN").await.unwrap();
    drop(session);
    assert!(scratch.db.begin().await.is_err());
    scratch.add_page().await.unwrap();
    assert_eq!(scratch.pages().await, 1);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_before_its_connection_serves_again() {
    let scratch = Scratch::create().await;
    let txn = scratch.db.begin().await.unwrap();
    run(&txn, "INSERT INTO pages (text) VALUES ('a')").await.unwrap();
    drop(txn);
    scratch.add_page().await.unwrap();
    assert_eq!(scratch.pages().await, 1);
}

#[tokio::test]
async fn an_abandoned_statement_makes_its_transaction_fail() {
    let scratch = Scratch::create().await;
    let txn = scratch.db.begin().await.unwrap();
    let slow = "INSERT INTO pages (text) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT 'a' FROM n";
    assert!(tokio::time::timeout(Duration::ZERO, run(&txn, slow)).await.is_err());
    assert!(matches!(txn.commit().await, Err(Error::Impossible(_))));
    scratch.add_page().await.unwrap();
    assert_eq!(scratch.pages().await, 1);
}
