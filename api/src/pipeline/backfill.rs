//! Applies a publication: updates all people to the new catalogue, without messages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use engine::{Catalog, Changes, Event, LocalDay, PersonState, Step};
use uuid::Uuid;

use super::advance::{self, Decision};
use super::domain_event::assign_stored;
use super::ingest::{Fresh, to_event};
use super::load;
use super::persist::{self, Writing, derived_row};
use super::transaction::Interrupted;
use crate::id;
use crate::refusal::Failure;
use crate::store::{self, Txn, events, metrics, people};

/// People per page when all people are read.
const PAGE: u64 = 200;
/// The reason on undelivered messages about awards of a publication.
const SILENT: &str = "earned before it was published";

/// Updates all people from one catalogue to the next: folds new metrics from stored events, and adds the awards that
/// are then due, without messages. Returns the number of awards.
///
/// # Errors
/// When the database fails. Nothing of the publication is stored then.
pub(crate) async fn backfill(
    txn: &Txn,
    before: Option<&Catalog>,
    (version, after, zone): (i64, &Catalog, Tz),
    now: DateTime<Utc>,
) -> Result<usize, store::Error> {
    if before.is_some_and(|before| before.decides_like(after)) {
        // Changed texts change no award.
        return Ok(0);
    }
    let assigned = assign_stored(txn, before, after).await?;
    let changes = Changes::between(before, after, &assigned);
    if !changes.activated.is_empty() {
        events::activate(txn, &changes.activated).await?;
    }
    // A metric that is restored after its removal has rows that were not updated in between.
    metrics::forget(txn, &changes.metrics).await?;
    let publication = Publication { catalog: after, changes, id: id::new(now) };
    let writing = Writing { version, silent: Some(SILENT), now, traces: None, recorded: &[], zone };
    let mut last = None;
    let (mut done, mut awarded) = (0, 0);
    loop {
        let page = people::walk(txn, last, PAGE).await?;
        let Some(person) = page.last() else { break };
        last = Some(person.id);
        awarded += bring_up(txn, &publication, &page, writing).await?;
        done += page.len();
        tracing::info!(people = done, awarded, "bringing everyone to the new catalogue");
    }
    Ok(awarded + derive(txn, after, writing).await?)
}

/// The publication in progress.
struct Publication<'a> {
    catalog: &'a Catalog,
    changes: Changes,
    id: Uuid,
}

/// Updates a page of people; returns the number of awards.
async fn bring_up(
    txn: &Txn,
    publication: &Publication<'_>,
    page: &[people::Row],
    writing: Writing<'_>,
) -> Result<usize, store::Error> {
    let Publication { catalog, changes, id } = publication;
    let mut loaded = load::whole(txn, page).await?;
    let ids = || page.iter().map(|person| person.id);
    let mut days: BTreeMap<Uuid, BTreeSet<LocalDay>> = BTreeMap::new();
    for row in events::active_days(txn, ids(), &changes.active).await? {
        days.entry(row.person_id).or_default().insert(load::active_day(&row)?);
    }
    load::active_days(txn, &mut loaded, &days.keys().copied().collect()).await?;
    let recounted = events::people_with(txn, ids(), &changes.activities).await?;
    let mut step = Step::default();
    for (person, state) in loaded.state.people {
        let recounted = if recounted.contains(&person) {
            let wanted = changes.activities.iter().map(|activity| (person, activity.clone())).collect();
            to_events(&events::history(txn, &wanted).await?)?
        } else {
            Vec::new()
        };
        let none = BTreeSet::new();
        let days = days.get(&person).unwrap_or(&none);
        let behind = engine::catch_up(catalog, changes, person, state, &recounted, days);
        let past = if behind.has_due() { past(txn, person).await? } else { Vec::new() };
        step.append(behind.settle(&past, *id, writing.now));
    }
    load::add_ranks(txn, catalog, &mut step).await?;
    for key in &step.left_out {
        tracing::warn!(person = %key.person, achievement = %key.achievement, "the XP maximum is reached: not awarded");
    }
    Ok(persist::write(txn, &step, &loaded.awards, writing).await?.awards.len())
}

/// All events of a person, in order.
async fn past(txn: &Txn, person: Uuid) -> Result<Vec<Event>, store::Error> {
    let mut past = to_events(&events::of_person(txn, person).await?)?;
    past.sort_by_cached_key(Event::key);
    Ok(past)
}

fn to_events(rows: &[events::Row]) -> Result<Vec<Event>, store::Error> {
    rows.iter().map(to_event).collect()
}

/// Records the missing derived events of the new catalogue for referrers, without messages. A newly folded metric or a
/// lowered target can cross a threshold without an event.
async fn derive(txn: &Txn, catalog: &Catalog, writing: Writing<'_>) -> Result<usize, store::Error> {
    let (mut last, mut awarded) = (None, 0);
    loop {
        let page = people::walk(txn, last, PAGE).await?;
        let Some(person) = page.last() else { return Ok(awarded) };
        last = Some(person.id);
        let owed = owed(txn, catalog, &page, writing.now).await?;
        let rows = owed.iter().map(|event| derived_row(event, writing)).collect();
        let fresh = events::append(txn, rows).await?;
        let events: Vec<Event> = owed.into_iter().filter(|event| fresh.contains(&event.id)).collect();
        if events.is_empty() {
            continue;
        }
        let referrers = people::by_ids(txn, events.iter().map(|event| event.person)).await?;
        let referrers = referrers.into_iter().map(|row| (row.id, row)).collect();
        let fresh = Fresh { rows: (0..events.len()).collect(), events, repeats: Vec::new() };
        let (step, held) = match advance::advance(txn, catalog, &fresh, &referrers).await {
            Ok(Decision::Step(step, held)) => (step, held),
            Ok(Decision::Overflow(rows)) => {
                let messages: Vec<String> = rows.into_iter().map(|(_, refusal)| refusal.message).collect();
                return Err(store::Error::Impossible(messages.join("; ")));
            }
            Err(Interrupted::Failed(Failure::Store(error))) => return Err(error),
            Err(_) => return Err(store::Error::Busy),
        };
        let writing = Writing { recorded: &fresh.events, ..writing };
        awarded += persist::write(txn, &step, &held, writing).await?.awards.len();
    }
}

/// All derived events that these people have earned for their referrers, recorded or not.
pub(crate) async fn owed(
    txn: &Txn,
    catalog: &Catalog,
    page: &[people::Row],
    at: DateTime<Utc>,
) -> Result<Vec<Event>, store::Error> {
    let referred = page.iter().filter(|person| person.referred_by.is_some()).map(|person| person.id);
    let deciding = catalog.derivation_metrics();
    let pairs: BTreeSet<(Uuid, Uuid)> =
        referred.flat_map(|person| deciding.iter().map(move |metric| (person, *metric))).collect();
    let mut states: HashMap<Uuid, PersonState> = HashMap::new();
    for row in metrics::of_pairs(txn, &pairs).await? {
        states.entry(row.person_id).or_default().metrics.insert(row.metric_id, load::to_metric(&row));
    }
    owed_by(txn, catalog, page, states, at).await
}

/// As [`owed`], from these states. Only their metrics are read.
pub(crate) async fn owed_by(
    txn: &Txn,
    catalog: &Catalog,
    page: &[people::Row],
    states: HashMap<Uuid, PersonState>,
    at: DateTime<Utc>,
) -> Result<Vec<Event>, store::Error> {
    let referred: BTreeMap<Uuid, Uuid> =
        page.iter().filter_map(|person| Some((person.id, person.referred_by?))).collect();
    let referrers = people::by_ids(txn, referred.values().copied()).await?;
    let zones = referrers.iter().map(|row| Ok((row.id, load::zone(row)?)));
    let zones: HashMap<Uuid, chrono_tz::Tz> = zones.collect::<Result<_, store::Error>>()?;
    let events = states.into_iter().filter_map(|(person, state)| {
        let referrer = *referred.get(&person)?;
        Some(engine::owed(catalog, person, &state, (referrer, *zones.get(&referrer)?), at))
    });
    Ok(events.flatten().collect())
}
