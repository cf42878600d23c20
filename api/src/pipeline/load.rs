//! Converts stored rows into the engine's input state.

mod late;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use engine::{
    AwardKey, Candidates, Catalog, Event, EventKey, Held, LocalDay, MetricState, Needs, PersonNeeds,
    PersonState, RunCursor, State, Step, Streak,
};
use uuid::Uuid;

pub(super) use late::{active_days, redate};

use crate::store::{self, Txn, awards, events, metrics, people, totals};

/// The state of some people, and the ids of their awards.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) awards: HashMap<AwardKey, Uuid>,
}

/// Loads the state of these people that folding `events` requires.
pub(super) async fn for_events(
    txn: &Txn,
    catalog: &Catalog,
    people: &[people::Row],
    needs: &Needs,
    events: &[Event],
    mut referrers: BTreeMap<Uuid, Uuid>,
) -> Result<Loaded, store::Error> {
    // Only people whose referrer is in `needs` can derive events.
    referrers.retain(|_, referrer| needs.people.contains_key(referrer));
    let derived = derived(txn, catalog, &referrers).await?;
    let mut loaded = load_needed(txn, people, needs).await?;
    for (person, activity) in derived {
        if let Some(state) = loaded.state.people.get_mut(&person) {
            state.derived.insert(activity);
        }
    }
    let candidates = engine::candidates(catalog, needs, &loaded.state);
    load_candidates(txn, &mut loaded, &candidates).await?;
    let late = engine::late(catalog, &loaded.state, events);
    late::load(txn, catalog, &mut loaded, &late).await?;
    let further = engine::further(catalog, &loaded.state, events);
    late::load_further(txn, catalog, &mut loaded, &further).await?;
    Ok(loaded)
}

/// Loads all metrics and awards of these people. The number of statements does not depend on the number of people.
pub(super) async fn whole(txn: &Txn, people: &[people::Row]) -> Result<Loaded, store::Error> {
    let ids = || people.iter().map(|person| person.id);
    let mut rows = BTreeMap::new();
    for row in awards::of_people(txn, ids()).await? {
        rows.entry(row.person_id).or_insert_with(Vec::new).push(row);
    }
    let totals = totals::of_people(txn, ids()).await?;
    let totals: HashMap<Uuid, totals::Row> = totals.into_iter().map(|row| (row.person_id, row)).collect();
    let mut loaded = Loaded::default();
    for person in people {
        let held = rows.remove(&person.id).unwrap_or_default();
        loaded.awards.extend(held.iter().map(|row| (award_key(row), row.id)));
        loaded.state.people.insert(person.id, whole_state(person, totals.get(&person.id), &held)?);
    }
    for row in metrics::of_people(txn, ids()).await? {
        put_metric(&mut loaded.state, &row);
    }
    Ok(loaded)
}

/// A person's whole state, except their metrics.
///
/// # Errors
/// If this build does not know a stored time zone.
pub(crate) fn whole_state(
    person: &people::Row,
    totals: Option<&totals::Row>,
    held: &[awards::Row],
) -> Result<PersonState, store::Error> {
    Ok(PersonState {
        awards: held.iter().map(|row| ((row.achievement_id, row.occurrence), to_held(row))).collect(),
        whole: true,
        ..state(person, totals)?
    })
}

/// A person's zone, referrer and totals.
///
/// # Errors
/// If this build does not know a stored time zone.
pub(crate) fn state(person: &people::Row, totals: Option<&totals::Row>) -> Result<PersonState, store::Error> {
    Ok(PersonState {
        zone: zone(person)?,
        referrer: person.referred_by,
        xp: totals.map_or(0, |totals| totals.xp),
        xp_reached_at: totals.map(|totals| totals.xp_reached_at),
        last_event_at: totals.and_then(|totals| totals.last_event_at),
        award_count: totals.map_or(0, |totals| totals.awards),
        streak: totals.map(streak).transpose()?.unwrap_or_default(),
        ..PersonState::default()
    })
}

/// A person's streak.
///
/// # Errors
/// If this build does not know a stored time zone.
pub(crate) fn streak(totals: &totals::Row) -> Result<Streak, store::Error> {
    let mut last = BTreeSet::new();
    if let (Some(date), Some(zones)) = (totals.last_active_on, &totals.last_active_in) {
        for zone in zones.split(',') {
            last.insert(LocalDay { date, zone: zone_named(zone)? });
        }
    }
    Ok(Streak { last, run: totals.streak_run, longest: totals.streak_longest })
}

/// The names of the zones of a streak's last day, as they are stored.
pub(super) fn zone_names(streak: &Streak) -> Option<String> {
    let names: Vec<&str> = streak.last.iter().map(|day| day.zone.name()).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// A person's time zone.
///
/// # Errors
/// If this build does not know the zone.
pub(crate) fn zone(person: &people::Row) -> Result<Tz, store::Error> {
    zone_named(&person.timezone)
}

/// The zone of a stored name.
///
/// # Errors
/// If this build does not know the zone.
pub(super) fn zone_named(name: &str) -> Result<Tz, store::Error> {
    name.parse().map_err(|_| store::Error::Impossible(format!("the time zone {name} is unknown")))
}

/// The local day of an event.
pub(super) fn day_of(row: &events::Row) -> Result<LocalDay, store::Error> {
    Ok(LocalDay { date: row.local_date, zone: zone_named(&row.timezone)? })
}

/// The local day of a row of `active_days`.
pub(super) fn active_day(row: &metrics::ActiveDay) -> Result<LocalDay, store::Error> {
    Ok(LocalDay { date: row.day, zone: zone_named(&row.timezone)? })
}

/// The row of an active day.
pub(super) fn active_day_row(person: Uuid, day: LocalDay) -> metrics::ActiveDay {
    metrics::ActiveDay { person_id: person, day: day.date, timezone: day.zone.name().to_owned() }
}

/// A metric row in the engine's form.
pub(crate) fn to_metric(row: &metrics::Row) -> MetricState {
    let key =
        |at: Option<DateTime<Utc>>, place: Option<i32>, source: &Option<String>, id: &Option<String>| {
            let (source, external_id) = (source.as_deref()?.into(), id.as_deref()?.into());
            Some(EventKey { occurred_at: at?, place: place?, source, external_id })
        };
    let last = key(row.run_at, row.run_place, &row.run_source, &row.run_external_id);
    let reset = key(row.reset_at, row.reset_place, &row.reset_source, &row.reset_external_id);
    let run = row.run_current.zip(last).map(|(current, last)| RunCursor { current, last, reset });
    MetricState { value: row.value, run }
}

/// Adds the ranks that a step's new awards reach.
pub(super) async fn add_ranks(txn: &Txn, catalog: &Catalog, step: &mut Step) -> Result<(), store::Error> {
    let needed = engine::ranks_need(catalog, step);
    if needed.is_empty() {
        return Ok(());
    }
    let held = awards::held_of_packs(txn, &needed).await?;
    engine::add_ranks(catalog, step, held);
    Ok(())
}

async fn load_needed(txn: &Txn, locked: &[people::Row], needs: &Needs) -> Result<Loaded, store::Error> {
    let mut wanted_metrics = BTreeSet::new();
    let mut wanted_members = BTreeSet::new();
    for (person, of) in &needs.people {
        wanted_metrics.extend(of.metrics.iter().map(|metric| (*person, *metric)));
        wanted_members.extend(of.members.iter().map(|(metric, member)| (*person, *metric, member.clone())));
    }
    let ids: BTreeSet<Uuid> = locked.iter().map(|person| person.id).collect();
    let flagged = awards::flagged_of(txn, ids.iter().copied()).await?;
    let totals = totals::of_people(txn, ids).await?;
    let totals: HashMap<Uuid, totals::Row> = totals.into_iter().map(|row| (row.person_id, row)).collect();
    let mut loaded = Loaded::default();
    for person in locked {
        loaded.state.people.insert(person.id, state(person, totals.get(&person.id))?);
    }
    for row in metrics::of_pairs(txn, &wanted_metrics).await? {
        put_metric(&mut loaded.state, &row);
    }
    for row in metrics::members(txn, &wanted_members).await? {
        if let Some(state) = loaded.state.people.get_mut(&row.person_id) {
            state.members.insert((row.metric_id, row.member));
        }
    }
    load_capped(txn, needs, &mut loaded).await?;
    for row in flagged {
        put_award(&mut loaded, &row);
    }
    Ok(loaded)
}

/// Loads the state that the achievements require which the batch may reach.
async fn load_candidates(
    txn: &Txn,
    loaded: &mut Loaded,
    candidates: &Candidates,
) -> Result<(), store::Error> {
    for row in metrics::of_pairs(txn, &candidates.metrics).await? {
        put_metric(&mut loaded.state, &row);
    }
    for row in awards::of_pairs(txn, &candidates.awards).await? {
        put_award(loaded, &row);
    }
    for (person, at) in awards::last_earned(txn, &candidates.dated).await? {
        if let Some(state) = loaded.state.people.get_mut(&person) {
            state.last_award_at = Some(at);
        }
    }
    Ok(())
}

/// Loads the totals of capped days.
async fn load_capped(txn: &Txn, needs: &Needs, loaded: &mut Loaded) -> Result<(), store::Error> {
    let of = |(person, needs): (&Uuid, &PersonNeeds)| {
        let person = *person;
        needs.days.iter().map(move |(activity, day)| (person, activity.clone(), *day)).collect::<Vec<_>>()
    };
    for row in metrics::capped(txn, &needs.people.iter().flat_map(of).collect()).await? {
        if let Some(state) = loaded.state.people.get_mut(&row.person_id) {
            state.day_totals.insert((row.activity, row.day), row.amount);
        }
    }
    Ok(())
}

/// The derived events already recorded for these people's referrers: (person, activity).
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

fn put_metric(state: &mut State, row: &metrics::Row) {
    if let Some(person) = state.people.get_mut(&row.person_id) {
        person.metrics.insert(row.metric_id, to_metric(row));
    }
}

fn put_award(loaded: &mut Loaded, row: &awards::Row) {
    loaded.awards.insert(award_key(row), row.id);
    if let Some(person) = loaded.state.people.get_mut(&row.person_id) {
        person.awards.insert((row.achievement_id, row.occurrence), to_held(row));
    }
}

/// An award's identity.
pub(super) fn award_key(row: &awards::Row) -> AwardKey {
    AwardKey { person: row.person_id, achievement: row.achievement_id, occurrence: row.occurrence }
}

/// An award row in the engine's form.
fn to_held(row: &awards::Row) -> Held {
    Held {
        cause: match row.cause {
            awards::Cause::Rule => engine::Cause::Rule,
            awards::Cause::Person => engine::Cause::Person,
            awards::Cause::Import => engine::Cause::Import,
        },
        earned_at: row.earned_at,
        xp_bonus: row.xp_bonus,
        revoked: row.revoked_at.is_some(),
        flagged: row.flagged,
    }
}
