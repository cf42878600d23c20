//! A publication as a cause: one person brought to the catalogue that is being published.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    decide::{Before, Decision, Origin},
    entitlement::{Due, settle_whole},
    event::{Event, local},
    rebuild::rebuild,
    redate::crossings,
    state::{Held, PersonState, State},
    step::Step,
};

/// What has to be folded again from stored events when one catalogue follows another.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The metrics that are new, by id.
    pub metrics: BTreeSet<Uuid>,
    /// The capped activities whose daily totals are new, by key.
    pub capped: BTreeSet<String>,
    /// The activities of both, by key.
    pub activities: BTreeSet<String>,
}

impl Changes {
    /// What is new in `after`.
    pub fn between(before: Option<&Catalog>, after: &Catalog) -> Self {
        let metrics = after.new_metrics(before);
        let capped: BTreeSet<String> = after.newly_capped(before).into_iter().map(str::to_owned).collect();
        let counted = metrics.iter().filter_map(|id| after.metric(*id));
        let counted = counted.flat_map(|metric| after.activities_of(metric)).map(str::to_owned);
        let activities = counted.chain(capped.iter().cloned()).collect();
        Self { metrics, capped, activities }
    }
}

/// A person whose new metrics are folded, and the awards that are due.
pub struct CatchUp<'a> {
    decision: Decision<'a>,
    person: Uuid,
    before: Before,
    zone: Tz,
    held: BTreeMap<(Uuid, i64), Held>,
    due: Vec<Due>,
}

/// Folds what is new from `recounted`, the person's events of the changed activities, and finds the awards that are due.
/// `state` is whole.
pub fn catch_up<'a>(
    catalog: &'a Catalog,
    changes: &Changes,
    person: Uuid,
    state: PersonState,
    recounted: &[Event],
) -> CatchUp<'a> {
    let (zone, held) = (state.zone, state.awards.clone());
    let state = State { people: BTreeMap::from([(person, state)]) };
    let mut decision = Decision::new(catalog, state);
    let before = decision.before(person);
    recount(&mut decision, changes, person, recounted);
    let due = settle_whole(catalog, decision.person(person)).due;
    CatchUp { decision, person, before, zone, held, due }
}

fn recount(decision: &mut Decision<'_>, changes: &Changes, person: Uuid, events: &[Event]) {
    let catalog = decision.catalog;
    let person = decision.person(person);
    let rebuilt = rebuild(catalog, events);
    for (metric, state) in rebuilt.metrics {
        let Some(index) = catalog.metric_index(metric).filter(|_| changes.metrics.contains(&metric)) else {
            continue;
        };
        let members = rebuilt.members.iter().filter(|(of, _)| *of == metric);
        let members = members.map(|(_, member)| member.clone()).collect();
        person.recount(index, state, members);
    }
    for ((activity, day), total) in rebuilt.day_totals {
        if changes.capped.contains(&activity) {
            person.recount_day(activity, day, total);
        }
    }
}

impl CatchUp<'_> {
    /// Whether awards are due. Only then does [`Self::settle`] look at the person's events.
    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Awards what is due, each at the event of `past` at which it would have been earned if the catalogue had been in
    /// force from the start. `past` has all events of the person, in order.
    pub fn settle(mut self, past: &[Event], group: Uuid, now: DateTime<Utc>) -> Step {
        if self.due.is_empty() {
            return self.decision.finish();
        }
        let person = self.person;
        let zone = self.zone;
        // Without crossings, because XP would pass the maximum by today's amounts, the latest event stands in for all.
        let crossings =
            crossings(self.decision.catalog, person, zone, &self.held, past, None).unwrap_or_default();
        let last = past.last().map(|event| (event.occurred_at, event.local_date));
        let origin = |due: &Due| {
            let achievement = self.decision.catalog.achievements.get(due.achievement)?;
            let crossing = crossings.get(&(achievement.id, due.occurrence));
            let moment = crossing.map(|crossing| (crossing.at, crossing.day)).or(last);
            let (at, day) = moment.unwrap_or_else(|| (now, local(now, zone).date));
            // The award names no event: a repeat of an event repeats its first result, which did not include this.
            Some((*due, Origin { group, at, day, event: None }))
        };
        let mut due: Vec<_> = self.due.iter().filter_map(origin).collect();
        due.sort_by_key(|(_, origin)| origin.at);
        for (due, origin) in due {
            self.decision.award_if_fits(person, due, origin);
        }
        self.decision.compare(person, self.before, group);
        self.decision.finish()
    }
}
