//! Mails by the calendar: "your streak ends tonight", and a guardian's summary of the week.

use chrono::{DateTime, Datelike, Days, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use uuid::Uuid;

use super::plan::{self, NAMESPACE};
use crate::app::App;
use crate::store::deliveries::{self, Kind, Row};
use crate::store::{self, calendar};

/// The local hours in which reminders of streaks go out.
const EVENING: std::ops::Range<u32> = 18..22;
/// The local day and the hour from which summaries of the week go out.
const SUMMARY: (Weekday, u32) = (Weekday::Sun, 17);
/// Mails that one transaction plans.
const SOME: u64 = 200;
/// A reminder is sent once within this time, and so is a summary.
const ONCE: [TimeDelta; 2] = [TimeDelta::hours(20), TimeDelta::days(6)];

/// Why a reminder is not sent.
const QUIET: &str = "the person's quiet hours last until midnight";

/// Plans all mails that are due by the calendar.
///
/// # Errors
/// If the database fails.
pub(crate) async fn plan_due(app: &App) -> Result<(), store::Error> {
    if !app.config.mail.is_on() {
        return Ok(());
    }
    for zone in calendar::zones(&app.db).await? {
        let Ok(tz) = zone.parse::<Tz>() else { continue };
        let local = app.clock.now().with_timezone(&tz);
        if EVENING.contains(&local.hour()) {
            while plan_some(app, &zone, tz, Kind::StreakReminder).await? {}
        }
        if local.weekday() == SUMMARY.0 && local.hour() >= SUMMARY.1 {
            while plan_some(app, &zone, tz, Kind::WeeklySummary).await? {}
        }
    }
    Ok(())
}

/// Plans some mails of this kind in one zone. Returns whether there may be more.
async fn plan_some(app: &App, zone: &str, tz: Tz, kind: Kind) -> Result<bool, store::Error> {
    let now = app.clock.now();
    let today = now.with_timezone(&tz).date_naive();
    let [day, week] = ONCE;
    let txn = app.db.begin().await?;
    let readers = match kind {
        Kind::StreakReminder => {
            let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
            calendar::streaks_ending(&txn, zone, yesterday, now - day, SOME).await?
        }
        _ => calendar::weekly_readers(&txn, zone, now - week, SOME).await?,
    };
    let mails = readers.iter().map(|reader| {
        let id = Uuid::new_v5(&NAMESPACE, format!("mail/{kind:?}/{today}/{}", reader.person_id).as_bytes());
        let due = plan::after_quiet_hours(reader, tz, now);
        let mail = deliveries::mail(id, kind, reader.person_id, due, now);
        // After midnight the reminder would be too late. The row keeps it from being planned again.
        let is_late = kind == Kind::StreakReminder && due.with_timezone(&tz).date_naive() != today;
        if is_late { Row { settled_at: Some(now), reason: Some(QUIET.to_owned()), ..mail } } else { mail }
    });
    let mails: Vec<Row> = mails.collect();
    let is_full = u64::try_from(mails.len()).unwrap_or(u64::MAX) == SOME;
    deliveries::plan(&txn, mails, Vec::new()).await?;
    txn.commit().await?;
    Ok(is_full)
}

/// The beginning of the week that a summary is about.
pub(super) fn week_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(7)
}
