//! Export: everything that is held on a person, as JSON in the words of the API. What they take out themselves
//! names nobody else.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::audit::{self, Act, Author};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action, Seen};
use crate::pipeline::OWN_SOURCE;
use crate::refusal::{Code, Failure, Refusal};
use crate::store::holdings::{self, Holdings};
use crate::store::{Error, Txn, acts, awards, certificates, events, ledger, metrics, people, scope, totals};

/// Who an export is for: admins are told everybody's id, whoever asks about themselves only their own.
#[derive(Debug, Clone, Copy)]
struct Reader {
    own: Option<Uuid>,
}

impl Reader {
    /// The id of a person, as far as the reader is told it.
    fn id(self, person: Uuid) -> Option<Uuid> {
        Some(person).filter(|person| self.own.is_none_or(|own| own == *person))
    }

    /// A word that is a person's id, or the name of a service, which is nobody's.
    fn word(self, word: String) -> Option<String> {
        let person = word.parse().ok();
        Some(word).filter(|_| person.is_none_or(|person| self.id(person).is_some()))
    }
}

/// Everything that is held on a person.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` at `userId`; or when the database fails.
pub(crate) async fn export(app: &App, author: &Author, person: Uuid) -> Result<Value, Failure> {
    policy::reach(&author.actor, Action::ExportPerson)?;
    attempt(app, |txn, _| async move { Ok((export_within(app, &txn, author, person).await?, None)) }).await
}

async fn export_within(app: &App, txn: &Txn, author: &Author, person: Uuid) -> Result<Value, Interrupted> {
    let reach = policy::reach(&author.actor, Action::ExportPerson)?;
    // Locked, so that what they earned does not move between two of the lists.
    let row = people::lock(txn, &[person].into()).await?.pop().ok_or_else(no_person)?;
    let seen = scope::see(txn, &reach, person).await?.ok_or_else(no_person)?;
    let reader = Reader { own: author.actor.person().filter(|own| *own == person) };
    let earned = earned(app, txn, reader, seen).await?;
    let held = holdings::of_person(txn, seen).await?;
    audit::note(txn, author, Act::ExportPerson, [(Some(person), None)], app.clock.now()).await?;
    Ok(merged([json!({"person": of_person(reader, &row)}), earned, of_holdings(app, reader, held)]))
}

async fn earned(app: &App, txn: &Txn, reader: Reader, seen: Seen) -> Result<Value, Error> {
    let person = seen.person();
    let totals = totals::of_people(txn, [person]).await?;
    let members = metrics::members_of(txn, person).await?;
    let metrics = metrics::of_people(txn, [person]).await?;
    let days: BTreeSet<_> =
        metrics::days(txn, &[person].into()).await?.into_iter().map(|(_, day)| day).collect();
    let capped = metrics::capped_of(txn, person).await?;
    let mut entries = ledger::of_person(txn, person).await?;
    entries.sort_by_key(|entry| entry.id);
    Ok(json!({
        "totals": totals.first().map(|row| json!({
            "xp": row.xp,
            "xpReachedAt": time(row.xp_reached_at),
            "awards": row.awards,
            "streakRun": row.streak_run,
            "streakLongest": row.streak_longest,
            "lastActiveOn": row.last_active_on,
        })),
        "events": list(events::of_person(txn, person).await?, |row| json!({
            "id": row.id,
            // What the product sends itself may have the id of whom it is about in it, and nothing else of note.
            "externalId": (reader.own.is_none() || row.source != OWN_SOURCE).then_some(row.external_id),
            "source": reader.word(row.source),
            "activity": row.activity,
            "occurredAt": time(row.occurred_at),
            "localDate": row.local_date,
            "localHour": row.local_hour,
            "reportedOn": row.reported_on,
            "makesActive": row.makes_active,
            "attributes": row.attributes,
            "recordedAt": time(row.recorded_at),
        })),
        "awards": list(awards::of_people(txn, [person]).await?, |row| of_award(app, reader, row)),
        "xpEntries": list(entries, |row| json!({
            "id": row.id,
            "amount": row.amount,
            "kind": row.kind,
            "eventId": row.event_id,
            "awardId": row.award_id,
            "occurredAt": time(row.occurred_at),
            "localDate": row.local_date,
            "recordedAt": time(row.recorded_at),
        })),
        "metrics": list(metrics, |row| json!({
            "id": row.metric_id,
            "value": row.value,
            "run": row.run_current,
            "runAt": row.run_at.map(time),
            "members": list(
                members.iter().filter(|member| member.metric_id == row.metric_id),
                |member| json!(member.member),
            ),
        })),
        "activeDays": days,
        "cappedDays": list(capped, |row| json!({
            "activity": row.activity,
            "date": row.day,
            "amount": row.amount,
        })),
    }))
}

fn of_person(reader: Reader, row: &people::Row) -> Value {
    json!({
        "id": row.id,
        "displayName": row.display_name,
        "role": row.role,
        "email": row.email,
        "timezone": row.timezone,
        "locale": row.locale,
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

fn of_holdings(app: &App, reader: Reader, held: Holdings) -> Value {
    let kin: BTreeSet<Uuid> = held.links.iter().flat_map(|row| [row.guardian_id, row.child_id]).collect();
    // What an act was done with may be a person, who was linked.
    let act = |row: acts::Row| {
        let is_told = |id: &Uuid| !kin.contains(id) || reader.id(*id).is_some();
        of_act(reader, acts::Row { object_id: row.object_id.filter(is_told), ..row })
    };
    json!({
        "links": list(held.links, |row| json!({
            "guardianId": reader.id(row.guardian_id),
            "childId": reader.id(row.child_id),
            "linkedAt": time(row.linked_at),
            "endedAt": row.ended_at.map(time),
        })),
        "referred": list(held.referred, |row| json!({"userId": reader.id(row.id)})),
        "enrollments": list(held.enrollments, |row| json!({
            "courseId": row.course_id,
            "enrolledAt": time(row.enrolled_at),
            "endedAt": row.ended_at.map(time),
        })),
        "completions": list(held.completions, |row| json!({
            "lessonId": row.lesson_id,
            "completedAt": time(row.completed_at),
        })),
        "comments": list(held.comments, |row| json!({
            "id": row.id,
            "lessonId": row.lesson_id,
            "body": row.body,
            "writtenAt": time(row.written_at),
        })),
        "certificates": list(held.certificates, of_certificate),
        "coursesTaught": list(held.taught, |row| json!({"id": row.id, "title": row.title})),
        // Whose awards they are is not about this person; what was written to them is.
        "awardsGiven": list(held.given, |row| json!({
            "id": reader.id(row.person_id).map(|_| row.id),
            "achievement": achievement(app, row.achievement_id),
            "recordedAt": time(row.recorded_at),
            "awardedBy": row.awarded_by.and_then(|by| reader.id(by)),
            "notes": row.notes,
            "revokedBy": row.revoked_by.and_then(|by| reader.id(by)),
            "revocationReason": row.revocation_reason,
        })),
        "actsOn": list(held.acts_on, act),
        "actsBy": list(held.acts_by, act),
        "messages": list(held.messages, |row| json!({
            "id": row.id,
            "kind": row.kind,
            "awardId": row.award_id,
            "createdAt": time(row.created_at),
            "settledAt": row.settled_at.map(time),
            "buriedAt": row.buried_at.map(time),
        })),
    })
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

fn of_act(reader: Reader, row: acts::Row) -> Value {
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

fn list<T>(rows: impl IntoIterator<Item = T>, row: impl Fn(T) -> Value) -> Value {
    rows.into_iter().map(row).collect()
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
    let message = "No person with this id is within what you may see.";
    Refusal::new(Code::NotFound, message).at(["userId"]).because("PERSON_NOT_FOUND")
}
