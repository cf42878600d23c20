//! All database queries. Only this module uses `sea_orm`; the other modules use rows and proofs.
//! Functions that write take an open `Txn`. Functions that read a person's records take a proof from `policy`.

pub(crate) mod audit_log;
pub(crate) mod awards;
pub(crate) mod backup;
pub(crate) mod catalogue;
pub(crate) mod certificates;
mod connect;
pub(crate) mod courses;
pub(crate) mod dialect;
mod driver;
pub(crate) mod enrollments;
mod error;
pub(crate) mod events;
pub(crate) mod feed;
mod file;
pub(crate) mod guardians;
pub(crate) mod leaderboard;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod personal_data;
mod pool;
pub(crate) mod scope;
mod session;
pub(crate) mod tables;
pub(crate) mod totals;
mod txn;

pub(crate) use connect::Reads;
pub use connect::{Database, PoolLimits};
pub use dialect::Dialect;
pub use error::Error;
pub use pool::PoolUse;
pub use tables::{migrate, pending};
pub(crate) use txn::Txn;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict, Query, SelectStatement, WindowStatement};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryTrait};
use sea_orm::{ConnectionTrait, FromQueryResult, Iterable, Order, Select, Statement};

/// The maximum number of rows per INSERT. A full INSERT fits into one TLS record, after which a connection without
/// `TCP_NODELAY` would wait for an acknowledgement. Its text is always the same, so that it is planned once.
const ROWS_A_STATEMENT: usize = 64;

/// Inserts all rows. `on_conflict` decides about existing rows.
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

/// The first `limit` rows of each group, in this order, in one statement.
async fn first_of_each<E>(
    db: &impl Reads,
    rows: Select<E>,
    group: E::Column,
    order: &[(E::Column, Order)],
    limit: u64,
) -> Result<Vec<E::Model>, Error>
where
    E: EntityTrait,
{
    let mut ranked: SelectStatement = rows.into_query();
    let mut window = WindowStatement::partition_by(group);
    for (column, order) in order {
        window.order_by(*column, order.clone());
    }
    ranked.expr_window_as(Expr::cust("ROW_NUMBER()"), window, Alias::new("place"));
    let mut first = Query::select();
    first
        .columns(E::Column::iter())
        .from_subquery(ranked, Alias::new("ranked"))
        .and_where(Expr::col(Alias::new("place")).lte(i64::try_from(limit).unwrap_or(i64::MAX)))
        .order_by(Alias::new("place"), Order::Asc);
    let rows = db.connection().query_all(&first).await?;
    Ok(rows.iter().map(|row| E::Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Runs an UPDATE of many rows from a list of values, which replaces `{rows}` in the text. The query builder has no
/// UPDATE … FROM that both databases accept. `types` are the values' types, which PostgreSQL cannot infer.
async fn update_from<T, const N: usize>(
    txn: &Txn,
    sql: &str,
    types: [&str; N],
    rows: &[T],
    values: impl Fn(&T) -> Vec<sea_orm::Value>,
) -> Result<(), Error> {
    let connection = txn.connection();
    for some in rows.chunks(ROWS_A_STATEMENT) {
        let row = |number: usize| {
            let value = |(place, name): (usize, &&str)| match txn.dialect {
                Dialect::Postgres => format!("${}::{name}", number * N + place + 1),
                Dialect::Sqlite => format!("${}", number * N + place + 1),
            };
            let columns: Vec<String> = types.iter().enumerate().map(value).collect();
            format!("({})", columns.join(", "))
        };
        let list: Vec<String> = (0..some.len()).map(row).collect();
        let sql = sql.replace("{rows}", &list.join(", "));
        connection.execute_raw(statement(connection, &sql, some.iter().flat_map(&values))).await?;
    }
    Ok(())
}

/// Marks all columns as set. A complete model marks them as unchanged, but an INSERT requires set columns.
fn every_column<A: ActiveModelTrait>(mut row: A) -> A {
    for column in <A::Entity as EntityTrait>::Column::iter() {
        row.reset(column);
    }
    row
}

/// A statement from SQL text, for SQL that the query builder does not support.
fn statement<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}
