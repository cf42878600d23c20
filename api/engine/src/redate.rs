//! When awards were earned: in time order, whatever the order in which events arrived. A late event can move that moment
//! for awards that were earned after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    advance::fold,
    catalog::Catalog,
    decide::{Decision, Origin},
    entitlement::is_judged,
    event::{Event, local},
    person::TooMuch,
    state::{Cause, Held, PersonState, State},
    step::{AwardKey, EntryCause, NewAward, PersonTotals, Redated, Step},
};

/// The moments that decide whether a batch can move when awards were earned, by person: of the last event and of the
/// last award of a rule, before the batch.
#[derive(Debug, Clone, Default)]
pub struct Dates(HashMap<Uuid, (DateTime<Utc>, Option<DateTime<Utc>>)>);

impl Dates {
    /// The moments of a state before its batch is folded.
    pub fn of(state: &State) -> Self {
        let dates = state.people.iter().filter_map(|(id, person)| {
            let by_rule = person.awards.values().filter(|held| held.cause == Cause::Rule && !held.revoked);
            Some((*id, (person.last_event_at?, by_rule.map(|held| held.earned_at).max())))
        });
        Self(dates.collect())
    }

    /// The people with a late event before an award, for whom [`redate`] has to be called.
    pub fn moved(&self, events: &[Event], step: &Step) -> BTreeSet<Uuid> {
        let late = events.iter().chain(&step.derived).filter(|event| {
            self.0.get(&event.person).is_some_and(|(last_event, last_award)| {
                event.occurred_at < *last_event
                    && (last_award.is_some_and(|at| event.occurred_at < at)
                        || step.awards.iter().any(|award| award.key.person == event.person))
            })
        });
        late.map(|event| event.person).collect()
    }
}

/// Everything that a person's awards stand on, before the step.
#[derive(Debug, Clone)]
pub struct History<'a> {
    /// The person's state; all awards are in it.
    pub state: &'a PersonState,
    /// All events of the person, those of the batch and derived ones too, in any order.
    pub events: &'a [Event],
    /// The latest moment of the person's XP entries of events, before the step.
    pub base_reached_at: Option<DateTime<Utc>>,
}

/// Sets the moments of the person's awards to those of the events that crossed in time order.
pub fn redate(catalog: &Catalog, step: &mut Step, person: Uuid, history: &History<'_>) {
    let state = history.state;
    let Some(crossings) = crossings(catalog, person, state.zone, &state.awards, history.events) else {
        return;
    };
    let mut reached = history.base_reached_at;
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
            streak: state.streak,
            has_flagged: state.has_flagged,
        }),
    }
}

/// The event or grant at which an award was earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) at: DateTime<Utc>,
    pub(crate) day: NaiveDate,
}

/// When a rule would have awarded each achievement, had the catalogue been in force and every event arrived in time. What
/// rules do not decide, such as grants, counts from its moment; revoked awards never count. None if XP would pass the maximum.
pub(crate) fn crossings(
    catalog: &Catalog,
    person: Uuid,
    zone: Tz,
    held: &BTreeMap<(Uuid, i64), Held>,
    events: &[Event],
) -> Option<HashMap<(Uuid, i64), Crossing>> {
    let revoked = held.iter().filter(|(_, held)| held.revoked);
    let state = PersonState {
        zone,
        awards: revoked.map(|(key, held)| (*key, held.clone())).collect(),
        ..PersonState::default()
    };
    let mut decision = Decision::new(catalog, State { people: BTreeMap::from([(person, state)]) });
    let mut grants: Vec<(&(Uuid, i64), &Held)> =
        held.iter().filter(|(key, held)| !held.revoked && !rules_decide(catalog, key.0, held)).collect();
    grants.sort_by_key(|(key, held)| (std::cmp::Reverse(held.earned_at), **key));
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_cached_key(|event| event.key());
    ordered.dedup_by(|a, b| (&a.source, &a.external_id) == (&b.source, &b.external_id));
    let replayed = (|| {
        for event in ordered {
            while let Some((key, held)) = grants.pop_if(|(_, held)| held.earned_at < event.occurred_at) {
                grant(&mut decision, person, *key, held)?;
            }
            fold(&mut decision, event)?;
        }
        while let Some((key, held)) = grants.pop() {
            grant(&mut decision, person, *key, held)?;
        }
        Ok::<_, TooMuch>(())
    })();
    replayed.ok()?;
    let crossings = decision.step.awards.iter().map(|award| {
        let key = (award.key.achievement, award.key.occurrence);
        (key, Crossing { at: award.earned_at, day: award.day })
    });
    Some(crossings.collect())
}

/// Whether rules decide about an award: not about grants, nor about achievements that cannot be earned any more.
fn rules_decide(catalog: &Catalog, achievement: Uuid, held: &Held) -> bool {
    catalog.achievement_index(achievement).is_some_and(|index| is_judged(catalog, index, held))
}

fn grant(
    decision: &mut Decision<'_>,
    person: Uuid,
    (achievement, occurrence): (Uuid, i64),
    held: &Held,
) -> Result<(), TooMuch> {
    let catalog = decision.catalog;
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
