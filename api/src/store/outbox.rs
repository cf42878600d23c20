//! The outbox: one message per consequence. The relay plans the deliveries of each message once. Planned messages are
//! trimmed after some days. The time of the trim is stored, so that messages that are missing for another reason are
//! detected.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::consequence::Kind;
use entity::outbox::{self, Column, Entity};
use entity::outbox_trims;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr};
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

/// Whether the deliveries of any message are not planned yet.
pub(crate) async fn is_due(db: &impl Reads) -> Result<bool, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(due()).limit(1);
    Ok(query.into_tuple::<Uuid>().one(db.connection()).await?.is_some())
}

/// The oldest messages without planned deliveries: at most `limit`, and the other messages of their causes.
pub(crate) async fn lock_due(txn: &Txn, limit: u64) -> Result<Vec<Row>, Error> {
    // One process plans at a time, so that the messages of one cause are planned together.
    super::locks::exclusive(txn, super::locks::AdvisoryLock::Outbox).await?;
    let oldest = Entity::find()
        .filter(due())
        .order_by(Column::CreatedAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(limit);
    let rows = oldest.all(txn.connection()).await?;
    if u64::try_from(rows.len()).unwrap_or(u64::MAX) < limit {
        return Ok(rows);
    }
    let groups: BTreeSet<Uuid> = rows.iter().map(|row| row.group_id).collect();
    let whole = Entity::find()
        .filter(due())
        .filter(among(txn.connection(), Column::GroupId, groups))
        .order_by(Column::Id, Order::Asc);
    Ok(whole.all(txn.connection()).await?)
}

/// The messages with these ids, in the order of their creation.
pub(crate) async fn by_ids(db: &Txn, ids: impl IntoIterator<Item = Uuid> + Send) -> Result<Vec<Row>, Error> {
    let query =
        Entity::find().filter(among(db.connection(), Column::Id, ids)).order_by(Column::Id, Order::Asc);
    Ok(query.all(db.connection()).await?)
}

/// At most `limit` messages to deliver that were created within this span, both ends included, after `after`, oldest first.
pub(crate) async fn page_of(
    db: &Txn,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find()
        .filter(Column::CreatedAt.gte(since))
        .filter(Column::CreatedAt.lte(until))
        .filter(Column::PlannedAt.is_not_null())
        .filter(Column::SilentBecause.is_null())
        .order_by(Column::Id, Order::Asc)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    Ok(query.all(db.connection()).await?)
}

/// Marks the deliveries of these messages as planned.
pub(crate) async fn mark_planned(txn: &Txn, ids: &[Uuid], now: DateTime<Utc>) -> Result<(), Error> {
    let update = Entity::update_many()
        .col_expr(Column::PlannedAt, Expr::value(now))
        .filter(due())
        .filter(among(txn.connection(), Column::Id, ids.iter().copied()));
    update.exec(txn.connection()).await?;
    Ok(())
}

/// The creation time of the oldest message without planned deliveries.
pub(crate) async fn oldest(db: &impl Reads) -> Result<Option<DateTime<Utc>>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::CreatedAt)
        .filter(due())
        .order_by(Column::CreatedAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(1);
    Ok(query.into_tuple().one(db.connection()).await?)
}

/// Whether [`trim`] would delete a message.
pub(crate) async fn has_old(db: &impl Reads, before: DateTime<Utc>) -> Result<bool, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(over(before)).limit(1);
    Ok(query.into_tuple::<Uuid>().one(db.connection()).await?.is_some())
}

/// Deletes at most `limit` messages that were planned before `before` and that no delivery is about, and stores that
/// time; returns the number of deleted messages.
pub(crate) async fn trim(txn: &Txn, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(over(before))
        .order_by(Column::PlannedAt, Order::Asc)
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

/// The deliveries of the message are not planned yet.
fn due() -> SimpleExpr {
    Column::PlannedAt.is_null()
}

/// The message was created and planned before `before`, and no delivery is about it. The creation time is checked too,
/// because after a clock was set back, a message can have a planning time before its creation time.
fn over(before: DateTime<Utc>) -> Condition {
    use entity::delivery_messages::{Column as Link, Entity as Links};
    let same = Expr::col(Link::MessageId.as_column_ref()).eq(Expr::col(Column::Id.as_column_ref()));
    let about = Query::select().expr(Expr::value(1)).from(Links).and_where(same).to_owned();
    Condition::all()
        .add(Column::PlannedAt.is_not_null())
        .add(Column::PlannedAt.lt(before))
        .add(Column::CreatedAt.lt(before))
        .add(Expr::exists(about).not())
}
