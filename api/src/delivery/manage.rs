//! What an operator does with deliveries.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::deliveries::{self, Row, Wanted};
use crate::store::{self, Database, outbox, webhooks};

use super::webhook;

/// Deliveries that one transaction changes.
const SOME: u64 = 500;
/// Messages of a delivery that are shown.
const ABOUT: u64 = 20;

/// The newest deliveries that match, at most `limit`.
pub(crate) async fn list(db: &Database, wanted: &Wanted, limit: u64) -> Result<Vec<Row>, store::Error> {
    deliveries::page_of(db, wanted, None, limit).await
}

/// What a delivery is about: the type and the `webhook-id` of at most 20 messages, oldest first.
pub(crate) async fn about(db: &Database, delivery: &Row) -> Result<Vec<String>, store::Error> {
    let txn = db.snapshot().await?;
    let found = async {
        let ids = deliveries::messages(&txn, delivery.id, ABOUT).await?;
        outbox::by_ids(&txn, ids).await
    };
    let found = found.await;
    txn.rollback().await;
    let name = |one: &outbox::Row| format!("{} {}", webhooks::type_of(one.kind), webhook::message_id(one.id));
    Ok(found?.iter().map(name).collect())
}

/// Makes these deliveries due now, as if they had never been tried. Returns the number of those not under way.
pub(crate) async fn renew(db: &Database, ids: &[Uuid], now: DateTime<Utc>) -> Result<u64, store::Error> {
    let txn = db.begin().await?;
    let renewed = deliveries::renew(&txn, ids.iter().copied(), now).await?;
    txn.commit().await?;
    Ok(renewed)
}

/// Makes all deliveries that match due now, some in each transaction. Returns their number.
pub(crate) async fn renew_all(
    db: &Database,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<u64, store::Error> {
    let (mut from, mut renewed) = (None, 0);
    loop {
        let rows = deliveries::page_of(db, wanted, from, SOME).await?;
        let Some(last) = rows.last() else { return Ok(renewed) };
        from = Some((last.created_at, last.id));
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        renewed += renew(db, &ids, now).await?;
    }
}

/// Gives a delivery up; returns whether it was open and not under way.
pub(crate) async fn bury(db: &Database, id: Uuid, now: DateTime<Utc>) -> Result<bool, store::Error> {
    let txn = db.begin().await?;
    let buried = deliveries::bury(&txn, id, now, deliveries::BY_OPERATOR).await?;
    txn.commit().await?;
    Ok(buried)
}
