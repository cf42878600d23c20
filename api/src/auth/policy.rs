//! Who may do what to whom: the one place that decides, and the proof it hands out.

use uuid::Uuid;

use super::{Actor, Role};
use crate::refusal::{Code, Refusal};

/// Proof that the record of this person may be read by whoever asks. Only this module makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen {
    person: Uuid,
}

impl Seen {
    /// Whose record it is.
    #[must_use]
    pub fn person(&self) -> Uuid {
        self.person
    }
}

/// Proof that the actor may record events; `person` is set if only that person's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    source: String,
    own: Option<Uuid>,
}

impl Recorder {
    /// The product itself: what it emits belongs to a source that no sender may take.
    pub(crate) fn ourselves() -> Self {
        Self { source: super::token::RESERVED_SERVICE_NAME.to_owned(), own: None }
    }

    /// The source the events' ids belong to.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether events of an activity, self-reportable or not, may be recorded.
    ///
    /// # Errors
    /// FORBIDDEN where others have to record them.
    pub(crate) fn may_record(&self, self_reportable: bool) -> Result<(), Refusal> {
        if self.own.is_none() || self_reportable {
            return Ok(());
        }
        let message =
            "Your role may record only what is self-reportable; an admin or a service records the rest.";
        Err(Refusal::new(Code::Forbidden, message))
    }

    /// Whether events of this person may be recorded.
    pub(crate) fn may_record_of(&self, person: Uuid) -> bool {
        self.own.is_none_or(|own| own == person)
    }
}

/// Whose records an actor may read: everyone's, or their own.
#[must_use]
pub fn sees_everyone(actor: &Actor) -> bool {
    matches!(actor.role(), Role::SuperAdmin | Role::Admin | Role::Service)
}

/// The right to read a person's record; out of scope it answers like a missing person.
#[must_use]
pub fn see(actor: &Actor, person: Uuid) -> Option<Seen> {
    (sees_everyone(actor) || actor.person() == Some(person)).then_some(Seen { person })
}

/// The right to record events.
#[must_use]
pub fn recorder(actor: &Actor) -> Recorder {
    let own = match actor.role() {
        Role::SuperAdmin | Role::Admin | Role::Service => None,
        Role::Teacher | Role::Student | Role::Parent => actor.person(),
    };
    Recorder { source: actor.source(), own }
}

/// Whether the actor may create and change people.
///
/// # Errors
/// FORBIDDEN for a role that may not.
pub fn keep_people(actor: &Actor) -> Result<(), Refusal> {
    match actor.role() {
        Role::SuperAdmin | Role::Admin | Role::Service => Ok(()),
        Role::Teacher | Role::Student | Role::Parent => {
            Err(forbidden("keep the register of people", "an admin or a service"))
        }
    }
}

/// Whether the actor may change someone who has this role: nobody changes those above them.
fn keep(actor: &Actor, now: Option<Role>) -> Result<(), Refusal> {
    let above = match actor.role() {
        Role::Admin => now == Some(Role::SuperAdmin),
        Role::Service => matches!(now, Some(Role::SuperAdmin | Role::Admin)),
        _ => false,
    };
    if !above {
        return Ok(());
    }
    let message =
        "This person stands above you: an admin changes all but super admins, a service neither of them.";
    Err(Refusal::new(Code::Forbidden, message).because("ABOVE_YOU"))
}

/// Whether the actor may give `person`, who has the role `now` if they exist, the role `wanted`.
///
/// # Errors
/// FORBIDDEN with what the actor may give.
pub fn give_role(actor: &Actor, person: Uuid, now: Option<Role>, wanted: Role) -> Result<(), Refusal> {
    keep(actor, now)?;
    if now == Some(wanted) {
        return Ok(());
    }
    if actor.person() == Some(person) {
        return Err(Refusal::new(Code::Forbidden, "Nobody changes their own role: ask another admin.")
            .because("OWN_ROLE"));
    }
    let may = match actor.role() {
        Role::SuperAdmin => wanted != Role::Service,
        Role::Admin => !matches!(wanted, Role::SuperAdmin | Role::Service) && now != Some(Role::SuperAdmin),
        Role::Service => now.is_none() && matches!(wanted, Role::Student | Role::Parent | Role::Teacher),
        Role::Teacher | Role::Student | Role::Parent => false,
    };
    let gives = match actor.role() {
        Role::SuperAdmin => "a super admin gives any role of a person",
        Role::Admin => "an admin gives ADMIN, TEACHER, STUDENT and PARENT",
        _ => "a service creates STUDENT, PARENT and TEACHER and changes no role",
    };
    if may {
        Ok(())
    } else {
        Err(Refusal::new(Code::Forbidden, format!("This role is not yours to give: {gives}."))
            .because("ROLE_NOT_YOURS_TO_GIVE"))
    }
}

/// A right the role does not have at all.
#[must_use]
pub fn forbidden(what: &str, who: &str) -> Refusal {
    Refusal::new(Code::Forbidden, format!("Your role may not {what}; {who} may."))
}
