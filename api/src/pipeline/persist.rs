//! Writes decisions: the only writer of awards, XP entries, metrics, totals, feed items and outbox messages.

use std::collections::{BTreeSet, HashMap};

use crate::store::feed::Kind;
use crate::store::ledger::Kind as EntryKind;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use engine::{AwardKey, Consequence, ConsequenceKind, Entry, EntryCause, Event, MetricState, Revoked, Step};
use serde_json::{Value, json};
use tracing::Span;
use uuid::Uuid;

use super::days;
use super::load::{active_day_row, zone_names};
use crate::catalogue::Published;
use crate::id;
use crate::store::{self, Txn, awards, boards, events, feed, ledger, metrics, outbox, totals};
use crate::trace;

/// The options for writing a step.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    /// The catalogue version of the decision.
    pub(crate) version: i64,
    /// The reason for not delivering the step's messages; none if they are delivered.
    pub(crate) silent: Option<&'a str>,
    /// The time of writing.
    pub(crate) now: DateTime<Utc>,
    /// The trace of each cause that has one, by its id. None if the current trace is that of all causes.
    pub(crate) traces: Option<&'a HashMap<Uuid, String>>,
    /// The events that were recorded with the step, without derived ones.
    pub(crate) recorded: &'a [Event],
    /// The time zone of the school's days.
    pub(crate) zone: Tz,
}

impl Writing<'_> {
    /// The options of a step with this catalogue, without events.
    pub(crate) fn of(published: &Published, now: DateTime<Utc>) -> Self {
        let (version, zone) = (published.version, published.zone());
        Self { version, silent: None, now, traces: None, recorded: &[], zone }
    }

    fn trace_of(&self, group: Uuid) -> Option<String> {
        match self.traces {
            Some(traces) => traces.get(&group).cloned(),
            None => trace::of(&Span::current()),
        }
    }
}

/// The written rows.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The new awards, in the order of the step.
    pub(crate) awards: Vec<awards::Row>,
    /// The feed's last position, if it changed.
    pub(crate) head: Option<i64>,
}

/// Writes a step. `held` has the ids of the existing awards that the step changes. The feed's counter is updated last,
/// because all writers wait for its row.
///
/// # Errors
/// When the database fails, or the step does not fit the rows; the caller rolls back.
pub(crate) async fn write(
    txn: &Txn,
    step: &Step,
    held: &HashMap<AwardKey, Uuid>,
    writing: Writing<'_>,
) -> Result<Written, store::Error> {
    let derived: Vec<_> = step.derived.iter().map(|event| derived_row(event, writing)).collect();
    let expected = derived.len();
    if events::append(txn, derived).await?.len() != expected {
        return Err(store::Error::Impossible("an event was derived twice".into()));
    }
    write_metrics(txn, step).await?;
    let moved = days::moved(txn, step, held, writing.zone).await?;
    let totals = step.people.iter().map(|person| totals::Row {
        person_id: person.person,
        xp: person.xp,
        xp_reached_at: person.xp_reached_at.unwrap_or(writing.now),
        awards: person.awards,
        streak_run: person.streak.run,
        streak_longest: person.streak.longest,
        last_active_on: person.streak.last_active_on(),
        last_active_in: zone_names(&person.streak),
        last_event_at: person.last_event_at,
    });
    totals::put(txn, totals.collect()).await?;
    let new: Vec<awards::Row> = step.awards.iter().map(|award| award_row(award, writing.now)).collect();
    if awards::insert(txn, new.clone()).await?.len() != new.len() {
        return Err(store::Error::Impossible("an award was decided that already exists".into()));
    }
    let revoked = step.revoked.iter().map(|one| Ok((*held.get(&one.key).ok_or_else(unknown_award)?, one)));
    let revoked: Vec<(Uuid, &Revoked)> = revoked.collect::<Result<_, store::Error>>()?;
    awards::revoke(txn, &revoked).await?;
    for flagged in [true, false] {
        let changed = step.flags.iter().filter(|flag| flag.flagged == flagged);
        let ids = changed.map(|flag| held.get(&flag.key).copied().ok_or_else(unknown_award));
        awards::flag(txn, &ids.collect::<Result<BTreeSet<_>, _>>()?, flagged).await?;
    }
    let mut redated = Vec::with_capacity(step.redated.len());
    for one in &step.redated {
        redated.push((*held.get(&one.key).ok_or_else(unknown_award)?, one.earned_at, one.day));
    }
    awards::redate(txn, &redated).await?;
    ledger::redate(txn, &redated).await?;
    let ids = Ids { new: &new, revoked: &revoked.iter().map(|(id, _)| *id).collect::<Vec<_>>() };
    let entries = step.entries.iter().map(|entry| entry_row(entry, ids, writing.now));
    ledger::insert(txn, entries.collect::<Result<_, _>>()?).await?;
    days::write(txn, step, writing.recorded, moved, writing.zone).await?;
    let items: Vec<feed::Item> =
        step.consequences.iter().map(|one| item(one, ids)).collect::<Result<_, _>>()?;
    outbox::insert(txn, items.iter().map(|item| message(item, writing)).collect()).await?;
    let head = if items.is_empty() { None } else { Some(feed::append(txn, items).await?) };
    let scored = scored(step);
    if !scored.is_empty() {
        boards::log(txn, &scored).await?;
    }
    Ok(Written { awards: new, head })
}

/// The people whose scores on leaderboards change.
fn scored(step: &Step) -> BTreeSet<Uuid> {
    let entries = step.entries.iter().map(|entry| entry.person);
    let awards = step.awards.iter().map(|award| award.key.person);
    let revoked = step.revoked.iter().map(|one| one.key.person);
    entries.chain(awards).chain(revoked).chain(step.redated.iter().map(|one| one.key.person)).collect()
}

async fn write_metrics(txn: &Txn, step: &Step) -> Result<(), store::Error> {
    let changed = step.metrics.iter().map(|(person, metric, state)| metric_row(*person, *metric, state));
    metrics::put(txn, changed.collect()).await?;
    let members = step.members.iter().map(|(person_id, metric_id, member)| metrics::Member {
        person_id: *person_id,
        metric_id: *metric_id,
        member: member.clone(),
    });
    metrics::add_members(txn, members.collect()).await?;
    let days = step.active_days.iter().map(|(person, day)| active_day_row(*person, *day));
    metrics::add_days(txn, days.collect()).await?;
    let capped = step.day_totals.iter().map(|(person_id, activity, day, amount)| metrics::CappedDay {
        person_id: *person_id,
        activity: activity.clone(),
        day: *day,
        amount: *amount,
    });
    metrics::put_capped(txn, capped.collect()).await
}

/// The ids of the awards that the step names by index.
#[derive(Clone, Copy)]
struct Ids<'a> {
    new: &'a [awards::Row],
    revoked: &'a [Uuid],
}

impl Ids<'_> {
    fn of_new(self, index: usize) -> Result<Uuid, store::Error> {
        self.new.get(index).map(|award| award.id).ok_or_else(unknown_award)
    }

    fn of_revoked(self, index: usize) -> Result<Uuid, store::Error> {
        self.revoked.get(index).copied().ok_or_else(unknown_award)
    }
}

fn unknown_award() -> store::Error {
    store::Error::Impossible("a decision names an award that was not loaded".into())
}

fn award_row(award: &engine::NewAward, now: DateTime<Utc>) -> awards::Row {
    awards::Row {
        id: id::new(now),
        person_id: award.key.person,
        achievement_id: award.key.achievement,
        occurrence: award.key.occurrence,
        cause: match award.cause {
            engine::Cause::Rule => awards::Cause::Rule,
            engine::Cause::Person => awards::Cause::Person,
            engine::Cause::Import => awards::Cause::Import,
        },
        earned_at: award.earned_at,
        recorded_at: now,
        xp_bonus: award.xp_bonus,
        event_id: award.event,
        flagged: award.flagged,
        awarded_by: award.granted_by,
        notes: award.notes.clone(),
        revoked_at: None,
        revoked_by: None,
        revocation_reason: None,
    }
}

fn entry_row(entry: &Entry, ids: Ids<'_>, now: DateTime<Utc>) -> Result<ledger::Row, store::Error> {
    let (kind, event_id, award_id) = match entry.cause {
        EntryCause::Base { event } => (EntryKind::Base, Some(event), None),
        EntryCause::Bonus { award: index } => {
            let award = ids.new.get(index).ok_or_else(unknown_award)?;
            (EntryKind::Bonus, award.event_id, Some(award.id))
        }
        EntryCause::Reversal { revoked } => (EntryKind::Reversal, None, Some(ids.of_revoked(revoked)?)),
    };
    Ok(ledger::Row {
        id: id::new(now),
        person_id: entry.person,
        amount: entry.amount,
        kind,
        event_id,
        award_id,
        occurred_at: entry.at,
        local_date: entry.day,
        recorded_at: now,
    })
}

fn item(consequence: &Consequence, ids: Ids<'_>) -> Result<feed::Item, store::Error> {
    let detail = |value: Value| (None, None, Some(value));
    let (kind, (award_id, certificate_id, detail)) = match &consequence.kind {
        ConsequenceKind::AwardEarned { award } => {
            (Kind::AwardEarned, (Some(ids.of_new(*award)?), None, None))
        }
        ConsequenceKind::AwardRevoked { revoked } => {
            (Kind::AwardRevoked, (Some(ids.of_revoked(*revoked)?), None, None))
        }
        ConsequenceKind::LevelReached { from, to } => {
            (Kind::LevelReached, detail(json!({ "from": from, "to": to })))
        }
        ConsequenceKind::RankReached { pack, rank } => {
            (Kind::RankReached, detail(json!({ "pack": pack, "rank": rank })))
        }
        ConsequenceKind::StreakReached { days } => (Kind::StreakReached, detail(json!({ "days": days }))),
        ConsequenceKind::CertificateIssued { certificate } => {
            (Kind::CertificateIssued, (None, Some(*certificate), None))
        }
    };
    let (person_id, group_id) = (consequence.person, consequence.group);
    // `append` sets the position.
    Ok(feed::Item { position: 0, kind, person_id, group_id, award_id, certificate_id, detail })
}

/// The message of a feed item. No deliveries are planned for a silent message, but the outbox still has every consequence.
fn message(item: &feed::Item, writing: Writing<'_>) -> outbox::Row {
    let Writing { silent, now, .. } = writing;
    outbox::Row {
        id: id::new(now),
        kind: item.kind,
        person_id: item.person_id,
        group_id: item.group_id,
        award_id: item.award_id,
        certificate_id: item.certificate_id,
        detail: item.detail.clone(),
        created_at: now,
        planned_at: silent.map(|_| now),
        silent_because: silent.map(str::to_owned),
        traceparent: writing.trace_of(item.group_id),
    }
}

/// Writes the message that a person was erased. It has no feed item: the feed tells what there is to celebrate.
///
/// # Errors
/// When the database fails; the caller rolls back.
pub(crate) async fn tell_erasure(txn: &Txn, person_id: Uuid, now: DateTime<Utc>) -> Result<(), store::Error> {
    let id = id::new(now);
    let row = outbox::Row {
        id,
        kind: Kind::PersonErased,
        person_id,
        group_id: id,
        award_id: None,
        certificate_id: None,
        detail: None,
        created_at: now,
        planned_at: None,
        silent_because: None,
        traceparent: trace::of(&Span::current()),
    };
    outbox::insert(txn, vec![row]).await
}

/// Writes messages for these earned awards, which have no message.
///
/// # Errors
/// When the database fails; the caller rolls back.
pub(super) async fn restore_messages(
    txn: &Txn,
    missing: &[&awards::Row],
    writing: Writing<'_>,
) -> Result<(), store::Error> {
    let messages = missing.iter().map(|award| message(&feed::earned(award), writing));
    outbox::insert(txn, messages.collect()).await
}

/// The row of a metric.
fn metric_row(person: Uuid, metric: Uuid, state: &MetricState) -> metrics::Row {
    let run = state.run.as_ref();
    let reset = run.and_then(|run| run.reset.as_ref());
    metrics::Row {
        person_id: person,
        metric_id: metric,
        value: state.value,
        run_current: run.map(|run| run.current),
        run_at: run.map(|run| run.last.occurred_at),
        run_place: run.map(|run| run.last.place),
        run_source: run.map(|run| run.last.source.to_string()),
        run_external_id: run.map(|run| run.last.external_id.to_string()),
        reset_at: reset.map(|reset| reset.occurred_at),
        reset_place: reset.map(|reset| reset.place),
        reset_source: reset.map(|reset| reset.source.to_string()),
        reset_external_id: reset.map(|reset| reset.external_id.to_string()),
    }
}

/// The row of a derived event.
pub(super) fn derived_row(event: &Event, writing: Writing<'_>) -> events::Row {
    events::Row {
        id: event.id,
        source: event.source.to_string(),
        external_id: event.external_id.to_string(),
        person_id: event.person,
        activity: event.activity.to_string(),
        occurred_at: event.occurred_at,
        local_date: event.local_date,
        local_hour: i16::from(event.local_hour),
        timezone: event.zone.name().to_owned(),
        reported_on: event.reported_on,
        makes_active: event.makes_active,
        attributes: serde_json::to_value(&event.attributes).unwrap_or_default(),
        place: event.place,
        sent_hash: None,
        recorded_at: writing.now,
        catalogue_version: writing.version,
    }
}
