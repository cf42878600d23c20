//! Decides by the table of rights who may do what to whom, and issues the proofs of permission. A role without permission
//! for an action gets FORBIDDEN. A person outside the reach is reported as not found.

use uuid::Uuid;

pub use super::reach::{Extent, Reach, Seen};
pub use super::rights::{Action, Relation, Whom, whom};
use super::{Actor, Role, Source};
use crate::refusal::{Code, Reason, Refusal};

/// The people to whom the actor may apply this action.
///
/// # Errors
/// FORBIDDEN if the role may apply it to no person.
pub fn reach(actor: &Actor, action: Action) -> Result<Reach, Refusal> {
    match whom(action, actor.role()) {
        Whom::Nobody => {
            let able: Vec<_> = Role::ALL.iter().filter(|role| whom(action, **role) != Whom::Nobody).collect();
            let able: Vec<_> = able.into_iter().map(|role| role.as_str().to_uppercase()).collect();
            let message = format!("Your role cannot {}. Allowed roles: {}.", action.words(), able.join(", "));
            Err(Refusal::new(Code::Forbidden, message))
        }
        _ => {
            check_scope(actor, action)?;
            Ok(Reach::of(actor, action))
        }
    }
}

/// Checks that the token of a service has the scope of this action.
fn check_scope(actor: &Actor, action: Action) -> Result<(), Refusal> {
    let Some(scope) = actor.lacks_scope(action) else { return Ok(()) };
    let message = format!("Your token lacks the scope {scope}. Get a token that has it.");
    Err(Refusal::new(Code::Forbidden, message).because(Reason::ScopeMissing))
}

/// The people whose records the actor may read.
#[must_use]
pub fn sight(actor: &Actor) -> Reach {
    Reach::of(actor, Action::SeeRecord)
}

/// Proof that the actor may record events. If `own` is set, only events of that person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    source: Source,
    own: Option<Uuid>,
}

impl Recorder {
    /// Plaudit itself. Its events have a source that no sender can use.
    pub(crate) fn ourselves() -> Self {
        Self { source: Source::Ourselves, own: None }
    }

    /// The source that the ids of the events belong to.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The person, if the actor may report only events about themselves.
    pub(crate) fn reporter(&self) -> Option<Uuid> {
        self.own
    }

    /// Checks whether events of an activity may be recorded; `self_reportable` is a property of the activity.
    ///
    /// # Errors
    /// FORBIDDEN if only an admin or a service may record them.
    pub(crate) fn may_record(&self, self_reportable: bool) -> Result<(), Refusal> {
        if self.own.is_none() || self_reportable {
            return Ok(());
        }
        let message = "Your role can record only self-reportable activities. Ask an admin or a service to record this event.";
        Err(Refusal::new(Code::Forbidden, message))
    }

    /// Whether events of this person may be recorded.
    pub(crate) fn may_record_of(&self, person: Uuid) -> bool {
        self.own.is_none_or(|own| own == person)
    }
}

/// The right to record events.
///
/// # Errors
/// FORBIDDEN if the token of a service lacks the scope.
pub fn recorder(actor: &Actor) -> Result<Recorder, Refusal> {
    check_scope(actor, Action::RecordEvents)?;
    let everybody = whom(Action::RecordEvents, actor.role()) == Whom::Everybody;
    Ok(Recorder { source: actor.source(), own: actor.person().filter(|_| !everybody) })
}

/// Checks whether the actor may change a person with the role `now`: a higher role cannot be changed.
fn keep(actor: &Actor, now: Option<Role>) -> Result<(), Refusal> {
    let above = match actor.role() {
        Role::Admin => now == Some(Role::SuperAdmin),
        Role::Service => matches!(now, Some(Role::SuperAdmin | Role::Admin)),
        _ => false,
    };
    if !above {
        return Ok(());
    }
    let message = "You cannot modify a user with a higher role. Ask a super admin.";
    Err(Refusal::new(Code::Forbidden, message).at(["id"]).because(Reason::HigherRole))
}

/// Checks whether the actor may set `person`'s role to `wanted`; `now` is the current role, `None` for a new person.
///
/// # Errors
/// FORBIDDEN with the roles that the actor may assign: at `role`, or at `id` for a person with a higher role.
pub fn give_role(actor: &Actor, person: Uuid, now: Option<Role>, wanted: Role) -> Result<(), Refusal> {
    keep(actor, now)?;
    if now == Some(wanted) {
        return Ok(());
    }
    if actor.person() == Some(person) {
        let message = match actor.role() {
            Role::SuperAdmin => "You cannot change your own role. Ask another super admin.",
            _ => "You cannot change your own role. Ask another admin.",
        };
        return Err(Refusal::new(Code::Forbidden, message).at(["role"]).because(Reason::OwnRole));
    }
    let may = match actor.role() {
        Role::SuperAdmin => wanted != Role::Service,
        Role::Admin => !matches!(wanted, Role::SuperAdmin | Role::Service) && now != Some(Role::SuperAdmin),
        Role::Service => now.is_none() && matches!(wanted, Role::Student | Role::Parent | Role::Teacher),
        Role::Teacher | Role::Student | Role::Parent => false,
    };
    if may {
        return Ok(());
    }
    let gives = match actor.role() {
        Role::SuperAdmin => "a super admin can assign every role except SERVICE",
        Role::Admin => "an admin can assign ADMIN, TEACHER, STUDENT and PARENT",
        _ => "a service can create STUDENT, PARENT and TEACHER, and cannot change a role",
    };
    let message = format!("You cannot assign this role: {gives}.");
    Err(Refusal::new(Code::Forbidden, message).at(["role"]).because(Reason::RoleNotAssignable))
}
