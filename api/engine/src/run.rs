//! Runs: the number of consecutive events that meet a condition, and how a late event changes it.

use crate::{
    catalog::Catalog,
    event::EventKey,
    state::{RunCursor, RunEvents},
};

/// A run metric's open end, and the events around late events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub(crate) cursor: Option<RunCursor>,
    pub(crate) sequence: Option<Sequence>,
    /// A late event may have broken the longest run: it is shorter now, or the sequence does not contain its length.
    pub(crate) is_broken: bool,
}

impl Run {
    /// Folds an event; returns the longest run. An event after the last one, or a late event that lengthens the open
    /// run, requires no other events. Any other late event requires the events around it.
    pub(crate) fn fold(&mut self, key: EventKey, holds: bool, longest: i64) -> i64 {
        let place = self.sequence.as_mut().map(|sequence| sequence.insert(&key, holds));
        let Some(cursor) = &mut self.cursor else {
            let reset = Some(if holds { EventKey::origin() } else { key.clone() });
            let current = i64::from(holds);
            self.cursor = Some(RunCursor { current, last: key, reset });
            return longest.max(current);
        };
        if cursor.last < key {
            cursor.current = if holds { cursor.current.saturating_add(1) } else { 0 };
            if !holds {
                cursor.reset = Some(key.clone());
            }
            cursor.last = key;
            return longest.max(cursor.current);
        }
        if holds && cursor.reset.as_ref().is_some_and(|reset| *reset < key) {
            cursor.current = cursor.current.saturating_add(1);
            return longest.max(cursor.current);
        }
        let (Some(sequence), Some(place)) = (&self.sequence, place) else {
            self.is_broken = true;
            return longest;
        };
        let around = sequence.around(place);
        if around.is_open {
            cursor.current = if holds { around.merged() } else { around.right };
            let reset = if holds { sequence.reset_before(place) } else { Some(key) };
            cursor.reset = reset.or_else(|| cursor.reset.take());
        }
        if holds {
            longest.max(around.merged())
        } else if around.left.saturating_add(around.right) < longest {
            longest
        } else {
            let now = if sequence.is_whole { sequence.longest() } else { longest };
            self.is_broken |= now < longest || !sequence.is_whole;
            now
        }
    }
}

/// The events of a run metric, in order; each with whether it lengthens the run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequence {
    events: Vec<(EventKey, bool)>,
    /// Whether the sequence has all events of the metric.
    pub(crate) is_whole: bool,
}

/// The lengths of the runs before and after an event.
pub(crate) struct Around {
    pub(crate) left: i64,
    pub(crate) right: i64,
    /// Whether the right run is the open run: no later event breaks it.
    pub(crate) is_open: bool,
}

impl Around {
    /// The length of both runs and the event between them.
    pub(crate) fn merged(&self) -> i64 {
        self.left.saturating_add(self.right).saturating_add(1)
    }
}

impl Sequence {
    /// The loaded events that the metric counts, without the events of the batch.
    pub(crate) fn of(
        catalog: &Catalog,
        index: usize,
        around: &RunEvents,
        is_new: impl Fn(&str, &str) -> bool,
    ) -> Option<Self> {
        let metric = catalog.metrics.get(index)?;
        let activities = catalog.activities_of(metric);
        let taken = around.events.iter().filter(|event| {
            activities.contains(&&*event.activity)
                && metric.takes(event)
                && !is_new(&event.source, &event.external_id)
        });
        let mut events: Vec<(EventKey, bool)> =
            taken.map(|event| (event.key(), metric.holds(event))).collect();
        events.sort();
        events.dedup();
        Some(Self { events, is_whole: around.is_whole })
    }

    /// Adds an event; returns its index.
    pub(crate) fn insert(&mut self, key: &EventKey, holds: bool) -> usize {
        let place = self.events.partition_point(|(other, _)| other < key);
        self.events.insert(place, (key.clone(), holds));
        place
    }

    /// The runs around an index.
    pub(crate) fn around(&self, place: usize) -> Around {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let left = self.events.iter().take(place).rev().take_while(|(_, holds)| *holds).count();
        let after = self.events.iter().skip(place.saturating_add(1));
        let right = after.clone().take_while(|(_, holds)| *holds).count();
        Around { left: count(left), right: count(right), is_open: after.len() == right }
    }

    /// The last reset before an index; the origin if a whole sequence has none.
    pub(crate) fn reset_before(&self, place: usize) -> Option<EventKey> {
        let mut before = self.events.iter().take(place).rev();
        let reset = before.find(|(_, holds)| !holds).map(|(key, _)| key.clone());
        reset.or_else(|| self.is_whole.then(EventKey::origin))
    }

    /// The longest run of a whole sequence.
    pub(crate) fn longest(&self) -> i64 {
        runs_of(self.events.iter().map(|(_, holds)| *holds)).1
    }
}

/// The lengths of the last run and of the longest run.
pub(crate) fn runs_of(holds: impl Iterator<Item = bool>) -> (i64, i64) {
    holds.fold((0_i64, 0_i64), |(current, longest), holds| {
        let current = if holds { current.saturating_add(1) } else { 0 };
        (current, longest.max(current))
    })
}
