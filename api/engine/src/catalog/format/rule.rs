//! What an achievement may ask: rules, their conditions, and the window they look through.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::event::Value;

/// What must be done: a closed set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Rule {
    /// So many events.
    Count {
        /// The activity counted; or `activities`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity: Option<String>,
        /// Several activities counted together.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        activities: Vec<String>,
        /// Which events count.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// When they count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// How many.
        target: i64,
    },
    /// An int attribute, summed.
    Sum {
        /// The activity.
        activity: String,
        /// An int attribute that is never negative.
        attribute: String,
        /// Which events count.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// When they count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// How much.
        target: i64,
    },
    /// Total XP, over all packs.
    Xp {
        /// How much.
        target: i64,
    },
    /// A level, over all packs.
    Level {
        /// Which.
        target: i64,
    },
    /// The longest streak of active days.
    Streak {
        /// How many days.
        target: i64,
    },
    /// The longest run of events in a row for which something holds.
    Run {
        /// The activity.
        activity: String,
        /// Which events take part; the others neither lengthen nor break it.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// When they take part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// What must hold; an event for which it does not breaks the run.
        holds: Conditions,
        /// How long.
        target: i64,
    },
    /// Different values, or different days, weeks, months or weekends.
    Distinct {
        /// The activity.
        activity: String,
        /// What is told apart.
        by: By,
        /// Which events count.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// When they count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// How many.
        target: i64,
    },
    /// So many events at each of several values of an attribute.
    Each {
        /// The activity.
        activity: String,
        /// The attribute.
        attribute: String,
        /// The values.
        values: Vec<Value>,
        /// Which events count.
        #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
        conditions: Conditions,
        /// When they count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<When>,
        /// How many at each.
        target: i64,
    },
    /// Different achievements of one pack held, whether events earned them or people gave them. Badges of the
    /// school's own are of no pack and do not count.
    Awards {
        /// How many.
        target: i64,
        /// Of this category only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<String>,
        /// Of another pack; this one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pack: Option<String>,
    },
    /// Given by people only: a badge.
    Person {},
    /// Every part.
    All {
        /// The parts.
        of: Vec<Rule>,
    },
    /// One part at least.
    Any {
        /// The parts.
        of: Vec<Rule>,
    },
    /// So many of the parts.
    AtLeast {
        /// The parts.
        of: Vec<Rule>,
        /// How many of them.
        count: i64,
    },
}

/// What `distinct` tells apart: an attribute's values, or a unit of the local calendar.
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
    /// Which unit.
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
    /// A Saturday and its Sunday, as one; other days are none.
    Weekend,
}

/// Conditions by attribute; all must hold. An attribute that an event leaves out meets none.
pub(crate) type Conditions = BTreeMap<String, Test>;

/// What a value must be: the value itself, or operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(untagged)]
#[serde(untagged)]
pub(crate) enum Test {
    /// Equal to this.
    Equals(Value),
    /// What the operators say.
    Operators(Operators),
}

/// One of several values, or bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Operators {
    /// One of these.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub(crate) one_of: Option<Vec<Value>>,
    /// This or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<Value>,
    /// This or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<Value>,
}

/// Conditions on when it happened, by the person's clock and calendar.
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
    /// The first moment inside; none if absent.
    #[serde(default)]
    pub(crate) from: Option<Moment>,
    /// The first moment after it; none if absent.
    #[serde(default)]
    pub(crate) until: Option<Moment>,
}

/// A moment: written out, or taken from a setting.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(untagged)]
#[serde(untagged)]
pub(crate) enum Moment {
    /// As 2026-01-01T00:00:00Z.
    At(DateTime<Utc>),
    /// A date setting's midnight in UTC; while it is unset, no event is inside the window.
    Setting(SettingMoment),
}

/// A moment that a setting gives.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SettingMoment {
    /// The setting's key.
    pub(crate) setting: String,
    /// So many calendar months later.
    #[serde(default)]
    pub(crate) plus_months: u32,
}

// Hand-written, because an untagged enum that matches nothing cannot say what was wrong.
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
