//! Ends relations between people when a person's role changes or the person is erased. The audit log records this for
//! the other person.

use chrono::{DateTime, Utc};

use super::audit::{self, AuditAction, RequestContext};
use crate::auth::policy::Seen;
use crate::store::personal_data::Side;
use crate::store::{self, Txn, personal_data};

/// Ends the relations that only a student has: enrolments, and links to guardians.
pub(super) async fn end_learning(
    txn: &Txn,
    request: &RequestContext,
    person: Seen,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    end_links(txn, request, Side::Child, person, now).await?;
    let taken = personal_data::end_enrollments(txn, person, now).await?;
    let on = taken.into_iter().map(|course| (Some(person.person()), Some(course)));
    audit::note(txn, request, AuditAction::Unenroll, on, now).await
}

/// Ends the links to this person's children.
pub(super) async fn end_guarding(
    txn: &Txn,
    request: &RequestContext,
    person: Seen,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    end_links(txn, request, Side::Guardian, person, now).await
}

async fn end_links(
    txn: &Txn,
    request: &RequestContext,
    side: Side,
    person: Seen,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let ended = personal_data::end_links(txn, side, person, now).await?;
    let on = ended.into_iter().map(|(guardian, child)| (Some(child), Some(guardian)));
    audit::note(txn, request, AuditAction::UnlinkGuardian, on, now).await
}

/// Removes this person as the teacher of all courses they teach.
pub(super) async fn end_teaching(
    txn: &Txn,
    request: &RequestContext,
    person: Seen,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let taught = personal_data::end_teaching(txn, person, now).await?;
    let on = taught.into_iter().map(|course| (Some(person.person()), Some(course)));
    audit::note(txn, request, AuditAction::UpdateCourse, on, now).await
}
