//! Links guardians to children, and ends the links. A guardian's rights follow from the current links.

use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::Role;
use crate::auth::policy::{self, Action, Reach, Seen};
use crate::refusal::{Failure, Reason, Refusal};
use crate::store::{Txn, guardians, people, scope};

/// A guardian and a child after the change.
#[derive(Debug)]
pub(crate) struct Linked {
    /// The guardian, who may see the child's record.
    pub(crate) guardian: people::Row,
    /// The child.
    pub(crate) child: people::Row,
}

/// Links a guardian to a child, or ends the link. A request that matches the current state changes nothing.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` and `INVALID_INPUT` at `parentId` and `studentId`. An error if the database fails.
pub(crate) async fn link(
    app: &App,
    request: &RequestContext,
    guardian: Uuid,
    child: Uuid,
    linked: bool,
) -> Result<Linked, Failure> {
    let reach = policy::reach(&request.actor, Action::LinkGuardian)?;
    attempt(app, |txn, _| {
        async move { Ok((link_within(app, txn, request, &reach, (guardian, child), linked).await?, None)) }
            .scope_boxed()
    })
    .await
}

async fn link_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    reach: &Reach,
    (guardian, child): (Uuid, Uuid),
    linked: bool,
) -> Result<Linked, Interrupted> {
    // Locked, so that neither person's role changes meanwhile.
    let mut rows = people::lock(txn, &[guardian, child].into()).await?;
    let seen = scope::seen(txn, reach, [guardian, child]).await?;
    let mut find = |id: Uuid, field: &str| -> Result<(Seen, people::Row), Refusal> {
        let row = rows.iter().position(|row| row.id == id).map(|at| rows.swap_remove(at));
        seen.get(&id).copied().zip(row).ok_or_else(|| missing(field))
    };
    let (guardian_seen, guardian_row) = find(guardian, "parentId")?;
    if guardian == child {
        let message = "A person cannot be their own guardian. Send the child's id as studentId.";
        return Err(Refusal::invalid(["studentId"], message).into());
    }
    let (child_seen, child_row) = find(child, "studentId")?;
    if linked {
        check_roles(&guardian_row, &child_row)?;
    }
    if guardians::are_linked(txn, guardian, child).await? != linked {
        let now = app.clock.now();
        let act = if linked {
            guardians::link(txn, guardian_seen, child_seen, now).await?;
            AuditAction::LinkGuardian
        } else {
            guardians::end(txn, guardian_seen, child_seen, now).await?;
            AuditAction::UnlinkGuardian
        };
        audit::note(txn, request, act, [(Some(child), Some(guardian))], now).await?;
    }
    Ok(Linked { guardian: guardian_row, child: child_row })
}

fn check_roles(guardian: &people::Row, child: &people::Row) -> Result<(), Interrupted> {
    if Role::from(guardian.role) == Role::Student {
        let message = "A student cannot be a guardian. Send the id of a parent or of a member of staff.";
        return Err(Refusal::invalid(["parentId"], message).into());
    }
    if Role::from(child.role) != Role::Student {
        let message = "Only students have guardians. Send the id of a person with the role STUDENT.";
        return Err(Refusal::invalid(["studentId"], message).into());
    }
    Ok(())
}

fn missing(field: &str) -> Refusal {
    let message = "No person has this id: create them with upsertUser, or send the id they sign in with.";
    Refusal::not_found(field, Reason::PersonNotFound, message)
}
