//! Time as a value. Only this module reads the system clock.
//! Tests use a clock that they move; all other code receives a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::refusal::Refusal;

/// The source of the current time. Cheap to clone; clones of a test clock share its time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system time.
    System,
    /// A time that changes only with [`Clock::advance`], in milliseconds since 1970.
    Hand(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that is set to `start`.
    #[must_use]
    pub fn hand(start: DateTime<Utc>) -> Self {
        Self::Hand(Arc::new(AtomicI64::new(start.timestamp_millis())))
    }

    /// The current time in whole milliseconds, the precision of both databases and of every answer.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
        let millis = match self {
            Self::System => Utc::now().timestamp_millis(),
            Self::Hand(millis) => millis.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_millis(millis).unwrap_or_default()
    }

    /// Moves a test clock forwards or backwards. Has no effect on the system time.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Hand(millis) = self {
            millis.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        }
    }
}

/// Checks the time of a past event from a sender, and rounds it down to whole milliseconds. The sender's clock may be a
/// few minutes ahead of ours.
///
/// # Errors
/// `INVALID_INPUT` at `field` for a time before 2000 or in the future.
pub(crate) fn past(field: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    // The precision of both databases and of every answer.
    let at = DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at);
    let millennium = DateTime::from_timestamp(946_684_800, 0).unwrap_or_default();
    if at < millennium {
        return Err(Refusal::invalid([field], "The time is before 2000. Send the time when it happened."));
    }
    if at > now + TimeDelta::minutes(5) {
        let message = "The time is in the future. Send a time at most 5 minutes ahead of the server's, or none for the current time.";
        return Err(Refusal::invalid([field], message));
    }
    Ok(at)
}
