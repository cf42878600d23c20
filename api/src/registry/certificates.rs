//! Certificates: issued to a student, and changed and deleted by admins. Admins still see deleted ones.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use scoped_futures::ScopedFutureExt;
use serde_json::Value;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action, Seen};
use crate::auth::{Actor, Role};
use crate::catalogue::Published;
use crate::id;
use crate::pipeline::persist::{self, Writing};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::{self, Txn, certificates, courses, people, scope};
use crate::text;

/// Maximum bytes of a certificate's metadata, as JSON.
const METADATA: usize = 16 * 1_024;

/// The values of a new certificate, not validated yet.
#[derive(Debug, Clone)]
pub(crate) struct Wording {
    /// What it is for.
    pub(crate) title: String,
    /// The issuer.
    pub(crate) issued_by: String,
    /// The date of issue.
    pub(crate) issued_date: NaiveDate,
    /// A description.
    pub(crate) description: Option<String>,
    /// The URL of the document.
    pub(crate) document_url: Option<String>,
    /// Further data from the issuer.
    pub(crate) metadata: Option<Value>,
}

/// A change of a certificate; `None` keeps the current value, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// What it is for.
    pub(crate) title: Option<String>,
    /// The issuer.
    pub(crate) issued_by: Option<String>,
    /// The date of issue.
    pub(crate) issued_date: Option<NaiveDate>,
    /// A description.
    pub(crate) description: Option<Option<String>>,
    /// The URL of the document.
    pub(crate) document_url: Option<Option<String>>,
    /// Further data from the issuer.
    pub(crate) metadata: Option<Option<Value>>,
}

/// Whether this actor sees deleted certificates: only if the actor may delete them.
pub(crate) fn shows_deleted(actor: &Actor) -> bool {
    policy::reach(actor, Action::ChangeCertificate).is_ok()
}

/// Issues a certificate to a student.
///
/// # Errors
/// FORBIDDEN by role, `INVALID_INPUT` at the field, `NOT_FOUND` for a student out of reach. An error if the database
/// fails.
pub(crate) async fn create(
    app: &App,
    request: &RequestContext,
    student: Uuid,
    wording: Wording,
) -> Result<certificates::Row, Failure> {
    policy::reach(&request.actor, Action::CreateCertificate)?;
    let wording = &check(wording)?;
    attempt(app, |txn, published| {
        async move {
            let row = create_within(app, txn, request, student, wording).await?;
            let head = tell(app, txn, published, &row).await?;
            Ok((row, head))
        }
        .scope_boxed()
    })
    .await
}

async fn create_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    student: Uuid,
    wording: &Wording,
) -> Result<certificates::Row, Interrupted> {
    let reach = policy::reach(&request.actor, Action::CreateCertificate)?;
    courses::hold_taught(txn, &reach).await?;
    let person = people::lock(txn, &[student].into()).await?.pop().ok_or_else(no_student)?;
    let seen = scope::see(txn, &reach, student).await?.ok_or_else(no_student)?;
    if Role::from(person.role) != Role::Student {
        return Err(no_student().into());
    }
    let row = new(app, seen, wording.clone(), None);
    if !certificates::insert(txn, seen, row.clone()).await? {
        // Another certificate has the same random number: generate a new one.
        return Err(Interrupted::Again);
    }
    audit::note(
        txn,
        request,
        AuditAction::CreateCertificate,
        [(Some(student), Some(row.id))],
        app.clock.now(),
    )
    .await?;
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
    let writing = Writing { version: published.version, silent: None, now: app.clock.now() };
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
/// FORBIDDEN by role, `NOT_FOUND`. An error if the database fails.
pub(crate) async fn delete(
    app: &App,
    request: &RequestContext,
    id: Uuid,
) -> Result<certificates::Row, Failure> {
    policy::reach(&request.actor, Action::ChangeCertificate)?;
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
    let reach = policy::reach(&request.actor, Action::ChangeCertificate)?;
    let before = certificates::lock(txn, &reach, id).await?.ok_or_else(no_certificate)?;
    if before.deleted_at.is_some() {
        return Ok(before);
    }
    let now = app.clock.now();
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

fn check(wording: Wording) -> Result<Wording, Refusal> {
    Ok(Wording {
        title: text::line("title", &wording.title, text::TITLE)?,
        issued_by: text::line("issuedBy", &wording.issued_by, text::TITLE)?,
        issued_date: wording.issued_date,
        description: text::optional_prose("description", wording.description.as_deref(), text::BODY)?,
        document_url: wording.document_url.map(|url| text::web_url("documentUrl", &url)).transpose()?,
        metadata: wording.metadata.map(check_metadata).transpose()?,
    })
}

fn check_change(change: Change) -> Result<Change, Refusal> {
    let description =
        |given: Option<String>| text::optional_prose("description", given.as_deref(), text::BODY);
    let url = |given: Option<String>| given.map(|url| text::web_url("documentUrl", &url)).transpose();
    Ok(Change {
        title: change.title.map(|title| text::line("title", &title, text::TITLE)).transpose()?,
        issued_by: change.issued_by.map(|by| text::line("issuedBy", &by, text::TITLE)).transpose()?,
        issued_date: change.issued_date,
        description: change.description.map(description).transpose()?,
        document_url: change.document_url.map(url).transpose()?,
        metadata: change.metadata.map(|given| given.map(check_metadata).transpose()).transpose()?,
    })
}

fn check_metadata(metadata: Value) -> Result<Value, Refusal> {
    let wrong = |message: &str| Refusal::invalid(["additionalMetadata"], message);
    if !metadata.is_object() {
        return Err(wrong("Metadata must be a JSON object, such as {\"grade\": \"A\"}."));
    }
    let json = metadata.to_string();
    if json.len() > METADATA {
        return Err(wrong(
            "Metadata must be at most 16 KiB as JSON. Send less, or link to a document by documentUrl.",
        ));
    }
    // PostgreSQL cannot store NUL, so neither database accepts it.
    if holds_nul(&metadata) {
        return Err(wrong("Metadata must not contain the character U+0000. Remove it."));
    }
    Ok(metadata)
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn no_student() -> Refusal {
    let message = "Student not found.";
    Refusal::new(Code::NotFound, message).at(["studentId"]).because(Reason::StudentNotFound)
}

fn no_certificate() -> Refusal {
    let message = "Certificate not found.";
    Refusal::new(Code::NotFound, message).at(["id"]).because(Reason::CertificateNotFound)
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

    #[test]
    fn metadata_is_an_object_of_at_most_16_kib_without_nul() {
        use serde_json::json;
        let full = json!({"a": "x".repeat(METADATA - 8)});
        assert_eq!(full.to_string().len(), METADATA);
        assert_eq!(check_metadata(full.clone()), Ok(full));
        assert_eq!(check_metadata(json!({})), Ok(json!({})));
        for bad in [
            json!([]),
            json!("a"),
            json!(null),
            json!({"a": "x".repeat(METADATA - 7)}),
            json!({"a": [{"b": "\0"}]}),
            json!({"a\0": 1}),
        ] {
            assert_eq!(check_metadata(bad.clone()).unwrap_err().field, ["additionalMetadata"], "{bad}");
        }
    }
}
