//! The history that late events and flagged awards require, after the state of `needs` and `candidates` is loaded.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use uuid::Uuid;

use crate::{
    advance::{before, take},
    catalog::Catalog,
    entitlement::is_surplus,
    event::{Event, EventKey},
    state::{PersonState, State},
    streak::{LocalDay, Streak},
};

/// The additional state that a batch with late events requires. Usually empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    /// By person and run metric: the span of late events, for `PersonState::runs`. Load the metric's events from the
    /// reset before the span to the reset after it.
    pub runs: BTreeMap<(Uuid, Uuid), Span>,
    /// (person, local day): the days to look up, for `PersonState::known_days`.
    pub days: BTreeSet<(Uuid, LocalDay)>,
}

/// A range of events, inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first event.
    pub from: EventKey,
    /// The last event.
    pub to: EventKey,
}

/// The history to load before `events` are folded, given the loaded state.
pub fn late(catalog: &Catalog, state: &State, events: &[Event]) -> Late {
    let mut late = Late { days: late_days(state, events).collect(), ..Late::default() };
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

/// The history that a batch requires because of what is loaded so far. Usually empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Further {
    /// By person and run metric: the metrics of which to load all events, for `PersonState::runs`.
    pub runs: BTreeSet<(Uuid, Uuid)>,
    /// People for whom to load all active days, for `PersonState::active_days`.
    pub days: BTreeSet<Uuid>,
    /// People for whom to load all metrics and all awards, for `PersonState::whole`: because their longest run or streak
    /// may become shorter, or because the entitlement of a person with flagged awards may change.
    pub whole: BTreeSet<Uuid>,
}

/// The history to load before `events` are folded, given the loaded state and the events and days around late events:
/// for runs that late events may break, for people with a new active day before their last one, and for people with
/// flagged awards who reach a threshold.
pub fn further(catalog: &Catalog, state: &State, events: &[Event]) -> Further {
    let new_days = late_days(state, events).filter(|(person, day)| {
        state.people.get(person).is_none_or(|person| !person.known_days.contains(day))
    });
    let mut further = Further { days: new_days.map(|(person, _)| person).collect(), ..Further::default() };
    try_out(catalog, state, events, &mut further);
    further.whole.extend(further.runs.iter().map(|(person, _)| *person).chain(further.days.iter().copied()));
    further
}

/// Folds the events of some people into a copy, and adds the runs that may be broken and the people whose entitlement
/// may change. These people have late events or flagged awards, or their referrers have flagged awards.
fn try_out(catalog: &Catalog, state: &State, events: &[Event], further: &mut Further) {
    let surplus: HashMap<Uuid, i64> =
        state.people.iter().filter_map(|(id, person)| Some((*id, surplus_xp(person)?))).collect();
    let concerned = state.people.iter().filter(|(id, person)| {
        let refers = person.referrer.is_some_and(|referrer| surplus.contains_key(&referrer));
        !person.runs.is_empty() || surplus.contains_key(id) || refers
    });
    let concerned: BTreeMap<Uuid, PersonState> = concerned.map(|(id, of)| (*id, of.clone())).collect();
    if concerned.is_empty() {
        return;
    }
    let mut decision = before(catalog, State { people: concerned }, events);
    for event in events {
        let Some(person) = decision.people.get_mut(&event.person) else { continue };
        // `advance` refuses a total that is too high; this function ignores it.
        let Ok(taken) = take(catalog, person, event, None) else { continue };
        let derives = person.referrer.filter(|_| !taken.derived.is_empty());
        further.whole.extend(derives.filter(|referrer| surplus.contains_key(referrer)));
        let Some(surplus_xp) = surplus.get(&event.person) else { continue };
        let mut changes = !taken.candidates.is_empty();
        // The entitlement does not contain the XP of flagged awards.
        catalog.xp_moves.crossed(taken.xp.old - surplus_xp, taken.xp.new - surplus_xp, |_| changes = true);
        if changes {
            further.whole.insert(event.person);
        }
    }
    for (id, person) in &decision.people {
        let metrics = person.broken_runs().filter_map(|index| catalog.metrics.get(index));
        further.runs.extend(metrics.map(|metric| (*id, metric.id)));
    }
}

/// The XP of the person's flagged awards; none without such awards.
fn surplus_xp(person: &PersonState) -> Option<i64> {
    let surplus = person.awards.values().filter(|held| is_surplus(held));
    surplus.map(|held| held.xp_bonus).reduce(|sum, xp| sum.saturating_add(xp))
}
