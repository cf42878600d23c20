//! The outbox: one message per consequence. Relays lease messages and settle or bury them. Settled messages are trimmed
//! after some days. The time of the trim is stored, so that messages that are missing for another reason are detected.

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
    super::rows::insert_all(txn, rows, None).await
}

/// Whether any message is due for delivery or burial.
pub(crate) async fn is_due(db: &impl Reads, now: DateTime<Utc>) -> Result<bool, Error> {
    let query = Entity::find().filter(unsettled()).filter(Column::AvailableAt.lte(now)).filter(free(now));
    Ok(query.limit(1).one(db.connection()).await?.is_some())
}

/// Leases at most `limit` due messages until `until`.
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

/// The creation time of the first due message, by `available_at`, that is neither delivered nor buried.
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

/// Buries the messages that are older than `before` and have had at least `attempts` attempts; returns their number.
/// Age alone is not enough, because after a clock jump every message is old.
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

/// Deletes at most `limit` messages that were created and delivered before `before`, and stores that time; returns the
/// number of deleted messages.
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
    // Another relay may have stored a later time: keep the later one.
    let kept = trimmed_until(txn).await?.map_or(before, |kept| Ord::max(kept, before));
    let row = outbox_trims::Model { id: 1, before: kept };
    let mut replace = OnConflict::column(outbox_trims::Column::Id);
    replace.update_column(outbox_trims::Column::Before);
    super::rows::insert_all(txn, vec![row], Some(replace)).await?;
    Ok(gone)
}

/// The time of the trim: messages created before it may have been trimmed. None if no message has been trimmed.
pub(crate) async fn trimmed_until(db: &impl Reads) -> Result<Option<DateTime<Utc>>, Error> {
    let row = outbox_trims::Entity::find_by_id(1_i16).one(db.connection()).await?;
    Ok(row.map(|row| row.before))
}

/// The number of "award earned" messages of each of these awards.
pub(crate) async fn of_awards(
    db: &Txn,
    awards: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashMap<Uuid, i64>, Error> {
    let awards: Vec<Uuid> = awards.into_iter().collect();
    let mut messages = HashMap::with_capacity(awards.len());
    for some in awards.chunks(super::rows::ROWS_PER_STATEMENT) {
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

/// No relay leases the message.
fn free(now: DateTime<Utc>) -> Condition {
    Condition::any().add(Column::LeasedUntil.is_null()).add(Column::LeasedUntil.lte(now))
}

/// The message was created and delivered before `before`. The creation time is checked too, because after a clock was
/// set back, a message can have a delivery time before its creation time.
fn settled(before: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(Column::SettledAt.is_not_null())
        .add(Column::SettledAt.lt(before))
        .add(Column::CreatedAt.lt(before))
}

fn unsettled() -> Condition {
    Condition::all().add(Column::SettledAt.is_null()).add(Column::BuriedAt.is_null())
}
