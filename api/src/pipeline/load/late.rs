//! Loads the data that late events require: the events around them, and for the times of awards the events since then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use engine::{Catalog, Event, Further, History, Late, LocalDay, RunEvents, Span, Step};
use uuid::Uuid;

use super::{Loaded, active_day, active_day_row, load_capped, put_award, put_metric, whole};
use crate::pipeline::ingest::to_event;
use crate::store::events::Side;
use crate::store::{self, Txn, awards, events, ledger, metrics, people};

/// Events on each side of a late event that the first statement reads. Each further statement reads four times as many.
const FIRST: u64 = 8;

/// The maximum number of events of a person that are read to update the times of awards after a late event, before the
/// whole past is read.
const TAIL: u64 = 1_000;

/// The maximum number of people whose past is in memory at the same time.
const PEOPLE: usize = 20;
/// The maximum number of their events that one statement reads.
const EVENTS: u64 = 20_000;

/// Loads the events around late events, and the late days that are already active.
pub(super) async fn load(
    txn: &Txn,
    catalog: &Catalog,
    loaded: &mut Loaded,
    late: &Late,
) -> Result<(), store::Error> {
    for ((person, metric), around) in around(txn, catalog, &late.runs).await? {
        if let Some(state) = loaded.state.people.get_mut(&person) {
            state.runs.insert(metric, around);
        }
    }
    let days = late.days.iter().map(|(person, day)| active_day_row(*person, *day)).collect();
    for row in metrics::days_among(txn, days).await? {
        if let Some(state) = loaded.state.people.get_mut(&row.person_id) {
            state.known_days.insert(active_day(&row)?);
        }
    }
    Ok(())
}

/// Loads all events of run metrics whose longest run may be broken, all active days of people with a new late one, and
/// the whole state of people whose existing awards must be evaluated again.
pub(super) async fn load_further(
    txn: &Txn,
    catalog: &Catalog,
    loaded: &mut Loaded,
    further: &Further,
) -> Result<(), store::Error> {
    let Further { runs: broken, days, whole } = further;
    active_days(txn, loaded, days).await?;
    let activities = |metric: &Uuid| catalog.metric(*metric).map(|metric| catalog.activities_of(metric));
    let wanted = broken.iter().flat_map(|(person, metric)| {
        activities(metric).into_iter().flatten().map(|activity| (*person, activity.to_owned()))
    });
    let mut found: HashMap<Uuid, Vec<Event>> = HashMap::new();
    for row in events::history(txn, &wanted.collect()).await? {
        found.entry(row.person_id).or_default().push(to_event(&row)?);
    }
    for (person, metric) in broken {
        if let Some(state) = loaded.state.people.get_mut(person) {
            let events = found.get(person).cloned().unwrap_or_default();
            state.runs.insert(*metric, RunEvents { events, is_whole: true });
        }
    }
    make_whole(txn, loaded, whole).await
}

/// Loads all active days of these people.
pub(in crate::pipeline) async fn active_days(
    txn: &Txn,
    loaded: &mut Loaded,
    people: &BTreeSet<Uuid>,
) -> Result<(), store::Error> {
    let mut days: BTreeMap<Uuid, BTreeSet<LocalDay>> = BTreeMap::new();
    for row in metrics::days(txn, people).await? {
        days.entry(row.person_id).or_default().insert(active_day(&row)?);
    }
    for person in people {
        if let Some(state) = loaded.state.people.get_mut(person) {
            state.active_days = Some(days.remove(person).unwrap_or_default());
        }
    }
    Ok(())
}

async fn make_whole(txn: &Txn, loaded: &mut Loaded, people: &BTreeSet<Uuid>) -> Result<(), store::Error> {
    if people.is_empty() {
        return Ok(());
    }
    for row in metrics::of_people(txn, people.iter().copied()).await? {
        put_metric(&mut loaded.state, &row);
    }
    for row in awards::of_people(txn, people.iter().copied()).await? {
        put_award(loaded, &row);
    }
    for person in people {
        if let Some(state) = loaded.state.people.get_mut(person) {
            state.whole = true;
        }
    }
    Ok(())
}

/// One direction in which events of a run metric are read until an event breaks the run.
struct Search<'a> {
    key: (Uuid, Uuid),
    span: &'a Span,
    side: Side,
}

/// By person and run metric: the events from the reset before the span to the reset after it.
async fn around(
    txn: &Txn,
    catalog: &Catalog,
    spans: &BTreeMap<(Uuid, Uuid), Span>,
) -> Result<BTreeMap<(Uuid, Uuid), RunEvents>, store::Error> {
    let mut open: Vec<Search<'_>> = Vec::new();
    for (key, span) in spans {
        let Some(metric) = catalog.metric(key.1) else { continue };
        let activities: Vec<String> = catalog.activities_of(metric).into_iter().map(str::to_owned).collect();
        for is_after in [false, true] {
            let side =
                Side { person: key.0, activities: activities.clone(), at: span.from.occurred_at, is_after };
            open.push(Search { key: *key, span, side });
        }
    }
    let mut found: BTreeMap<(Uuid, Uuid), RunEvents> =
        spans.keys().map(|key| (*key, RunEvents { events: Vec::new(), is_whole: true })).collect();
    let mut limit = FIRST;
    while !open.is_empty() {
        let sides: Vec<Side> = open.iter().map(|search| search.side.clone()).collect();
        let pages = events::beside(txn, &sides, limit).await?;
        let mut left = Vec::new();
        for (search, page) in open.into_iter().zip(pages) {
            let is_full = u64::try_from(page.len()).unwrap_or(u64::MAX) >= limit;
            // A full page may lack further events of its last time.
            let moments = page.iter().map(|row| row.occurred_at);
            let end = if search.side.is_after { moments.max() } else { moments.min() }.filter(|_| is_full);
            let events = page.iter().filter(|row| Some(row.occurred_at) != end).map(to_event);
            let events: Vec<Event> = events.collect::<Result<_, _>>()?;
            if is_full && !events.iter().any(|event| search.ends_at(catalog, event)) {
                left.push(search);
                continue;
            }
            if let Some(around) = found.get_mut(&search.key) {
                around.events.extend(events);
                around.is_whole &= !is_full;
            }
        }
        open = left;
        limit = limit.saturating_mul(4);
    }
    Ok(found)
}

impl Search<'_> {
    /// Whether the event breaks the run on this side of the span.
    fn ends_at(&self, catalog: &Catalog, event: &Event) -> bool {
        let is_beyond = !self.side.is_after || self.span.to < event.key();
        let breaks = |metric: &engine::metric::Metric| metric.takes(event) && !metric.holds(event);
        is_beyond && catalog.metric(self.key.1).is_some_and(breaks)
    }
}

/// Updates the times of awards that late events or grants have changed. `moved` has the first such time of each person.
/// The events of the batch are already written, the step is not.
pub(in crate::pipeline) async fn redate(
    txn: &Txn,
    catalog: &Catalog,
    step: &mut Step,
    (people, moved): (Vec<people::Row>, &BTreeMap<Uuid, DateTime<Utc>>),
    batch: &[Event],
    loaded: &mut HashMap<engine::AwardKey, Uuid>,
) -> Result<(), store::Error> {
    let people: Vec<people::Row> = people.into_iter().filter(|row| moved.contains_key(&row.id)).collect();
    let new: HashSet<Uuid> = batch.iter().chain(&step.derived).map(|event| event.id).collect();
    for some in people.chunks(PEOPLE) {
        let mut before = whole(txn, some).await?;
        let since: Vec<(Uuid, DateTime<Utc>)> =
            some.iter().filter_map(|row| Some((row.id, *moved.get(&row.id)?))).collect();
        let past = Past::since(txn, catalog, &since, step).await?;
        past.load_capped(txn, catalog, &mut before).await?;
        let mut rest = Vec::new();
        for (person, at) in since {
            let Some(state) = before.state.people.get(&person) else { continue };
            let is_decided = past.of(person).is_some_and(|(events, base)| {
                let history = History { since: Some(at), state, events, new: &new, base };
                engine::redate(catalog, step, person, &history)
            });
            if !is_decided {
                rest.push(person);
            }
        }
        if !rest.is_empty() {
            let past = Past::whole(txn, &rest, step).await?;
            for person in rest {
                let (Some(state), Some((events, base))) = (before.state.people.get(&person), past.of(person))
                else {
                    continue;
                };
                let history = History { since: None, state, events, new: &new, base };
                // The whole past decides.
                let _ = engine::redate(catalog, step, person, &history);
            }
        }
        loaded.extend(before.awards);
    }
    Ok(())
}

/// Events of some people, including the derived ones of the step, and their XP entries.
#[derive(Default)]
struct Past {
    people: HashMap<Uuid, (Vec<Event>, ledger::Base)>,
}

impl Past {
    /// The events of each person since a time. Omits people with more than [`TAIL`] events since then.
    async fn since(
        txn: &Txn,
        catalog: &Catalog,
        since: &[(Uuid, DateTime<Utc>)],
        step: &Step,
    ) -> Result<Self, store::Error> {
        // One activity after the other, the index finds the events since a time.
        let activities: Vec<String> =
            catalog.activities().iter().map(|activity| activity.key.clone()).collect();
        let side = |(person, at): &(Uuid, DateTime<Utc>)| Side {
            person: *person,
            activities: activities.clone(),
            at: *at,
            is_after: true,
        };
        let sides: Vec<Side> = since.iter().map(side).collect();
        let pages = events::beside(txn, &sides, TAIL).await?;
        let mut past = Self::default();
        for ((person, _), page) in since.iter().zip(pages) {
            if u64::try_from(page.len()).unwrap_or(u64::MAX) < TAIL {
                let events: Vec<Event> = page.iter().map(to_event).collect::<Result<_, _>>()?;
                past.people.insert(*person, (events, ledger::Base::new()));
            }
        }
        past.add(step, ledger::base_since(txn, since).await?);
        Ok(past)
    }

    /// All events. Reads a long past one person at a time and by pages, so that no statement exceeds its deadline.
    async fn whole(txn: &Txn, people: &[Uuid], step: &Step) -> Result<Self, store::Error> {
        let rows = match events::of_people(txn, people, EVENTS).await? {
            Some(rows) => rows,
            None => {
                let mut rows = Vec::new();
                for person in people {
                    rows.extend(events::of_person(txn, *person).await?);
                }
                rows
            }
        };
        let mut past = Self::default();
        past.people.extend(people.iter().map(|person| (*person, Default::default())));
        for row in rows {
            past.people.entry(row.person_id).or_default().0.push(to_event(&row)?);
        }
        past.add(step, ledger::base_of(txn, people).await?);
        Ok(past)
    }

    fn add(&mut self, step: &Step, base: HashMap<Uuid, ledger::Base>) {
        for event in &step.derived {
            self.people.get_mut(&event.person).into_iter().for_each(|past| past.0.push(event.clone()));
        }
        for (person, base) in base {
            self.people.get_mut(&person).into_iter().for_each(|past| past.1 = base.clone());
        }
    }

    fn of(&self, person: Uuid) -> Option<(&[Event], &ledger::Base)> {
        self.people.get(&person).map(|(events, base)| (events.as_slice(), base))
    }

    /// Loads the totals of the capped days on which these events happened.
    async fn load_capped(
        &self,
        txn: &Txn,
        catalog: &Catalog,
        loaded: &mut Loaded,
    ) -> Result<(), store::Error> {
        let events: Vec<Event> = self.people.values().flat_map(|(events, _)| events).cloned().collect();
        let needs = engine::needs(catalog, &events, &BTreeMap::new());
        load_capped(txn, &needs, loaded).await
    }
}
