//! Writes what was earned: awards, their XP, and last of all their places in the feed.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use engine::{EntryCause, Event};
use uuid::Uuid;

use super::advance::Decision;
use super::ingest::Fresh;
use crate::id;
use crate::store::{self, Txn, awards, feed, ledger};

/// Writes the decision's awards, flags and XP entries; answers the awards in the order of earning.
pub(super) async fn write(
    txn: &Txn,
    fresh: &Fresh,
    decision: &Decision,
    now: DateTime<Utc>,
) -> Result<Vec<awards::Row>, store::Error> {
    let step = &decision.step;
    let rows: Vec<awards::Row> = step.awards.iter().map(|award| award_row(award, now)).collect();
    if awards::insert(txn, rows.clone()).await?.len() != rows.len() {
        return Err(store::Error::Impossible("an award was decided that is already held".into()));
    }
    for flagged in [true, false] {
        let changed = step.flags.iter().filter(|flag| flag.flagged == flagged);
        let ids =
            changed.filter_map(|flag| decision.held.get(&(flag.person, flag.achievement, flag.occurrence)));
        awards::flag(txn, &ids.copied().collect::<BTreeSet<Uuid>>(), flagged).await?;
    }
    let moments: HashMap<Uuid, &Event> =
        fresh.events.iter().chain(&step.derived).map(|event| (event.id, event)).collect();
    let entries = step.entries.iter().map(|entry| entry_row(entry, &rows, &moments, now));
    ledger::insert(txn, entries.collect::<Result<_, _>>()?).await?;
    Ok(rows)
}

/// Gives the awards their places in the feed: the last statements before the commit, and none at
/// all where nothing was earned. Answers the feed's head.
pub(super) async fn announce(txn: &Txn, awarded: &[awards::Row]) -> Result<Option<i64>, store::Error> {
    if awarded.is_empty() {
        return Ok(None);
    }
    let places: Vec<_> = awarded.iter().map(|award| (award.id, award.person_id)).collect();
    feed::append(txn, &places).await.map(Some)
}

/// An award as a rule gives it now; what is otherwise, its giver says.
pub(super) fn blank(
    person_id: Uuid,
    achievement_id: Uuid,
    occurrence: i64,
    xp_bonus: i64,
    now: DateTime<Utc>,
) -> awards::Row {
    awards::Row {
        id: id::new(now),
        person_id,
        achievement_id,
        occurrence,
        cause: "RULE".to_owned(),
        earned_at: now,
        recorded_at: now,
        xp_bonus,
        event_id: None,
        flagged: false,
        awarded_by: None,
        notes: None,
        revoked_at: None,
        revoked_by: None,
        revocation_reason: None,
    }
}

/// The entry of an award's bonus, on the person's day on which it was earned.
pub(super) fn bonus(award: &awards::Row, local_date: NaiveDate) -> ledger::Row {
    ledger::Row {
        id: id::new(award.recorded_at),
        person_id: award.person_id,
        amount: award.xp_bonus,
        kind: ledger::BONUS.to_owned(),
        event_id: award.event_id,
        award_id: Some(award.id),
        occurred_at: award.earned_at,
        local_date,
        recorded_at: award.recorded_at,
    }
}

fn award_row(award: &engine::NewAward, now: DateTime<Utc>) -> awards::Row {
    awards::Row {
        earned_at: award.earned_at,
        event_id: Some(award.event),
        flagged: award.flagged,
        ..blank(award.person, award.achievement, award.occurrence, award.xp_bonus, now)
    }
}

fn entry_row(
    entry: &engine::Entry,
    awards: &[awards::Row],
    moments: &HashMap<Uuid, &Event>,
    now: DateTime<Utc>,
) -> Result<ledger::Row, store::Error> {
    let impossible = || store::Error::Impossible("an XP entry has neither event nor award".into());
    let event = |id: Option<Uuid>| id.and_then(|id| moments.get(&id)).copied().ok_or_else(impossible);
    match entry.cause {
        EntryCause::Bonus { award } => {
            let award = awards.get(award).ok_or_else(impossible)?;
            Ok(bonus(award, event(award.event_id)?.local_date))
        }
        EntryCause::Base { event: id } => {
            let event = event(Some(id))?;
            Ok(ledger::Row {
                id: id::new(now),
                person_id: entry.person,
                amount: entry.amount,
                kind: ledger::BASE.to_owned(),
                event_id: Some(id),
                award_id: None,
                occurred_at: event.occurred_at,
                local_date: event.local_date,
                recorded_at: now,
            })
        }
    }
}
