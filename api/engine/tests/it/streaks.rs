//! Streaks across time zones: which pairs of active days continue a run, and how long it is shown.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use chrono_tz::Tz;
use engine::{LocalDay, Streak};
use proptest::prelude::*;

fn day(date: &str, zone: Tz) -> LocalDay {
    LocalDay { date: date.parse().unwrap(), zone }
}

/// The streak of these days: (run, longest).
#[track_caller]
fn check(days: &[(&str, Tz)], run: i64, longest: i64) {
    let days: BTreeSet<LocalDay> = days.iter().map(|(date, zone)| day(date, *zone)).collect();
    let streak = Streak::of(&days);
    assert_eq!((streak.run, streak.longest), (run, longest), "{days:?}");
    assert_eq!(streak.last_active_on(), days.last().map(|day| day.date));
}

const LA: Tz = Tz::America__Los_Angeles;
const TOKYO: Tz = Tz::Asia__Tokyo;
const APIA: Tz = Tz::Pacific__Apia;
const SAO_PAULO: Tz = Tz::America__Sao_Paulo;
const BERLIN: Tz = Tz::Europe__Berlin;

#[test]
fn a_flight_across_the_date_line_does_not_break_a_streak() {
    // 5 March, 20:00 in Los Angeles, and 16 hours later: 7 March, 05:00 in Tokyo.
    check(&[("2026-03-04", LA), ("2026-03-05", LA), ("2026-03-07", TOKYO)], 3, 3);
    check(&[("2026-03-04", LA), ("2026-03-05", LA), ("2026-03-07", TOKYO), ("2026-03-08", TOKYO)], 4, 4);
    // 5 March, 20:00 in Tokyo, and 16 hours later: 5 March, 19:00 in Los Angeles. A date counts once.
    check(&[("2026-03-04", TOKYO), ("2026-03-05", TOKYO), ("2026-03-05", LA)], 2, 2);
    check(&[("2026-03-05", TOKYO), ("2026-03-05", LA), ("2026-03-06", LA)], 2, 2);
}

#[test]
fn a_whole_missed_day_breaks_a_streak_also_across_zones() {
    check(&[("2026-03-04", LA), ("2026-03-05", LA), ("2026-03-08", TOKYO)], 1, 2);
    check(&[("2026-03-05", TOKYO), ("2026-03-07", LA)], 1, 1);
    check(&[("2026-03-05", BERLIN), ("2026-03-07", BERLIN)], 1, 1);
    // To the west by an hour: 6 March of Berlin and of London lie in the gap.
    check(&[("2026-03-05", BERLIN), ("2026-03-07", Tz::Europe__London)], 1, 1);
    // A day of each of the two zones lies in the gap, although the dates are consecutive.
    check(&[("2026-03-05", Tz::Pacific__Kiritimati), ("2026-03-06", Tz::Pacific__Pago_Pago)], 1, 1);
}

#[test]
fn any_zone_of_a_date_continues_a_streak() {
    check(&[("2026-03-05", LA), ("2026-03-05", TOKYO), ("2026-03-07", TOKYO)], 2, 2);
    check(&[("2026-03-05", TOKYO), ("2026-03-07", TOKYO)], 1, 1);
    check(&[("2026-03-05", LA), ("2026-03-07", LA), ("2026-03-07", TOKYO)], 2, 2);
}

#[test]
fn a_date_that_the_zone_skips_breaks_nothing() {
    check(&[("2011-12-28", APIA), ("2011-12-29", APIA), ("2011-12-31", APIA), ("2012-01-01", APIA)], 4, 4);
    check(&[("2011-12-29", APIA), ("2012-01-01", APIA)], 1, 1);
    check(&[("2011-12-28", APIA), ("2011-12-31", APIA)], 1, 1);
    check(&[("2011-12-29", APIA), ("2011-12-30", Tz::Pacific__Honolulu), ("2011-12-31", APIA)], 3, 3);
    // A migrated row may have a date that its zone does not have.
    check(&[("2011-12-29", APIA), ("2011-12-30", APIA), ("2011-12-31", APIA)], 3, 3);
}

#[test]
fn days_with_changed_clocks_are_days() {
    // In 2018, 4 November had no midnight in São Paulo, and 17 February had 25 hours.
    for (before, changed, after) in
        [("2018-11-03", "2018-11-04", "2018-11-05"), ("2018-02-17", "2018-02-18", "2018-02-19")]
    {
        check(&[(before, SAO_PAULO), (changed, SAO_PAULO), (after, SAO_PAULO)], 3, 3);
        check(&[(before, SAO_PAULO), (after, SAO_PAULO)], 1, 1);
    }
    for (before, changed, after) in
        [("2026-03-28", "2026-03-29", "2026-03-30"), ("2026-10-24", "2026-10-25", "2026-10-26")]
    {
        check(&[(before, BERLIN), (changed, BERLIN), (after, BERLIN)], 3, 3);
        check(&[(before, BERLIN), (after, BERLIN)], 1, 1);
    }
}

#[test]
fn a_streak_is_shown_while_an_activity_now_would_continue_it() {
    let streak = Streak::of(&[day("2026-03-04", LA), day("2026-03-05", LA)].into());
    for (today, zone, current) in [
        ("2026-03-05", LA, 2),
        ("2026-03-06", LA, 2),
        ("2026-03-07", LA, 0),
        ("2026-03-07", TOKYO, 2),
        ("2026-03-08", TOKYO, 0),
        ("2026-03-04", LA, 2),
    ] {
        assert_eq!(streak.current(day(today, zone)), current, "on {today} in {zone}");
    }
    assert_eq!(Streak::default().current(day("2026-03-05", LA)), 0);
    for (today, is_active) in [("2026-03-05", true), ("2026-03-04", true), ("2026-03-03", false)] {
        assert_eq!(streak.is_active_on(today.parse().unwrap()), is_active, "{today}");
    }
}

/// The plain rule: a missed date breaks. (run, longest)
fn of_dates(dates: &BTreeSet<NaiveDate>) -> (i64, i64) {
    let (mut run, mut longest, mut last) = (0, 0, None);
    for date in dates {
        run = if last == date.pred_opt() { run + 1 } else { 1 };
        longest = longest.max(run);
        last = Some(*date);
    }
    (run, longest)
}

proptest! {
    #[test]
    fn in_one_zone_exactly_a_missed_date_breaks(
        offsets in prop::collection::btree_set(0..400_i64, 0..120),
        zone in prop::sample::select(vec![
            LA, TOKYO, SAO_PAULO, BERLIN, Tz::UTC, Tz::Asia__Beirut, Tz::America__Havana, Tz::America__St_Johns,
            Tz::Australia__Lord_Howe, Tz::Pacific__Kiritimati, Tz::Africa__Casablanca,
        ]),
        year in 2000..2027_i32,
    ) {
        let start = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let dates: BTreeSet<NaiveDate> =
            offsets.into_iter().map(|days| start + chrono::Duration::days(days)).collect();
        let streak = Streak::of(&dates.iter().map(|date| LocalDay { date: *date, zone }).collect());
        prop_assert_eq!((streak.run, streak.longest), of_dates(&dates));
        let today = dates.last().copied().unwrap_or(start);
        for days in 0..4 {
            let today = LocalDay { date: today + chrono::Duration::days(days), zone };
            prop_assert_eq!(streak.current(today), if days < 2 { streak.run } else { 0 });
        }
    }
}
