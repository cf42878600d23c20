//! Decides events: loads the state that the engine requests, and runs the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use engine::{AwardKey, Catalog, Dates, Event, Step};
use uuid::Uuid;

use super::ingest::Fresh;
use super::transaction::Interrupted;
use super::{load, overflow};
use crate::refusal::Refusal;
use crate::store::{Txn, people};

/// The engine's decision about events.
pub(super) enum Decision {
    /// The step, and the ids of the existing awards in it.
    Step(Box<Step>, HashMap<AwardKey, Uuid>),
    /// The rows that would exceed a maximum, at least one. Nothing was decided.
    Overflow(Vec<(usize, Refusal)>),
}

/// Decides the consequences of the new events. `before` has their people, as read without a lock.
pub(super) async fn advance(
    txn: &Txn,
    catalog: &Catalog,
    fresh: &Fresh,
    before: &HashMap<Uuid, people::Row>,
) -> Result<Decision, Interrupted> {
    if fresh.events.is_empty() {
        return Ok(Decision::Step(Box::default(), HashMap::new()));
    }
    let referrers = referrers(&fresh.events, before.values());
    let needs = engine::needs(catalog, &fresh.events, &referrers);
    let wanted: BTreeSet<Uuid> = needs.people.keys().copied().collect();
    let locked = people::lock(txn, &wanted).await?;
    if self::referrers(&fresh.events, locked.iter()) != referrers {
        // A referrer became known between the two reads. Locking them now could break the lock order.
        return Err(Interrupted::Again);
    }
    let mut loaded = load::for_events(txn, catalog, &locked, &needs, &fresh.events, referrers).await?;
    let dates = Dates::of(&loaded.state);
    let mut step = match engine::advance(catalog, loaded.state, &fresh.events) {
        Ok(step) => step,
        Err(_) => return Ok(Decision::Overflow(overflow::rows(txn, catalog, fresh, before).await?)),
    };
    let moved = dates.moved(&fresh.events, &step);
    load::redate(txn, catalog, &mut step, (locked, &moved), &fresh.events, &mut loaded.awards).await?;
    load::add_ranks(txn, catalog, &mut step).await?;
    Ok(Decision::Step(Box::new(step), loaded.awards))
}

/// The referrers of the events' people.
pub(super) fn referrers<'a>(
    events: &[Event],
    people: impl Iterator<Item = &'a people::Row>,
) -> BTreeMap<Uuid, Uuid> {
    let batch: BTreeSet<Uuid> = events.iter().map(|event| event.person).collect();
    people
        .filter(|person| batch.contains(&person.id))
        .filter_map(|person| Some((person.id, person.referred_by?)))
        .collect()
}
