//! Decides events: folds a batch into the state before it.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    decide::{Decision, Origin},
    event::{Attributes, Event, local},
    person::{Person, Rise, TooMuch},
    state::{PersonState, State},
    step::{Entry, EntryCause, Gain, Step},
    xp::MAX_XP,
};

/// The source of derived events.
pub const DERIVED_SOURCE: &str = "plaudit";

/// The namespace of derived events' ids.
const NAMESPACE: Uuid = Uuid::from_u128(0xb7a1_94c0_0d1e_4e0c_a3f4_5f27_c1d8_6e72);

/// An event would raise a total above the maximum of an API response. Nothing was decided: decide the batch again
/// without the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Overflow {
    /// The index of the event.
    pub event: usize,
    /// The message for its sender.
    pub message: String,
}

impl Overflow {
    pub(crate) fn of(event: usize) -> Self {
        let message = format!(
            "This event would raise a person's XP or a count above the maximum of {MAX_XP}: send a smaller amount, or \
             omit the event."
        );
        Self { event, message }
    }
}

/// Folds new events into a state with everything that `needs`, `candidates`, `late` and `further` return. The events must
/// be sorted by their keys.
///
/// # Errors
/// The first event that would raise XP or a metric above [`MAX_XP`].
pub fn advance(catalog: &Catalog, state: State, events: &[Event]) -> Result<Step, Overflow> {
    let mut decision = before(catalog, state, events);
    for (input, event) in events.iter().enumerate() {
        let gain = fold(&mut decision, event).map_err(|TooMuch| Overflow::of(input))?;
        decision.step.gains.push(gain);
    }
    Ok(decision.finish())
}

/// The derived events that a person's metrics have already earned for the referrer. Used when the referrer becomes
/// known later; record the events at that time. `state` must have the metrics of `Catalog::derivation_metrics`.
pub fn owed(
    catalog: &Catalog,
    person: Uuid,
    state: &PersonState,
    referrer: (Uuid, Tz),
    at: DateTime<Utc>,
) -> Vec<Event> {
    let reached = catalog.derivations.iter().filter(|derivation| {
        let metric = catalog.metrics.get(derivation.metric);
        let value = metric.and_then(|metric| state.metrics.get(&metric.id)).map_or(0, |state| state.value);
        value >= derivation.target
    });
    reached.filter_map(|derivation| derive(catalog, derivation.activity, person, referrer, at)).collect()
}

/// The derived event for a referrer. `activity` is the index of the derived activity; `about` is the referred person.
pub(crate) fn derive(
    catalog: &Catalog,
    activity: usize,
    about: Uuid,
    (referrer, zone): (Uuid, Tz),
    at: DateTime<Utc>,
) -> Option<Event> {
    let activity = catalog.activities.get(activity)?;
    let external_id = format!("{}:{about}", activity.key);
    let there = local(at, zone);
    let defaults = activity.attributes.iter();
    let attributes: Attributes =
        defaults.filter_map(|(name, attribute)| Some((name.clone(), attribute.default.clone()?))).collect();
    Some(Event {
        id: Uuid::new_v5(&NAMESPACE, external_id.as_bytes()),
        source: DERIVED_SOURCE.into(),
        external_id: external_id.into(),
        person: referrer,
        activity: activity.key.as_str().into(),
        occurred_at: at,
        place: 0,
        local_date: there.date,
        local_hour: there.hour,
        zone,
        reported_on: None,
        makes_active: false,
        attributes,
    })
}

/// The decision before the first of `events`. The loaded histories may already contain these events.
pub(crate) fn before<'a>(catalog: &'a Catalog, state: State, events: &[Event]) -> Decision<'a> {
    let has_history = state.people.values().any(|person| !person.runs.is_empty());
    let batch: HashSet<(&str, &str)> = if has_history {
        events.iter().map(|event| (&*event.source, &*event.external_id)).collect()
    } else {
        HashSet::new()
    };
    let is_new = |source: &str, external_id: &str| batch.contains(&(source, external_id));
    let people = state.people.into_iter();
    let people = people.map(|(id, person)| (id, Person::new(catalog, id, person, is_new))).collect();
    Decision { catalog, people, step: Step::default() }
}

/// Folds one event of the batch and the events derived from it. Derived events derive no further events.
pub(crate) fn fold(decision: &mut Decision<'_>, event: &Event) -> Result<Gain, TooMuch> {
    let Folded { gain, derived } = fold_one(decision, event, event.id, None)?;
    for activity in derived {
        let Some(referrer) = decision.person(event.person).referrer else { continue };
        let zone = decision.person(referrer).zone;
        let derived = derive(decision.catalog, activity, event.person, (referrer, zone), event.occurred_at);
        if let Some(derived) = derived {
            fold_one(decision, &derived, event.id, None)?;
            decision.step.derived.push(derived);
        }
    }
    Ok(gain)
}

/// Folds an event with the XP of its recording instead of its activity's current amount. Derives no events.
pub(crate) fn fold_recorded(decision: &mut Decision<'_>, event: &Event, base: i64) -> Result<(), TooMuch> {
    fold_one(decision, event, event.id, Some(base)).map(drop)
}

/// The gain of one event, and the indexes of the activities to derive for the referrer.
#[derive(Default)]
struct Folded {
    gain: Gain,
    derived: Vec<usize>,
}

/// The changes of one event to its subject, before any award.
pub(crate) struct Taken {
    /// The XP before and after the event.
    pub(crate) xp: Rise,
    /// The achievements with a threshold that the event crosses, by index.
    pub(crate) candidates: BTreeSet<usize>,
    /// The activities to derive for the referrer, by index.
    pub(crate) derived: Vec<usize>,
}

/// Adds an event to its subject's XP, streak and metrics. `recorded` replaces the XP of the activity's current amount.
pub(crate) fn take(
    catalog: &Catalog,
    person: &mut Person,
    event: &Event,
    recorded: Option<i64>,
) -> Result<Taken, TooMuch> {
    let activity = catalog.activity(&event.activity);
    let mut derived = Vec::new();
    let mut candidates = BTreeSet::new();
    let mut reached = |achievement| {
        candidates.insert(achievement);
    };
    let base = match (recorded, activity) {
        (Some(base), _) => base,
        (None, Some(activity)) => person.base_xp(activity, event),
        (None, None) => 0,
    };
    let xp = person.add_xp(base, event.occurred_at)?;
    catalog.xp_moves.crossed(xp.old, xp.new, &mut reached);
    if event.makes_active {
        let rise = person.add_day(event.local_day());
        catalog.streak_moves.crossed(rise.old, rise.new, &mut reached);
    }
    for metric in activity.map_or(&[][..], |activity| &activity.metrics) {
        let Some(rise) = person.fold(catalog, *metric, event)? else { continue };
        let Some(moves) = catalog.moves.get(*metric) else { continue };
        moves.thresholds.crossed(rise.old, rise.new, &mut reached);
        for derivation in moves.derivations.iter().filter_map(|index| catalog.derivations.get(*index)) {
            let key = catalog.activities.get(derivation.activity).map(|activity| activity.key.as_str());
            let sent = key.is_some_and(|key| person.derived.contains(key));
            if !sent && rise.old < derivation.target && derivation.target <= rise.new {
                derived.push(derivation.activity);
            }
        }
    }
    Ok(Taken { xp, candidates, derived })
}

fn fold_one(
    decision: &mut Decision<'_>,
    event: &Event,
    group: Uuid,
    recorded: Option<i64>,
) -> Result<Folded, TooMuch> {
    let catalog = decision.catalog;
    decision.person(event.person).note_event(event.occurred_at);
    // The activity's pack may not be loaded any more. Its XP and its active day stay.
    let is_known = catalog.activity(&event.activity).is_some();
    if !is_known && !event.makes_active && recorded.is_none_or(|base| base == 0) {
        return Ok(Folded::default());
    }
    let before = decision.before(event.person);
    let Taken { xp, candidates, derived } = take(catalog, decision.person(event.person), event, recorded)?;
    let base = xp.new - xp.old;
    let (at, day) = (event.occurred_at, event.local_date);
    if base != 0 {
        let cause = EntryCause::Base { event: event.id };
        decision.step.entries.push(Entry { person: event.person, amount: base, cause, at, day });
    }
    let origin = Origin { group, at, day, event: Some(event.id) };
    let bonuses = decision.settle(event.person, origin, candidates)?;
    decision.compare(event.person, before, group);
    Ok(Folded { gain: Gain { base, total: base.saturating_add(bonuses) }, derived })
}
