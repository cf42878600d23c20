//! The rollup of people's days: what a step adds to it, and its recalculation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use engine::{AwardKey, EntryCause, Event, LocalDay, Step};
use uuid::Uuid;

use crate::store::person_days::{self, Happened, Row, Span};
use crate::store::{self, Txn, awards, boards, people};

/// People per page when all are recalculated: everything that happened to them is in memory at a time.
const PAGE: u64 = 20;

/// Rows by person and day.
pub(crate) type Days = BTreeMap<(Uuid, NaiveDate), Row>;

/// The days that a step changes in another way than by adding to them. Read it before the step is written.
pub(super) async fn moved(
    txn: &Txn,
    step: &Step,
    held: &HashMap<AwardKey, Uuid>,
    zone: Tz,
) -> Result<BTreeSet<(Uuid, NaiveDate)>, store::Error> {
    let keys = step.revoked.iter().map(|one| &one.key).chain(step.redated.iter().map(|one| &one.key));
    let ids: BTreeSet<Uuid> = keys.filter_map(|key| held.get(key).copied()).collect();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let before = awards::by_ids(txn, ids).await?;
    let before = before.into_iter().map(|row| (row.person_id, day_of(row.earned_at, zone)));
    let after = step.redated.iter().map(|one| (one.key.person, day_of(one.earned_at, zone)));
    Ok(before.chain(after).collect())
}

/// Updates the rollup after a step was written: recalculates the days of [`moved`], and adds to the others. `recorded` has the
/// events that were recorded with the step, without derived ones.
pub(super) async fn write(
    txn: &Txn,
    step: &Step,
    recorded: &[Event],
    moved: BTreeSet<(Uuid, NaiveDate)>,
    zone: Tz,
) -> Result<(), store::Error> {
    let happened = Happened {
        events: recorded.iter().chain(&step.derived).map(|event| (event.person, event.occurred_at)).collect(),
        entries: step
            .entries
            .iter()
            .filter(|entry| !matches!(entry.cause, EntryCause::Reversal { .. }))
            .map(|entry| (entry.person, entry.at, entry.amount))
            .collect(),
        awards: step.awards.iter().map(|award| (award.key.person, award.earned_at)).collect(),
    };
    let mut added = count(&happened, zone);
    if !moved.is_empty() {
        // The number of events only grows, so only the scores are calculated anew.
        let spans: Vec<Span> = moved.iter().map(|(person, day)| span(*person, *day, zone)).collect();
        let empty = moved.iter().map(|(person, day)| ((*person, *day), person_days::none(*person, *day)));
        let mut rows: Days = empty.collect();
        rows.extend(count(&person_days::scored_within(txn, &spans).await?, zone));
        person_days::put_scores(txn, rows.into_values().collect()).await?;
        for (key, row) in added.iter_mut().filter(|(key, _)| moved.contains(key)) {
            *row = Row { events: row.events, ..person_days::none(key.0, key.1) };
        }
    }
    person_days::add(txn, added.into_values().collect()).await
}

/// What happened, by person and day.
pub(crate) fn count(happened: &Happened, zone: Tz) -> Days {
    let mut days = Days::new();
    let mut of = |person: Uuid, at: DateTime<Utc>, change: &dyn Fn(&mut Row)| {
        let day = day_of(at, zone);
        change(days.entry((person, day)).or_insert_with(|| person_days::none(person, day)));
    };
    for (person, at) in &happened.events {
        of(*person, *at, &|row| row.events += 1);
    }
    for (person, at, amount) in &happened.entries {
        of(*person, *at, &|row| {
            row.xp += amount;
            row.xp_at = row.xp_at.max(Some(*at));
        });
    }
    for (person, at) in &happened.awards {
        of(*person, *at, &|row| {
            row.awards += 1;
            row.awards_at = row.awards_at.max(Some(*at));
        });
    }
    days
}

/// Recalculates the rollup of everyone, for another time zone of the school.
///
/// # Errors
/// When the database fails.
pub(crate) async fn recalculate(txn: &Txn, zone: Tz) -> Result<(), store::Error> {
    let (mut last, mut done) = (None, 0);
    loop {
        let page = people::walk(txn, last, PAGE).await?;
        // No people stand for everyone.
        let Some(person) = page.last() else { return boards::log(txn, &BTreeSet::new()).await };
        last = Some(person.id);
        let ids: Vec<Uuid> = page.iter().map(|person| person.id).collect();
        let rows = count(&person_days::ever(txn, &ids).await?, zone);
        person_days::forget(txn, ids).await?;
        person_days::put(txn, rows.into_values().collect()).await?;
        done += page.len();
        tracing::info!(people = done, zone = zone.name(), "counting by days of the school");
    }
}

/// The day of the school at this time.
pub(crate) fn day_of(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

fn span(person: Uuid, date: NaiveDate, zone: Tz) -> Span {
    let day = LocalDay { date, zone };
    (person, day.start(), day.end())
}
