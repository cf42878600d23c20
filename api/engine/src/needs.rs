//! The state to load before a batch is folded. The first step names people and the parts of their state. The second
//! and the third step read what is loaded and name the history that late events require.

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
    streak::{LocalDay, Streak},
};

/// The state that a batch requires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The subjects of the events, and the referrers for whom events may be derived. Load zone, referrer, XP, streak
    /// and `has_flagged` of each, and these parts.
    pub people: BTreeMap<Uuid, PersonNeeds>,
}

/// The parts of one person's state that a batch requires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonNeeds {
    /// Metrics that change, and the metrics of every achievement that may be reached.
    pub metrics: BTreeSet<Uuid>,
    /// (metric, member): the members to look up.
    pub members: BTreeSet<(Uuid, String)>,
    /// (activity, local date): the totals of capped activities.
    pub days: BTreeSet<(String, NaiveDate)>,
    /// Achievements that may be reached, and their prerequisites. Load every occurrence, including revoked ones.
    pub awards: BTreeSet<Uuid>,
}

/// The additional state that a batch with late events requires. Usually empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    /// By person and run metric: the span of late events, for `PersonState::runs`. Load the metric's events from the
    /// reset before the span to the reset after it.
    pub runs: BTreeMap<(Uuid, Uuid), Span>,
    /// (person, local day): the days to look up, for `PersonState::known_days`.
    pub days: BTreeSet<(Uuid, LocalDay)>,
    /// People for whom to load all metrics and all awards, for `PersonState::whole`.
    pub whole: BTreeSet<Uuid>,
}

/// A range of events, inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first event.
    pub from: EventKey,
    /// The last event.
    pub to: EventKey,
}

impl Late {
    /// Whether no more state is required.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.days.is_empty() && self.whole.is_empty()
    }
}

/// The state to load before `events` are folded. `referrers` maps the people of the batch to their referrers.
pub fn needs(catalog: &Catalog, events: &[Event], referrers: &BTreeMap<Uuid, Uuid>) -> Needs {
    let mut moved: BTreeMap<Uuid, Moved> = BTreeMap::new();
    for event in events {
        let derived = moved.entry(event.person).or_default().add(catalog, event);
        let Some(referrer) = referrers.get(&event.person).filter(|_| !derived.is_empty()) else { continue };
        for activity in derived {
            // The metrics that a derived event changes do not depend on its time or zone.
            let event = derive(catalog, activity, event.person, (*referrer, Tz::UTC), DateTime::UNIX_EPOCH);
            if let Some(event) = event {
                moved.entry(*referrer).or_default().add(catalog, &event);
            }
        }
    }
    Needs { people: moved.into_iter().map(|(person, moved)| (person, moved.close(catalog))).collect() }
}

/// The history to load before `events` are folded, given the loaded state.
pub fn late(catalog: &Catalog, state: &State, events: &[Event]) -> Late {
    let mut late = Late::default();
    let flagged = state.people.iter().filter(|(_, person)| person.has_flagged);
    late.whole.extend(flagged.map(|(id, _)| *id));
    late.days = late_days(state, events).collect();
    let mut lasts: HashMap<(Uuid, usize), EventKey> = HashMap::new();
    for event in events {
        let Some(activity) = catalog.activity(&event.activity) else { continue };
        let person = state.people.get(&event.person);
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

/// The days that the stored streaks do not contain and to which they cannot be extended.
fn late_days(state: &State, events: &[Event]) -> impl Iterator<Item = (Uuid, LocalDay)> {
    let mut streaks: HashMap<Uuid, Streak> = HashMap::new();
    events.iter().filter(|event| event.makes_active).filter_map(move |event| {
        let of_person = || state.people.get(&event.person).map(|person| person.streak.clone());
        let streak = streaks.entry(event.person).or_insert_with(|| of_person().unwrap_or_default());
        (!streak.add(event.local_day())).then(|| (event.person, event.local_day()))
    })
}

/// The history that a batch requires because of what `late` loaded. Usually empty. The state of each person in it must
/// be made whole too: the longest run or streak may become shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Further {
    /// By person and run metric: the metrics of which to load all events, for `PersonState::runs`.
    pub runs: BTreeSet<(Uuid, Uuid)>,
    /// People for whom to load all active days, for `PersonState::active_days`.
    pub days: BTreeSet<Uuid>,
}

/// The history to load before `events` are folded, given the loaded state and the events and days around late events:
/// for runs that late events may break, and for people with a new active day before their last one.
pub fn further(catalog: &Catalog, state: &State, events: &[Event]) -> Further {
    let new_days = late_days(state, events).filter(|(person, day)| {
        state.people.get(person).is_none_or(|person| !person.known_days.contains(day))
    });
    Further { days: new_days.map(|(person, _)| person).collect(), runs: broken(catalog, state, events) }
}

/// The (person, run metric) pairs whose longest run may be broken by late events.
fn broken(catalog: &Catalog, state: &State, events: &[Event]) -> BTreeSet<(Uuid, Uuid)> {
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
                // `advance` refuses a count that is too high; this function ignores it.
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

/// The parts of one person's state that events change.
#[derive(Default)]
struct Moved {
    metrics: BTreeSet<usize>,
    members: BTreeSet<(Uuid, String)>,
    days: BTreeSet<(String, NaiveDate)>,
    xp: bool,
    streak: bool,
}

impl Moved {
    /// Adds an event; returns the activities of the events that it may derive for a referrer.
    fn add(&mut self, catalog: &Catalog, event: &Event) -> Vec<usize> {
        let mut derived = Vec::new();
        self.streak |= event.makes_active;
        let Some(activity) = catalog.activity(&event.activity) else { return derived };
        if activity.reward.as_ref().is_some_and(|reward| reward.of(event) != 0) {
            self.xp = true;
            if activity.daily_cap.is_some() {
                self.days.insert((activity.key.clone(), event.capped_on()));
            }
        }
        for index in &activity.metrics {
            let Some(metric) = catalog.metrics.get(*index).filter(|metric| metric.filter.takes(event)) else {
                continue;
            };
            self.metrics.insert(*index);
            self.members.extend(metric.members(event).into_iter().map(|member| (metric.id, member)));
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

    /// Finds every achievement that the changes may reach, also through bonuses and dependents, and collects the
    /// state that its evaluation requires.
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
