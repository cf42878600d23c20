//! Webhooks.

use chrono::{DateTime, Utc};
use entity::consequence::Kind;
use entity::delivery::Channel;
use entity::webhooks::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::txn::Txn;

/// A row of `webhooks`.
pub(crate) type Row = Model;

/// The type of a message in the body of a request.
pub(crate) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::AwardEarned => "award.earned",
        Kind::AwardRevoked => "award.revoked",
        Kind::LevelReached => "level.reached",
        Kind::RankReached => "rank.reached",
        Kind::StreakReached => "streak.reached",
        Kind::CertificateIssued => "certificate.issued",
        Kind::PersonErased => "person.erased",
    }
}

/// The types of messages that a webhook gets.
pub(crate) fn types(webhook: &Row) -> impl Iterator<Item = &str> {
    webhook.types.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str)
}

/// Why the open deliveries of a disabled webhook are given up.
pub(crate) const DISABLED: &str = "the webhook was disabled";

/// Adds a webhook.
pub(crate) async fn insert(txn: &Txn, row: Row) -> Result<(), Error> {
    super::rows::insert_all(txn, vec![row], None).await
}

/// Stores the new state of a webhook.
pub(crate) async fn update(txn: &Txn, row: Row) -> Result<(), Error> {
    let row: ActiveModel = super::rows::every_column(row.into_active_model());
    row.update(txn.connection()).await?;
    Ok(())
}

/// The webhook with this id.
pub(crate) async fn by_id(db: &impl Reads, id: Uuid) -> Result<Option<Row>, Error> {
    Ok(Entity::find_by_id(id).one(db.connection()).await?)
}

/// The webhook with this id, locked.
pub(crate) async fn lock(txn: &Txn, id: Uuid) -> Result<Option<Row>, Error> {
    let mut query = Entity::find_by_id(id);
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    Ok(query.one(txn.connection()).await?)
}

/// The enabled webhooks, which stay enabled until the transaction ends. A school has few.
pub(crate) async fn hold_enabled(txn: &Txn) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find().filter(Column::DisabledAt.is_null()).order_by(Column::Id, Order::Asc);
    txn.dialect.hold_rows(QueryTrait::query(&mut query));
    Ok(query.all(txn.connection()).await?)
}

/// The enabled webhooks whose messages are to be delivered again.
pub(crate) async fn with_replay(db: &impl Reads) -> Result<Vec<Row>, Error> {
    let query = Entity::find().filter(Column::DisabledAt.is_null()).filter(Column::ReplaySince.is_not_null());
    Ok(query.order_by(Column::Id, Order::Asc).all(db.connection()).await?)
}

/// The number of enabled webhooks.
pub(crate) async fn count_enabled(db: &Txn) -> Result<u64, Error> {
    Ok(Entity::find().filter(Column::DisabledAt.is_null()).count(db.connection()).await?)
}

/// At most `limit` webhooks before `from`, newest first.
pub(crate) async fn page_of(db: &impl Reads, from: Option<Uuid>, limit: u64) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find().order_by(Column::Id, Order::Desc).limit(limit);
    if let Some(from) = from {
        query = query.filter(Column::Id.lt(from));
    }
    Ok(query.all(db.connection()).await?)
}

/// The enabled webhooks that have a due delivery.
pub(crate) async fn with_due_deliveries(db: &impl Reads, now: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
    use entity::deliveries::{Column as Delivery, Entity as Deliveries};
    let same = Expr::col(Delivery::WebhookId.as_column_ref()).eq(Expr::col(Column::Id.as_column_ref()));
    let due = Query::select()
        .expr(Expr::value(1))
        .from(Deliveries)
        .and_where(same)
        .and_where(Delivery::Channel.eq(Channel::Webhook))
        .and_where(Delivery::SettledAt.is_null())
        .and_where(Delivery::BuriedAt.is_null())
        .and_where(Delivery::AvailableAt.lte(now))
        .cond_where(Condition::any().add(Delivery::LeasedUntil.is_null()).add(Delivery::LeasedUntil.lte(now)))
        .to_owned();
    let query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::DisabledAt.is_null())
        .filter(Expr::exists(due));
    Ok(query.into_tuple().all(db.connection()).await?)
}
