//! The state to load before a batch is folded, in two steps: first what its events change, then what the achievements
//! require that these changes may reach.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    advance::derive,
    catalog::Catalog,
    event::Event,
    rule::Rule,
    state::{PersonState, State},
    streak::LocalDay,
};

/// The state that a batch changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The subjects of the events, and the referrers for whom events may be derived. Load zone, referrer, XP, streak
    /// and all flagged awards of each, and these parts.
    pub people: BTreeMap<Uuid, PersonNeeds>,
}

/// The parts of one person's state that a batch changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonNeeds {
    /// The metrics.
    pub metrics: BTreeSet<Uuid>,
    /// (metric, member): the members to look up.
    pub members: BTreeSet<(Uuid, String)>,
    /// (activity, local date): the totals of capped activities.
    pub days: BTreeSet<(String, NaiveDate)>,
    most: Most,
}

/// The most by which a batch can raise a person's numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Most {
    /// By metric.
    metrics: HashMap<usize, i64>,
    xp: i64,
    active_days: BTreeSet<LocalDay>,
    /// The time of the first event.
    since: Option<DateTime<Utc>>,
}

/// The state that the achievements require which a batch may reach. Usually empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// (person, metric): the metrics of these achievements, except those that are already loaded.
    pub metrics: BTreeSet<(Uuid, Uuid)>,
    /// (person, achievement): these achievements and their prerequisites. Load every occurrence, including revoked ones.
    pub awards: BTreeSet<(Uuid, Uuid)>,
    /// People with an event before their last one, for `PersonState::last_award_at`.
    pub dated: BTreeSet<Uuid>,
}

/// What a batch changes. `referrers` maps the people of the batch to their referrers.
pub fn needs(catalog: &Catalog, events: &[Event], referrers: &BTreeMap<Uuid, Uuid>) -> Needs {
    let mut needs = Needs::default();
    for event in events {
        let derived = needs.people.entry(event.person).or_default().add(catalog, event);
        let Some(referrer) = referrers.get(&event.person).filter(|_| !derived.is_empty()) else { continue };
        for activity in derived {
            // The metrics that a derived event changes do not depend on its zone.
            let event = derive(catalog, activity, event.person, (*referrer, Tz::UTC), event.occurred_at);
            if let Some(event) = event {
                needs.people.entry(*referrer).or_default().add(catalog, &event);
            }
        }
    }
    needs
}

impl PersonNeeds {
    /// Adds an event; returns the activities of the events that it may derive for a referrer.
    fn add(&mut self, catalog: &Catalog, event: &Event) -> Vec<usize> {
        let mut derived = Vec::new();
        let at = event.occurred_at;
        self.most.since = Some(self.most.since.map_or(at, |since| since.min(at)));
        if event.makes_active {
            self.most.active_days.insert(event.local_day());
        }
        let Some(activity) = catalog.activity(&event.activity) else { return derived };
        let xp = activity.reward.as_ref().map_or(0, |reward| reward.of(event));
        if xp != 0 {
            self.most.xp = self.most.xp.saturating_add(xp);
            if activity.daily_cap.is_some() {
                self.days.insert((activity.key.clone(), event.capped_on()));
            }
        }
        for index in &activity.metrics {
            let Some(metric) = catalog.metrics.get(*index).filter(|metric| metric.filter.takes(event)) else {
                continue;
            };
            self.metrics.insert(metric.id);
            self.members.extend(metric.members(event).into_iter().map(|member| (metric.id, member)));
            let most = self.most.metrics.entry(*index).or_default();
            *most = most.saturating_add(metric.amount(event).max(1));
            let moves = catalog.moves.get(*index);
            let derivations = moves.into_iter().flat_map(|moves| &moves.derivations);
            derived.extend(
                derivations
                    .filter_map(|index| catalog.derivations.get(*index))
                    .map(|derivation| derivation.activity),
            );
        }
        derived
    }

    /// The achievements with a threshold between the person's numbers and the most that they can become, by index.
    fn crossed(&self, catalog: &Catalog, person: &PersonState) -> Vec<usize> {
        let mut crossed = Vec::new();
        for (index, most) in &self.most.metrics {
            let (Some(metric), Some(moves)) = (catalog.metrics.get(*index), catalog.moves.get(*index)) else {
                continue;
            };
            let mut members = self.members.range((metric.id, String::new())..);
            let mut members = std::iter::from_fn(|| members.next().filter(|(of, _)| *of == metric.id));
            if metric.is_set() && members.all(|member| person.members.contains(member)) {
                continue;
            }
            let value = person.metrics.get(&metric.id).map_or(0, |state| state.value);
            moves.thresholds.crossed(value, value.saturating_add(*most), |reached| crossed.push(reached));
        }
        catalog.xp_moves.crossed(person.xp, person.xp.saturating_add(self.most.xp), |reached| {
            crossed.push(reached);
        });
        let longest = person.streak.longest;
        let added = self.most.active_days.difference(&person.streak.last).count();
        // A late day can also join two runs: then `further` requests the person's whole state.
        let most = longest.saturating_add(i64::try_from(added).unwrap_or(i64::MAX));
        catalog.streak_moves.crossed(longest, most, |reached| crossed.push(reached));
        crossed
    }
}

/// The state that the achievements require which the events may reach, given the state that `needs` returned.
pub fn candidates(catalog: &Catalog, needs: &Needs, state: &State) -> Candidates {
    let mut candidates = Candidates::default();
    let nothing = PersonState::default();
    for (id, needs) in &needs.people {
        let person = state.people.get(id).unwrap_or(&nothing);
        if needs.most.since < person.last_event_at.max(person.xp_reached_at) {
            candidates.dated.insert(*id);
        }
        let (metrics, awards) = close(catalog, needs.crossed(catalog, person));
        let metrics = metrics.iter().filter_map(|index| catalog.metrics.get(*index));
        let others = metrics.filter(|metric| !needs.metrics.contains(&metric.id));
        candidates.metrics.extend(others.map(|metric| (*id, metric.id)));
        let awards = awards.iter().filter_map(|index| catalog.achievements.get(*index));
        candidates.awards.extend(awards.map(|achievement| (*id, achievement.id)));
    }
    candidates
}

/// Adds the achievements that may be reached through bonuses and dependents. Returns the metrics and the awards that the
/// evaluation of all of them requires, by index.
fn close(catalog: &Catalog, mut open: Vec<usize>) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let mut follows_xp = false;
    let mut reached = BTreeSet::new();
    let mut metrics = BTreeSet::new();
    let mut awards = BTreeSet::new();
    while let Some(index) = open.pop() {
        let Some(achievement) = catalog.achievements.get(index).filter(|_| reached.insert(index)) else {
            continue;
        };
        if achievement.xp_bonus != 0 && !follows_xp {
            follows_xp = true;
            open.extend(catalog.xp_moves.all());
        }
        open.extend(catalog.dependents.get(index).into_iter().flatten());
        awards.insert(index);
        awards.extend(&achievement.gates);
        achievement.rule.visit(&mut |leaf| match leaf {
            Rule::Metric { metric, .. } => {
                metrics.insert(*metric);
            }
            Rule::Each { metrics: of, .. } => metrics.extend(of),
            Rule::Awards { among, .. } => awards.extend(among),
            _ => {}
        });
    }
    (metrics, awards)
}
