//! A person's state at an earlier time: the current state without the events since then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    catalog::{Catalog, Thresholds},
    entitlement::{is_surplus, rules_decide},
    event::Event,
    rule::Rule,
    state::{Held, MetricState, PersonState},
    step::Step,
    streak::Streak,
};

/// A person's past, from which the times of their awards follow.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// The first moment of `events`, before which no award moves. None for the whole past.
    pub since: Option<DateTime<Utc>>,
    /// The person's state before the step, with all awards, metrics, and the day totals of capped activities.
    pub state: &'a PersonState,
    /// All events of the person since then, including derived events and events of the batch, in any order.
    pub events: &'a [Event],
    /// The ids of the events of the batch.
    pub new: &'a HashSet<Uuid>,
    /// The XP entries of these events before the step: amount and time, by the event's id.
    pub base: &'a HashMap<Uuid, (i64, DateTime<Utc>)>,
}

/// The state of the person before the first event of `history`, as far as later awards depend on it.
///
/// Counts, sums, XP and capped days are computed by subtraction. Distinct values, daily counts, the longest run and the
/// longest streak cannot be subtracted. For these, the awards of that time prove a least value. If no further award has its
/// threshold between this value and the value after `step`, the value after `step` is used. None if there is such an award.
/// Flagged awards are outside the entitlement, so that they were not earned at that time either.
pub(crate) fn rewind(
    catalog: &Catalog,
    step: &Step,
    person: Uuid,
    history: &History<'_>,
    since: DateTime<Utc>,
) -> Option<PersonState> {
    let now = history.state;
    let mut then = PersonState { zone: now.zone, xp: now.xp, ..PersonState::default() };
    then.xp -= history.base.values().map(|(xp, _)| *xp).sum::<i64>();
    for (key, held) in &now.awards {
        if held.revoked || (held.earned_at < since && !is_surplus(held)) {
            then.awards.insert(*key, held.clone());
        } else {
            then.xp -= held.xp_bonus;
        }
    }
    let proof = Proof { catalog, awards: &then.awards };
    let least = proof.of(|rule| matches!(rule, Rule::Streak { .. }));
    let longest =
        step.people.iter().find(|totals| totals.person == person).map(|totals| totals.streak.longest);
    let longest = longest.unwrap_or(now.streak.longest);
    if proof.lacks(&catalog.streak_moves, least, longest) {
        return None;
    }
    then.streak = Streak { longest, ..Streak::default() };
    then.metrics = now.metrics.clone();
    for index in history.events.iter().flat_map(|event| catalog.moved_by(event)).collect::<BTreeSet<_>>() {
        let Some(metric) = catalog.metrics.get(index).filter(|metric| metric.is_run() || metric.is_set())
        else {
            continue;
        };
        let stepped = step.metrics.iter().find(|(of, id, _)| (*of, *id) == (person, metric.id));
        let value =
            stepped.map(|(_, _, state)| state).or(now.metrics.get(&metric.id)).map_or(0, |state| state.value);
        let names = |rule: &Rule| match rule {
            Rule::Metric { metric, .. } => *metric == index,
            Rule::Each { metrics, .. } => metrics.contains(&index),
            _ => false,
        };
        let moves = catalog.moves.get(index);
        if moves.is_some_and(|moves| proof.lacks(&moves.thresholds, proof.of(names), value)) {
            return None;
        }
        then.metrics.insert(metric.id, MetricState { value, run: None });
        let members = history.events.iter().flat_map(|event| metric.members(event));
        then.members.extend(members.map(|member| (metric.id, member)));
    }
    then.day_totals = now.day_totals.clone();
    for event in history.events.iter().filter(|event| !history.new.contains(&event.id)) {
        for metric in catalog.moved_by(event).filter_map(|index| catalog.metrics.get(index)) {
            let value = then.metrics.get_mut(&metric.id);
            value.into_iter().for_each(|state| state.value -= metric.amount(event));
        }
        let Some(reward) = catalog.activity(&event.activity).and_then(|activity| activity.reward.as_ref())
        else {
            continue;
        };
        let day = then.day_totals.get_mut(&(event.activity.to_string(), event.capped_on()));
        day.into_iter().for_each(|total| *total -= reward.of(event));
    }
    Some(then)
}

/// What the awards of a person prove about their numbers.
struct Proof<'a> {
    catalog: &'a Catalog,
    awards: &'a BTreeMap<(Uuid, i64), Held>,
}

impl Proof<'_> {
    /// Whether an award may be earned by a rise from `least` to `most`. An award that a person has, or had, is not earned
    /// again, unless it is repeatable.
    fn lacks(&self, thresholds: &Thresholds, least: i64, most: i64) -> bool {
        let mut any = false;
        thresholds.crossed(least, most, |index| {
            let achievement = self.catalog.achievements.get(index);
            any |= achievement.is_none_or(|achievement| {
                achievement.repeatable || !self.awards.contains_key(&(achievement.id, 1))
            });
        });
        any
    }

    /// The highest target among the requirements that `names` selects and that an award proves to be met.
    fn of(&self, names: impl Fn(&Rule) -> bool) -> i64 {
        let targets = self.awards.iter().filter_map(|((achievement, occurrence), held)| {
            if held.revoked || !rules_decide(self.catalog, *achievement, held) {
                return None;
            }
            let index = self.catalog.achievement_index(*achievement)?;
            let achievement = self.catalog.achievements.get(index)?;
            let times = if achievement.repeatable { *occurrence } else { 1 };
            Some(proven(&achievement.rule, &names).saturating_mul(times))
        });
        targets.max().unwrap_or(0)
    }
}

/// The highest target of a part that every way to meet the rule includes.
fn proven(rule: &Rule, names: &impl Fn(&Rule) -> bool) -> i64 {
    match rule {
        Rule::All(parts) => parts.iter().map(|part| proven(part, names)).max().unwrap_or(0),
        Rule::Metric { target, .. } | Rule::Each { target, .. } | Rule::Streak { target } if names(rule) => {
            *target
        }
        _ => 0,
    }
}
