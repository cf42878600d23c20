//! Export: all stored data of a person, as JSON with the names of the API. An export by the person themselves
//! identifies no other person.

mod room;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use scoped_futures::ScopedFutureExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::attempt;
use super::audit::{self, AuditAction, RequestContext};
use crate::app::App;
use crate::auth::policy::{self, Action, Seen};
use crate::budget::Subject;
use crate::pipeline::OWN_SOURCE;
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::personal_data::{self, PersonRecords};
use crate::store::{Txn, audit_log, awards, certificates, events, ledger, metrics, people, scope, totals};
use room::Room;

/// Number of rows per read.
const PAGE: u64 = 500;

/// The reader of an export. Admins see all ids; a person who exports their own data sees only their own id.
#[derive(Debug, Clone, Copy)]
struct Reader {
    own: Option<Uuid>,
}

impl Reader {
    /// The id of a person, if the reader may see it.
    fn id(self, person: Uuid) -> Option<Uuid> {
        Some(person).filter(|person| self.own.is_none_or(|own| own == *person))
    }

    /// A text that is a person's id or the name of a service. Names of services are always visible.
    fn word(self, word: String) -> Option<String> {
        let person = word.parse().ok();
        Some(word).filter(|_| person.is_none_or(|person| self.id(person).is_some()))
    }
}

/// All stored data of a person, from one snapshot. It is read without a lock, so no writer waits for it. The result is
/// returned after the audit log entry was committed.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` at `userId`; `CONFLICT` while the caller has another running export; `TOO_COMPLEX` if
/// it exceeds `limits.answer_bytes`. An error if the database fails.
pub(crate) async fn export(app: &App, request: &RequestContext, person: Uuid) -> Result<Value, Failure> {
    policy::reach(&request.actor, Action::ExportPerson)?;
    let Some(_export) = app.exports.begin(Subject::of(Some(&request.actor), None)).await else {
        let message = "Another export of yours is running. Wait until it has ended.";
        return Err(Refusal::new(Code::Conflict, message)
            .at(["userId"])
            .because(Reason::ExportRunning)
            .into());
    };
    let snapshot = app.db.snapshot().await?;
    let read = read(app, &snapshot, request, person).await;
    snapshot.rollback().await;
    let export = read?;
    // Actions of people on their own record are not logged.
    if request.actor.person() != Some(person) {
        attempt(app, |txn, _| {
            async move {
                audit::note(txn, request, AuditAction::ExportPerson, [(Some(person), None)], app.clock.now())
                    .await?;
                Ok(((), None))
            }
            .scope_boxed()
        })
        .await?;
    }
    Ok(export)
}

async fn read(app: &App, snapshot: &Txn, request: &RequestContext, person: Uuid) -> Result<Value, Failure> {
    let reach = policy::reach(&request.actor, Action::ExportPerson)?;
    let row = people::by_id(snapshot, person).await?.ok_or_else(no_person)?;
    let seen = scope::see(snapshot, &reach, person).await?.ok_or_else(no_person)?;
    let reader = Reader { own: request.actor.person().filter(|own| *own == person) };
    let mut room = Room::of(app.config.limits.answer_bytes);
    let earned = earned(app, snapshot, reader, seen, &mut room).await?;
    let held = personal_data::of_person(snapshot, seen, room.rows()).await?;
    let held = of_personal_data(app, reader, held, &mut room)?;
    Ok(merged([json!({"person": of_person(reader, &row)}), earned, held]))
}

/// Reads a list page by page, each after the id of the last row, and adds its rows.
macro_rules! pages {
    ($room:ident, $page_of:path, $snapshot:ident, $person:ident, $value:expr) => {{
        let mut list = Vec::new();
        let mut after = None;
        loop {
            let page = $page_of($snapshot, $person, after, PAGE).await?;
            let Some(last) = page.last() else { break Value::Array(list) };
            after = Some(last.id);
            $room.add(&mut list, page, $value)?;
        }
    }};
}

async fn earned(
    app: &App,
    snapshot: &Txn,
    reader: Reader,
    seen: Seen,
    room: &mut Room,
) -> Result<Value, Failure> {
    let person = seen.person();
    let totals = totals::of_people(snapshot, [person]).await?;
    let events = pages!(room, events::page_of, snapshot, person, |row| of_event(reader, row));
    let held = pages!(room, awards::page_of, snapshot, person, |row| of_award(app, reader, row));
    let entries = pages!(room, ledger::page_of, snapshot, person, |row| json!({
        "id": row.id,
        "amount": row.amount,
        "kind": row.kind,
        "eventId": row.event_id,
        "awardId": row.award_id,
        "occurredAt": time(row.occurred_at),
        "localDate": row.local_date,
        "recordedAt": time(row.recorded_at),
    }));
    let mut members: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for member in metrics::members_of(snapshot, person).await? {
        members.entry(member.metric_id).or_default().push(member.member);
    }
    let metrics = room.list(metrics::of_people(snapshot, [person]).await?, |row| {
        json!({
            "id": row.metric_id,
            "value": row.value,
            "run": row.run_current,
            "runAt": row.run_at.map(time),
            "members": members.remove(&row.metric_id).unwrap_or_default(),
        })
    })?;
    let days = metrics::days(snapshot, &[person].into()).await?;
    let days: BTreeSet<_> = days.into_iter().map(|row| (row.day, row.timezone)).collect();
    let days = room.list(days, |(date, zone)| json!({ "date": date, "timezone": zone }))?;
    let capped = room.list(metrics::capped_of(snapshot, person).await?, |row| {
        json!({
            "activity": row.activity,
            "date": row.day,
            "amount": row.amount,
        })
    })?;
    Ok(json!({
        "totals": totals.first().map(|row| json!({
            "xp": row.xp,
            "xpReachedAt": time(row.xp_reached_at),
            "awards": row.awards,
            "streakRun": row.streak_run,
            "streakLongest": row.streak_longest,
            "lastActiveOn": row.last_active_on,
            "lastActiveIn": row.last_active_in,
        })),
        "events": events,
        "awards": held,
        "xpEntries": entries,
        "metrics": metrics,
        "activeDays": days,
        "cappedDays": capped,
    }))
}

fn of_event(reader: Reader, row: events::Row) -> Value {
    json!({
        "id": row.id,
        // An id of our own event may contain the id of another person, and nothing else of interest.
        "externalId": (reader.own.is_none() || row.source != OWN_SOURCE).then_some(row.external_id),
        "source": reader.word(row.source),
        "activity": row.activity,
        "occurredAt": time(row.occurred_at),
        "localDate": row.local_date,
        "localHour": row.local_hour,
        "timezone": row.timezone,
        "reportedOn": row.reported_on,
        "makesActive": row.makes_active,
        "attributes": row.attributes,
        "recordedAt": time(row.recorded_at),
    })
}

fn of_person(reader: Reader, row: &people::Row) -> Value {
    json!({
        "id": row.id,
        "displayName": row.display_name,
        "role": row.role,
        "email": row.email,
        "timezone": row.timezone,
        "locale": row.locale,
        "onLeaderboards": row.ranked,
        "referredBy": row.referred_by.and_then(|by| reader.id(by)),
        "createdAt": time(row.created_at),
        "updatedAt": time(row.updated_at),
    })
}

fn of_award(app: &App, reader: Reader, row: awards::Row) -> Value {
    json!({
        "id": row.id,
        "achievement": achievement(app, row.achievement_id),
        "occurrence": row.occurrence,
        "cause": row.cause,
        "earnedAt": time(row.earned_at),
        "recordedAt": time(row.recorded_at),
        "xpBonus": row.xp_bonus,
        "eventId": row.event_id,
        "flagged": row.flagged,
        "awardedBy": row.awarded_by.and_then(|by| reader.id(by)),
        "notes": row.notes,
        "revokedAt": row.revoked_at.map(time),
        "revokedBy": row.revoked_by.and_then(|by| reader.id(by)),
        "revocationReason": row.revocation_reason,
    })
}

fn of_personal_data(
    app: &App,
    reader: Reader,
    held: PersonRecords,
    room: &mut Room,
) -> Result<Value, Refusal> {
    let kin: BTreeSet<Uuid> = held.links.iter().flat_map(|row| [row.guardian_id, row.child_id]).collect();
    // The object of an action may be a person, for example in a link.
    let entry = |row: audit_log::Row| {
        let is_visible = |id: &Uuid| !kin.contains(id) || reader.id(*id).is_some();
        of_audit_entry(reader, audit_log::Row { object_id: row.object_id.filter(is_visible), ..row })
    };
    Ok(json!({
        "links": room.list(held.links, |row| json!({
            "guardianId": reader.id(row.guardian_id),
            "childId": reader.id(row.child_id),
            "linkedAt": time(row.linked_at),
            "endedAt": row.ended_at.map(time),
        }))?,
        "referred": room.list(held.referred, |row| json!({"userId": reader.id(row.id)}))?,
        "enrollments": room.list(held.enrollments, |row| json!({
            "courseId": row.course_id,
            "enrolledAt": time(row.enrolled_at),
            "endedAt": row.ended_at.map(time),
        }))?,
        "completions": room.list(held.completions, |row| json!({
            "lessonId": row.lesson_id,
            "completedAt": time(row.completed_at),
        }))?,
        "comments": room.list(held.comments, |row| json!({
            "id": row.id,
            "lessonId": row.lesson_id,
            "body": row.body,
            "writtenAt": time(row.written_at),
        }))?,
        "certificates": room.list(held.certificates, of_certificate)?,
        "coursesTaught": room.list(held.taught, |row| json!({"id": row.id, "title": row.title}))?,
        // The recipients of these awards are other people's data; the notes that this person wrote are not.
        "awardsGiven": room.list(held.given, |row| json!({
            "id": reader.id(row.person_id).map(|_| row.id),
            "achievement": achievement(app, row.achievement_id),
            "recordedAt": time(row.recorded_at),
            "awardedBy": row.awarded_by.and_then(|by| reader.id(by)),
            "notes": row.notes,
            "revokedBy": row.revoked_by.and_then(|by| reader.id(by)),
            "revocationReason": row.revocation_reason,
        }))?,
        "actsOn": room.list(held.acts_on, entry)?,
        "actsBy": room.list(held.acts_by, entry)?,
        "messages": room.list(held.messages, |row| json!({
            "id": row.id,
            "kind": row.kind,
            "groupId": row.group_id,
            "awardId": row.award_id,
            "certificateId": row.certificate_id,
            "detail": row.detail,
            "createdAt": time(row.created_at),
            "plannedAt": row.planned_at.map(time),
        }))?,
        "deliveries": room.list(held.deliveries, |row| json!({
            "id": row.id,
            "channel": row.channel,
            "kind": row.kind,
            "createdAt": time(row.created_at),
            "attempts": row.attempts,
            "deliveredAt": row.settled_at.map(time),
            "givenUpAt": row.buried_at.map(time),
            "reason": row.reason,
        }))?,
        "mailSettings": room.list(held.mail_settings, |row| json!({
            "mode": row.mode,
            "digestHour": row.digest_hour,
            "quietFrom": row.quiet_from,
            "quietUntil": row.quiet_until,
            "copiesOfChildren": row.copies,
            "weeklySummary": row.weekly_summary,
            "streakReminder": row.streak_reminder,
            "updatedAt": time(row.updated_at),
        }))?,
    }))
}

fn of_certificate(row: certificates::Row) -> Value {
    json!({
        "id": row.id,
        "number": row.number,
        "title": row.title,
        "issuedBy": row.issued_by,
        "issuedDate": row.issued_date,
        "description": row.description,
        "documentUrl": row.document_url,
        "additionalMetadata": row.metadata,
        "courseId": row.course_id,
        "createdAt": time(row.created_at),
        "updatedAt": time(row.updated_at),
        "deletedAt": row.deleted_at.map(time),
    })
}

fn of_audit_entry(reader: Reader, row: audit_log::Row) -> Value {
    let actor = reader.word(row.actor);
    let of_another = row.person_id.is_some_and(|person| reader.id(person).is_none());
    json!({
        "id": row.id,
        "requestId": actor.as_ref().map(|_| row.request_id),
        "actorKind": row.actor_kind,
        "actor": actor,
        "role": row.role,
        "act": row.act,
        "userId": row.person_id.and_then(|person| reader.id(person)),
        "objectId": row.object_id.filter(|_| !of_another),
        "activity": row.activity,
        "eventCount": row.events,
        "at": time(row.at),
    })
}

fn achievement(app: &App, id: Uuid) -> Option<String> {
    app.catalogue.current().achievements.get(&id).map(|known| known.key.to_string())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn merged(parts: [Value; 3]) -> Value {
    let fields = parts.into_iter().filter_map(|part| match part {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Value::Object(fields.flatten().collect())
}

fn no_person() -> Refusal {
    let message = "No person whom you may export has this id.";
    Refusal::not_found("userId", Reason::PersonNotFound, message)
}
