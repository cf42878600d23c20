//! An event of a person, with its attributes and the local day it counts for.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};
use uuid::Uuid;

use crate::streak::LocalDay;

/// A recorded event. `(source, external_id)` is its identity; `id` is our id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Our id.
    pub id: Uuid,
    /// The sender: the token's subject, or `plaudit`.
    pub source: Arc<str>,
    /// The sender's id of the event.
    pub external_id: Arc<str>,
    /// The person it is about.
    pub person: Uuid,
    /// The activity's key. An unknown activity changes nothing.
    pub activity: Arc<str>,
    /// When it happened, in the stored precision. Runs are folded in this order.
    pub occurred_at: DateTime<Utc>,
    /// Its position in the request that sent it. It orders events of the same moment.
    pub place: i32,
    /// The local date of the event, fixed at recording.
    pub local_date: NaiveDate,
    /// The local hour of the event, 0 to 23.
    pub local_hour: u8,
    /// The person's time zone at recording.
    pub zone: Tz,
    /// The person's date at recording, if the person reported the event.
    pub reported_on: Option<NaiveDate>,
    /// Whether it makes its local day an active one. Fixed at recording, like the day.
    pub makes_active: bool,
    /// The parsed attributes, with defaults.
    pub attributes: Attributes,
}

impl Event {
    /// The day whose cap limits the event's XP. A self-reported event counts for the day of recording, so that
    /// reports about many past days share one cap.
    pub fn capped_on(&self) -> NaiveDate {
        self.reported_on.unwrap_or(self.local_date)
    }

    /// The local day of the event.
    pub fn local_day(&self) -> LocalDay {
        LocalDay { date: self.local_date, zone: self.zone }
    }

    /// The event's position in the order in which runs are folded.
    pub fn key(&self) -> EventKey {
        EventKey {
            occurred_at: self.occurred_at,
            place: self.place,
            source: Arc::clone(&self.source),
            external_id: Arc::clone(&self.external_id),
        }
    }
}

/// The total order of a person's events: by time, then by the position in the request, then by source and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Its position in its request.
    pub place: i32,
    /// The sender.
    pub source: Arc<str>,
    /// The sender's id of the event.
    pub external_id: Arc<str>,
}

impl EventKey {
    /// A key before every event.
    pub fn origin() -> Self {
        Self { occurred_at: DateTime::UNIX_EPOCH, place: 0, source: "".into(), external_id: "".into() }
    }
}

/// The local date and hour of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The local date.
    pub date: NaiveDate,
    /// The local hour, 0 to 23.
    pub hour: u8,
}

/// The date and hour in `zone` at that moment.
pub fn local(occurred_at: DateTime<Utc>, zone: Tz) -> Local {
    let there = occurred_at.with_timezone(&zone);
    Local { date: there.date_naive(), hour: u8::try_from(there.hour()).unwrap_or(0) }
}

/// The attributes of an event, by name. Serializes as the JSON object that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    /// The value of an attribute; `None` if it is missing.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Value> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The value of an attribute. Whole numbers only: sums of fractions depend on their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(untagged)]
#[serde(untagged)]
pub enum Value {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Arc<str>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl Visitor<'_> for ValueVisitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a whole number or text")
            }
            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
                i64::try_from(value).map(Value::Int).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.into()))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}
