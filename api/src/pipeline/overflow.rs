//! Finds all rows of a batch that would exceed a maximum, so that their refusal costs one more attempt, not one each.

use std::collections::{BTreeSet, HashMap};

use engine::{Catalog, Event};
use uuid::Uuid;

use super::advance::referrers;
use super::ingest::Fresh;
use super::load;
use crate::refusal::{Code, Refusal};
use crate::store::{self, Txn, people};

/// The rows that would raise XP or a count above the maximum if the other rows are folded in order. `before` has the
/// people of the batch. Writes nothing.
pub(super) async fn rows(
    txn: &Txn,
    catalog: &Catalog,
    fresh: &Fresh,
    before: &HashMap<Uuid, people::Row>,
) -> Result<Vec<(usize, Refusal)>, store::Error> {
    let repeats = fresh.repeats.iter().map(|(row, event)| (*row, event));
    let mut rows: Vec<(usize, &Event)> =
        fresh.rows.iter().copied().zip(&fresh.events).chain(repeats).collect();
    rows.sort_by_cached_key(|(_, event)| event.key());
    let events: Vec<Event> = rows.iter().map(|(_, event)| (*event).clone()).collect();
    let referrers = referrers(&events, before.values());
    let needs = engine::needs(catalog, &events, &referrers);
    let wanted: BTreeSet<Uuid> = needs.people.keys().copied().collect();
    let people = people::by_ids(txn, wanted).await?;
    let loaded = load::for_events(txn, catalog, &people, &needs, &events, referrers).await?;
    let overflows = engine::overflows(catalog, loaded.state, &events).into_iter().filter_map(|overflow| {
        let (row, _) = rows.get(overflow.event)?;
        Some((*row, Refusal::new(Code::InvalidInput, overflow.message).at(["attributes"])))
    });
    Ok(overflows.collect())
}
