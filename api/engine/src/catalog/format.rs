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
    /// Whether a person may record it about themselves, shortly after it happened. The daily cap of such a record
    /// is that of the day of recording.
    #[serde(default)]
    pub(crate) self_reportable: bool,
    /// Which act of the product feeds it. An act feeds one activity of all packs loaded together, whose events
    /// rules of every pack may count; referrals feed each activity that derives from them.
    #[serde(default)]
    pub(crate) on: Option<DomainEventKind>,
    /// With `"on": "referral"`: what a referred person must reach for one such event.
    #[serde(default)]
    pub(crate) derive: Option<Derive>,
}

/// The acts of the product that an activity can be fed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DomainEventKind {
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

/// Something to earn.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Achievement {
    /// For people.
    pub(crate) name: String,
    /// In kebab-case; the name's own if absent. With another key it is another achievement, which people earn anew: give
    /// a key before the name changes.
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

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}
