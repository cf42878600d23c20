//! Identifiers: those we make are UUIDv7, so they sort by the time they were made.

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// A new identifier that carries `now` (milliseconds) in its first 48 bits.
#[must_use]
pub fn new(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}
