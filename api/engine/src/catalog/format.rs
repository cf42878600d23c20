//! What a pack file may say: the types that parse it, and whose schema is published.
//! Nothing here is checked beyond its shape; `check` and `compile` do the rest.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::event::Value;

/// A pack of achievements: what can happen, and what is earned by it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Plaudit achievement pack")]
pub(crate) struct Pack {
    /// Where this schema is, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
    /// The pack's key, in kebab-case; achievement keys begin with it.
    pub(crate) pack: String,
    /// The pack's name, for people.
    pub(crate) name: String,
    /// What the pack is for.
    #[serde(default)]
    pub(crate) description: String,
    /// Rises with every published change.
    #[serde(default = "one")]
    pub(crate) version: u32,
    /// What whoever runs the server may set for this pack, by key (camelCase).
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Setting>,
    /// The categories achievements are shown by, in order.
    pub(crate) categories: Vec<Category>,
    /// What can happen.
    pub(crate) activities: Vec<Activity>,
    /// What can be earned, in the order it is shown.
    pub(crate) achievements: Vec<Achievement>,
    /// Titles by number of this pack's achievements held; the first awaits everyone at 0.
    #[serde(default)]
    pub(crate) ranks: Vec<Rank>,
    /// The XP curve. Packs loaded together must agree.
    #[serde(default)]
    pub(crate) levels: Option<Levels>,
    /// The pack's own tests: given these events, expect these awards.
    #[serde(default)]
    pub(crate) tests: Vec<Trial>,
}

/// Something that whoever runs the server may set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Setting {
    /// What kind of value it takes.
    #[serde(rename = "type")]
    pub(crate) kind: SettingType,
    /// What it means.
    pub(crate) description: String,
}

/// The kinds of setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SettingType {
    /// A day, as 2026-01-31; as a moment, its midnight in UTC.
    Date,
}

/// A group that achievements are shown in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Category {
    /// In kebab-case.
    pub(crate) key: String,
    /// For people.
    pub(crate) name: String,
}

/// A kind of event.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Activity {
    /// In snake_case, past tense: question_answered.
    pub(crate) key: String,
    /// What happened, in words.
    #[serde(default)]
    pub(crate) description: String,
    /// What an event of this kind may carry, by name (camelCase); anything else is refused.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// What XP an event of this kind gives; none if absent.
    #[serde(default)]
    pub(crate) xp: Option<Xp>,
    /// The most XP that this activity gives a person on one local day.
    #[serde(default)]
    pub(crate) daily_cap: Option<i64>,
    /// Whether an event of this kind makes its local day an active one.
    #[serde(default = "yes")]
    pub(crate) counts_for_streak: bool,
    /// Whether a person may record it about themselves.
    #[serde(default)]
    pub(crate) self_reportable: bool,
    /// Which act of the product feeds it.
    #[serde(default)]
    pub(crate) on: Option<Act>,
    /// With `"on": "referral"`: what a referred person must reach for one such event.
    #[serde(default)]
    pub(crate) derive: Option<Derive>,
}

/// The acts of the product that an activity can be fed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// A lesson of a course was completed.
    Lesson,
    /// A comment was written.
    Comment,
    /// A person enrolled in a course.
    Enroll,
    /// A person appeared for the first time.
    Joined,
    /// Someone whom this person referred reached the activity's `derive` count.
    Referral,
}

/// What an attribute may be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Attribute {
    /// Whole numbers only: sums of fractions depend on their order.
    #[serde(rename = "type")]
    pub(crate) kind: AttributeType,
    /// What it means.
    #[serde(default)]
    pub(crate) description: String,
    /// Whether an event without it is refused.
    #[serde(default)]
    pub(crate) required: bool,
    /// What it is when an event leaves it out.
    #[serde(default)]
    pub(crate) default: Option<Value>,
    /// The only values it may have (strings).
    #[serde(default)]
    pub(crate) one_of: Option<Vec<String>>,
    /// The least it may be (ints).
    #[serde(default)]
    pub(crate) min: Option<i64>,
    /// The most it may be (ints).
    #[serde(default)]
    pub(crate) max: Option<i64>,
    /// The most characters it may have (strings); 200 if not given.
    #[serde(default)]
    pub(crate) max_length: Option<usize>,
}

/// The kinds of attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AttributeType {
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    String,
}

/// How much XP an event gives: an amount (and more per units of an attribute), or an attribute's value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Xp {
    /// A fixed amount.
    #[serde(default)]
    pub(crate) amount: Option<i64>,
    /// The int attribute that is the amount.
    #[serde(default)]
    pub(crate) attribute: Option<String>,
    /// More, on top of `amount`.
    #[serde(default)]
    pub(crate) per: Option<PerUnits>,
    /// Which events give it; all if empty.
    #[serde(rename = "where", default)]
    pub(crate) conditions: Conditions,
}

/// XP for every full number of units of an attribute.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PerUnits {
    /// An int attribute that is never negative.
    pub(crate) attribute: String,
    /// How many of it give the amount once.
    pub(crate) units: i64,
    /// What each full number of units gives.
    pub(crate) amount: i64,
    /// The most that this adds to an event.
    pub(crate) at_most: i64,
}

/// What a referred person must reach.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Derive {
    /// The activity of the referred person that is counted.
    pub(crate) activity: String,
    /// Which of its events count; all if empty.
    #[serde(rename = "where", default)]
    pub(crate) conditions: Conditions,
    /// How many.
    pub(crate) target: i64,
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

/// Something to earn.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Achievement {
    /// For people.
    pub(crate) name: String,
    /// In kebab-case; the name's own if absent. It never changes once published.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// What it stands for.
    #[serde(default)]
    pub(crate) description: String,
    /// The rule in words: Complete 100 grammar questions.
    pub(crate) requirement: String,
    /// One of the pack's categories.
    pub(crate) category: String,
    /// The track it is a step of; of each track the next one is shown.
    #[serde(default)]
    pub(crate) track: Option<String>,
    /// Its place in the track, from 1.
    #[serde(default)]
    pub(crate) tier: Option<i32>,
    /// How rare it is meant to be.
    #[serde(default)]
    pub(crate) rarity: Rarity,
    /// XP that earning it gives.
    #[serde(default)]
    pub(crate) xp_bonus: i64,
    /// Not shown until earned.
    #[serde(default)]
    pub(crate) secret: bool,
    /// Earned again at every multiple of the target.
    #[serde(default)]
    pub(crate) repeatable: bool,
    /// Whether it can be earned now.
    #[serde(default)]
    pub(crate) state: AchievementState,
    /// Rises with every change of its rule.
    #[serde(default = "one")]
    pub(crate) version: u32,
    /// Only events inside it count.
    #[serde(default)]
    pub(crate) window: Option<Window>,
    /// Achievements to hold first: keys of this pack, or pack/key of another.
    #[serde(default)]
    pub(crate) prerequisites: Vec<String>,
    /// What must be done.
    pub(crate) rule: Rule,
}

/// How rare an achievement is meant to be.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Rarity {
    /// Most people earn it.
    #[default]
    Common,
    /// Some people earn it.
    Rare,
    /// Few people earn it.
    Epic,
    /// Hardly anyone earns it.
    Legendary,
}

/// Whether an achievement can be earned.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum AchievementState {
    /// Not yet: neither shown nor earned, though already counted.
    Draft,
    /// Shown and earned.
    #[default]
    Active,
    /// No longer earned; who holds it keeps it.
    Retired,
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
    /// Different achievements held.
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

/// A title, and how many of the pack's achievements it takes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rank {
    /// For people.
    pub(crate) name: String,
    /// How many achievements of the pack.
    pub(crate) awards: i64,
}

/// The XP curve.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Levels {
    /// Level n starts at step · n · (n − 1) XP; 50 if not given.
    pub(crate) step: i64,
}

/// A test of the pack: given these events, expect exactly these awards.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Trial {
    /// What it shows.
    pub(crate) name: String,
    /// The person's IANA zone; UTC if absent.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    /// The pack's settings for this test.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// What happens, in this order.
    pub(crate) events: Vec<TrialEvents>,
    /// Every award of the person's afterwards, by key; a repeatable one as often as earned.
    pub(crate) expect: Vec<String>,
    /// The person's XP afterwards.
    #[serde(default)]
    pub(crate) xp: Option<i64>,
    /// The person's level afterwards.
    #[serde(default)]
    pub(crate) level: Option<i64>,
    /// The person's rank afterwards.
    #[serde(default)]
    pub(crate) rank: Option<String>,
}

/// Events of one activity, evenly spaced.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrialEvents {
    /// How many.
    #[serde(default = "one")]
    pub(crate) repeat: u32,
    /// When the first happens.
    pub(crate) from: DateTime<Utc>,
    /// How far apart they are.
    #[serde(default)]
    pub(crate) every: Every,
    /// What happens.
    pub(crate) activity: String,
    /// With these attributes.
    #[serde(default)]
    pub(crate) attributes: serde_json::Map<String, serde_json::Value>,
    /// String attributes that differ from event to event: {n} is its number, from 1.
    #[serde(default)]
    pub(crate) attribute_series: BTreeMap<String, String>,
    /// Who does it, when it is not the person of the test: any name of someone they referred.
    #[serde(default)]
    pub(crate) about: Option<String>,
}

/// How far apart events are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Every {
    /// 60 seconds.
    #[default]
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
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
