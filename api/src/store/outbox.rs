//! The outbox: one message per consequence, leased by relays, settled or buried. Settled messages are trimmed after
//! some days; how far is kept, so that a message that is missing for another reason is noticed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::consequence::Kind;
use entity::outbox::{self, Column, Entity};
use entity::outbox_trims;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
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

/// When the oldest message that is neither delivered nor buried was created.
pub(crate) async fn oldest(db: &impl Reads) -> Result<Option<DateTime<Utc>>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::CreatedAt)
        .filter(unsettled())
        .order_by(Column::AvailableAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(1);
    Ok(query.into_tuple().one(db.connection()).await?)
}

/// Buries the messages older than `before` that have been tried `attempts` times; returns how many. Age alone
/// buries none: a clock that jumps ahead makes every message old.
pub(crate) async fn bury_older(
    txn: &Txn,
    before: DateTime<Utc>,
    attempts: i32,
    now: DateTime<Utc>,
    because: &str,
) -> Result<u64, Error> {
    let update = Entity::update_many()
        .col_expr(Column::BuriedAt, Expr::value(now))
        .col_expr(Column::BuriedBecause, Expr::value(because))
        .filter(unsettled())
        .filter(free(now))
        .filter(Column::CreatedAt.lt(before))
        .filter(Column::Attempts.gte(attempts));
    Ok(update.exec(txn.connection()).await?.rows_affected)
}

/// Whether a message was created and delivered before `before`.
pub(crate) async fn has_settled(db: &impl Reads, before: DateTime<Utc>) -> Result<bool, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(settled(before)).limit(1);
    Ok(query.into_tuple::<Uuid>().one(db.connection()).await?.is_some())
}

/// Deletes at most `limit` messages that were created and delivered before `before`, and keeps that moment; returns
/// how many.
pub(crate) async fn trim(txn: &Txn, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(settled(before))
        .order_by(Column::SettledAt, Order::Asc)
        .limit(limit);
    txn.dialect.lock_free_rows(QueryTrait::query(&mut query));
    let ids: Vec<Uuid> = query.into_tuple().all(txn.connection()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let gone = outbox::Entity::delete_many().filter(among(txn.connection(), Column::Id, ids));
    let gone = gone.exec(txn.connection()).await?.rows_affected;
    // Another relay may have kept a later moment: the greater one stands.
    let kept = trimmed_until(txn).await?.map_or(before, |kept| Ord::max(kept, before));
    let row = outbox_trims::Model { id: 1, before: kept };
    let mut replace = OnConflict::column(outbox_trims::Column::Id);
    replace.update_column(outbox_trims::Column::Before);
    super::insert_all(txn, vec![row], Some(replace)).await?;
    Ok(gone)
}

/// Messages that were created before this moment may have been trimmed; none has been if there is no such moment.
pub(crate) async fn trimmed_until(db: &impl Reads) -> Result<Option<DateTime<Utc>>, Error> {
    let row = outbox_trims::Entity::find_by_id(1_i16).one(db.connection()).await?;
    Ok(row.map(|row| row.before))
}

/// How many messages each of these awards has about its earning.
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
            .filter(Column::Kind.eq(Kind::AwardEarned))
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

/// Delivered long enough ago. The time of creation counts too: a clock that went back may have settled a message
/// before it was created.
fn settled(before: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(Column::SettledAt.is_not_null())
        .add(Column::SettledAt.lt(before))
        .add(Column::CreatedAt.lt(before))
}

fn unsettled() -> Condition {
    Condition::all().add(Column::SettledAt.is_null()).add(Column::BuriedAt.is_null())
}
