//! What has to be loaded before a batch can be folded: first whose state and which parts of it, then,
//! having seen that, whose history besides.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    advance::{before, derive},
    catalog::{Catalog, Moves, Thresholds},
    event::{Event, EventKey},
    metric::Metric,
    rule::Rule,
    state::State,
    streak::Streak,
};

/// The state that a batch stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Those the events are about, and the referrers for whom events may follow: zone, referrer, XP,
    /// streak and `has_flagged` of each, and these parts.
    pub people: BTreeMap<Uuid, PersonNeeds>,
}

/// The parts of one person's state that a batch stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonNeeds {
    /// Metrics that move, and those of every achievement that may be reached.
    pub metrics: BTreeSet<Uuid>,
    /// (metric, member): which of these are there?
    pub members: BTreeSet<(Uuid, String)>,
    /// (activity, local date): the totals of capped activities.
    pub days: BTreeSet<(String, NaiveDate)>,
    /// Achievements that may be reached, or that one of them asks for: every occurrence held, revoked ones too.
    pub awards: BTreeSet<Uuid>,
}

/// What a batch needs besides, because some of it is late. Usually nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    /// By person and run metric: the span of late events, for `PersonState::runs`. Load the metric's events from the reset
    /// before the span to the reset after it.
    pub runs: BTreeMap<(Uuid, Uuid), Span>,
    /// People whose active days are needed, all of them, for `PersonState::active_days`.
    pub days: BTreeSet<Uuid>,
    /// People of whom all metrics and all awards are needed, for `PersonState::whole`.
    pub whole: BTreeSet<Uuid>,
}

/// From one event to another, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: EventKey,
    /// The last.
    pub to: EventKey,
}

impl Late {
    /// Whether nothing more is needed.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.days.is_empty() && self.whole.is_empty()
    }
}

/// What has to be known to fold `events`. `referrers` says who referred whom, for the people of the batch.
pub fn needs(catalog: &Catalog, events: &[Event], referrers: &BTreeMap<Uuid, Uuid>) -> Needs {
    let mut moved: BTreeMap<Uuid, Moved> = BTreeMap::new();
    for event in events {
        let derived = moved.entry(event.person).or_default().add(catalog, event);
        let Some(referrer) = referrers.get(&event.person).filter(|_| !derived.is_empty()) else { continue };
        for activity in derived {
            // Nothing that a derived event moves depends on when or where it happens.
            let event = derive(catalog, activity, event.person, (*referrer, Tz::UTC), DateTime::UNIX_EPOCH);
            if let Some(event) = event {
                moved.entry(*referrer).or_default().add(catalog, &event);
            }
        }
    }
    Needs { people: moved.into_iter().map(|(person, moved)| (person, moved.close(catalog))).collect() }
}

/// Whose history is needed to fold `events`, seeing where things stand.
pub fn late(catalog: &Catalog, state: &State, events: &[Event]) -> Late {
    let mut late = Late::default();
    let flagged = state.people.iter().filter(|(_, person)| person.has_flagged);
    late.whole.extend(flagged.map(|(id, _)| *id));
    let mut streaks: HashMap<Uuid, Streak> = HashMap::new();
    let mut lasts: HashMap<(Uuid, usize), EventKey> = HashMap::new();
    for event in events {
        let Some(activity) = catalog.activity(&event.activity) else { continue };
        let person = state.people.get(&event.person);
        if activity.counts_for_streak {
            let streak = streaks
                .entry(event.person)
                .or_insert_with(|| person.map_or_else(Streak::default, |person| person.streak));
            if streak.is_late(event.local_date) {
                late.days.insert(event.person);
            } else if !streak.covers(event.local_date) {
                streak.append(event.local_date);
            }
        }
        for index in &activity.metrics {
            let Some(metric) = catalog.metrics.get(*index) else { continue };
            if !metric.is_run() || !metric.filter.takes(event) {
                continue;
            }
            let key = event.key();
            let run = person.and_then(|person| person.metrics.get(&metric.id)?.run.as_ref());
            let last = lasts.get(&(event.person, *index)).or_else(|| run.map(|run| &run.last));
            if last.is_none_or(|last| *last < key) {
                lasts.insert((event.person, *index), key);
                continue;
            }
            let reset = run.and_then(|run| run.reset.as_ref());
            let lengthens_open_run = metric.holds(event) && reset.is_some_and(|reset| *reset < key);
            match late.runs.entry((event.person, metric.id)) {
                Entry::Occupied(mut span) if !lengthens_open_run => {
                    let span = span.get_mut();
                    span.from = span.from.clone().min(key.clone());
                    span.to = span.to.clone().max(key);
                }
                Entry::Vacant(span) if !lengthens_open_run => {
                    span.insert(Span { from: key.clone(), to: key });
                }
                Entry::Occupied(_) | Entry::Vacant(_) => {}
            }
        }
    }
    late
}

/// The (person, run metric) pairs of which late events may have broken the longest run, seeing the events around them: all
/// events of the metric are needed, and the person's whole state.
pub fn broken(catalog: &Catalog, state: &State, events: &[Event]) -> BTreeSet<(Uuid, Uuid)> {
    let concerned = state.people.iter().filter(|(_, person)| !person.runs.is_empty());
    let state = State { people: concerned.map(|(id, person)| (*id, person.clone())).collect() };
    let mut broken = BTreeSet::new();
    if state.people.is_empty() {
        return broken;
    }
    let concerned: BTreeSet<Uuid> = state.people.keys().copied().collect();
    let mut decision = before(catalog, state, events);
    for event in events.iter().filter(|event| concerned.contains(&event.person)) {
        let Some(activity) = catalog.activity(&event.activity) else { continue };
        let person = decision.person(event.person);
        for index in &activity.metrics {
            if catalog.metrics.get(*index).is_some_and(Metric::is_run) {
                // A count that is too high is refused later; here it changes nothing.
                drop(person.fold(catalog, *index, event));
            }
        }
    }
    for (id, person) in &decision.people {
        let metrics = person.broken_runs().filter_map(|index| catalog.metrics.get(index));
        broken.extend(metrics.map(|metric| (*id, metric.id)));
    }
    broken
}

/// What events move of one person.
#[derive(Default)]
struct Moved {
    metrics: BTreeSet<usize>,
    members: BTreeSet<(Uuid, String)>,
    days: BTreeSet<(String, NaiveDate)>,
    xp: bool,
    streak: bool,
}

impl Moved {
    /// Adds an event, and returns the activities it may derive for a referrer.
    fn add(&mut self, catalog: &Catalog, event: &Event) -> Vec<usize> {
        let mut derived = Vec::new();
        let Some(activity) = catalog.activity(&event.activity) else { return derived };
        if activity.reward.as_ref().is_some_and(|reward| reward.of(event) != 0) {
            self.xp = true;
            if activity.daily_cap.is_some() {
                self.days.insert((activity.key.clone(), event.capped_on()));
            }
        }
        self.streak |= activity.counts_for_streak;
        for index in &activity.metrics {
            let Some(metric) = catalog.metrics.get(*index).filter(|metric| metric.filter.takes(event)) else {
                continue;
            };
            self.metrics.insert(*index);
            self.members.extend(metric.member(event).map(|member| (metric.id, member)));
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

    /// Follows what moves to every achievement it may reach, through bonuses and dependents, and
    /// gathers what judging those takes.
    fn close(self, catalog: &Catalog) -> PersonNeeds {
        let moves = self.metrics.iter().filter_map(|index| catalog.moves.get(*index));
        let mut open: Vec<usize> = moves.flat_map(|moves: &Moves| moves.thresholds.all()).collect();
        let mut follows_xp = self.xp;
        if follows_xp {
            open.extend(catalog.xp_moves.all());
        }
        if self.streak {
            open.extend(Thresholds::all(&catalog.streak_moves));
        }
        let mut reached = BTreeSet::new();
        let mut metrics = self.metrics;
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
        PersonNeeds {
            metrics: metrics
                .into_iter()
                .filter_map(|index| catalog.metrics.get(index))
                .map(|metric| metric.id)
                .collect(),
            members: self.members,
            days: self.days,
            awards: awards
                .into_iter()
                .filter_map(|index| catalog.achievements.get(index))
                .map(|achievement| achievement.id)
                .collect(),
        }
    }
}
