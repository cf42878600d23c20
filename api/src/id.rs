//! Identifiers: those we make are UUIDv7, so they sort by the time they were made.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// Counts within a millisecond, so that ids made one after another sort one after another.
static WITHIN_MILLISECOND: Mutex<AssertUnwindSafe<ContextV7>> =
    Mutex::new(AssertUnwindSafe(ContextV7::new()));

/// A new identifier that carries `now` (milliseconds) in its first 48 bits.
#[must_use]
pub fn new(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(&WITHIN_MILLISECOND, seconds, now.timestamp_subsec_nanos()))
}
