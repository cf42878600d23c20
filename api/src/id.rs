//! Identifiers. The ones we create are UUIDv7, so they sort by creation time.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// A counter within a millisecond, so that ids sort in the order of their creation.
static WITHIN_MILLISECOND: Mutex<AssertUnwindSafe<ContextV7>> =
    Mutex::new(AssertUnwindSafe(ContextV7::new()));

/// The lowest identifier that could be created at this time.
#[must_use]
pub(crate) fn lowest_at(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u64_pair(millis << 16, 0)
}

/// A new identifier with `now` (milliseconds) in its first 48 bits.
#[must_use]
pub fn new(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(&WITHIN_MILLISECOND, seconds, now.timestamp_subsec_nanos()))
}
