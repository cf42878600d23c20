//! Which events of a batch do not fit, when the others are folded in order.

use std::collections::HashSet;

use uuid::Uuid;

use crate::{
    advance::{Folding, Overflow},
    catalog::Catalog,
    event::Event,
    person::Person,
    state::State,
    xp::MAX_XP,
};

/// Every event that would take XP or a metric past [`MAX_XP`], in order: what `advance` would refuse one after
/// the other. An event with the identity of one that fits is passed over; with that of one that does not, it is
/// tried in its place.
pub fn overflows(catalog: &Catalog, state: State, events: &[Event]) -> Vec<Overflow> {
    let mut folding = Folding::new(catalog, state, events);
    let mut folded = HashSet::new();
    let mut overflows = Vec::new();
    for (input, event) in events.iter().enumerate() {
        let identity = (&*event.source, &*event.external_id);
        if folded.contains(&identity) {
            continue;
        }
        if fits(&mut folding, event, input) {
            folded.insert(identity);
        } else {
            overflows.push(Overflow::of(input));
        }
    }
    overflows
}

/// Folds an event if it fits. Otherwise no state changes.
fn fits(folding: &mut Folding<'_>, event: &Event, input: usize) -> bool {
    if is_too_much_alone(folding, event) {
        return false;
    }
    let referrer = folding.person(event.person).referrer;
    let touched = [Some(event.person), referrer].into_iter().flatten();
    let before: Vec<(Uuid, Person)> = touched.map(|id| (id, folding.person(id).clone())).collect();
    let fits = folding.fold(event, input).is_ok();
    if !fits {
        folding.people.extend(before);
    }
    fits
}

/// Whether the event's own XP is too much already. Spares a copy of the person for each such event.
fn is_too_much_alone(folding: &mut Folding<'_>, event: &Event) -> bool {
    let activity = folding.catalog.activity(&event.activity).filter(|activity| activity.daily_cap.is_none());
    let reward = activity.and_then(|activity| activity.reward.as_ref());
    let amount = reward.map_or(0, |reward| reward.of(event));
    folding.person(event.person).xp.checked_add(amount).is_none_or(|xp| xp > MAX_XP)
}
