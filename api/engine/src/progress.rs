//! A person's progress: towards one achievement, and in a pack's ranks.

use uuid::Uuid;

use crate::{
    catalog::{Achievement, Catalog, LoadedPack},
    rule::{Rule, count},
    state::{MetricState, PersonState},
    streak::LocalDay,
};

/// The progress towards an achievement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The current value. For a run or a streak, its current length.
    pub current: i64,
    /// The required value.
    pub target: i64,
    /// From 0 to 100, with two decimals.
    pub percent: f64,
}

/// The progress in a pack's ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The current rank; `None` if the pack has no ranks.
    pub current_rank: Option<&'a str>,
    /// The next rank; `None` at the top.
    pub next_rank: Option<&'a str>,
    /// How many achievements are missing for it.
    pub remaining: Option<i64>,
}

/// A person's progress towards an achievement. `state` needs the metrics of `Catalog::metrics_of`, the
/// awards, XP and streak; `today` is the person's local day.
pub fn progress(
    catalog: &Catalog,
    achievement: &Achievement,
    state: &PersonState,
    today: LocalDay,
) -> Progress {
    let view = View { catalog, state, today };
    if !achievement.repeatable {
        return view.progress(&achievement.rule);
    }
    let occurrences = state.awards.range((achievement.id, 0)..=(achievement.id, i64::MAX));
    let next = occurrences.map(|((_, occurrence), _)| *occurrence).max().unwrap_or(0).saturating_add(1);
    match &achievement.rule {
        Rule::Metric { metric, target } => {
            view.progress(&Rule::Metric { metric: *metric, target: target.saturating_mul(next) })
        }
        Rule::Each { metrics, target } => {
            view.progress(&Rule::Each { metrics: metrics.clone(), target: target.saturating_mul(next) })
        }
        Rule::Xp { target } => view.progress(&Rule::Xp { target: target.saturating_mul(next) }),
        rule => view.progress(rule),
    }
}

/// The rank of a person who holds this many different achievements of a pack.
pub fn summary(pack: &LoadedPack, held: i64) -> Summary<'_> {
    let current = pack.ranks.iter().rev().find(|rank| rank.awards <= held);
    let next = pack.ranks.iter().find(|rank| rank.awards > held);
    Summary {
        current_rank: current.map(|rank| rank.name.as_str()),
        next_rank: next.map(|rank| rank.name.as_str()),
        remaining: next.map(|rank| rank.awards.saturating_sub(held)),
    }
}

struct View<'a> {
    catalog: &'a Catalog,
    state: &'a PersonState,
    today: LocalDay,
}

impl View<'_> {
    fn progress(&self, rule: &Rule) -> Progress {
        match rule {
            Rule::Metric { metric, target } => {
                let state = self.metric(*metric);
                let is_run = self.catalog.metrics.get(*metric).is_some_and(|metric| metric.is_run());
                let current = state.map_or(0, |state| match &state.run {
                    Some(run) if is_run => run.current,
                    _ => state.value,
                });
                of(current, *target)
            }
            Rule::Each { metrics, target } => {
                let done = metrics
                    .iter()
                    .map(|metric| self.metric(*metric).map_or(0, |state| state.value).min(*target));
                let values = count(metrics, |_| true);
                of(done.fold(0, i64::saturating_add), target.saturating_mul(values))
            }
            Rule::Xp { target } => of(self.state.xp, *target),
            Rule::Level { target, .. } => of(self.catalog.level(self.state.xp).number, *target),
            Rule::Streak { target } => of(self.state.streak.current(self.today), *target),
            Rule::Awards { among, target } => of(count(among, |index| self.holds(*index)), *target),
            Rule::Person => of(0, 1),
            Rule::All(parts) => of(count(parts, |part| self.is_met(part)), count(parts, |_| true)),
            Rule::AtLeast { of: parts, count: needed } => of(count(parts, |part| self.is_met(part)), *needed),
            Rule::Any(parts) => parts
                .iter()
                .map(|part| self.progress(part))
                .reduce(|best, next| if next.percent > best.percent { next } else { best })
                .unwrap_or(of(0, 1)),
        }
    }

    /// Whether a part is met. For a run or a streak this uses the longest one, unlike the progress.
    fn is_met(&self, rule: &Rule) -> bool {
        match rule {
            Rule::Metric { metric, target } => {
                self.metric(*metric).is_some_and(|state| state.value >= *target)
            }
            Rule::Streak { target } => self.state.streak.longest >= *target,
            Rule::Each { metrics, target } => {
                metrics.iter().all(|metric| self.metric(*metric).is_some_and(|state| state.value >= *target))
            }
            Rule::Any(parts) => parts.iter().any(|part| self.is_met(part)),
            _ => {
                let progress = self.progress(rule);
                progress.current >= progress.target
            }
        }
    }

    fn metric(&self, index: usize) -> Option<&MetricState> {
        self.catalog.metrics.get(index).and_then(|metric| self.state.metrics.get(&metric.id))
    }

    fn holds(&self, index: usize) -> bool {
        let id = self.catalog.achievements.get(index).map_or(Uuid::nil(), |achievement| achievement.id);
        self.state.awards.range((id, 0)..=(id, i64::MAX)).any(|(_, award)| !award.revoked)
    }
}

fn of(current: i64, target: i64) -> Progress {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "both are far below 2^53")]
    let percent = if target <= 0 { 100.0 } else { current as f64 * 100.0 / target as f64 };
    Progress { current, target, percent: (percent.clamp(0.0, 100.0) * 100.0).round() / 100.0 }
}
