//! Streaks: a pure function of the set of a person's active days. A streak breaks only when a whole local day passes
//! without activity: the next local day in the zone of the earlier active day, and the local day before the later active
//! day in its zone.

use std::{cmp::Ordering, collections::BTreeSet, fmt};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// A local day in a time zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LocalDay {
    /// The date.
    pub date: NaiveDate,
    /// The zone.
    pub zone: Tz,
}

impl Ord for LocalDay {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.date, self.zone.name()).cmp(&(other.date, other.zone.name()))
    }
}

impl PartialOrd for LocalDay {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for LocalDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.zone.name())
    }
}

impl LocalDay {
    /// The first instant of the day. A date that the zone skips has no length: it starts with the next one.
    pub fn start(self) -> DateTime<Utc> {
        let midnight = self.date.and_time(NaiveTime::MIN);
        let start = self.zone.from_local_datetime(&midnight).earliest();
        let start = start.or_else(|| GapInfo::new(&midnight, &self.zone)?.end);
        start.map_or(midnight.and_utc(), |start| start.to_utc())
    }

    /// The first instant after the day.
    pub fn end(self) -> DateTime<Utc> {
        Self { date: self.date.succ_opt().unwrap_or(self.date), ..self }.start()
    }

    /// The next date that the zone does not skip.
    fn next(self) -> Self {
        let dates = self.date.iter_days().skip(1);
        dates.map(|date| Self { date, ..self }).find(|day| day.start() < day.end()).unwrap_or(self)
    }

    /// The last date before it that the zone does not skip.
    fn previous(self) -> Self {
        let dates = self.date.iter_days().rev().skip(1);
        dates.map(|date| Self { date, ..self }).find(|day| day.start() < day.end()).unwrap_or(self)
    }

    /// Whether a streak goes on from this day to a later date.
    fn leads_to(self, later: Self) -> bool {
        if self.zone == later.zone && self.date.succ_opt() == Some(later.date) {
            return true;
        }
        later.start() < self.next().end() || later.previous().start() < self.end()
    }
}

/// A person's streak as stored. With it, later days can be added without all active days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streak {
    /// The latest active date, once for each zone in which it was active.
    pub last: BTreeSet<LocalDay>,
    /// The number of active dates of the run that ends with that date.
    pub run: i64,
    /// The number of active dates of the longest run so far.
    pub longest: i64,
}

impl Streak {
    /// The streak of a set of active days.
    pub fn of(days: &BTreeSet<LocalDay>) -> Self {
        let mut streak = Self::default();
        let mut days = days.iter().copied().peekable();
        while let Some(first) = days.next() {
            let mut date = BTreeSet::from([first]);
            while let Some(day) = days.next_if(|day| day.date == first.date) {
                date.insert(day);
            }
            streak.append(date);
        }
        streak
    }

    /// The latest active date.
    pub fn last_active_on(&self) -> Option<NaiveDate> {
        self.last.first().map(|day| day.date)
    }

    /// The length of the streak as of `today`: 0 if an activity today would begin a new run.
    pub fn current(&self, today: LocalDay) -> i64 {
        let goes_on = self.last_active_on().is_some_and(|last| last >= today.date) || self.leads_to(today);
        if goes_on { self.run } else { 0 }
    }

    /// Whether `today` is already an active date. A date before the last one counts if the run is long enough.
    pub fn is_active_on(&self, today: NaiveDate) -> bool {
        self.last_active_on().is_some_and(|last| {
            let before = last.signed_duration_since(today).num_days();
            before == 0 || (0..self.run).contains(&before)
        })
    }

    /// Adds a day, if the stored streak is enough for that; returns whether it is. It is not enough for an earlier date,
    /// unless the day is known to be active, and for another zone of a date that begins the run.
    pub(crate) fn add(&mut self, day: LocalDay) -> bool {
        match self.last_active_on() {
            Some(last) if day.date < last => false,
            Some(last) if day.date == last && self.run == 1 => self.last.contains(&day),
            Some(last) if day.date == last => {
                self.last.insert(day);
                true
            }
            _ => {
                self.append(BTreeSet::from([day]));
                true
            }
        }
    }

    /// Adds a date after the last one, with its zones.
    fn append(&mut self, date: BTreeSet<LocalDay>) {
        let goes_on = date.iter().any(|day| self.leads_to(*day));
        self.run = if goes_on { self.run.saturating_add(1) } else { 1 };
        self.longest = self.longest.max(self.run);
        self.last = date;
    }

    /// Whether the run goes on to a later date.
    fn leads_to(&self, later: LocalDay) -> bool {
        self.last.iter().any(|last| last.leads_to(later))
    }
}

/// The lengths of a streak that are worth telling, in days.
const MILESTONES: [i64; 13] = [3, 7, 14, 30, 50, 100, 150, 200, 250, 300, 365, 500, 1_000];

/// The highest milestone that a run of active days passes when it grows from `before` to `now` days.
pub(crate) fn milestone(before: i64, now: i64) -> Option<i64> {
    MILESTONES.into_iter().rev().find(|days| before < *days && *days <= now)
}
