//! Export: everything that is held on a person, as JSON in the words of the API.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::audit::{self, Act, Author};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action, Seen};
use crate::refusal::{Code, Failure, Refusal};
use crate::store::holdings::{self, Holdings};
use crate::store::{Error, Txn, acts, awards, certificates, events, ledger, metrics, people, scope, totals};

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
    let earned = earned(app, txn, seen).await?;
    let held = holdings::of_person(txn, seen).await?;
    audit::note(txn, author, Act::ExportPerson, [(Some(person), None)], app.clock.now()).await?;
    Ok(merged([json!({"person": of_person(&row)}), earned, of_holdings(app, held)]))
}

async fn earned(app: &App, txn: &Txn, seen: Seen) -> Result<Value, Error> {
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
            "source": row.source,
            "externalId": row.external_id,
            "activity": row.activity,
            "occurredAt": time(row.occurred_at),
            "localDate": row.local_date,
            "localHour": row.local_hour,
            "attributes": row.attributes,
            "recordedAt": time(row.recorded_at),
        })),
        "awards": list(awards::of_people(txn, [person]).await?, |row| of_award(app, row)),
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

fn of_person(row: &people::Row) -> Value {
    json!({
        "id": row.id,
        "displayName": row.display_name,
        "role": row.role,
        "email": row.email,
        "timezone": row.timezone,
        "locale": row.locale,
        "referredBy": row.referred_by,
        "createdAt": time(row.created_at),
        "updatedAt": time(row.updated_at),
    })
}

fn of_award(app: &App, row: awards::Row) -> Value {
    json!({
        "id": row.id,
        "achievement": achievement(app, row.achievement_id),
        "occurrence": row.occurrence,
        "cause": row.cause,
        "earnedAt": time(row.earned_at),
        "recordedAt": time(row.recorded_at),
        "xpBonus": row.xp_bonus,
        "eventId": row.event_id,
        "awardedBy": row.awarded_by,
        "notes": row.notes,
        "revokedAt": row.revoked_at.map(time),
        "revokedBy": row.revoked_by,
        "revocationReason": row.revocation_reason,
    })
}

fn of_holdings(app: &App, held: Holdings) -> Value {
    json!({
        "links": list(held.links, |row| json!({
            "guardianId": row.guardian_id,
            "childId": row.child_id,
            "linkedAt": time(row.linked_at),
            "endedAt": row.ended_at.map(time),
        })),
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
            "id": row.id,
            "achievement": achievement(app, row.achievement_id),
            "recordedAt": time(row.recorded_at),
            "awardedBy": row.awarded_by,
            "notes": row.notes,
            "revokedBy": row.revoked_by,
            "revocationReason": row.revocation_reason,
        })),
        "actsOn": list(held.acts_on, of_act),
        "actsBy": list(held.acts_by, of_act),
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

fn of_act(row: acts::Row) -> Value {
    json!({
        "id": row.id,
        "actor": row.actor,
        "role": row.role,
        "act": row.act,
        "userId": row.person_id,
        "objectId": row.object_id,
        "at": time(row.at),
        "requestId": row.request_id,
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
