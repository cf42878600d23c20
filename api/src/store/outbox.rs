//! The outbox: one message per consequence, leased by relays, settled or buried, never deleted.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::outbox::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;

/// A row of `outbox`.
pub(crate) type Row = entity::outbox::Model;

/// Adds messages.
pub(crate) async fn insert(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    super::insert_all(txn, rows, None).await
}

/// Whether any message waits to be delivered or buried.
pub(crate) async fn is_due(db: &impl Reads, now: DateTime<Utc>) -> Result<bool, Error> {
    let query = Entity::find().filter(unsettled()).filter(Column::AvailableAt.lte(now)).filter(free(now));
    Ok(query.limit(1).one(db.connection()).await?.is_some())
}

/// Takes at most `limit` due messages for itself until `until`.
pub(crate) async fn lease_due(
    txn: &Txn,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find()
        .filter(unsettled())
        .filter(Column::AvailableAt.lte(now))
        .filter(free(now))
        .order_by(Column::AvailableAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(limit);
    txn.dialect.lock_free_rows(QueryTrait::query(&mut query));
    let rows = query.all(txn.connection()).await?;
    if !rows.is_empty() {
        let update = Entity::update_many()
            .col_expr(Column::LeasedUntil, Expr::value(until))
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .filter(among(txn.connection(), Column::Id, rows.iter().map(|row| row.id)));
        update.exec(txn.connection()).await?;
    }
    Ok(rows)
}

/// Marks these messages as delivered.
pub(crate) async fn settle(txn: &Txn, ids: &[Uuid], now: DateTime<Utc>) -> Result<(), Error> {
    let update = Entity::update_many()
        .col_expr(Column::SettledAt, Expr::value(now))
        .col_expr(Column::LeasedUntil, Expr::value(None::<DateTime<Utc>>))
        .filter(unsettled())
        .filter(among(txn.connection(), Column::Id, ids.iter().copied()));
    update.exec(txn.connection()).await?;
    Ok(())
}

/// Gives up the messages older than `before`; says how many.
pub(crate) async fn bury_older(
    txn: &Txn,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    because: &str,
) -> Result<u64, Error> {
    let update = Entity::update_many()
        .col_expr(Column::BuriedAt, Expr::value(now))
        .col_expr(Column::BuriedBecause, Expr::value(because))
        .filter(unsettled())
        .filter(free(now))
        .filter(Column::CreatedAt.lt(before));
    Ok(update.exec(txn.connection()).await?.rows_affected)
}

/// How many messages tell of each of these awards.
pub(crate) async fn of_awards(
    db: &Txn,
    awards: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashMap<Uuid, i64>, Error> {
    let awards: Vec<Uuid> = awards.into_iter().collect();
    let mut messages = HashMap::with_capacity(awards.len());
    for some in awards.chunks(super::ROWS_A_STATEMENT) {
        let query = Entity::find()
            .select_only()
            .column(Column::AwardId)
            .column_as(Column::Id.count(), "messages")
            .filter(Column::AwardId.is_in(some.iter().copied()))
            .group_by(Column::AwardId);
        messages.extend(query.into_tuple::<(Uuid, i64)>().all(db.connection()).await?);
    }
    Ok(messages)
}

/// Not held by a relay.
fn free(now: DateTime<Utc>) -> Condition {
    Condition::any().add(Column::LeasedUntil.is_null()).add(Column::LeasedUntil.lte(now))
}

fn unsettled() -> Condition {
    Condition::all().add(Column::SettledAt.is_null()).add(Column::BuriedAt.is_null())
}
