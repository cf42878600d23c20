//! Loads the state the engine asks for, calls it, saves what changed. Decides nothing itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use engine::{
    Catalog, Event, EventKey, Held, History, Late, MetricState, Needs, PersonState, RunCursor, State, Step,
    Streak,
};
use uuid::Uuid;

use super::ingest::{Fresh, to_event, zone};
use super::{Stop, overflow};
use crate::app::App;
use crate::store::{self, Txn, awards, events, metrics, people, totals};

/// What the engine decided, and the people it concerns as they are locked.
pub(super) struct Decision {
    /// The engine's word.
    pub(super) step: Step,
    /// The awards held before, by (person, achievement, occurrence).
    pub(super) held: HashMap<(Uuid, Uuid, i64), Uuid>,
    totals: HashMap<Uuid, totals::Row>,
}

impl Decision {
    /// The XP each fresh event brought its person, bonuses included.
    pub(super) fn gains(&self) -> impl Iterator<Item = i64> {
        self.step.gains.iter().map(|gain| gain.total)
    }
}

/// Folds the fresh events into the state of those they concern and saves metrics, days and totals. `before` has
/// those they are about as they were read without a lock.
pub(super) async fn advance(
    txn: &Txn,
    (version, catalog): (i64, &Catalog),
    fresh: &Fresh,
    before: &HashMap<Uuid, people::Row>,
    now: DateTime<Utc>,
) -> Result<Decision, Stop> {
    if fresh.events.is_empty() {
        return Ok(Decision { step: Step::default(), held: HashMap::new(), totals: HashMap::new() });
    }
    let referrers = referrers(&fresh.events, before.values());
    let needs = engine::needs(catalog, &fresh.events, &referrers);
    let wanted: BTreeSet<Uuid> = needs.people.keys().copied().collect();
    let locked = people::lock(txn, &wanted).await?;
    if self::referrers(&fresh.events, locked.iter()) != referrers {
        // A referrer became known between the two reads; taking their lock now could be out of order.
        return Err(Stop::Moved);
    }
    let loaded = load(txn, catalog, &locked, &needs, &fresh.events, referrers).await?;
    let step = match engine::advance(catalog, loaded.state, &fresh.events) {
        Ok(step) => step,
        Err(_) => return Err(Stop::Overflow(overflow::rows(txn, catalog, fresh, before).await?)),
    };
    let decision = Decision { step, held: loaded.held, totals: loaded.totals };
    save(txn, version, &decision, &fresh.events, now).await?;
    Ok(decision)
}

/// Who referred whom, of the people the events are about.
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

/// What the deeds of those with a referrer have sent them already: (person, activity).
async fn derived(
    txn: &Txn,
    catalog: &Catalog,
    referrers: &BTreeMap<Uuid, Uuid>,
) -> Result<Vec<(Uuid, String)>, store::Error> {
    let ids: HashMap<String, (Uuid, String)> = referrers
        .keys()
        .flat_map(|person| {
            catalog
                .derived_activities()
                .map(move |key| (format!("{key}:{person}"), (*person, key.to_owned())))
        })
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys = ids.keys().map(|id| (super::OWN_SOURCE.to_owned(), id.clone())).collect();
    let known = events::by_external_ids(txn, &keys).await?;
    Ok(known.into_iter().filter_map(|event| ids.get(&event.external_id).cloned()).collect())
}

/// The state a batch stands on, and what is written beside it.
pub(super) struct Loaded {
    pub(super) state: State,
    held: HashMap<(Uuid, Uuid, i64), Uuid>,
    totals: HashMap<Uuid, totals::Row>,
}

/// Loads everything that folding `events` needs of these people.
pub(super) async fn load(
    txn: &Txn,
    catalog: &Catalog,
    people: &[people::Row],
    needs: &Needs,
    events: &[Event],
    mut referrers: BTreeMap<Uuid, Uuid>,
) -> Result<Loaded, store::Error> {
    // Only those whose referrer is needed can derive anything.
    referrers.retain(|_, referrer| needs.people.contains_key(referrer));
    let derived = derived(txn, catalog, &referrers).await?;
    let mut loaded = load_needed(txn, people, needs).await?;
    for (person, activity) in derived {
        if let Some(state) = loaded.state.people.get_mut(&person) {
            state.derived.insert(activity);
        }
    }
    let late = engine::late(catalog, &loaded.state, events);
    if !late.is_empty() {
        load_late(txn, &mut loaded, &late).await?;
    }
    Ok(loaded)
}

async fn load_needed(txn: &Txn, locked: &[people::Row], needs: &Needs) -> Result<Loaded, store::Error> {
    let mut wanted_metrics = BTreeSet::new();
    let mut wanted_members = BTreeSet::new();
    let mut wanted_days = BTreeSet::new();
    let mut wanted_awards = BTreeSet::new();
    for (person, of) in &needs.people {
        wanted_metrics.extend(of.metrics.iter().map(|metric| (*person, *metric)));
        wanted_members.extend(of.members.iter().map(|(metric, member)| (*person, *metric, member.clone())));
        wanted_days.extend(of.days.iter().map(|(activity, day)| (*person, activity.clone(), *day)));
        wanted_awards.extend(of.awards.iter().map(|achievement| (*person, *achievement)));
    }
    let ids: BTreeSet<Uuid> = locked.iter().map(|person| person.id).collect();
    let flagged = awards::flagged_among(txn, &ids).await?;
    let totals = totals::of_people(txn, ids).await?;
    let mut loaded = Loaded {
        state: State { people: locked.iter().map(|person| (person.id, blank(person, &flagged))).collect() },
        held: HashMap::new(),
        totals: totals.into_iter().map(|row| (row.person_id, row)).collect(),
    };
    for (person, row) in &loaded.totals {
        if let Some(state) = loaded.state.people.get_mut(person) {
            state.xp = row.xp;
            state.streak = Streak {
                last_active_on: row.last_active_on,
                run: row.streak_run,
                longest: row.streak_longest,
            };
        }
    }
    for row in metrics::of_pairs(txn, &wanted_metrics).await? {
        put_metric(&mut loaded.state, row);
    }
    for row in metrics::members(txn, &wanted_members).await? {
        if let Some(state) = loaded.state.people.get_mut(&row.person_id) {
            state.members.insert((row.metric_id, row.member));
        }
    }
    for row in metrics::capped(txn, &wanted_days).await? {
        if let Some(state) = loaded.state.people.get_mut(&row.person_id) {
            state.day_totals.insert((row.activity, row.day), row.amount);
        }
    }
    for row in awards::of_pairs(txn, &wanted_awards).await? {
        put_award(&mut loaded, &row);
    }
    Ok(loaded)
}

async fn load_late(txn: &Txn, loaded: &mut Loaded, late: &Late) -> Result<(), store::Error> {
    let histories = late
        .histories
        .iter()
        .flat_map(|(person, activities)| activities.iter().map(|activity| (*person, activity.to_string())));
    let mut found: BTreeMap<Uuid, Vec<Event>> = BTreeMap::new();
    for row in events::history(txn, &histories.collect()).await? {
        found.entry(row.person_id).or_default().push(to_event(&row)?);
    }
    for (person, activities) in &late.histories {
        if let Some(state) = loaded.state.people.get_mut(person) {
            let events = found.remove(person).unwrap_or_default();
            state.history = Some(History { activities: activities.clone(), events });
        }
    }
    let mut days: BTreeMap<Uuid, BTreeSet<chrono::NaiveDate>> = BTreeMap::new();
    for (person, day) in metrics::days(txn, &late.days).await? {
        days.entry(person).or_default().insert(day);
    }
    for person in &late.days {
        if let Some(state) = loaded.state.people.get_mut(person) {
            state.active_days = Some(days.remove(person).unwrap_or_default());
        }
    }
    if !late.whole.is_empty() {
        for row in metrics::of_people(txn, late.whole.iter().copied()).await? {
            put_metric(&mut loaded.state, row);
        }
        for row in awards::of_people(txn, late.whole.iter().copied()).await? {
            put_award(loaded, &row);
        }
        for person in &late.whole {
            if let Some(state) = loaded.state.people.get_mut(person) {
                state.whole = true;
            }
        }
    }
    Ok(())
}

fn blank(person: &people::Row, flagged: &BTreeSet<Uuid>) -> PersonState {
    PersonState {
        zone: zone(person),
        referrer: person.referred_by,
        has_flagged: flagged.contains(&person.id),
        ..PersonState::default()
    }
}

/// A metric as the engine knows it.
pub(crate) fn to_metric(row: &metrics::Row) -> MetricState {
    let id = row.run_source.as_deref().zip(row.run_external_id.as_deref());
    let last = row.run_at.zip(row.run_place).zip(id);
    let run =
        row.run_current.zip(last).map(|(current, ((occurred_at, place), (source, external_id)))| RunCursor {
            current,
            last: EventKey { occurred_at, place, source: source.into(), external_id: external_id.into() },
        });
    MetricState { value: row.value, run }
}

fn put_metric(state: &mut State, row: metrics::Row) {
    if let Some(person) = state.people.get_mut(&row.person_id) {
        person.metrics.insert(row.metric_id, to_metric(&row));
    }
}

fn put_award(loaded: &mut Loaded, row: &awards::Row) {
    loaded.held.insert((row.person_id, row.achievement_id, row.occurrence), row.id);
    if let Some(person) = loaded.state.people.get_mut(&row.person_id) {
        person.awards.insert((row.achievement_id, row.occurrence), to_held(row));
    }
}

/// An award as the engine knows it.
pub(super) fn to_held(row: &awards::Row) -> Held {
    Held {
        cause: match row.cause.as_str() {
            "PERSON" => engine::Cause::Person,
            "IMPORT" => engine::Cause::Import,
            _ => engine::Cause::Rule,
        },
        xp_bonus: row.xp_bonus,
        revoked: row.revoked_at.is_some(),
        flagged: row.flagged,
    }
}

/// A metric as the table keeps it.
pub(super) fn to_row(person: Uuid, metric: Uuid, state: &MetricState) -> metrics::Row {
    let run = state.run.as_ref();
    metrics::Row {
        person_id: person,
        metric_id: metric,
        value: state.value,
        run_current: run.map(|run| run.current),
        run_at: run.map(|run| run.last.occurred_at),
        run_place: run.map(|run| run.last.place),
        run_source: run.map(|run| run.last.source.to_string()),
        run_external_id: run.map(|run| run.last.external_id.to_string()),
    }
}

async fn save(
    txn: &Txn,
    version: i64,
    decision: &Decision,
    events: &[Event],
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let step = &decision.step;
    let derived: Vec<_> = step.derived.iter().map(|event| derived_row(event, version, now)).collect();
    let expected = derived.len();
    if events::append(txn, derived).await?.len() != expected {
        return Err(store::Error::Impossible("an event was derived twice".into()));
    }
    let changed = step.metrics.iter().map(|(person, metric, state)| to_row(*person, *metric, state));
    metrics::put(txn, changed.collect()).await?;
    let members = step.members.iter().map(|(person_id, metric_id, member)| metrics::Member {
        person_id: *person_id,
        metric_id: *metric_id,
        member: member.clone(),
    });
    metrics::add_members(txn, members.collect()).await?;
    let days = step
        .active_days
        .iter()
        .map(|(person_id, day)| metrics::ActiveDay { person_id: *person_id, day: *day });
    metrics::add_days(txn, days.collect()).await?;
    let capped = step.day_totals.iter().map(|(person_id, activity, day, amount)| metrics::CappedDay {
        person_id: *person_id,
        activity: activity.clone(),
        day: *day,
        amount: *amount,
    });
    metrics::put_capped(txn, capped.collect()).await?;
    totals::put(txn, new_totals(decision, events, now)).await
}

/// A derived event as the table keeps it.
pub(super) fn derived_row(event: &Event, version: i64, now: DateTime<Utc>) -> events::Row {
    events::Row {
        id: event.id,
        source: event.source.to_string(),
        external_id: event.external_id.to_string(),
        person_id: event.person,
        activity: event.activity.to_string(),
        occurred_at: event.occurred_at,
        local_date: event.local_date,
        local_hour: i16::from(event.local_hour),
        reported_on: event.reported_on,
        makes_active: false,
        attributes: serde_json::to_value(&event.attributes).unwrap_or_default(),
        place: event.place,
        sent_hash: None,
        recorded_at: now,
        catalogue_version: version,
    }
}

fn new_totals(decision: &Decision, events: &[Event], now: DateTime<Utc>) -> Vec<totals::Row> {
    let reached = reached(&decision.step, events);
    let mut new_awards: HashMap<Uuid, i64> = HashMap::new();
    for award in &decision.step.awards {
        *new_awards.entry(award.person).or_insert(0) += 1;
    }
    let rows = decision.step.people.iter().map(|person| {
        let before = decision.totals.get(&person.person);
        let before_it = before.filter(|before| before.xp > 0).map(|before| before.xp_reached_at);
        let reached_at = before_it.max(reached.get(&person.person).copied());
        totals::Row {
            person_id: person.person,
            xp: person.xp,
            xp_reached_at: reached_at.or(before.map(|before| before.xp_reached_at)).unwrap_or(now),
            awards: before.map_or(0, |before| before.awards)
                + new_awards.get(&person.person).copied().unwrap_or(0),
            streak_run: person.streak.run,
            streak_longest: person.streak.longest,
            last_active_on: person.streak.last_active_on,
        }
    });
    rows.collect()
}

/// When the last event or award happened that brought each person XP now.
fn reached(step: &Step, events: &[Event]) -> HashMap<Uuid, DateTime<Utc>> {
    let moments: HashMap<Uuid, DateTime<Utc>> =
        events.iter().chain(&step.derived).map(|event| (event.id, event.occurred_at)).collect();
    let mut reached = HashMap::new();
    for entry in &step.entries {
        let at = match entry.cause {
            engine::EntryCause::Base { event } => moments.get(&event).copied(),
            engine::EntryCause::Bonus { award } => step.awards.get(award).map(|award| award.earned_at),
        };
        if let Some(at) = at {
            let latest = reached.entry(entry.person).or_insert(at);
            *latest = at.max(*latest);
        }
    }
    reached
}

/// The events that a person's past owes whoever referred them.
pub(super) async fn owed(
    app: &App,
    txn: &Txn,
    person: &people::Row,
) -> Result<Vec<super::Incoming>, store::Error> {
    let published = app.catalogue.current();
    let person = std::slice::from_ref(person);
    let events = super::replay::owed(txn, &published.catalog, person, app.clock.now()).await?;
    let incoming = events.into_iter().map(|event| super::Incoming {
        id: Some(event.external_id.to_string()),
        person: event.person,
        activity: event.activity.to_string(),
        occurred_at: Some(event.occurred_at),
        attributes: None,
    });
    Ok(incoming.collect())
}
