//! What ties people together ends when they get another role or are erased; whoever it tied them to finds it in
//! the audit log.

use chrono::{DateTime, Utc};

use super::audit::{self, AuditAction, RequestContext};
use crate::auth::policy::Seen;
use crate::store::personal_data::Side;
use crate::store::{self, Txn, personal_data};

/// Ends what only a student has: their enrolments, and the links to their guardians.
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

/// Leaves every course that this person teaches without a teacher.
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
