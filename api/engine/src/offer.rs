//! The achievements that can still be earned. An achievement is not offered if its window is over, or if it requires one
//! that can no longer be earned.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    catalog::{Achievement, Catalog},
    metric::Window,
    rule::{Rule, count},
};

impl Catalog {
    /// Whether a person can earn this achievement from `now` on; `holds` returns the achievements the person holds.
    pub fn is_offered(
        &self,
        achievement: &Achievement,
        now: DateTime<Utc>,
        holds: &impl Fn(Uuid) -> bool,
    ) -> bool {
        let offer = Offer { catalog: self, now, holds };
        let Some(index) = self.achievement_index(achievement.id) else { return false };
        offer.is_open(index, &BTreeSet::new())
    }
}

struct Offer<'a, F> {
    catalog: &'a Catalog,
    now: DateTime<Utc>,
    holds: &'a F,
}

impl<F: Fn(Uuid) -> bool> Offer<'_, F> {
    /// `above` contains the achievements that require this one: none of them can be earned before it.
    fn is_open(&self, index: usize, above: &BTreeSet<usize>) -> bool {
        let Some(achievement) = self.catalog.achievements.get(index) else { return false };
        if above.contains(&index) || !achievement.is_active() || is_over(achievement.window, self.now) {
            return false;
        }
        let mut above = above.clone();
        above.insert(index);
        let comes = |index: &usize| self.is_held(*index) || self.is_open(*index, &above);
        achievement.gates.iter().all(comes) && self.can_be_met(&achievement.rule, &comes)
    }

    fn can_be_met(&self, rule: &Rule, comes: &impl Fn(&usize) -> bool) -> bool {
        match rule {
            Rule::Awards { among, target } => count(among, comes) >= *target,
            Rule::All(parts) => parts.iter().all(|part| self.can_be_met(part, comes)),
            Rule::Any(parts) => parts.iter().any(|part| self.can_be_met(part, comes)),
            Rule::AtLeast { of, count: needed } => count(of, |part| self.can_be_met(part, comes)) >= *needed,
            Rule::Metric { .. }
            | Rule::Each { .. }
            | Rule::Xp { .. }
            | Rule::Level { .. }
            | Rule::Streak { .. }
            | Rule::Person => true,
        }
    }

    fn is_held(&self, index: usize) -> bool {
        self.catalog.achievements.get(index).is_some_and(|achievement| (self.holds)(achievement.id))
    }
}

fn is_over(window: Window, now: DateTime<Utc>) -> bool {
    match window {
        Window::Always => false,
        Window::Never => true,
        Window::Between(_, until) => until.is_some_and(|until| until <= now),
    }
}
