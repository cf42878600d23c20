//! A fact that happened to a person, with the attributes it carries and the local day it counts for.

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

/// One event, as recorded. `(source, external_id)` is its identity; `id` is the name we gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Ours.
    pub id: Uuid,
    /// Who sent it: the token's subject, or `plaudit`.
    pub source: Arc<str>,
    /// The sender's own id for it.
    pub external_id: Arc<str>,
    /// Whom it is about.
    pub person: Uuid,
    /// The activity's key. One that the catalogue does not know moves nothing.
    pub activity: Arc<str>,
    /// When it happened, at the precision that is stored: runs are folded in this order.
    pub occurred_at: DateTime<Utc>,
    /// Its place in the request that sent it: of events of one moment, the earlier place comes first.
    pub place: i32,
    /// The person's date then, fixed when it was recorded.
    pub local_date: NaiveDate,
    /// The person's hour then, 0 to 23.
    pub local_hour: u8,
    /// The person's date when it was recorded, if the person reported it about themselves.
    pub reported_on: Option<NaiveDate>,
    /// What it carries, as parsed: defaults filled in.
    pub attributes: Attributes,
}

impl Event {
    /// The day whose cap limits the event's XP. A person's own report counts for the day of recording, so that
    /// reports about many past days share one cap.
    pub fn capped_on(&self) -> NaiveDate {
        self.reported_on.unwrap_or(self.local_date)
    }

    /// The event's place in the order that runs are folded in.
    pub fn key(&self) -> EventKey {
        EventKey {
            occurred_at: self.occurred_at,
            place: self.place,
            source: Arc::clone(&self.source),
            external_id: Arc::clone(&self.external_id),
        }
    }
}

/// An event's place among a person's events: by time, then by its place in the request, then by source and id, so that
/// the order is total.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Its place in its request.
    pub place: i32,
    /// Who sent it.
    pub source: Arc<str>,
    /// The sender's id for it.
    pub external_id: Arc<str>,
}

/// The date and hour that a moment has where a person lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The date there.
    pub date: NaiveDate,
    /// The hour there, 0 to 23.
    pub hour: u8,
}

/// What date and hour it was in `zone` at that moment.
pub fn local(occurred_at: DateTime<Utc>, zone: Tz) -> Local {
    let there = occurred_at.with_timezone(&zone);
    Local { date: there.date_naive(), hour: u8::try_from(there.hour()).unwrap_or(0) }
}

/// The attributes of an event, by name. Serializes as the JSON object that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    /// The value of one attribute; none if the event leaves it out.
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
