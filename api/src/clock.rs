//! Time as a value: the only place that asks the machine what time it is.
//! Tests hold a clock in the hand and move it; everything else is given one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::refusal::Refusal;

/// Where "now" comes from. Cheap to clone; clones of a hand clock share their hands.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's time.
    System,
    /// A time that stands still until [`Clock::advance`] moves it: milliseconds since 1970.
    Hand(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn hand(start: DateTime<Utc>) -> Self {
        Self::Hand(Arc::new(AtomicI64::new(start.timestamp_millis())))
    }

    /// Now, in whole milliseconds: what both databases keep and every answer prints.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
        let millis = match self {
            Self::System => Utc::now().timestamp_millis(),
            Self::Hand(millis) => millis.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_millis(millis).unwrap_or_default()
    }

    /// Moves a hand clock on (or back). The machine's time does not listen.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Hand(millis) = self {
            millis.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        }
    }
}

/// The time of something that has happened, as a sender gives it, in whole milliseconds. A sender's clock may be a few
/// minutes ahead of ours.
///
/// # Errors
/// `INVALID_INPUT` at `field` for a time before 2000 or in the future.
pub(crate) fn past(field: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    // What both databases keep and every answer prints.
    let at = DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at);
    let millennium = DateTime::from_timestamp(946_684_800, 0).unwrap_or_default();
    if at < millennium {
        return Err(Refusal::invalid([field], "The time lies before 2000: send when it really happened."));
    }
    if at > now + TimeDelta::minutes(5) {
        let message =
            "The time lies in the future: send a time at most 5 minutes ahead of ours, or none for now.";
        return Err(Refusal::invalid([field], message));
    }
    Ok(at)
}
