//! The rules of achievements, their conditions, and their time windows.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::event::Value;

/// A requirement. The kinds are a closed set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Rule {
    /// A number of events.
    Count {
        /// The counted activity. Give this or `activities`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity: Option<String>,
        /// Several activities, counted together.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        activities: Vec<String>,
        /// At most this many events of one local day count, 1 to 20. A self-reported event belongs to the day of recording.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_per_day: Option<i64>,
        /// An attribute: events of one local day with the same value count once. Events without it all count. Needs
        /// `maxPerDay`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        once_per_day: Option<String>,
        /// Conditions that select the events.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// Conditions on the time of the events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// The required number.
        target: i64,
    },
    /// The sum of an int attribute.
    Sum {
        /// The activity.
        activity: String,
        /// An int attribute that is never negative.
        attribute: String,
        /// Conditions that select the events.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// Conditions on the time of the events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// The required total.
        target: i64,
    },
    /// Total XP, over all packs.
    Xp {
        /// The required total.
        target: i64,
    },
    /// A level, over all packs.
    Level {
        /// The required level.
        target: i64,
    },
    /// The longest streak of active days. A streak breaks when a whole local day passes without activity.
    Streak {
        /// The required number of days.
        target: i64,
    },
    /// The longest run of consecutive events that meet conditions.
    Run {
        /// The activity.
        activity: String,
        /// Conditions that select the events of the run. Other events neither extend nor break it.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// Conditions on the time of these events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// The conditions to meet. An event that does not meet them breaks the run.
        holds: Conditions,
        /// The required length.
        target: i64,
    },
    /// A number of different values, days, weeks, months or weekends.
    Distinct {
        /// The activity.
        activity: String,
        /// What is counted.
        by: By,
        /// Conditions that select the events.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// Conditions on the time of the events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// The required number.
        target: i64,
    },
    /// A number of events for each of several values of an attribute.
    Each {
        /// The activity.
        activity: String,
        /// The attribute.
        attribute: String,
        /// The values.
        values: Vec<Value>,
        /// Conditions that select the events.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// Conditions on the time of the events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// The required number for each value.
        target: i64,
    },
    /// A number of different achievements of one pack that a person holds, earned by events or awarded by people. Badges
    /// that the school created belong to no pack and do not count.
    Awards {
        /// The required number.
        target: i64,
        /// Only achievements of this category.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<String>,
        /// The pack; this one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pack: Option<String>,
    },
    /// Awarded only by people: a badge.
    Person {},
    /// All parts.
    All {
        /// The parts.
        of: Vec<Rule>,
    },
    /// At least one part.
    Any {
        /// The parts.
        of: Vec<Rule>,
    },
    /// A number of the parts.
    AtLeast {
        /// The parts.
        of: Vec<Rule>,
        /// The required number of parts.
        count: i64,
    },
}

/// What `distinct` counts: the values of an attribute, or units of the local calendar.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(untagged)]
#[serde(untagged)]
pub(crate) enum By {
    /// The attribute's name.
    Attribute(String),
    /// A unit of the calendar.
    Calendar(ByCalendar),
}

/// A unit of the local calendar.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ByCalendar {
    /// The unit.
    pub(crate) calendar: Calendar,
}

/// The units of the local calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Calendar {
    /// A date.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A Saturday and its Sunday together. Other days do not count.
    Weekend,
}

/// Conditions by attribute; all must hold. A missing attribute meets no condition.
pub(crate) type Conditions = BTreeMap<String, Test>;

/// A condition on a value: an equal value, or operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(untagged)]
#[serde(untagged)]
pub(crate) enum Test {
    /// Equal to this value.
    Equals(Value),
    /// Conditions by operators.
    Operators(Operators),
}

/// One of several values, or bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Operators {
    /// One of these values.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub(crate) one_of: Option<Vec<Value>>,
    /// This value or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<Value>,
    /// This value or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<Value>,
}

/// Conditions on the time of an event, in the person's local time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct When {
    /// The local hour, 0 to 23.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hour: Option<Test>,
    /// The local weekday, monday to sunday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weekday: Option<Test>,
    /// The local date, as 2026-01-31.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<Test>,
}

/// A span of time: from (inclusive) until (exclusive), in UTC.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Window {
    /// The first moment in the window; no limit if absent.
    #[serde(default)]
    pub(crate) from: Option<Moment>,
    /// The first moment after the window; no limit if absent.
    #[serde(default)]
    pub(crate) until: Option<Moment>,
}

/// A moment: a time, or the value of a setting.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(untagged)]
#[serde(untagged)]
pub(crate) enum Moment {
    /// A time, as 2026-01-01T00:00:00Z.
    At(DateTime<Utc>),
    /// Midnight UTC of a setting's date. If the setting has no value, no event is in the window.
    Setting(SettingMoment),
}

/// A moment that a setting defines.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SettingMoment {
    /// The setting's key.
    pub(crate) setting: String,
    /// The number of calendar months to add.
    #[serde(default)]
    pub(crate) plus_months: u32,
}

// Written by hand, because the derived error of an untagged enum does not name the fault.
impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TestVisitor;
        impl<'de> Visitor<'de> for TestVisitor {
            type Value = Test;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    r#"true, false, a whole number, text, or {"in": […]}, {"atLeast": n}, {"atMost": n}"#,
                )
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Test, E> {
                Ok(Test::Equals(Value::Bool(value)))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Test, E> {
                Ok(Test::Equals(Value::Int(value)))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Test, E> {
                i64::try_from(value).map(|value| Test::Equals(Value::Int(value))).map_err(E::custom)
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Test, E> {
                Ok(Test::Equals(Value::Text(value.into())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Test, A::Error> {
                Operators::deserialize(MapAccessDeserializer::new(map)).map(Test::Operators)
            }
        }
        deserializer.deserialize_any(TestVisitor)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MomentVisitor;
        impl<'de> Visitor<'de> for MomentVisitor {
            type Value = Moment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    r#"a moment such as "2026-01-01T00:00:00Z", or {"setting": "…", "plusMonths": 1}"#,
                )
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Moment, E> {
                value.parse().map(Moment::At).map_err(|_| {
                    E::custom(format!("`{value}` is not a moment: write it as 2026-01-01T00:00:00Z"))
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Moment, A::Error> {
                SettingMoment::deserialize(MapAccessDeserializer::new(map)).map(Moment::Setting)
            }
        }
        deserializer.deserialize_any(MomentVisitor)
    }
}

impl<'de> Deserialize<'de> for By {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByVisitor;
        impl<'de> Visitor<'de> for ByVisitor {
            type Value = By;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"an attribute's name, or {"calendar": "day|week|month|weekend"}"#)
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<By, E> {
                Ok(By::Attribute(value.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<By, A::Error> {
                ByCalendar::deserialize(MapAccessDeserializer::new(map)).map(By::Calendar)
            }
        }
        deserializer.deserialize_any(ByVisitor)
    }
}
