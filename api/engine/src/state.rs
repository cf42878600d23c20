//! What the engine is told about people before it decides. Absent means none: a metric that is not
//! there stands at zero, so everything that `needs` and `late` ask for has to be loaded.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    event::{Event, EventKey},
    streak::Streak,
};

/// The people a batch concerns, by id: those its events are about, and their referrers.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By the person's id. Loading more than was asked for does no harm.
    pub people: BTreeMap<Uuid, PersonState>,
}

/// What is known of one person.
#[derive(Debug, Clone, Default)]
pub struct PersonState {
    /// The zone that a derived event's local day is taken in.
    pub zone: Tz,
    /// Who referred this person.
    pub referrer: Option<Uuid>,
    /// The activities this person's deeds have already sent the referrer: a target that is published
    /// higher later sends nothing twice. By key.
    pub derived: BTreeSet<String>,
    /// The sum of the person's XP entries.
    pub xp: i64,
    /// The latest moment of an XP entry that counts; none if the person never had XP.
    pub xp_reached_at: Option<DateTime<Utc>>,
    /// The latest moment of any event of the person; none if there is none.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The number of awards that are not revoked.
    pub award_count: i64,
    /// The streak, as kept.
    pub streak: Streak,
    /// Whether any award of the person's is flagged; if so, `late` asks for the whole person.
    pub has_flagged: bool,
    /// By the metric's id.
    pub metrics: BTreeMap<Uuid, MetricState>,
    /// Those of the asked (metric, member) pairs of `distinct` metrics that are there already.
    pub members: BTreeSet<(Uuid, String)>,
    /// The XP, before the cap, of capped activities, by (activity, local date).
    pub day_totals: BTreeMap<(String, NaiveDate), i64>,
    /// The awards held, revoked ones included, by (achievement, occurrence).
    pub awards: BTreeMap<(Uuid, i64), Held>,
    /// Only if `late` needs them: by the id of a run metric, the person's events around late ones.
    pub runs: BTreeMap<Uuid, RunEvents>,
    /// Only when `late` asked: every active local day of the person.
    pub active_days: Option<BTreeSet<NaiveDate>>,
    /// Only when `late` asked: `metrics` and `awards` hold everything there is of this person.
    pub whole: bool,
}

/// A person's past events around late ones, in any order: from the reset before the first of them to the reset after the
/// last, or to the end. Other events and events of the batch itself may be among them; they are ignored.
#[derive(Debug, Clone, Default)]
pub struct RunEvents {
    /// The events.
    pub events: Vec<Event>,
    /// Whether they are all of the metric's events.
    pub is_whole: bool,
}

/// Where a metric of one person stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricState {
    /// The count, the sum, the number of members, or the longest run.
    pub value: i64,
    /// Of a `run` metric that any event took part in: its open end.
    pub run: Option<RunCursor>,
}

/// The open end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCursor {
    /// How long the run is now.
    pub current: i64,
    /// The last event folded; an event before it is late.
    pub last: EventKey,
    /// The last event that broke a run; [`EventKey::origin`] if none did. None if it is not known.
    pub reset: Option<EventKey>,
}

/// An award as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What gave it.
    pub cause: Cause,
    /// When it was earned.
    pub earned_at: DateTime<Utc>,
    /// The XP it gave.
    pub xp_bonus: i64,
    /// Whether it was taken back; its XP is then taken back too, and it is not earned again.
    pub revoked: bool,
    /// Whether it is held though its rule no longer gives it.
    pub flagged: bool,
}

/// What gives an award.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The achievement's rule.
    Rule,
    /// A person.
    Person,
    /// Another system's past.
    Import,
}
