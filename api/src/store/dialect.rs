//! What SQLite and PostgreSQL do differently: all of it is here.

use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::txn::Txn;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A file beside the server; one process writes.
    Sqlite,
    /// A server that several processes share.
    Postgres,
}

/// What transactions agree on through PostgreSQL's advisory locks. SQLite has one writer, so
/// every transaction there already has the house to itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AdvisoryLock {
    /// Batches share it, a publication has it alone: the catalogue changes between batches only.
    Catalogue,
}

impl AdvisoryLock {
    fn key(self) -> i64 {
        // Any number nobody else takes: "plaudit" in ASCII. The one after is the migration's.
        match self {
            Self::Catalogue => 0x70_6c_61_75_64_69_74,
        }
    }
}

/// What a migration takes first, so that one process at a time changes the tables.
pub(super) const LOCK_TABLES: &str = "SELECT pg_advisory_xact_lock(31644363228735861)";

impl Dialect {
    /// Told by the URL's scheme.
    pub(crate) fn of(url: &str) -> Result<Self, Error> {
        match url.split(':').next() {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(Error::Impossible("the database URL begins with neither sqlite: nor postgres:".into())),
        }
    }

    /// What begins a writing transaction.
    pub(super) fn writing(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            // Named each time: only at this level does a query see again what it sees under a lock.
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// What begins a transaction that only reads.
    pub(super) fn snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }

    /// SeaORM's name for it.
    pub(super) fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }

    /// Locks the rows a query finds, in the order it finds them, against writers but not
    /// against foreign keys. On SQLite the transaction holds the only write lock already.
    pub(super) fn lock_rows(self, query: &mut SelectStatement) {
        if self == Self::Postgres {
            query.lock(LockType::NoKeyUpdate);
        }
    }

    /// Keeps the rows a query finds as they are, in the order it finds them, together with everybody else
    /// who does.
    pub(super) fn hold_rows(self, query: &mut SelectStatement) {
        if self == Self::Postgres {
            query.lock(LockType::Share);
        }
    }

    /// Behind a column in ORDER BY: by its letters' numbers, whatever the server's language. SQLite sorts so
    /// by itself.
    pub(super) fn by_letters(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " COLLATE \"C\"",
        }
    }

    /// Passes over rows another worker holds, so that relays share the work.
    pub(super) fn lock_free_rows(self, query: &mut SelectStatement) {
        if self == Self::Postgres {
            query.lock_with_behavior(LockType::Update, sea_orm::sea_query::LockBehavior::SkipLocked);
        }
    }
}

/// "The id in this column is one of these." On PostgreSQL they are one value, however many there are: the text
/// recurs and is planned once.
pub(super) fn among(
    db: &impl ConnectionTrait,
    column: impl ColumnTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> SimpleExpr {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let ids: Vec<Uuid> = ids.into_iter().collect();
            column.into_expr().eq(PgFunc::any(Expr::value(ids)))
        }
        _ => column.is_in(ids),
    }
}

/// Takes an lock together with everybody else who does, until the transaction ends.
pub(crate) async fn shared(txn: &Txn, lock: AdvisoryLock) -> Result<(), Error> {
    advise(txn, "SELECT pg_advisory_xact_lock_shared($1)", lock).await
}

/// Takes an lock alone, waiting for those who share it, until the transaction ends.
pub(crate) async fn exclusive(txn: &Txn, lock: AdvisoryLock) -> Result<(), Error> {
    advise(txn, "SELECT pg_advisory_xact_lock($1)", lock).await
}

/// Allows each following statement of the transaction ten minutes, for work on the whole school. If the client
/// falls silent between two statements, PostgreSQL ends the transaction after ten seconds, and its locks with it.
pub(crate) async fn take_time(txn: &Txn) -> Result<(), Error> {
    txn.take_time().await;
    if txn.dialect == Dialect::Postgres {
        let untimed =
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 10000";
        txn.connection().execute_unprepared(untimed).await?;
    }
    Ok(())
}

async fn advise(txn: &Txn, sql: &str, lock: AdvisoryLock) -> Result<(), Error> {
    if txn.dialect == Dialect::Postgres {
        let db = txn.connection();
        let values = [lock.key().into()];
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    }
    Ok(())
}
