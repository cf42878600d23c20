//! Every query. The only module that names `sea_orm`; the rest of the house sees rows and proofs.
//! Functions that write take an open `Txn`; those that read someone's record take `policy`'s proof.

pub(crate) mod acts;
pub(crate) mod awards;
pub(crate) mod backup;
pub(crate) mod catalogue;
pub(crate) mod certificates;
mod connect;
pub(crate) mod courses;
pub(crate) mod dialect;
pub(crate) mod enrollments;
mod error;
pub(crate) mod events;
pub(crate) mod feed;
pub(crate) mod guardians;
pub(crate) mod holdings;
pub(crate) mod leaderboard;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod scope;
pub(crate) mod tables;
pub(crate) mod totals;
mod waits;

pub use connect::{Database, Pool};
pub(crate) use connect::{Reads, Txn};
pub use dialect::Dialect;
pub use error::Error;
pub use tables::{migrate, pending};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryTrait};
use sea_orm::{ConnectionTrait, Iterable, Statement};

/// Rows one INSERT carries at most. What a full one carries fits into one TLS record, after which a connection
/// without `TCP_NODELAY` would wait for an acknowledgement; and its text recurs, so that it is planned once.
const ROWS_A_STATEMENT: usize = 64;

/// Inserts all rows; with `on_conflict`, does what it says of those that are there.
async fn insert_all<M, A>(txn: &Txn, rows: Vec<M>, on_conflict: Option<OnConflict>) -> Result<(), Error>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait + Send,
{
    let mut rows = rows.into_iter().map(IntoActiveModel::into_active_model).map(every_column).peekable();
    while rows.peek().is_some() {
        let some: Vec<A> = rows.by_ref().take(ROWS_A_STATEMENT).collect();
        let mut insert = A::Entity::insert_many(some).into_query();
        if let Some(on_conflict) = on_conflict.clone() {
            insert.on_conflict(on_conflict);
        }
        txn.connection().execute(&insert).await?;
    }
    Ok(())
}

/// A model read or built whole says "unchanged" of its columns; an INSERT wants them set.
fn every_column<A: ActiveModelTrait>(mut row: A) -> A {
    for column in <A::Entity as EntityTrait>::Column::iter() {
        row.reset(column);
    }
    row
}

/// A statement of our own words, for what the builder cannot say.
fn statement<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}
