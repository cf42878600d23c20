//! The SQL that differs between SQLite and PostgreSQL. `rows` and `driver` have the differences for many rows and for
//! connections.

use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend};
use uuid::Uuid;

use super::error::Error;

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A file on the server's machine; one process writes.
    Sqlite,
    /// A server that several processes use.
    Postgres,
}

impl Dialect {
    /// The dialect of this URL, by its scheme.
    pub(crate) fn of(url: &str) -> Result<Self, Error> {
        match url.split(':').next() {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(Error::Impossible("the database URL must start with sqlite: or postgres:".into())),
        }
    }

    /// The statement that begins a writing transaction.
    pub(super) fn writing(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            // Explicit, because only at this level does a query after a lock see the latest data.
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// The statement that begins a read-only transaction.
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

    /// Locks the rows of a query in the order of the query, against writers but not against foreign keys. On SQLite the
    /// transaction already holds the only write lock.
    pub(super) fn lock_rows(self, query: &mut SelectStatement) {
        if self == Self::Postgres {
            query.lock(LockType::NoKeyUpdate);
        }
    }

    /// Locks the rows of a query against changes, in the order of the query. Several transactions can hold this lock
    /// together.
    pub(super) fn hold_rows(self, query: &mut SelectStatement) {
        if self == Self::Postgres {
            query.lock(LockType::Share);
        }
    }

    /// A suffix for a column in ORDER BY that sorts by code points, independent of the server's locale. SQLite sorts so
    /// by default.
    pub(super) fn by_letters(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " COLLATE \"C\"",
        }
    }

    /// Skips rows that another worker has locked, so that relays share the work.
    pub(super) fn lock_free_rows(self, query: &mut SelectStatement) {
        if self == Self::Postgres {
            query.lock_with_behavior(LockType::Update, sea_orm::sea_query::LockBehavior::SkipLocked);
        }
    }
}

/// Condition: the id in this column is one of these. On PostgreSQL they are one parameter, however many there are, so
/// the SQL text stays the same and is planned once.
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
