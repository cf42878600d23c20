//! One message per consequence, in the transaction of its cause. Delivery is somebody else's work.

use chrono::{DateTime, Utc};

use crate::id;
use crate::store::{self, Txn, awards, outbox};

/// Writes a message for each award. With `silent`, the reason why nobody is told, they are born
/// buried: the consequence is on record all the same.
pub(super) async fn write(
    txn: &Txn,
    awarded: &[awards::Row],
    silent: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let messages = awarded.iter().map(|award| outbox::Row {
        id: id::new(now),
        kind: "achievement_earned".to_owned(),
        person_id: award.person_id,
        award_id: Some(award.id),
        created_at: now,
        available_at: now,
        attempts: 0,
        leased_until: None,
        settled_at: None,
        buried_at: silent.map(|_| now),
        buried_because: silent.map(str::to_owned),
    });
    outbox::insert(txn, messages.collect()).await
}
