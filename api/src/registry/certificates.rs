//! Certificates: issued to a student, and changed and deleted by admins. A teacher can delete their own ones for a day.
//! Admins still see deleted ones.

mod wording;

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate, TimeDelta};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action, Seen};
use crate::auth::{Actor, Role};
use crate::catalogue::Published;
use crate::id;
use crate::pipeline::hash_of;
use crate::pipeline::persist::{self, Writing};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::{self, Txn, certificates, courses, people, scope};
use crate::text;
pub(crate) use wording::{Change, Wording};
use wording::{check, check_change};

/// How long a teacher can delete a certificate that they issued.
const WITHDRAWAL: TimeDelta = TimeDelta::hours(24);

/// A certificate to issue.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    /// The student.
    pub(crate) student: Uuid,
    /// The caller's own id for it, by which a repeat is recognised.
    pub(crate) client_mutation_id: Option<String>,
    /// The values, not validated yet.
    pub(crate) wording: Wording,
}

/// An issued certificate.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The certificate.
    pub(crate) row: certificates::Row,
    /// Whether an earlier call with the same id issued it.
    pub(crate) duplicate: bool,
}

/// Whether this actor sees deleted certificates: only if the actor may delete them.
pub(crate) fn shows_deleted(actor: &Actor) -> bool {
    policy::reach(actor, Action::ChangeCertificate).is_ok()
}

/// Issues a certificate to a student. A call with the same `client_mutation_id` and the same input repeats the first
/// result.
///
/// # Errors
/// FORBIDDEN by role, `INVALID_INPUT` at the field, `NOT_FOUND` for a student out of reach, CONFLICT if the id belongs to
/// another input. An error if the database fails.
pub(crate) async fn create(app: &App, request: &RequestContext, issue: Issue) -> Result<Issued, Failure> {
    policy::reach(&request.actor, Action::CreateCertificate)?;
    let id = issue.client_mutation_id;
    let client_mutation_id = id.map(|id| text::client_id("clientMutationId", id)).transpose()?;
    let issue = &Issue { wording: check(issue.wording)?, client_mutation_id, ..issue };
    attempt(app, |txn, published| {
        async move {
            let issued = create_within(app, txn, request, issue).await?;
            let head = match issued.duplicate {
                true => None,
                false => tell(app, txn, published, &issued.row).await?,
            };
            Ok((issued, head))
        }
        .scope_boxed()
    })
    .await
}

async fn create_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    Issue { student, client_mutation_id, wording }: &Issue,
) -> Result<Issued, Interrupted> {
    let student = *student;
    let reach = policy::reach(&request.actor, Action::CreateCertificate)?;
    courses::hold_taught(txn, &reach).await?;
    let person = people::lock(txn, &[student].into()).await?.pop().ok_or_else(no_student)?;
    let seen = scope::see(txn, &reach, student).await?.ok_or_else(no_student)?;
    if Role::from(person.role) != Role::Student {
        return Err(no_student().into());
    }
    let sent_hash = client_mutation_id.as_ref().map(|_| hash_of(&wording.with_student(student)));
    let created_by = request.actor.person();
    if let (Some(creator), Some(id)) = (created_by, client_mutation_id)
        && let Some(row) = certificates::by_client_mutation(txn, creator, id).await?
    {
        return Ok(Issued { row: repeated(row, sent_hash)?, duplicate: true });
    }
    let row = certificates::Row {
        created_by,
        client_mutation_id: client_mutation_id.clone(),
        sent_hash,
        ..new(app, seen, wording.clone(), None)
    };
    if !certificates::insert(txn, seen, row.clone()).await? {
        // Another certificate has the same random number, or a concurrent call has used the same `clientMutationId`.
        return Err(Interrupted::Again);
    }
    let on = [(Some(student), Some(row.id))];
    audit::note(txn, request, AuditAction::CreateCertificate, on, app.clock.now()).await?;
    Ok(Issued { row, duplicate: false })
}

/// The certificate of a repeated call, if the input is the same and the certificate is not deleted.
fn repeated(row: certificates::Row, sent_hash: Option<Uuid>) -> Result<certificates::Row, Refusal> {
    let conflict = |message: &str| Refusal::new(Code::Conflict, message).at(["clientMutationId"]);
    if row.sent_hash != sent_hash {
        let message = "This clientMutationId belongs to another certificate that you issued: send the same input again, or \
                       choose a new id.";
        return Err(conflict(message).because(Reason::IdReused));
    }
    if row.deleted_at.is_some() {
        let message =
            "The certificate of this clientMutationId is deleted. To issue a new one, choose a new id.";
        return Err(conflict(message).because(Reason::CertificateDeleted));
    }
    Ok(row)
}

/// Records that a certificate was issued, as the last statement of its transaction; returns the feed's head.
///
/// # Errors
/// When the database fails; the caller rolls back.
pub(crate) async fn tell(
    app: &App,
    txn: &Txn,
    published: &Published,
    row: &certificates::Row,
) -> Result<Option<i64>, store::Error> {
    let step = engine::Step::of_certificate(row.student_id, row.id);
    let writing = Writing::of(published, app.clock.now());
    Ok(persist::write(txn, &step, &HashMap::new(), writing).await?.head)
}

/// Issues a course's certificate, once per student and course; returns it if it is new.
///
/// # Errors
/// If the database fails; the caller rolls back.
pub(crate) async fn issue_for_course(
    app: &App,
    txn: &Txn,
    student: Seen,
    course: Uuid,
    title: &str,
    issued_by: &str,
) -> Result<Option<certificates::Row>, store::Error> {
    let wording = Wording {
        title: title.to_owned(),
        issued_by: issued_by.to_owned(),
        issued_date: app.clock.now().with_timezone(&app.config.timezone).date_naive(),
        description: None,
        document_url: None,
        metadata: None,
    };
    let row = new(app, student, wording, Some(course));
    Ok(certificates::insert(txn, student, row.clone()).await?.then_some(row))
}

/// Changes a certificate.
///
/// # Errors
/// FORBIDDEN by role, `INVALID_INPUT` at the field, `NOT_FOUND`, CONFLICT for a deleted one. An error if the database
/// fails.
pub(crate) async fn update(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    change: Change,
) -> Result<certificates::Row, Failure> {
    policy::reach(&request.actor, Action::ChangeCertificate)?;
    let change = &check_change(change)?;
    attempt(app, |txn, _| {
        async move { Ok((update_within(app, txn, request, id, change).await?, None)) }.scope_boxed()
    })
    .await
}

async fn update_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    id: Uuid,
    change: &Change,
) -> Result<certificates::Row, Interrupted> {
    let reach = policy::reach(&request.actor, Action::ChangeCertificate)?;
    let before = certificates::lock(txn, &reach, id).await?.ok_or_else(no_certificate)?;
    if before.deleted_at.is_some() {
        let message = "This certificate is deleted and cannot be changed. Issue a new one.";
        let refusal = Refusal::new(Code::Conflict, message).at(["id"]).because(Reason::CertificateDeleted);
        return Err(refusal.into());
    }
    let change = change.clone();
    let row = certificates::Row {
        title: change.title.unwrap_or(before.title),
        issued_by: change.issued_by.unwrap_or(before.issued_by),
        issued_date: change.issued_date.unwrap_or(before.issued_date),
        description: change.description.unwrap_or(before.description),
        document_url: change.document_url.unwrap_or(before.document_url),
        metadata: change.metadata.unwrap_or(before.metadata),
        updated_at: app.clock.now(),
        ..before
    };
    write(app, txn, request, AuditAction::UpdateCertificate, row).await
}

/// Deletes a certificate: only admins still see it. A second deletion changes nothing.
///
/// # Errors
/// FORBIDDEN by role, or for a teacher a day after they issued it; `NOT_FOUND`. An error if the database fails.
pub(crate) async fn delete(
    app: &App,
    request: &RequestContext,
    id: Uuid,
) -> Result<certificates::Row, Failure> {
    policy::reach(&request.actor, Action::DeleteCertificate)?;
    attempt(app, |txn, _| {
        async move { Ok((delete_within(app, txn, request, id).await?, None)) }.scope_boxed()
    })
    .await
}

async fn delete_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    id: Uuid,
) -> Result<certificates::Row, Interrupted> {
    let reach = policy::reach(&request.actor, Action::DeleteCertificate)?;
    if !reach.is_everybody() {
        // The student may have left the reach meanwhile. The locks keep them in it.
        let student = certificates::student_of(txn, &reach, id).await?.ok_or_else(no_certificate)?;
        courses::hold_taught(txn, &reach).await?;
        people::lock(txn, &[student].into()).await?;
        scope::see(txn, &reach, student).await?.ok_or_else(no_certificate)?;
    }
    let before = certificates::lock(txn, &reach, id).await?.ok_or_else(no_certificate)?;
    let now = app.clock.now();
    if request.actor.role() == Role::Teacher {
        if before.created_by != request.actor.person() {
            return Err(no_certificate().into());
        }
        if now - before.created_at > WITHDRAWAL {
            let message = "You can delete a certificate only within 24 hours after you issued it. Ask an admin to delete this one.";
            return Err(Refusal::new(Code::Forbidden, message).at(["id"]).into());
        }
    }
    if before.deleted_at.is_some() {
        return Ok(before);
    }
    let row = certificates::Row { updated_at: now, deleted_at: Some(now), ..before };
    write(app, txn, request, AuditAction::DeleteCertificate, row).await
}

async fn write(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    act: AuditAction,
    row: certificates::Row,
) -> Result<certificates::Row, Interrupted> {
    certificates::update(txn, row.clone()).await?;
    audit::note(txn, request, act, [(Some(row.student_id), Some(row.id))], app.clock.now()).await?;
    Ok(row)
}

fn new(app: &App, student: Seen, wording: Wording, course_id: Option<Uuid>) -> certificates::Row {
    let now = app.clock.now();
    certificates::Row {
        id: id::new(now),
        number: number(wording.issued_date),
        student_id: student.person(),
        title: wording.title,
        issued_by: wording.issued_by,
        issued_date: wording.issued_date,
        description: wording.description,
        document_url: wording.document_url,
        metadata: wording.metadata,
        course_id,
        created_by: None,
        client_mutation_id: None,
        sent_hash: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

/// "CERT-2026-7QK3-…": 80 random bits that cannot be guessed, in letters that are not easily confused.
fn number(issued: NaiveDate) -> String {
    let random = Uuid::new_v4().as_u128();
    // The middle of a UUID contains the version and the variant; both ends are random.
    let random = ((random >> 88) << 40) | (random & ((1 << 40) - 1));
    let letters = (0..16_u32).rev().map(|place| letter(random >> (place * 5)));
    letters.enumerate().fold(format!("CERT-{:04}", issued.year()), |mut number, (place, letter)| {
        if place % 4 == 0 {
            number.push('-');
        }
        number.push(letter);
        number
    })
}

/// The last five bits in Crockford's alphabet: without I, L, O and U.
fn letter(bits: u128) -> char {
    const LETTERS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let place = usize::try_from(bits & 31).unwrap_or_default();
    LETTERS.chars().nth(place).unwrap_or('0')
}

fn no_student() -> Refusal {
    let message = "No student to whom you may issue certificates has this id. Send the id they sign in with.";
    Refusal::not_found("studentId", Reason::StudentNotFound, message)
}

fn no_certificate() -> Refusal {
    let message =
        "No certificate that you may change has this id. A teacher can delete their own on the day of issue.";
    Refusal::not_found("id", Reason::CertificateNotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_year_and_sixteen_unambiguous_letters() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 15).unwrap();
        let numbers: std::collections::BTreeSet<String> = (0..200).map(|_| number(day)).collect();
        assert_eq!(numbers.len(), 200);
        for number in &numbers {
            let parts: Vec<&str> = number.split('-').collect();
            assert_eq!(parts[..2], ["CERT", "2026"]);
            assert_eq!(parts[2..].iter().map(|part| part.len()).collect::<Vec<_>>(), [4, 4, 4, 4]);
            let letters = parts[2..].concat();
            assert!(letters.chars().all(|it| it.is_ascii_digit() || it.is_ascii_uppercase()), "{number}");
            assert!(!letters.contains(['I', 'L', 'O', 'U']), "{number}");
        }
        // Every position takes several letters, so no position is constant.
        for place in 0..19 {
            let seen =
                numbers.iter().map(|it| it.as_bytes()[10 + place]).collect::<std::collections::BTreeSet<_>>();
            assert!(seen.len() > 16 || seen == [b'-'].into(), "{place}: {seen:?}");
        }
    }
}
