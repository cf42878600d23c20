//! The differences between two catalogues in their decisions.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::check::key_of;
use super::{Achievement, Activity, Catalog, Pack, Problem};
use crate::metric::Metric;

impl Catalog {
    /// Whether both always decide the same. They may differ only in displayed data, such as names, descriptions,
    /// categories and rarities.
    #[must_use]
    pub fn decides_like(&self, other: &Self) -> bool {
        let derivations = |catalog: &Self| -> Vec<(usize, i64, usize)> {
            let all = catalog.derivations.iter();
            all.map(|derivation| (derivation.metric, derivation.target, derivation.activity)).collect()
        };
        self.level_step == other.level_step
            && self.metrics == other.metrics
            && derivations(self) == derivations(other)
            && all_alike(&self.activities, &other.activities, Activity::decides_like)
            && all_alike(&self.achievements, &other.achievements, Achievement::decides_like)
    }

    /// The metrics that `before` does not have.
    pub fn new_metrics(&self, before: Option<&Self>) -> BTreeSet<Uuid> {
        let is_new = |metric: &&Metric| before.is_none_or(|before| before.metric(metric.id).is_none());
        self.metrics.iter().filter(is_new).map(Metric::id).collect()
    }

    /// The capped activities, by key, whose daily totals are not stored under `before`, or with other amounts.
    pub fn newly_capped(&self, before: Option<&Self>) -> BTreeSet<&str> {
        let is_kept = |activity: &Activity| {
            let known = before.and_then(|before| before.activity(&activity.key));
            known.is_some_and(|known| known.daily_cap.is_some() && known.reward == activity.reward)
        };
        let capped = self.activities.iter().filter(|activity| activity.daily_cap.is_some());
        capped.filter(|activity| !is_kept(activity)).map(|activity| activity.key.as_str()).collect()
    }
}

/// New achievements without an explicit `key`, in a pack that has lost others. A new name without a key creates a new
/// achievement, which everyone would earn again.
pub fn renamed(before: &[Pack], after: &[Pack]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for pack in after {
        let Some(known) = before.iter().find(|known| known.key() == pack.key()) else { continue };
        let keys = |pack: &Pack| pack.content.achievements.iter().map(key_of).collect::<BTreeSet<_>>();
        let (known, keys) = (keys(known), keys(pack));
        let gone: Vec<&str> = known.difference(&keys).map(String::as_str).collect();
        let new =
            pack.content.achievements.iter().enumerate().filter(|(_, achievement)| {
                achievement.key.is_none() && !known.contains(&key_of(achievement))
            });
        if gone.is_empty() {
            continue;
        }
        problems.extend(new.map(|(index, achievement)| Problem {
            file: pack.file.clone(),
            path: format!("achievements[{index}].key"),
            message: format!(
                "`{}` has no key and is new, while the published pack has `{}` and this one has not",
                achievement.name,
                gone.join("`, `")
            ),
            remedy: format!(
                "if only its name has changed, add the key that it had; if it is another achievement, add \"key\": \"{}\"",
                key_of(achievement)
            ),
        }));
    }
    problems
}

impl Activity {
    fn decides_like(&self, other: &Self) -> bool {
        self.key == other.key
            && self.on == other.on
            && self.counts_for_streak == other.counts_for_streak
            && self.daily_cap == other.daily_cap
            && self.reward == other.reward
            && self.metrics == other.metrics
    }
}

impl Achievement {
    fn decides_like(&self, other: &Self) -> bool {
        self.id == other.id
            && self.xp_bonus == other.xp_bonus
            && self.repeatable == other.repeatable
            && self.state == other.state
            && self.awarded_by == other.awarded_by
            && self.window == other.window
            && self.rule == other.rule
            && self.gates == other.gates
    }
}

fn all_alike<T>(these: &[T], those: &[T], alike: impl Fn(&T, &T) -> bool) -> bool {
    these.len() == those.len() && these.iter().zip(those).all(|(this, that)| alike(this, that))
}
