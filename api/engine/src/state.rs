//! The input state of the engine. An absent entry counts as zero or none, for example an absent metric has the
//! value 0. Therefore callers must load everything that `needs`, `candidates`, `late` and `further` return.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    event::{Event, EventKey},
    streak::{LocalDay, Streak},
};

/// The people of a batch: the subjects of its events, and their referrers.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By the person's id. More people and parts than `needs` returns are allowed.
    pub people: BTreeMap<Uuid, PersonState>,
}

/// The loaded state of one person.
#[derive(Debug, Clone, Default)]
pub struct PersonState {
    /// The time zone of a derived event's local date.
    pub zone: Tz,
    /// The person's referrer.
    pub referrer: Option<Uuid>,
    /// The keys of the activities for which this person's events have already derived an event for the referrer. They
    /// prevent a second event after a publication with a higher target.
    pub derived: BTreeSet<String>,
    /// The sum of the person's XP entries.
    pub xp: i64,
    /// The time of the latest XP entry that counts; none if the person never had XP.
    pub xp_reached_at: Option<DateTime<Utc>>,
    /// The time of the person's latest event; none without events.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The latest time of any award of the person. Loaded only if `candidates` requests it.
    pub last_award_at: Option<DateTime<Utc>>,
    /// The number of awards that are not revoked.
    pub award_count: i64,
    /// The stored streak.
    pub streak: Streak,
    /// By the metric's id.
    pub metrics: BTreeMap<Uuid, MetricState>,
    /// The requested (metric, member) pairs of `distinct` metrics that already exist.
    pub members: BTreeSet<(Uuid, String)>,
    /// The XP, before the cap, of capped activities, by (activity, local date).
    pub day_totals: BTreeMap<(String, NaiveDate), i64>,
    /// The requested awards and all flagged awards, including revoked ones, by (achievement, occurrence).
    pub awards: BTreeMap<(Uuid, i64), Held>,
    /// By the id of a run metric: the person's events around late events. Loaded only if `late` requests them.
    pub runs: BTreeMap<Uuid, RunEvents>,
    /// The late days of the batch that are already active. Loaded only if `late` requests them.
    pub known_days: BTreeSet<LocalDay>,
    /// Every active day of the person. Loaded only if `further` requests them.
    pub active_days: Option<BTreeSet<LocalDay>>,
    /// Whether `metrics` and `awards` are complete for this person. Set only if `further` requests it.
    pub whole: bool,
}

/// A person's past events around late events, in any order: from the reset before the first late event to the reset
/// after the last one, or to the end. Other events and events of the batch may be included; the engine ignores them.
#[derive(Debug, Clone, Default)]
pub struct RunEvents {
    /// The events.
    pub events: Vec<Event>,
    /// Whether `events` has all events of the metric.
    pub is_whole: bool,
}

/// The state of one metric of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricState {
    /// The count, the sum, the number of members, or the longest run.
    pub value: i64,
    /// The open end of a `run` metric; none before its first event.
    pub run: Option<RunCursor>,
}

/// The open end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCursor {
    /// The current length of the run.
    pub current: i64,
    /// The last folded event. An event before it is late.
    pub last: EventKey,
    /// The last event that broke a run; [`EventKey::origin`] if no event did. None if unknown.
    pub reset: Option<EventKey>,
}

/// An existing award, as the engine reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The award's cause.
    pub cause: Cause,
    /// When it was earned.
    pub earned_at: DateTime<Utc>,
    /// XP of the award.
    pub xp_bonus: i64,
    /// Whether the award was revoked. Its XP is then reversed too, and it cannot be earned again.
    pub revoked: bool,
    /// Whether the person holds the award although its rule is no longer met.
    pub flagged: bool,
}

/// The cause of an award.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The achievement's rule.
    Rule,
    /// A person's grant.
    Person,
    /// An import from another system.
    Import,
}
