//! The format of a pack file: the types that parse it. The published JSON Schema is generated from them.
//! Only the structure is checked here; `check` and `compile` do the rest.

mod rule;
mod trial;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use rule::{By, Calendar, Conditions, Moment, Operators, Rule, Test, When, Window};
pub(crate) use trial::{Every, Trial, TrialEvents};

use crate::event::Value;

/// A pack of achievements: activities, and the achievements that people earn by them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Plaudit achievement pack")]
pub(crate) struct Pack {
    /// The location of this schema, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
    /// The pack's key, in kebab-case; achievement keys begin with it.
    pub(crate) pack: String,
    /// The pack's displayed name.
    pub(crate) name: String,
    /// The purpose of the pack.
    #[serde(default)]
    pub(crate) description: String,
    /// Rises with every published change.
    #[serde(default = "one")]
    pub(crate) version: u32,
    /// The settings of this pack that the operator may set, by key (camelCase).
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Setting>,
    /// The categories of achievements, in the displayed order.
    pub(crate) categories: Vec<Category>,
    /// The kinds of events.
    pub(crate) activities: Vec<Activity>,
    /// The achievements, in the displayed order.
    pub(crate) achievements: Vec<Achievement>,
    /// Ranks by the number of this pack's achievements that a person holds. The first requires 0.
    #[serde(default)]
    pub(crate) ranks: Vec<Rank>,
    /// The XP curve. It must be the same in all loaded packs.
    #[serde(default)]
    pub(crate) levels: Option<Levels>,
    /// The pack's own tests: events and the expected awards.
    #[serde(default)]
    pub(crate) tests: Vec<Trial>,
}

/// A setting that the operator may set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Setting {
    /// The kind of value.
    #[serde(rename = "type")]
    pub(crate) kind: SettingType,
    /// What it means, in words.
    pub(crate) description: String,
}

/// The kinds of setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SettingType {
    /// A day, as 2026-01-31. As a moment, it is midnight UTC of that day.
    Date,
}

/// A group of achievements.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Category {
    /// In kebab-case.
    pub(crate) key: String,
    /// The displayed name.
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
    /// The attributes of its events, by name (camelCase). Other attributes are refused.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// The XP of an event; none if absent.
    #[serde(default)]
    pub(crate) xp: Option<Xp>,
    /// The maximum XP from this activity for a person on one local day.
    #[serde(default)]
    pub(crate) daily_cap: Option<i64>,
    /// Whether an event makes its local day an active one.
    #[serde(default = "yes")]
    pub(crate) counts_for_streak: bool,
    /// Whether a person may record such events about themselves, shortly after they happened. The daily cap of the
    /// day of recording then applies.
    #[serde(default)]
    pub(crate) self_reportable: bool,
    /// The action in Plaudit that creates its events. An action belongs to only one activity of all loaded packs; the rules of
    /// every pack may count its events. Referrals belong to each activity that derives from them.
    #[serde(default)]
    pub(crate) on: Option<DomainEventKind>,
    /// With `"on": "referral"`: what a referred person must reach to create one event.
    #[serde(default)]
    pub(crate) derive: Option<Derive>,
}

/// The actions in Plaudit that can create events of an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DomainEventKind {
    /// A lesson of a course was completed.
    Lesson,
    /// A comment was written.
    Comment,
    /// A person enrolled in a course.
    Enroll,
    /// A person was seen for the first time.
    Joined,
    /// A person whom this person referred reached the activity's `derive` target.
    Referral,
}

impl DomainEventKind {
    /// The attributes that an event of this kind has: each is an id, as a string of 36 characters.
    pub fn facts(self) -> &'static [&'static str] {
        match self {
            Self::Lesson => &["lesson", "course"],
            Self::Comment => &["lesson", "course", "text"],
            Self::Enroll => &["course"],
            Self::Joined | Self::Referral => &[],
        }
    }
}

/// The number of characters of an id.
pub(super) const ID_LENGTH: usize = 36;

/// The definition of an attribute.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Attribute {
    /// The type. Numbers are whole, because sums of fractions depend on their order.
    #[serde(rename = "type")]
    pub(crate) kind: AttributeType,
    /// What it means, in words.
    #[serde(default)]
    pub(crate) description: String,
    /// Whether an event without it is refused.
    #[serde(default)]
    pub(crate) required: bool,
    /// The value if an event does not contain it.
    #[serde(default)]
    pub(crate) default: Option<Value>,
    /// The allowed values (strings).
    #[serde(default)]
    pub(crate) one_of: Option<Vec<String>>,
    /// The minimum (ints).
    #[serde(default)]
    pub(crate) min: Option<i64>,
    /// The maximum (ints).
    #[serde(default)]
    pub(crate) max: Option<i64>,
    /// The maximum number of characters (strings); 200 if absent.
    #[serde(default)]
    pub(crate) max_length: Option<usize>,
}

/// The types of attributes.
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

/// The XP of an event: an amount (with an optional part per units of an attribute), or the value of an attribute.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Xp {
    /// A fixed amount.
    #[serde(default)]
    pub(crate) amount: Option<i64>,
    /// The int attribute whose value is the amount.
    #[serde(default)]
    pub(crate) attribute: Option<String>,
    /// An additional amount per units of an attribute.
    #[serde(default)]
    pub(crate) per: Option<PerUnits>,
    /// Conditions that select the events that give XP; all if empty.
    #[serde(rename = "where", default)]
    pub(crate) conditions: Conditions,
}

/// XP for every full number of units of an attribute.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PerUnits {
    /// An int attribute that is never negative.
    pub(crate) attribute: String,
    /// The number of units that give the amount once.
    pub(crate) units: i64,
    /// The XP for each full number of units.
    pub(crate) amount: i64,
    /// The maximum that this adds to an event.
    pub(crate) at_most: i64,
}

/// What a referred person must reach.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Derive {
    /// The counted activity of the referred person.
    pub(crate) activity: String,
    /// Conditions that select its events; all if empty.
    #[serde(rename = "where", default)]
    pub(crate) conditions: Conditions,
    /// The required number.
    pub(crate) target: i64,
}

/// An achievement that people can earn.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Achievement {
    /// The displayed name.
    pub(crate) name: String,
    /// In kebab-case; derived from the name if absent. An achievement with another key is a new one, which people earn again:
    /// set a key before you change the name.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
    /// The rule in words, such as: Complete 100 grammar questions.
    pub(crate) requirement: String,
    /// One of the pack's categories.
    pub(crate) category: String,
    /// The track it belongs to. `nextAchievements` shows the next one of each track.
    #[serde(default)]
    pub(crate) track: Option<String>,
    /// Its position in the track, from 1.
    #[serde(default)]
    pub(crate) tier: Option<i32>,
    /// The intended rarity.
    #[serde(default)]
    pub(crate) rarity: Rarity,
    /// The XP for earning it.
    #[serde(default)]
    pub(crate) xp_bonus: i64,
    /// Whether it is hidden until earned.
    #[serde(default)]
    pub(crate) secret: bool,
    /// Whether it is earned again at every multiple of the target.
    #[serde(default)]
    pub(crate) repeatable: bool,
    /// Whether it can be earned now.
    #[serde(default)]
    pub(crate) state: AchievementState,
    /// Rises with every change of its rule.
    #[serde(default = "one")]
    pub(crate) version: u32,
    /// The time window of the events that count.
    #[serde(default)]
    pub(crate) window: Option<Window>,
    /// Achievements that a person must hold first: keys of this pack, or pack/key of another.
    #[serde(default)]
    pub(crate) prerequisites: Vec<String>,
    /// The requirement.
    pub(crate) rule: Rule,
}

/// The intended rarity of an achievement.
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
    /// Very few people earn it.
    Legendary,
}

/// Whether an achievement can be earned.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum AchievementState {
    /// Not published yet: neither shown nor earned, but its events already count.
    Draft,
    /// It is shown and can be earned.
    #[default]
    Active,
    /// It can no longer be earned. People who hold it keep it.
    Retired,
}

/// A rank, and the number of the pack's achievements that it requires.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rank {
    /// The displayed name.
    pub(crate) name: String,
    /// The required number of achievements of the pack.
    pub(crate) awards: i64,
}

/// The XP curve.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Levels {
    /// Level n starts at step · n · (n − 1) XP; 50 if absent.
    pub(crate) step: i64,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}
