//! Deliveries: planned, leased, and settled or buried. `operate` has what operators do with them. A lease carries a fence number, and a result counts only with the
//! number of the current lease.

mod operate;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::deliveries::{Column, Entity, Model};
pub(crate) use entity::delivery::{Channel, Kind};
use entity::delivery_messages;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr, Value};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;

pub(crate) use operate::{State, Wanted, bury, by_id, page_of, renew};

/// Why a delivery is given up that an operator gave up.
pub(crate) const BY_OPERATOR: &str = "an operator gave it up";

/// A row of `deliveries`.
pub(crate) type Row = Model;

/// A mail that was not tried yet.
pub(crate) fn mail(
    id: Uuid,
    kind: Kind,
    person_id: Uuid,
    available_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Row {
    Row {
        id,
        channel: Channel::Mail,
        kind,
        person_id,
        created_at: now,
        available_at,
        attempts: 0,
        doubts: 0,
        fence: 0,
        leased_until: None,
        settled_at: None,
        buried_at: None,
        reason: None,
        webhook_id: None,
        status: None,
        answer: None,
    }
}

/// A request to a webhook that was not tried yet.
pub(crate) fn request(
    id: Uuid,
    kind: Kind,
    webhook: Uuid,
    person: Uuid,
    available_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Row {
    let row = mail(id, kind, person, available_at, now);
    Row { channel: Channel::Webhook, webhook_id: Some(webhook), ..row }
}

/// Deliveries that wait for each other. Those of other lanes are made meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// All mails, which go to one server.
    Mail,
    /// One webhook.
    Webhook(Uuid),
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The delivery.
    pub(crate) id: Uuid,
    /// The fence number of the lease under which it was tried.
    pub(crate) fence: i64,
    /// When it was delivered.
    pub(crate) settled_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub(crate) buried_at: Option<DateTime<Utc>>,
    /// The earliest time of the next attempt.
    pub(crate) available_at: DateTime<Utc>,
    /// The number of attempts that count.
    pub(crate) attempts: i32,
    /// The number of attempts with an unknown result.
    pub(crate) doubts: i32,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// The HTTP status of a webhook's answer.
    pub(crate) status: Option<i16>,
    /// The beginning of a webhook's answer.
    pub(crate) answer: Option<String>,
}

/// Plans deliveries, each about some messages. What is planned already stays, and gets the messages that it lacks.
pub(crate) async fn plan(txn: &Txn, rows: Vec<Row>, messages: Vec<(Uuid, Uuid)>) -> Result<(), Error> {
    use delivery_messages::Column::{DeliveryId, MessageId};
    let planned = OnConflict::column(Column::Id).do_nothing().to_owned();
    super::rows::insert_all(txn, rows, Some(planned)).await?;
    let links = messages.into_iter();
    let links = links.map(|(delivery_id, message_id)| delivery_messages::Model { delivery_id, message_id });
    let known = OnConflict::columns([DeliveryId, MessageId]).do_nothing().to_owned();
    super::rows::insert_all(txn, links.collect(), Some(known)).await
}

/// The number of deliveries of this kind that were planned for each of these people since `since`.
pub(crate) async fn planned_since(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
    kind: Kind,
    since: DateTime<Utc>,
) -> Result<HashMap<Uuid, i64>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::PersonId)
        .column_as(Column::Id.count(), "planned")
        .filter(among(db.connection(), Column::PersonId, people))
        .filter(Column::CreatedAt.gt(since))
        .filter(Column::Kind.eq(kind))
        .filter(Column::Channel.eq(Channel::Mail))
        .group_by(Column::PersonId);
    Ok(query.into_tuple::<(Uuid, i64)>().all(db.connection()).await?.into_iter().collect())
}

/// Whether a delivery of this lane is due and free.
pub(crate) async fn is_due(db: &impl Reads, lane: Lane, now: DateTime<Utc>) -> Result<bool, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(due(lane, now)).limit(1);
    Ok(query.into_tuple::<Uuid>().one(db.connection()).await?.is_some())
}

/// Leases at most `limit` due deliveries until `until`, the oldest first. Each counts as an attempt.
pub(crate) async fn lease(
    txn: &Txn,
    lane: Lane,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find()
        .filter(due(lane, now))
        .order_by(Column::AvailableAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(limit);
    txn.dialect.lock_free_rows(QueryTrait::query(&mut query));
    let mut rows = query.all(txn.connection()).await?;
    if rows.is_empty() {
        return Ok(rows);
    }
    let update = Entity::update_many()
        .col_expr(Column::LeasedUntil, Expr::value(until))
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1))
        .filter(among(txn.connection(), Column::Id, rows.iter().map(|row| row.id)));
    update.exec(txn.connection()).await?;
    for row in &mut rows {
        row.attempts = row.attempts.saturating_add(1);
        row.fence = row.fence.saturating_add(1);
        row.leased_until = Some(until);
    }
    Ok(rows)
}

/// Notes that the next step of this attempt may deliver, so that its result is unknown until it is stored. Returns false if
/// the lease is not the current one any more.
pub(crate) async fn doubt(txn: &Txn, id: Uuid, fence: i64) -> Result<bool, Error> {
    let update = Entity::update_many()
        .col_expr(Column::Doubts, Expr::col(Column::Doubts).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::Fence.eq(fence))
        .filter(Column::SettledAt.is_null())
        .filter(Column::BuriedAt.is_null());
    Ok(update.exec(txn.connection()).await?.rows_affected > 0)
}

/// Returns leases, (delivery, fence number), so that the deliveries are due at once. The attempt does not count.
pub(crate) async fn release(txn: &Txn, leases: &[(Uuid, i64)]) -> Result<(), Error> {
    let sql = "UPDATE deliveries SET leased_until = NULL, attempts = attempts - 1 FROM {rows} AS taken \
               WHERE deliveries.id = taken.column1 AND deliveries.fence = taken.column2 \
               AND deliveries.leased_until IS NOT NULL";
    super::rows::update_from(txn, sql, leases, |(id, fence)| vec![(*id).into(), (*fence).into()]).await
}

/// Stores the results of attempts and ends their leases.
pub(crate) async fn store(txn: &Txn, verdicts: &[Verdict]) -> Result<(), Error> {
    let sql = "UPDATE deliveries SET leased_until = NULL, settled_at = taken.column3, buried_at = taken.column4, \
               available_at = taken.column5, doubts = taken.column6, reason = taken.column7, \
               status = taken.column8, answer = taken.column9, attempts = taken.column10 FROM {rows} AS taken \
               WHERE deliveries.id = taken.column1 AND deliveries.fence = taken.column2 \
               AND deliveries.settled_at IS NULL AND deliveries.buried_at IS NULL";
    let values = |one: &Verdict| -> Vec<Value> {
        vec![
            one.id.into(),
            one.fence.into(),
            one.settled_at.into(),
            one.buried_at.into(),
            one.available_at.into(),
            one.doubts.into(),
            one.reason.clone().into(),
            one.status.into(),
            one.answer.clone().into(),
            one.attempts.into(),
        ]
    };
    super::rows::update_from(txn, sql, verdicts, values).await
}

/// Gives up at most `limit` open deliveries of disabled webhooks; returns their number.
pub(crate) async fn bury_of_disabled(
    txn: &Txn,
    now: DateTime<Utc>,
    because: &str,
    limit: u64,
) -> Result<u64, Error> {
    let ids: Vec<Uuid> = of_disabled(limit).into_tuple().all(txn.connection()).await?;
    let update = Entity::update_many()
        .col_expr(Column::BuriedAt, Expr::value(now))
        .col_expr(Column::LeasedUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::Reason, Expr::value(because))
        .filter(open(Channel::Webhook))
        .filter(among(txn.connection(), Column::Id, ids));
    Ok(update.exec(txn.connection()).await?.rows_affected)
}

/// Whether [`bury_of_disabled`] would give up a delivery.
pub(crate) async fn has_of_disabled(db: &impl Reads) -> Result<bool, Error> {
    Ok(of_disabled(1).into_tuple::<Uuid>().one(db.connection()).await?.is_some())
}

fn of_disabled(limit: u64) -> Select<Entity> {
    use entity::webhooks::{Column as Webhook, Entity as Webhooks};
    let disabled = Query::select()
        .column(Webhook::Id)
        .from(Webhooks)
        .and_where(Webhook::DisabledAt.is_not_null())
        .to_owned();
    let query = Entity::find().select_only().column(Column::Id).filter(open(Channel::Webhook));
    query.filter(Column::WebhookId.in_subquery(disabled)).limit(limit)
}

/// Of these leases, (delivery, fence number), the deliveries that were given up under them.
pub(crate) async fn given_up_among(txn: &Txn, leases: &[(Uuid, i64)]) -> Result<BTreeSet<Uuid>, Error> {
    let rows = Entity::find()
        .filter(among(txn.connection(), Column::Id, leases.iter().map(|(id, _)| *id)))
        .filter(Column::BuriedAt.is_not_null());
    let rows = rows.all(txn.connection()).await?;
    Ok(rows.into_iter().filter(|row| leases.contains(&(row.id, row.fence))).map(|row| row.id).collect())
}

/// Whether a webhook has accepted a request at that time or since.
pub(crate) async fn has_accepted_since(
    txn: &Txn,
    webhook: Uuid,
    since: DateTime<Utc>,
) -> Result<bool, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::WebhookId.eq(webhook))
        .filter(Column::Channel.eq(Channel::Webhook))
        .filter(Column::SettledAt.gte(since))
        .filter(Column::Reason.is_null())
        .limit(1);
    Ok(query.into_tuple::<Uuid>().one(txn.connection()).await?.is_some())
}

/// The number of due deliveries of a channel, and the time since which the oldest of them has been due. It reads all due
/// deliveries.
pub(crate) async fn waiting(
    db: &impl Reads,
    channel: Channel,
    now: DateTime<Utc>,
) -> Result<(i64, Option<DateTime<Utc>>), Error> {
    let query = Entity::find()
        .select_only()
        .column_as(Column::Id.count(), "due")
        .column_as(Column::AvailableAt.min(), "since")
        .filter(open(channel))
        .filter(Column::AvailableAt.lte(now));
    let found: Option<(i64, Option<DateTime<Utc>>)> = query.into_tuple().one(db.connection()).await?;
    Ok(found.unwrap_or_default())
}

/// Whether [`trim`] would delete a delivery.
pub(crate) async fn has_old(db: &impl Reads, before: DateTime<Utc>) -> Result<bool, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(over(before)).limit(1);
    Ok(query.into_tuple::<Uuid>().one(db.connection()).await?.is_some())
}

/// Deletes at most `limit` deliveries that were delivered before `before`; returns their number.
pub(crate) async fn trim(txn: &Txn, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(over(before))
        .order_by(Column::SettledAt, Order::Asc)
        .limit(limit);
    txn.dialect.lock_free_rows(QueryTrait::query(&mut query));
    let ids: Vec<Uuid> = query.into_tuple().all(txn.connection()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let db = txn.connection();
    let of_links = among(db, delivery_messages::Column::DeliveryId, ids.iter().copied());
    delivery_messages::Entity::delete_many().filter(of_links).exec(db).await?;
    let gone = entity::deliveries::Entity::delete_many().filter(among(db, Column::Id, ids));
    Ok(gone.exec(db).await?.rows_affected)
}

/// The number of messages that a delivery is about.
pub(crate) async fn count_messages(db: &Txn, delivery: Uuid) -> Result<u64, Error> {
    let query = delivery_messages::Entity::find().filter(delivery_messages::Column::DeliveryId.eq(delivery));
    Ok(query.count(db.connection()).await?)
}

/// The ids of the messages that a delivery is about, oldest first, at most `limit`.
pub(crate) async fn messages(db: &Txn, delivery: Uuid, limit: u64) -> Result<Vec<Uuid>, Error> {
    use delivery_messages::Column::{DeliveryId, MessageId};
    let query = delivery_messages::Entity::find()
        .select_only()
        .column(MessageId)
        .filter(DeliveryId.eq(delivery))
        .order_by(MessageId, Order::Asc)
        .limit(limit);
    Ok(query.into_tuple().all(db.connection()).await?)
}

/// It was delivered before `before`.
fn over(before: DateTime<Utc>) -> SimpleExpr {
    Column::SettledAt.is_not_null().and(Column::SettledAt.lt(before))
}

fn open(channel: Channel) -> Condition {
    Condition::all()
        .add(Column::Channel.eq(channel))
        .add(Column::SettledAt.is_null())
        .add(Column::BuriedAt.is_null())
}

fn due(lane: Lane, now: DateTime<Utc>) -> Condition {
    let of_lane = match lane {
        Lane::Mail => open(Channel::Mail),
        Lane::Webhook(id) => open(Channel::Webhook).add(Column::WebhookId.eq(id)),
    };
    of_lane.add(Column::AvailableAt.lte(now)).add(free(now))
}

/// No process holds it.
fn free(now: DateTime<Utc>) -> SimpleExpr {
    Column::LeasedUntil.is_null().or(Column::LeasedUntil.lte(now))
}
