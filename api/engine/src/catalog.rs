//! The catalogue: packs of achievements as data, parsed, checked and compiled to an index from an
//! activity to the metrics it moves, and from a metric to the achievements whose thresholds it can cross.

mod achievements;
mod activity;
mod changes;
mod check;
mod compile;
mod conditions;
pub(crate) mod format;
mod pack;
mod problem;
mod rules;

use std::collections::HashMap;

use uuid::Uuid;

pub use activity::{Activity, AttributeProblem};
pub use changes::renamed;
pub use check::kebab_case;
pub use format::{AchievementState, DomainEventKind, Rarity};
pub use pack::{Pack, Settings, variable};
pub use problem::Problem;

use crate::{
    metric::{Filter, Kind, Metric, Window, metric_id},
    rule::Rule,
    state::Cause,
    xp::{Level, level_at},
};

/// The namespace of achievement ids: never to change, or every award would lose its achievement.
const NAMESPACE: Uuid = Uuid::from_u128(0x1f9c_41d3_52a6_4b0e_8c7d_6f20_b3de_9a15);

/// All packs loaded, checked and compiled.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(crate) packs: Vec<LoadedPack>,
    pub(crate) activities: Vec<Activity>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) achievements: Vec<Achievement>,
    pub(crate) level_step: i64,
    pub(crate) derivations: Vec<Derivation>,
    /// By metric: what it moves.
    pub(crate) moves: Vec<Moves>,
    pub(crate) xp_moves: Thresholds,
    pub(crate) streak_moves: Thresholds,
    /// By achievement: those that may be earned once it is held.
    pub(crate) dependents: Vec<Vec<usize>>,
    activity_by_key: HashMap<String, usize>,
    metric_by_id: HashMap<Uuid, usize>,
    achievement_by_id: HashMap<Uuid, usize>,
    achievement_by_key: HashMap<String, usize>,
}

/// A pack as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedPack {
    /// In kebab-case.
    pub key: String,
    /// For people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Rises with every published change.
    pub version: u32,
    /// In the order they are shown.
    pub categories: Vec<Category>,
    /// Rising; the first at 0. Empty if the pack has none.
    pub ranks: Vec<Rank>,
}

/// A group that achievements are shown in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// In kebab-case.
    pub key: String,
    /// For people.
    pub name: String,
}

/// A title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rank {
    /// For people.
    pub name: String,
    /// How many of the pack's achievements it takes.
    pub awards: i64,
}

/// Something to earn.
#[derive(Debug, Clone)]
pub struct Achievement {
    /// The UUIDv5 of its key.
    pub id: Uuid,
    /// The pack's key and its own: aurora/first-steps.
    pub key: String,
    /// The pack's key.
    pub pack: String,
    /// For people.
    pub name: String,
    /// What it stands for.
    pub description: String,
    /// The rule in words.
    pub requirement: String,
    /// A category's key.
    pub category: String,
    /// The track it is a step of.
    pub track: Option<String>,
    /// Its place in the track.
    pub tier: Option<i32>,
    /// How rare it is meant to be.
    pub rarity: Rarity,
    /// XP that earning it gives.
    pub xp_bonus: i64,
    /// Not shown until earned.
    pub secret: bool,
    /// Earned again at every multiple of its target.
    pub repeatable: bool,
    /// Whether it can be earned now.
    pub state: AchievementState,
    /// Rises with every change of its rule.
    pub version: u32,
    /// The ids of achievements to hold first.
    pub prerequisites: Vec<Uuid>,
    /// RULE, or PERSON where people alone give it.
    pub awarded_by: Cause,
    /// The rule as its pack writes it.
    pub rule_json: serde_json::Value,
    /// Only events inside it count.
    pub window: Window,
    /// The rule, compiled.
    pub(crate) rule: Rule,
    /// Indexes of `prerequisites`.
    pub(crate) gates: Vec<usize>,
}

impl Achievement {
    /// Whether its rule can give it now.
    pub fn is_active(&self) -> bool {
        self.state == AchievementState::Active
    }
}

/// "When a referred person reaches this, the referrer gets that."
#[derive(Debug, Clone)]
pub(crate) struct Derivation {
    pub(crate) metric: usize,
    pub(crate) target: i64,
    pub(crate) activity: usize,
}

/// What a metric moves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moves {
    pub(crate) thresholds: Thresholds,
    /// Indexes of derivations.
    pub(crate) derivations: Vec<usize>,
}

/// The achievements that a rising number can bring, by the target at which it does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thresholds {
    /// (target, achievement), rising.
    pub(crate) once: Vec<(i64, usize)>,
    /// (target, achievement), brought at every multiple.
    pub(crate) every: Vec<(i64, usize)>,
}

impl Thresholds {
    /// Calls `reached` for what a rise from `old` to `new` may bring.
    pub(crate) fn crossed(&self, old: i64, new: i64, mut reached: impl FnMut(usize)) {
        let from = self.once.partition_point(|(target, _)| *target <= old);
        for (target, achievement) in self.once.iter().skip(from) {
            if *target > new {
                break;
            }
            reached(*achievement);
        }
        for (target, achievement) in &self.every {
            if old.checked_div(*target) != new.checked_div(*target) {
                reached(*achievement);
            }
        }
    }

    /// Every achievement that the number can ever bring.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        self.once.iter().chain(&self.every).map(|(_, achievement)| *achievement)
    }
}

impl Catalog {
    /// The index of the metric with this definition; adds a new one.
    fn intern(&mut self, kind: Kind, mut activities: Vec<usize>, filter: Filter) -> usize {
        let key = |index: &usize| self.activities.get(*index).map_or("", |activity| activity.key.as_str());
        activities.sort_by(|left, right| key(left).cmp(key(right)));
        activities.dedup();
        let keys: Vec<&str> = activities.iter().map(key).collect();
        let id = metric_id(&kind, &keys, &filter);
        if let Some(index) = self.metric_by_id.get(&id) {
            return *index;
        }
        let index = self.metrics.len();
        for activity in &activities {
            if let Some(activity) = self.activities.get_mut(*activity) {
                activity.metrics.push(index);
            }
        }
        self.metrics.push(Metric { id, kind, activities, filter });
        self.metric_by_id.insert(id, index);
        index
    }

    /// The packs, in the order they were given.
    pub fn packs(&self) -> &[LoadedPack] {
        &self.packs
    }

    /// A pack by its key.
    pub fn pack(&self, key: &str) -> Option<&LoadedPack> {
        self.packs.iter().find(|pack| pack.key == key)
    }

    /// Everything that can happen.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }

    /// An activity by its key.
    pub fn activity(&self, key: &str) -> Option<&Activity> {
        self.activities.get(self.activity_index(key)?)
    }

    /// The activities that an act of the product feeds: none or one, or each that derives from referrals.
    pub fn activities_on(&self, action: DomainEventKind) -> impl Iterator<Item = &Activity> {
        self.activities.iter().filter(move |activity| activity.on == Some(action))
    }

    /// The known activity whose key is most like this one, if any is close.
    pub fn nearest_activity(&self, key: &str) -> Option<&str> {
        problem::nearest(key, self.activities.iter().map(|activity| activity.key.as_str()))
    }

    /// All achievements, in the order of packs and within them.
    pub fn achievements(&self) -> &[Achievement] {
        &self.achievements
    }

    /// An achievement by its id.
    pub fn achievement(&self, id: Uuid) -> Option<&Achievement> {
        self.achievements.get(self.achievement_index(id)?)
    }

    /// An achievement by its key, such as aurora/first-steps.
    pub fn achievement_by_key(&self, key: &str) -> Option<&Achievement> {
        self.achievements.get(*self.achievement_by_key.get(key)?)
    }

    /// All metrics that any rule or derivation stands on.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// A metric by its id.
    pub fn metric(&self, id: Uuid) -> Option<&Metric> {
        self.metrics.get(self.metric_index(id)?)
    }

    /// The indexes of the metrics that an event changes.
    pub(crate) fn moved_by<'a>(&'a self, event: &'a crate::event::Event) -> impl Iterator<Item = usize> + 'a {
        let metrics = self.activity(&event.activity).map_or(&[][..], |activity| &activity.metrics);
        let takes = |index: &usize| self.metrics.get(*index).is_some_and(|metric| metric.takes(event));
        metrics.iter().copied().filter(takes)
    }

    /// The keys of the activities that move a metric.
    pub fn activities_of(&self, metric: &Metric) -> Vec<&str> {
        metric
            .activities
            .iter()
            .filter_map(|index| self.activities.get(*index))
            .map(|activity| activity.key.as_str())
            .collect()
    }

    /// The ids of the metrics that an achievement's progress shows.
    pub fn metrics_of(&self, achievement: &Achievement) -> Vec<Uuid> {
        let mut ids = Vec::new();
        achievement.rule.visit(&mut |leaf| match leaf {
            Rule::Metric { metric, .. } => ids.extend(self.metrics.get(*metric).map(Metric::id)),
            Rule::Each { metrics, .. } => {
                ids.extend(metrics.iter().filter_map(|metric| self.metrics.get(*metric)).map(Metric::id));
            }
            _ => {}
        });
        ids
    }

    /// The keys of the activities whose events are derived for a referrer.
    pub fn derived_activities(&self) -> impl Iterator<Item = &str> {
        let emitted =
            self.derivations.iter().filter_map(|derivation| self.activities.get(derivation.activity));
        emitted.map(|activity| activity.key.as_str())
    }

    /// The metrics whose values decide when an event is derived for a referrer.
    pub fn derivation_metrics(&self) -> Vec<Uuid> {
        self.derivations
            .iter()
            .filter_map(|derivation| self.metrics.get(derivation.metric))
            .map(Metric::id)
            .collect()
    }

    /// The level at some XP.
    pub fn level(&self, xp: i64) -> Level {
        level_at(self.level_step, xp)
    }

    pub(crate) fn activity_index(&self, key: &str) -> Option<usize> {
        self.activity_by_key.get(key).copied()
    }

    pub(crate) fn metric_index(&self, id: Uuid) -> Option<usize> {
        self.metric_by_id.get(&id).copied()
    }

    pub(crate) fn achievement_index(&self, id: Uuid) -> Option<usize> {
        self.achievement_by_id.get(&id).copied()
    }
}

/// The id of the achievement with this key: the same on every machine, before any catalogue is loaded.
pub fn achievement_id(key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, key.as_bytes())
}

/// The JSON Schema of a pack file, from the types that parse it.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(format::Pack).to_value()
}
