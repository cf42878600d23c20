//! The periods of leaderboards: days, weeks, months and years of the school.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc, Weekday};
use chrono_tz::Tz;
use engine::LocalDay;

/// A kind of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// A day.
    Day,
    /// A week, from the school's first weekday on.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// Some days of the school.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first day.
    pub(crate) first: NaiveDate,
    /// The last day.
    pub(crate) last: NaiveDate,
    /// The time zone of the days.
    zone: Tz,
}

impl Span {
    /// The period of this kind that contains this time.
    pub(crate) fn of(period: Period, at: DateTime<Utc>, zone: Tz, first_weekday: Weekday) -> Self {
        let day = at.with_timezone(&zone).date_naive();
        let before = |first: Option<NaiveDate>| first.and_then(|day| day.pred_opt()).unwrap_or(day);
        let (first, last) = match period {
            Period::Day => (day, day),
            Period::Week => {
                let passed = u64::from(day.weekday().days_since(first_weekday));
                let first = day.checked_sub_days(Days::new(passed)).unwrap_or(day);
                (first, first.checked_add_days(Days::new(6)).unwrap_or(day))
            }
            Period::Month => {
                let first = day.with_day(1).unwrap_or(day);
                (first, before(first.checked_add_months(Months::new(1))))
            }
            Period::Year => {
                let first = NaiveDate::from_ymd_opt(day.year(), 1, 1).unwrap_or(day);
                (first, before(first.checked_add_months(Months::new(12))))
            }
        };
        Self { first, last, zone }
    }

    /// The first instant of the period.
    pub(crate) fn opens_at(&self) -> DateTime<Utc> {
        LocalDay { date: self.first, zone: self.zone }.start()
    }

    /// The first instant after it.
    pub(crate) fn closes_at(&self) -> DateTime<Utc> {
        LocalDay { date: self.last, zone: self.zone }.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(period: Period, at: &str, zone: Tz, first_weekday: Weekday, expected: [&str; 4]) {
        let span = Span::of(period, at.parse().unwrap(), zone, first_weekday);
        let told = [
            span.first.to_string(),
            span.last.to_string(),
            span.opens_at().to_rfc3339(),
            span.closes_at().to_rfc3339(),
        ];
        assert_eq!(told, expected, "{period:?} of {at}");
    }

    #[test]
    fn periods_begin_and_end_with_days_of_the_school() {
        use chrono_tz::{America, Europe, Pacific};
        let rome = Europe::Rome;
        // The clock is set ahead on 29 March 2026.
        check(
            Period::Day,
            "2026-03-29T12:00:00Z",
            rome,
            Weekday::Mon,
            ["2026-03-29", "2026-03-29", "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00"],
        );
        check(
            Period::Week,
            "2026-03-29T21:59:59Z",
            rome,
            Weekday::Mon,
            ["2026-03-23", "2026-03-29", "2026-03-22T23:00:00+00:00", "2026-03-29T22:00:00+00:00"],
        );
        check(
            Period::Week,
            "2026-03-29T21:59:59Z",
            rome,
            Weekday::Sun,
            ["2026-03-29", "2026-04-04", "2026-03-28T23:00:00+00:00", "2026-04-04T22:00:00+00:00"],
        );
        check(
            Period::Month,
            "2026-02-28T22:59:59Z",
            rome,
            Weekday::Mon,
            ["2026-02-01", "2026-02-28", "2026-01-31T23:00:00+00:00", "2026-02-28T23:00:00+00:00"],
        );
        check(
            Period::Month,
            "2026-02-28T23:00:00Z",
            rome,
            Weekday::Mon,
            ["2026-03-01", "2026-03-31", "2026-02-28T23:00:00+00:00", "2026-03-31T22:00:00+00:00"],
        );
        check(
            Period::Year,
            "2026-01-01T04:59:59Z",
            America::New_York,
            Weekday::Sun,
            ["2025-01-01", "2025-12-31", "2025-01-01T05:00:00+00:00", "2026-01-01T05:00:00+00:00"],
        );
        // Apia has no 30 December 2011.
        check(
            Period::Day,
            "2011-12-30T10:30:00Z",
            Pacific::Apia,
            Weekday::Mon,
            ["2011-12-31", "2011-12-31", "2011-12-30T10:00:00+00:00", "2011-12-31T10:00:00+00:00"],
        );
    }
}
