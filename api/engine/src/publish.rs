//! Decides a publication: updates one person to the new catalogue.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    catalog::{Activity, Catalog},
    decide::{Before, Decision, Origin},
    entitlement::{Due, settle_whole},
    event::{Event, local},
    rebuild::rebuild,
    redate::crossings,
    state::{Held, PersonState, State},
    step::Step,
    streak::LocalDay,
};

/// The metrics and daily totals that must be folded again from stored events when one catalogue replaces another.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The ids of the metrics that are new or count further events.
    pub metrics: BTreeSet<Uuid>,
    /// The keys of the capped activities whose daily totals are new.
    pub capped: BTreeSet<String>,
    /// The keys of the activities of both.
    pub activities: BTreeSet<String>,
    /// The keys of the activities that now make days active, and did not before.
    pub activated: BTreeSet<String>,
    /// The keys of the activities whose events may make further days active.
    pub active: BTreeSet<String>,
}

impl Changes {
    /// The changes from `before` to `after`. `assigned` has the keys of the activities to which stored events were assigned.
    pub fn between(before: Option<&Catalog>, after: &Catalog, assigned: &BTreeSet<String>) -> Self {
        let of_assigned = |activity: &&Activity| assigned.contains(&activity.key);
        let assigned: Vec<&Activity> = after.activities().iter().filter(of_assigned).collect();
        let is_newly_active = |activity: &&Activity| {
            let known = before.and_then(|before| before.activity(&activity.key));
            activity.counts_for_streak && known.is_some_and(|known| !known.counts_for_streak)
        };
        let activated = after.activities().iter().filter(is_newly_active);
        let activated: BTreeSet<String> = activated.map(|activity| activity.key.clone()).collect();
        let active = assigned.iter().filter(|activity| activity.counts_for_streak);
        let active = active.map(|activity| activity.key.clone()).chain(activated.iter().cloned()).collect();
        let metrics = assigned.iter().flat_map(|activity| &activity.metrics);
        let mut metrics: BTreeSet<Uuid> =
            metrics.filter_map(|index| after.metrics.get(*index)).map(|metric| metric.id).collect();
        metrics.extend(after.new_metrics(before));
        let mut capped: BTreeSet<String> =
            assigned.iter().filter(|one| one.daily_cap.is_some()).map(|one| one.key.clone()).collect();
        capped.extend(after.newly_capped(before).into_iter().map(str::to_owned));
        let counted = metrics.iter().filter_map(|id| after.metric(*id));
        let counted = counted.flat_map(|metric| after.activities_of(metric)).map(str::to_owned);
        let activities = counted.chain(capped.iter().cloned()).collect();
        Self { metrics, capped, activities, activated, active }
    }
}

/// A person with folded new metrics, and the awards that are due.
pub struct CatchUp<'a> {
    decision: Decision<'a>,
    person: Uuid,
    before: Before,
    zone: Tz,
    held: BTreeMap<(Uuid, i64), Held>,
    due: Vec<Due>,
}

/// Folds the changes from `recounted`, the person's events of the changed activities, adds `days` as active days, and
/// finds the due awards. `state` must be whole; if there are `days`, it must have all active days.
pub fn catch_up<'a>(
    catalog: &'a Catalog,
    changes: &Changes,
    person: Uuid,
    state: PersonState,
    recounted: &[Event],
    days: &BTreeSet<LocalDay>,
) -> CatchUp<'a> {
    let (zone, held) = (state.zone, state.awards.clone());
    let state = State { people: BTreeMap::from([(person, state)]) };
    let mut decision = Decision::new(catalog, state);
    let before = decision.before(person);
    recount(&mut decision, changes, person, recounted);
    for day in days {
        decision.person(person).add_day(*day);
    }
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
    /// Whether awards are due. [`Self::settle`] reads the person's events only in this case.
    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Adds the due awards. Each gets the time of the event of `past` at which it would have been earned if the
    /// catalogue had always been in force. `past` has all events of the person, in order.
    pub fn settle(mut self, past: &[Event], group: Uuid, now: DateTime<Utc>) -> Step {
        if self.due.is_empty() {
            return self.decision.finish();
        }
        let person = self.person;
        let zone = self.zone;
        // If XP by the current amounts would exceed the maximum, there are no crossings; the latest event is used.
        let crossings =
            crossings(self.decision.catalog, person, zone, &self.held, past, None).unwrap_or_default();
        let last = past.last().map(|event| (event.occurred_at, event.local_date));
        let origin = |due: &Due| {
            let achievement = self.decision.catalog.achievements.get(due.achievement)?;
            let crossing = crossings.get(&(achievement.id, due.occurrence));
            let moment = crossing.map(|crossing| (crossing.at, crossing.day)).or(last);
            let (at, day) = moment.unwrap_or_else(|| (now, local(now, zone).date));
            // The award names no event: the result of a repeated event is its first result, without this award.
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
