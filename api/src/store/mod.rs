//! All database queries. Only this module uses `sea_orm`; the other modules use rows and proofs.
//! Functions that write take an open `Txn`. Functions that read a person's records take a proof from `policy`.

pub(crate) mod audit_log;
pub(crate) mod awards;
pub(crate) mod backup;
pub(crate) mod boards;
pub(crate) mod calendar;
pub(crate) mod catalogue;
pub(crate) mod certificates;
mod connect;
pub(crate) mod courses;
pub(crate) mod deliveries;
mod dialect;
mod driver;
pub(crate) mod enrollments;
mod error;
pub(crate) mod events;
pub(crate) mod feed;
mod file;
pub(crate) mod guardians;
pub(crate) mod installation_keys;
pub(crate) mod ledger;
pub(crate) mod locks;
pub(crate) mod mail_settings;
pub(crate) mod metrics;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod person_days;
pub(crate) mod personal_data;
mod pool;
pub(crate) mod revoked_tokens;
mod rows;
pub(crate) mod scope;
mod session;
pub(crate) mod tables;
pub(crate) mod totals;
mod txn;
pub(crate) mod webhooks;

pub(crate) use connect::Reads;
pub use connect::{Database, PoolLimits};
pub use dialect::Dialect;
pub use error::Error;
pub use pool::PoolUse;
pub use tables::{migrate, pending};
pub(crate) use txn::Txn;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, WindowStatement};
use sea_orm::{
    ConnectionTrait, EntityTrait, FromQueryResult, Iterable, Order, QueryTrait, Select, Statement,
};

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

/// A statement from SQL text, for SQL that the query builder does not support.
fn statement<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}
