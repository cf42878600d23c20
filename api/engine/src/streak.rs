//! Streaks: a pure function of the set of a person's active local days.

use std::collections::BTreeSet;

use chrono::NaiveDate;

/// A person's streak as stored. With it, today or any day of the current run can be added without all active days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streak {
    /// The latest active day.
    pub last_active_on: Option<NaiveDate>,
    /// Number of consecutive active days up to that day.
    pub run: i64,
    /// The longest run so far.
    pub longest: i64,
}

impl Streak {
    /// The streak of a set of active days.
    pub fn of(days: &BTreeSet<NaiveDate>) -> Self {
        let mut streak = Self::default();
        for day in days {
            streak.append(*day);
        }
        streak
    }

    /// The length of the streak on `today`. It continues if the last active day was yesterday.
    pub fn current(&self, today: NaiveDate) -> i64 {
        match self.last_active_on {
            Some(last) if last >= today || last.succ_opt() == Some(today) => self.run,
            _ => 0,
        }
    }

    /// Whether `today` is already an active day.
    pub fn is_active_on(&self, today: NaiveDate) -> bool {
        self.last_active_on.is_some_and(|last| last >= today) && self.covers(today)
    }

    /// Whether a day is known to be active because it is in the current run.
    pub(crate) fn covers(&self, day: NaiveDate) -> bool {
        self.last_active_on.is_some_and(|last| {
            let before = last.signed_duration_since(day).num_days();
            0 <= before && before < self.run
        })
    }

    /// Whether a day is so old that adding it needs all active days.
    pub(crate) fn is_late(&self, day: NaiveDate) -> bool {
        self.last_active_on.is_some_and(|last| day < last) && !self.covers(day)
    }

    /// Adds the latest day. The caller ensures that it is not before the last one.
    pub(crate) fn append(&mut self, day: NaiveDate) {
        if self.last_active_on == Some(day) {
            return;
        }
        let follows = self.last_active_on.and_then(|last| last.succ_opt()) == Some(day);
        self.run = if follows { self.run.saturating_add(1) } else { 1 };
        self.last_active_on = Some(day);
        self.longest = self.longest.max(self.run);
    }
}

/// The lengths of a streak that are worth telling, in days.
const MILESTONES: [i64; 13] = [3, 7, 14, 30, 50, 100, 150, 200, 250, 300, 365, 500, 1_000];

/// The highest milestone that a run of active days passes when it grows from `before` to `now` days.
pub(crate) fn milestone(before: i64, now: i64) -> Option<i64> {
    MILESTONES.into_iter().rev().find(|days| before < *days && *days <= now)
}
