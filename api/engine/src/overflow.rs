//! Finds the events of a batch that would raise a total above the maximum.

use std::collections::HashSet;

use uuid::Uuid;

use crate::{
    advance::{Overflow, before, fold},
    catalog::Catalog,
    decide::Decision,
    event::Event,
    person::Person,
    state::State,
    xp::MAX_XP,
};

/// Every event that would raise XP or a metric above [`MAX_XP`], in order. Repeated calls of `advance` would refuse the
/// same events one by one. A repeat of an event that fits is skipped. A repeat of an event that does not fit is tried
/// in its place.
pub fn overflows(catalog: &Catalog, state: State, events: &[Event]) -> Vec<Overflow> {
    let mut decision = before(catalog, state, events);
    let mut folded = HashSet::new();
    let mut overflows = Vec::new();
    for (input, event) in events.iter().enumerate() {
        let identity = (&*event.source, &*event.external_id);
        if folded.contains(&identity) {
            continue;
        }
        if fits(&mut decision, event) {
            folded.insert(identity);
        } else {
            overflows.push(Overflow::of(input));
        }
    }
    overflows
}

/// Folds an event if it fits; otherwise changes nothing.
fn fits(decision: &mut Decision<'_>, event: &Event) -> bool {
    if is_too_much_alone(decision, event) {
        return false;
    }
    let referrer = decision.person(event.person).referrer;
    let touched = [Some(event.person), referrer].into_iter().flatten();
    let before: Vec<(Uuid, Person)> = touched.map(|id| (id, decision.person(id).clone())).collect();
    let fits = fold(decision, event).is_ok();
    if !fits {
        decision.people.extend(before);
    }
    fits
}

/// Whether the event's own XP is above the maximum. This check avoids a copy of the person for each such event.
fn is_too_much_alone(decision: &mut Decision<'_>, event: &Event) -> bool {
    let activity = decision.catalog.activity(&event.activity).filter(|activity| activity.daily_cap.is_none());
    let reward = activity.and_then(|activity| activity.reward.as_ref());
    let amount = reward.map_or(0, |reward| reward.of(event));
    decision.person(event.person).xp.checked_add(amount).is_none_or(|xp| xp > MAX_XP)
}
