//! The times at which awards were earned. They follow the order in which events happened, not the order of arrival.
//! A late event can change the time of awards that were earned after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    advance::{fold, fold_recorded},
    catalog::Catalog,
    decide::{Decision, Origin},
    entitlement::{is_surplus, rules_decide},
    event::{Event, local},
    person::TooMuch,
    rewind::{History, rewind},
    state::{Cause, Held, PersonState, State},
    step::{AwardKey, EntryCause, NewAward, PersonTotals, Redated, Step},
};

/// The times that decide whether a batch can change when awards were earned. By person: the time of the last event or
/// award, and a time after which they earned no award by a rule, before the batch.
#[derive(Debug, Clone, Default)]
pub struct Dates(HashMap<Uuid, (DateTime<Utc>, Option<DateTime<Utc>>)>);

impl Dates {
    /// The times in a state before its batch is folded.
    pub fn of(state: &State) -> Self {
        let dates = state.people.iter().filter_map(|(id, person)| {
            let held = || person.awards.values().filter(|held| !held.revoked);
            let times = held().map(|held| held.earned_at).max();
            let last = times.max(person.last_event_at).max(person.xp_reached_at)?;
            let by_rule = held().filter(|held| held.cause == Cause::Rule);
            let last_award = by_rule.map(|held| held.earned_at).max().max(person.last_award_at);
            Some((*id, (last, last_award)))
        });
        Self(dates.collect())
    }

    /// The people with a grant before their last event or award, with the time of the first such grant, and people with
    /// an award that is no longer flagged. The caller must call [`redate`] for them.
    pub fn moved_by_grants(&self, step: &Step) -> BTreeMap<Uuid, DateTime<Utc>> {
        let granted = step.awards.iter().filter(|award| award.cause != Cause::Rule);
        let early = granted
            .filter(|award| self.0.get(&award.key.person).is_some_and(|(last, _)| award.earned_at < *last));
        earliest(early.map(|award| (award.key.person, award.earned_at)).chain(unflagged(step)))
    }

    /// The people with a late event before an award, with the time of the first such event, and people with an award
    /// that is no longer flagged. The caller must call [`redate`] for them.
    pub fn moved(&self, events: &[Event], step: &Step) -> BTreeMap<Uuid, DateTime<Utc>> {
        let late = events.iter().chain(&step.derived).filter(|event| {
            self.0.get(&event.person).is_some_and(|(last, last_award)| {
                let is_early = |award: &NewAward| award.key.person == event.person && award.earned_at < *last;
                event.occurred_at < *last
                    && (last_award.is_some_and(|at| event.occurred_at < at)
                        || step.awards.iter().any(is_early))
            })
        });
        earliest(late.map(|event| (event.person, event.occurred_at)).chain(unflagged(step)))
    }
}

/// The people with an award that is no longer flagged. Any event since its time may be the one that earns it now.
fn unflagged(step: &Step) -> impl Iterator<Item = (Uuid, DateTime<Utc>)> {
    step.flags.iter().filter(|flag| !flag.flagged).map(|flag| (flag.key.person, DateTime::UNIX_EPOCH))
}

fn earliest(times: impl Iterator<Item = (Uuid, DateTime<Utc>)>) -> BTreeMap<Uuid, DateTime<Utc>> {
    let mut earliest = BTreeMap::new();
    for (person, at) in times {
        earliest.entry(person).and_modify(|first: &mut DateTime<Utc>| *first = at.min(*first)).or_insert(at);
    }
    earliest
}

/// Sets the time of each award of the person to the time of the event that crosses its threshold when all events are
/// folded in time order. Returns false if the events since `history.since` do not decide it: call it again with the whole
/// past.
#[must_use]
pub fn redate(catalog: &Catalog, step: &mut Step, person: Uuid, history: &History<'_>) -> bool {
    let state = history.state;
    let mut held = state.awards.clone();
    let granted = step.awards.iter().filter(|award| award.key.person == person && award.cause != Cause::Rule);
    held.extend(granted.map(|award| ((award.key.achievement, award.key.occurrence), award.held())));
    let mut base: HashMap<Uuid, i64> = history.base.iter().map(|(event, (xp, _))| (*event, *xp)).collect();
    base.extend(step.entries.iter().filter(|entry| entry.person == person).filter_map(|entry| {
        match entry.cause {
            EntryCause::Base { event } => Some((event, entry.amount)),
            _ => None,
        }
    }));
    let ledger = Ledger { base };
    let crossings = match history.since {
        Some(since) => {
            let then = rewind(catalog, step, person, history, since);
            let crossings = then.and_then(|then| {
                held.retain(|_, held| held.earned_at >= since);
                crossings_since(catalog, person, then, &held, history.events, &ledger)
            });
            let Some(crossings) = crossings else { return false };
            crossings
        }
        None => {
            let crossings = crossings(catalog, person, state.zone, &held, history.events, Some(&ledger));
            let Some(crossings) = crossings else { return true };
            crossings
        }
    };
    let earlier = state.xp_reached_at.filter(|at| history.since.is_some_and(|since| *at < since));
    let mut reached = history.base.values().map(|(_, at)| *at).max().max(earlier);
    for (index, award) in step.awards.iter_mut().enumerate().filter(|(_, award)| award.key.person == person) {
        let key = (award.key.achievement, award.key.occurrence);
        if let Some(crossing) = crossings.get(&key).filter(|_| award.cause == Cause::Rule) {
            (award.earned_at, award.day) = (crossing.at, crossing.day);
            let entries = step.entries.iter_mut();
            let bonus = entries.filter(|entry| entry.cause == EntryCause::Bonus { award: index });
            bonus.for_each(|entry| (entry.at, entry.day) = (crossing.at, crossing.day));
        }
    }
    for ((achievement, occurrence), held) in &state.awards {
        let key = AwardKey { person, achievement: *achievement, occurrence: *occurrence };
        let crossing = crossings
            .get(&(*achievement, *occurrence))
            .filter(|_| held.cause == Cause::Rule && !held.revoked);
        let at = crossing.map_or(held.earned_at, |crossing| crossing.at);
        if let Some(crossing) = crossing.filter(|crossing| crossing.at != held.earned_at) {
            step.redated.push(Redated { key, earned_at: crossing.at, day: crossing.day });
        }
        if held.xp_bonus > 0 && !held.revoked {
            reached = reached.max(Some(at));
        }
    }
    let gained = step.entries.iter().filter(|entry| entry.person == person && entry.amount > 0);
    reached = gained.map(|entry| Some(entry.at)).fold(reached, Option::max);
    match step.people.iter_mut().find(|totals| totals.person == person) {
        Some(totals) => totals.xp_reached_at = reached.or(totals.xp_reached_at),
        None => step.people.push(PersonTotals {
            person,
            xp: state.xp,
            xp_reached_at: reached.or(state.xp_reached_at),
            last_event_at: state.last_event_at,
            awards: state.award_count,
            streak: state.streak.clone(),
        }),
    }
    true
}

/// The event or grant at which an award was earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) at: DateTime<Utc>,
    pub(crate) day: NaiveDate,
}

/// The XP of a person's events at the time of their recording, by the event's id.
#[derive(Debug)]
pub(crate) struct Ledger {
    base: HashMap<Uuid, i64>,
}

impl Ledger {
    /// Whether the step's entries of events have the same sum.
    fn agrees(&self, step: &Step) -> bool {
        let base = step.entries.iter().filter(|entry| matches!(entry.cause, EntryCause::Base { .. }));
        base.map(|entry| entry.amount).sum::<i64>() == self.base.values().sum::<i64>()
    }
}

/// When each rule would have awarded its achievement if the catalogue had always been in force and no event had been
/// late. Awards that rules do not decide, such as grants, count from their own time; revoked awards never count. Events
/// award XP by the current amounts. If a publication has changed these, so that their sum differs from the ledger's,
/// events award the ledger's amounts. None if XP would exceed the maximum.
pub(crate) fn crossings(
    catalog: &Catalog,
    person: Uuid,
    zone: Tz,
    held: &BTreeMap<(Uuid, i64), Held>,
    events: &[Event],
    ledger: Option<&Ledger>,
) -> Option<HashMap<(Uuid, i64), Crossing>> {
    let ordered = in_order(events);
    let then = PersonState {
        zone,
        awards: held
            .iter()
            .filter(|(_, held)| held.revoked)
            .map(|(key, held)| (*key, held.clone()))
            .collect(),
        // After a change of the time zone, a later event can have an earlier local date.
        active_days: Some(BTreeSet::new()),
        ..PersonState::default()
    };
    let by_today = replay(catalog, person, then.clone(), held, &ordered, None);
    let step = match ledger {
        Some(ledger) if !by_today.as_ref().is_some_and(|step| ledger.agrees(step)) => {
            replay(catalog, person, then, held, &ordered, Some(&ledger.base))?
        }
        _ => by_today?,
    };
    Some(crossings_of(&step, person))
}

/// As [`crossings`], beginning with the state before the first event. None also if the XP of these events has changed
/// since they were recorded.
fn crossings_since(
    catalog: &Catalog,
    person: Uuid,
    then: PersonState,
    held: &BTreeMap<(Uuid, i64), Held>,
    events: &[Event],
    ledger: &Ledger,
) -> Option<HashMap<(Uuid, i64), Crossing>> {
    let step = replay(catalog, person, then, held, &in_order(events), None)?;
    ledger.agrees(&step).then(|| crossings_of(&step, person))
}

fn in_order(events: &[Event]) -> Vec<&Event> {
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_cached_key(|event| event.key());
    ordered.dedup_by(|a, b| (&a.source, &a.external_id) == (&b.source, &b.external_id));
    ordered
}

fn crossings_of(step: &Step, person: Uuid) -> HashMap<(Uuid, i64), Crossing> {
    let of_person = step.awards.iter().filter(|award| award.key.person == person);
    let crossing = |award: &NewAward| Crossing { at: award.earned_at, day: award.day };
    of_person.map(|award| ((award.key.achievement, award.key.occurrence), crossing(award))).collect()
}

/// Folds events and grants in time order. None if XP would exceed the maximum.
fn replay(
    catalog: &Catalog,
    person: Uuid,
    then: PersonState,
    held: &BTreeMap<(Uuid, i64), Held>,
    events: &[&Event],
    recorded: Option<&HashMap<Uuid, i64>>,
) -> Option<Step> {
    let mut decision = Decision::new(catalog, State { people: BTreeMap::from([(person, then)]) });
    let counts = |achievement: Uuid, held: &Held| {
        !held.revoked && !is_surplus(held) && !rules_decide(catalog, achievement, held)
    };
    let mut grants: Vec<(&(Uuid, i64), &Held)> =
        held.iter().filter(|(key, held)| counts(key.0, held)).collect();
    grants.sort_by_key(|(key, held)| (std::cmp::Reverse(held.earned_at), **key));
    let mut fold_all = || {
        for event in events {
            while let Some((key, held)) = grants.pop_if(|(_, held)| held.earned_at < event.occurred_at) {
                grant(&mut decision, person, *key, held)?;
            }
            match recorded {
                Some(base) => fold_recorded(&mut decision, event, base.get(&event.id).copied().unwrap_or(0))?,
                None => drop(fold(&mut decision, event)?),
            }
        }
        while let Some((key, held)) = grants.pop() {
            grant(&mut decision, person, *key, held)?;
        }
        Ok::<_, TooMuch>(())
    };
    fold_all().ok()?;
    Some(decision.step)
}

fn grant(
    decision: &mut Decision<'_>,
    person: Uuid,
    (achievement, occurrence): (Uuid, i64),
    held: &Held,
) -> Result<(), TooMuch> {
    let catalog = decision.catalog;
    if decision.person(person).of_achievement(catalog, achievement).any(|(held, _)| held == occurrence) {
        // The rule has already awarded this occurrence.
        return Ok(());
    }
    let (at, old) = (held.earned_at, decision.person(person).xp);
    let day = local(at, decision.person(person).zone).date;
    let origin = Origin { group: Uuid::nil(), at, day, event: None };
    let award = NewAward {
        key: AwardKey { person, achievement, occurrence },
        cause: held.cause,
        earned_at: at,
        day,
        event: None,
        xp_bonus: held.xp_bonus,
        flagged: false,
        granted_by: None,
        notes: None,
        is_first: true,
    };
    decision.award(award, origin)?;
    let mut candidates = BTreeSet::new();
    catalog.xp_moves.crossed(old, decision.person(person).xp, |reached| {
        candidates.insert(reached);
    });
    let index = catalog.achievement_index(achievement);
    candidates.extend(index.and_then(|index| catalog.dependents.get(index)).into_iter().flatten());
    decision.settle(person, origin, candidates).map(drop)
}
