//! The authorization table: who may do what to whom. It issues the proofs of permission.
//! A role without permission for an action gets FORBIDDEN. A person outside the reach is reported as not found.

use uuid::Uuid;

pub use super::reach::{Extent, Reach, Seen};
use super::{Actor, Role, Source};
use crate::refusal::{Code, Reason, Refusal};

/// An action on a person's record, or in the school.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Read a person's awards and progress.
    SeeRecord,
    /// Record events about a person.
    RecordEvents,
    /// Create and change people.
    KeepPeople,
    /// Link a guardian to a child, or remove the link.
    LinkGuardian,
    /// Create and change courses.
    KeepCourse,
    /// Enrol a person in a course, or end the enrolment.
    Enroll,
    /// Complete a lesson for a person.
    CompleteLesson,
    /// Write a comment in the name of a person.
    WriteComment,
    /// Read the comments on the lessons of a course, as its teacher or through a person enrolled in it.
    ReadComments,
    /// Create, change and retire badges.
    KeepBadges,
    /// Award a badge to a person.
    AwardBadge,
    /// Revoke a person's award.
    RevokeAward,
    /// Issue a certificate to a person.
    CreateCertificate,
    /// Change a person's certificate, and read deleted ones.
    ChangeCertificate,
    /// Delete a person's certificate.
    DeleteCertificate,
    /// Read the audit log.
    ReadAudit,
    /// Export all stored data of a person.
    ExportPerson,
    /// Erase the data that identifies a person.
    ErasePerson,
}

/// How a person is currently related to the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// The person is the actor.
    Themselves,
    /// A child linked to the actor.
    Child,
    /// A student enrolled in a course that the actor teaches.
    Student,
}

/// The people that a role may apply an action to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// No person.
    Nobody,
    /// All people.
    Everybody,
    /// People who have one of these relations to the actor.
    Only(&'static [Relation]),
}

impl Action {
    /// All actions, in the order of the printed table.
    pub const ALL: [Self; 18] = [
        Self::SeeRecord,
        Self::RecordEvents,
        Self::KeepPeople,
        Self::LinkGuardian,
        Self::KeepCourse,
        Self::Enroll,
        Self::CompleteLesson,
        Self::WriteComment,
        Self::ReadComments,
        Self::KeepBadges,
        Self::AwardBadge,
        Self::RevokeAward,
        Self::CreateCertificate,
        Self::ChangeCertificate,
        Self::DeleteCertificate,
        Self::ReadAudit,
        Self::ExportPerson,
        Self::ErasePerson,
    ];

    /// The action as a phrase that completes "Your role cannot …".
    fn words(self) -> &'static str {
        match self {
            Self::SeeRecord => "read records",
            Self::RecordEvents => "record events",
            Self::KeepPeople => "manage users",
            Self::LinkGuardian => "link guardians and children",
            Self::KeepCourse => "create or change courses",
            Self::Enroll => "enrol people in courses",
            Self::CompleteLesson => "complete lessons",
            Self::WriteComment => "write comments",
            Self::ReadComments => "read comments",
            Self::KeepBadges => "create, change or retire badges",
            Self::AwardBadge => "award badges",
            Self::RevokeAward => "revoke awards",
            Self::CreateCertificate => "issue certificates",
            Self::ChangeCertificate => "change certificates",
            Self::DeleteCertificate => "delete certificates",
            Self::ReadAudit => "read the audit log",
            Self::ExportPerson => "export personal data",
            Self::ErasePerson => "erase people",
        }
    }
}

/// The table: the people to whom this role may apply this action.
#[must_use]
pub fn whom(action: Action, role: Role) -> Whom {
    use Action as A;
    use Relation::{Child, Student, Themselves};
    use Role as R;
    use Whom::{Everybody, Nobody, Only};
    match (action, role) {
        (A::ErasePerson, R::SuperAdmin) => Everybody,
        (A::ErasePerson, _) => Nobody,
        (A::WriteComment, R::Service) => Nobody,
        (A::WriteComment, _) => Only(&[Themselves]),

        (_, R::SuperAdmin | R::Admin) => Everybody,

        (A::SeeRecord, R::Teacher) => Only(&[Themselves, Student, Child]),
        (A::SeeRecord, R::Parent) => Only(&[Themselves, Child]),
        (A::SeeRecord, R::Student) => Only(&[Themselves]),

        (A::RecordEvents | A::ExportPerson, R::Teacher | R::Student | R::Parent) => Only(&[Themselves]),

        (A::ReadComments, R::Teacher | R::Parent) => Only(&[Themselves, Child]),
        (A::ReadComments, R::Student) => Only(&[Themselves]),

        (A::KeepCourse, R::Teacher) => Only(&[Themselves]),
        (A::Enroll | A::CompleteLesson, R::Teacher) => Only(&[Student]),
        (A::Enroll | A::CompleteLesson, R::Student) => Only(&[Themselves]),
        (A::AwardBadge | A::RevokeAward | A::CreateCertificate | A::DeleteCertificate, R::Teacher) => {
            Only(&[Student])
        }

        (
            A::SeeRecord | A::RecordEvents | A::KeepPeople | A::LinkGuardian | A::Enroll | A::CompleteLesson,
            R::Service,
        ) => Everybody,

        _ => Nobody,
    }
}

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
        _ => Ok(Reach::of(actor, action)),
    }
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
#[must_use]
pub fn recorder(actor: &Actor) -> Recorder {
    let everybody = whom(Action::RecordEvents, actor.role()) == Whom::Everybody;
    Recorder { source: actor.source(), own: actor.person().filter(|_| !everybody) }
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
    Err(Refusal::new(Code::Forbidden, message).at(["id"]).because(Reason::AboveYou))
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
    Err(Refusal::new(Code::Forbidden, message).at(["role"]).because(Reason::RoleNotYoursToGive))
}
