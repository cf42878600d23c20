//! The same fold over stored events: fills new metrics before they serve, and awards silently what
//! people turn out to have earned already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use engine::{Catalog, Event, MAX_XP, PersonState, State, Streak};
use uuid::Uuid;

use super::advance::{self, derived_row, to_held, to_metric, to_row};
use super::ingest::{Fresh, to_event, zone};
use super::{Stop, award};
use crate::store::{self, Txn, awards, events, feed, ledger, metrics, people, totals};

/// People a page of the walk over the whole school has.
const PAGE: u64 = 200;
/// Why nobody is told of what a publication awards.
const SILENT: &str = "earned before it was published";

/// Brings everybody's state from one catalogue to the next: metrics that are new are folded from
/// stored events; what is owed by them is awarded, without a message. Answers how many awards.
///
/// # Errors
/// When the database fails.
pub(super) async fn backfill(
    txn: &Txn,
    before: Option<&Catalog>,
    (version, after): (i64, &Catalog),
    now: DateTime<Utc>,
) -> Result<usize, Stop> {
    if before.is_some_and(|before| before.decides_like(after)) {
        // Other words change nothing that anybody has.
        return Ok(0);
    }
    let changes = Changes::between(before, after);
    // A metric that was dropped once and comes back has rows that stood still meanwhile.
    metrics::forget(txn, &changes.metrics).await?;
    let mut last = None;
    let (mut done, mut awarded) = (0, 0);
    loop {
        let page = people::walk(txn, last, PAGE).await?;
        let Some(person) = page.last() else { break };
        last = Some(person.id);
        let mut stored = Stored::load(txn, &changes, &page).await?;
        for person in &page {
            awarded += bring_up(txn, after, &changes, person, &mut stored, now).await?;
        }
        done += page.len();
        tracing::info!(people = done, awarded, "bringing everybody up to the new catalogue");
    }
    Ok(awarded + derive(txn, (version, after), now).await?)
}

/// What has to be folded again from stored events.
struct Changes {
    /// The metrics that are new.
    metrics: BTreeSet<Uuid>,
    /// The capped activities whose totals of a day are new.
    capped: BTreeSet<String>,
    /// The activities whose events both stand on.
    activities: BTreeSet<String>,
}

impl Changes {
    fn between(before: Option<&Catalog>, after: &Catalog) -> Self {
        let metrics = after.new_metrics(before);
        let capped: BTreeSet<String> = after.newly_capped(before).into_iter().map(str::to_owned).collect();
        let counted = metrics.iter().filter_map(|id| after.metric(*id));
        let counted = counted.flat_map(|metric| after.activities_of(metric)).map(str::to_owned);
        let activities = counted.chain(capped.iter().cloned()).collect();
        Self { metrics, capped, activities }
    }
}

/// What is stored of a page of people.
struct Stored {
    totals: HashMap<Uuid, totals::Row>,
    held: HashMap<Uuid, Vec<awards::Row>>,
    metrics: HashMap<Uuid, Vec<metrics::Row>>,
    /// The people with events that have to be folded again.
    changed: HashSet<Uuid>,
}

impl Stored {
    async fn load(txn: &Txn, changes: &Changes, page: &[people::Row]) -> Result<Self, store::Error> {
        let ids = || page.iter().map(|person| person.id);
        let mut held: HashMap<Uuid, Vec<awards::Row>> = HashMap::new();
        for row in awards::of_people(txn, ids()).await? {
            held.entry(row.person_id).or_default().push(row);
        }
        let mut metrics: HashMap<Uuid, Vec<metrics::Row>> = HashMap::new();
        for row in metrics::of_people(txn, ids()).await? {
            metrics.entry(row.person_id).or_default().push(row);
        }
        let totals = totals::of_people(txn, ids()).await?;
        let totals = totals.into_iter().map(|row| (row.person_id, row)).collect();
        let changed = events::people_with(txn, ids(), &changes.activities).await?;
        Ok(Self { totals, held, metrics, changed })
    }
}

/// Sends referrers what those they referred have earned them by the new catalogue, silently: a metric
/// that has been folded anew, or a target that has been lowered, is crossed without an event.
async fn derive(txn: &Txn, (version, catalog): (i64, &Catalog), now: DateTime<Utc>) -> Result<usize, Stop> {
    let (mut last, mut awarded) = (None, 0);
    loop {
        let page = people::walk(txn, last, PAGE).await?;
        let Some(person) = page.last() else { return Ok(awarded) };
        last = Some(person.id);
        let owed = owed(txn, catalog, &page, now).await?;
        let fresh =
            events::append(txn, owed.iter().map(|event| derived_row(event, version, now)).collect()).await?;
        let events: Vec<Event> = owed.into_iter().filter(|event| fresh.contains(&event.id)).collect();
        if events.is_empty() {
            continue;
        }
        let referrers = people::by_ids(txn, events.iter().map(|event| event.person)).await?;
        let referrers = referrers.into_iter().map(|row| (row.id, row)).collect();
        let fresh = Fresh { spots: vec![(0, 0); events.len()], events, repeats: Vec::new() };
        let decision = advance::advance(txn, (version, catalog), &fresh, &referrers, now).await?;
        let rows = award::write(txn, &fresh, &decision, now).await?;
        super::outbox::write(txn, &rows, Some(SILENT), now).await?;
        award::announce(txn, &rows).await?;
        awarded += rows.len();
    }
}

/// What these people's deeds owe whoever referred them, sent or not.
pub(crate) async fn owed(
    txn: &Txn,
    catalog: &Catalog,
    page: &[people::Row],
    at: DateTime<Utc>,
) -> Result<Vec<Event>, store::Error> {
    let referred: HashMap<Uuid, Uuid> =
        page.iter().filter_map(|person| Some((person.id, person.referred_by?))).collect();
    let deciding = catalog.derivation_metrics();
    let pairs = referred.keys().flat_map(|person| deciding.iter().map(|metric| (*person, *metric))).collect();
    let mut states: HashMap<Uuid, PersonState> = HashMap::new();
    for row in metrics::of_pairs(txn, &pairs).await? {
        states.entry(row.person_id).or_default().metrics.insert(row.metric_id, to_metric(&row));
    }
    owed_by(txn, catalog, page, states, at).await
}

/// The same by these states, of which only the metrics count.
pub(crate) async fn owed_by(
    txn: &Txn,
    catalog: &Catalog,
    page: &[people::Row],
    states: HashMap<Uuid, PersonState>,
    at: DateTime<Utc>,
) -> Result<Vec<Event>, store::Error> {
    let referred: HashMap<Uuid, Uuid> =
        page.iter().filter_map(|person| Some((person.id, person.referred_by?))).collect();
    let referrers = people::by_ids(txn, referred.values().copied()).await?;
    let zones: HashMap<Uuid, chrono_tz::Tz> = referrers.iter().map(|row| (row.id, zone(row))).collect();
    let events = states.into_iter().filter_map(|(person, state)| {
        let referrer = *referred.get(&person)?;
        Some(engine::owed(catalog, person, &state, (referrer, *zones.get(&referrer)?), at))
    });
    Ok(events.flatten().collect())
}

/// Brings one person of the page up.
async fn bring_up(
    txn: &Txn,
    catalog: &Catalog,
    changes: &Changes,
    person: &people::Row,
    stored: &mut Stored,
    now: DateTime<Utc>,
) -> Result<usize, store::Error> {
    let zero = totals::none(person.id, now);
    let totals = stored.totals.get(&person.id).unwrap_or(&zero);
    let held = stored.held.remove(&person.id).unwrap_or_default();
    let mut rows = stored.metrics.remove(&person.id).unwrap_or_default();
    if stored.changed.contains(&person.id) {
        rows.extend(fold_anew(txn, catalog, changes, person.id).await?);
    }
    let mut state = whole(person, totals, &held);
    state.metrics = rows.iter().map(|row| (row.metric_id, to_metric(row))).collect();
    let misjudged = engine::misjudged(catalog, &state);
    for flagged in [true, false] {
        let changed = held.iter().filter(|row| {
            misjudged
                .get(&(row.achievement_id, row.occurrence))
                .is_some_and(|should_be| *should_be == flagged)
        });
        awards::flag(txn, &changed.map(|row| row.id).collect(), flagged).await?;
    }
    let entitled = engine::entitlement(catalog, &state);
    let has = |key: &(Uuid, i64)| held.iter().any(|row| (row.achievement_id, row.occurrence) == *key);
    let missing: BTreeSet<(Uuid, i64)> = entitled.awards.into_iter().filter(|key| !has(key)).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let mut past = past(txn, person.id).await?;
    past.sort_by_key(Event::key);
    let crossings = crossings(catalog, person, &held, &past);
    let given = give(catalog, person, &missing, &crossings, &past, now);
    write(txn, totals, given, now).await
}

/// Folds a person's events into what is new, and writes it; answers the new metrics.
async fn fold_anew(
    txn: &Txn,
    catalog: &Catalog,
    changes: &Changes,
    person: Uuid,
) -> Result<Vec<metrics::Row>, store::Error> {
    let wanted = changes.activities.iter().map(|activity| (person, activity.clone())).collect();
    let past = events::history(txn, &wanted).await?;
    let past = past.iter().map(to_event).collect::<Result<Vec<_>, _>>()?;
    let rebuilt = engine::rebuild(catalog, &past);
    let fresh = rebuilt.metrics.iter().filter(|(metric, _)| changes.metrics.contains(*metric));
    let rows: Vec<_> = fresh.map(|(metric, state)| to_row(person, *metric, state)).collect();
    metrics::put(txn, rows.clone()).await?;
    let members = rebuilt.members.into_iter().filter(|(metric, _)| changes.metrics.contains(metric));
    let members = members.map(|(metric_id, member)| metrics::Member { person_id: person, metric_id, member });
    metrics::add_members(txn, members.collect()).await?;
    let capped = rebuilt.day_totals.into_iter().filter(|((key, _), _)| changes.capped.contains(key));
    let capped = capped.map(|((activity, day), amount)| metrics::CappedDay {
        person_id: person,
        activity,
        day,
        amount,
    });
    metrics::put_capped(txn, capped.collect()).await?;
    Ok(rows)
}

/// Everything a person did, as the engine folds it.
async fn past(txn: &Txn, person: Uuid) -> Result<Vec<Event>, store::Error> {
    events::of_person(txn, person).await?.iter().map(to_event).collect()
}

/// A person's whole state but for their metrics.
pub(crate) fn whole(person: &people::Row, totals: &totals::Row, held: &[awards::Row]) -> PersonState {
    PersonState {
        zone: zone(person),
        referrer: person.referred_by,
        xp: totals.xp,
        streak: Streak {
            last_active_on: totals.last_active_on,
            run: totals.streak_run,
            longest: totals.streak_longest,
        },
        has_flagged: held.iter().any(|row| row.flagged),
        awards: held.iter().map(|row| ((row.achievement_id, row.occurrence), to_held(row))).collect(),
        whole: true,
        ..PersonState::default()
    }
}

/// At which event each award would have been earned, had the catalogue been in force all along.
fn crossings(
    catalog: &Catalog,
    person: &people::Row,
    held: &[awards::Row],
    past: &[Event],
) -> HashMap<(Uuid, i64), Uuid> {
    let given = held.iter().filter(|row| row.cause != "RULE" || row.revoked_at.is_some());
    let state = PersonState {
        zone: zone(person),
        awards: given.map(|row| ((row.achievement_id, row.occurrence), to_held(row))).collect(),
        ..PersonState::default()
    };
    let state = State { people: BTreeMap::from([(person.id, state)]) };
    match engine::advance(catalog, state, past) {
        Ok(step) => step
            .awards
            .into_iter()
            .map(|award| ((award.achievement, award.occurrence), award.event))
            .collect(),
        // More XP than there can be, by today's amounts: then the latest event stands in for all.
        Err(_) => HashMap::new(),
    }
}

/// An award and the entry of its bonus.
type Given = (awards::Row, Option<ledger::Row>);

fn give(
    catalog: &Catalog,
    person: &people::Row,
    missing: &BTreeSet<(Uuid, i64)>,
    crossings: &HashMap<(Uuid, i64), Uuid>,
    past: &[Event],
    now: DateTime<Utc>,
) -> Vec<Given> {
    let by_id: HashMap<Uuid, &Event> = past.iter().map(|event| (event.id, event)).collect();
    let given = missing.iter().filter_map(|key| {
        let achievement = catalog.achievement(key.0)?;
        let event = crossings.get(key).and_then(|id| by_id.get(id)).copied().or_else(|| past.last());
        let earned_at = event.map_or(now, |event| event.occurred_at);
        let local_date =
            event.map_or_else(|| engine::local(now, zone(person)).date, |event| event.local_date);
        // It names no event: a repeat of one is answered as the first time, when it did not bring this.
        let award = award::blank(person.id, key.0, key.1, achievement.xp_bonus, now);
        let award = awards::Row { earned_at, ..award };
        let entry = (award.xp_bonus > 0).then(|| award::bonus(&award, local_date));
        Some((award, entry))
    });
    given.collect()
}

async fn write(
    txn: &Txn,
    totals: &totals::Row,
    mut given: Vec<Given>,
    now: DateTime<Utc>,
) -> Result<usize, store::Error> {
    given.sort_by_key(|(award, _)| (award.earned_at, award.id));
    let mut room = MAX_XP - totals.xp;
    given.retain(|(award, _)| {
        let fits = award.xp_bonus <= room;
        if fits {
            room -= award.xp_bonus;
        } else {
            tracing::warn!(person = %award.person_id, achievement = %award.achievement_id, "no more XP fits: left out");
        }
        fits
    });
    if given.is_empty() {
        return Ok(0);
    }
    let (rows, entries): (Vec<_>, Vec<_>) = given.into_iter().unzip();
    awards::insert(txn, rows.clone()).await?;
    let entries: Vec<ledger::Row> = entries.into_iter().flatten().collect();
    let bonus: i64 = entries.iter().map(|entry| entry.amount).sum();
    let last = entries.iter().map(|entry| entry.occurred_at).max();
    ledger::insert(txn, entries).await?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let before = Some(totals.xp_reached_at).filter(|_| totals.xp > 0);
    let reached = before.max(last).unwrap_or(totals.xp_reached_at);
    let totals = totals::Row {
        xp: totals.xp + bonus,
        xp_reached_at: reached,
        awards: totals.awards + count,
        ..totals.clone()
    };
    totals::put(txn, vec![totals]).await?;
    super::outbox::write(txn, &rows, Some(SILENT), now).await?;
    let places: Vec<_> = rows.iter().map(|row| (row.id, row.person_id)).collect();
    feed::append(txn, &places).await?;
    Ok(rows.len())
}
