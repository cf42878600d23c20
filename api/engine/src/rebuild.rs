//! Computes one person's aggregates from their events alone, so that they can be compared with the stored aggregates.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    event::{Event, EventKey},
    metric::{Kind, Metric},
    run::runs_of,
    state::{MetricState, RunCursor},
    streak::{LocalDay, Streak},
};

/// The aggregates of a person's events. Zero values are omitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// By the metric's id.
    pub metrics: BTreeMap<Uuid, MetricState>,
    /// (metric, member) of `distinct` metrics.
    pub members: BTreeSet<(Uuid, String)>,
    /// The active days.
    pub active_days: BTreeSet<LocalDay>,
    /// The streak of `active_days`.
    pub streak: Streak,
    /// By (activity, local date): the XP of capped activities before the cap.
    pub day_totals: BTreeMap<(String, NaiveDate), i64>,
    /// The events' own XP at the catalogue's current amounts, after daily caps.
    pub base_xp: i64,
}

/// Rebuilds the aggregates of one person from all of their events, in any order. Repeated events count once.
pub fn rebuild(catalog: &Catalog, events: &[Event]) -> Rebuilt {
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_cached_key(|event| event.key());
    let mut seen = BTreeSet::new();
    ordered.retain(|event| seen.insert((&*event.source, &*event.external_id)));
    let mut rebuilt = Rebuilt::default();
    for event in &ordered {
        if event.makes_active {
            rebuilt.active_days.insert(event.local_day());
        }
        let Some(activity) = catalog.activity(&event.activity) else { continue };
        let amount = activity.reward.as_ref().map_or(0, |reward| reward.of(event));
        if amount != 0 && activity.daily_cap.is_some() {
            let total = rebuilt.day_totals.entry((activity.key.clone(), event.capped_on())).or_insert(0);
            *total = total.saturating_add(amount);
        } else {
            rebuilt.base_xp = rebuilt.base_xp.saturating_add(amount);
        }
    }
    for ((activity, _), total) in &rebuilt.day_totals {
        let cap = catalog.activity(activity).and_then(|activity| activity.daily_cap).unwrap_or(i64::MAX);
        rebuilt.base_xp = rebuilt.base_xp.saturating_add(*total.min(&cap));
    }
    rebuilt.streak = Streak::of(&rebuilt.active_days);
    for metric in &catalog.metrics {
        let activities = catalog.activities_of(metric);
        let taken: Vec<&Event> = ordered
            .iter()
            .copied()
            .filter(|event| activities.contains(&&*event.activity) && metric.filter.takes(event))
            .collect();
        let (state, members) = measure(metric, &taken);
        if state != MetricState::default() {
            rebuilt.metrics.insert(metric.id, state);
        }
        rebuilt.members.extend(members.into_iter().map(|member| (metric.id, member)));
    }
    rebuilt
}

/// A metric's state and members, from the events that it counts, in order.
fn measure(metric: &Metric, taken: &[&Event]) -> (MetricState, BTreeSet<String>) {
    let mut members = BTreeSet::new();
    let mut run = None;
    let value = match &metric.kind {
        Kind::Count | Kind::Sum { .. } => {
            taken.iter().fold(0_i64, |sum, event| sum.saturating_add(metric.amount(event)))
        }
        Kind::Run { .. } => {
            let (current, longest) = runs_of(taken.iter().map(|event| metric.holds(event)));
            let reset = taken.iter().rev().find(|event| !metric.holds(event)).map(|event| event.key());
            let reset = Some(reset.unwrap_or_else(EventKey::origin));
            run = taken.last().map(|last| RunCursor { current, last: last.key(), reset });
            longest
        }
        Kind::Distinct { .. } => {
            members = taken.iter().filter_map(|event| metric.member(event)).collect();
            i64::try_from(members.len()).unwrap_or(i64::MAX)
        }
        Kind::Daily { .. } => {
            let mut counted = 0_i64;
            for day in taken.iter().filter_map(|event| metric.day(event)) {
                let is_new = day.repeated.is_none_or(|value| members.insert(value));
                if is_new && day.places.into_iter().any(|place| members.insert(place)) {
                    counted = counted.saturating_add(1);
                }
            }
            counted
        }
    };
    (MetricState { value, run }, members)
}
