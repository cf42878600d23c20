//! Who may do what to whom: one table, and the proofs it hands out.
//! A role that may not do something at all is FORBIDDEN; a person out of reach reads like a missing one.

use uuid::Uuid;

pub use super::reach::{Extent, Reach, Seen};
use super::{Actor, Role, Source};
use crate::refusal::{Code, Refusal};

/// What can be done to somebody's record, or in the school.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Read what somebody has earned and is on the way to.
    SeeRecord,
    /// Record events about somebody.
    RecordEvents,
    /// Create and change people.
    KeepPeople,
    /// Link a guardian to a child, or end it.
    LinkGuardian,
    /// Create and change a course that somebody teaches.
    KeepCourse,
    /// Enrol somebody in a course, or end it.
    Enroll,
    /// Complete a lesson for somebody.
    CompleteLesson,
    /// Write a comment as somebody.
    WriteComment,
    /// Read what is written about the lessons of a course, as who teaches it or through somebody who takes it.
    ReadComments,
    /// Create, change and retire badges.
    KeepBadges,
    /// Give somebody a badge.
    AwardBadge,
    /// Take an award back from somebody.
    RevokeAward,
    /// Issue somebody a certificate.
    CreateCertificate,
    /// Change or delete somebody's certificate.
    ChangeCertificate,
    /// Read who did what on whose record.
    ReadAudit,
    /// Take out everything that is held on somebody.
    ExportPerson,
    /// Remove what identifies somebody.
    ErasePerson,
}

/// How somebody stands to the one who asks, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It is they.
    Themselves,
    /// A child they are linked to.
    Child,
    /// A student enrolled in a course they teach.
    Student,
}

/// To whom a role may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// To nobody.
    Nobody,
    /// To everybody.
    Everybody,
    /// To those who stand to them in one of these relations.
    Only(&'static [Relation]),
}

impl Action {
    /// All of them, in the order of the printed table.
    pub const ALL: [Self; 17] = [
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
        Self::ReadAudit,
        Self::ExportPerson,
        Self::ErasePerson,
    ];

    /// The action in words: "Your role may not …".
    fn words(self) -> &'static str {
        match self {
            Self::SeeRecord => "read records",
            Self::RecordEvents => "record events",
            Self::KeepPeople => "keep the register of people",
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
            Self::ChangeCertificate => "change or delete certificates",
            Self::ReadAudit => "read the audit log",
            Self::ExportPerson => "export what is held on people",
            Self::ErasePerson => "erase people",
        }
    }
}

/// The table: to whom this role may do this.
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
        (A::AwardBadge | A::RevokeAward | A::CreateCertificate, R::Teacher) => Only(&[Student]),

        (
            A::SeeRecord | A::RecordEvents | A::KeepPeople | A::LinkGuardian | A::Enroll | A::CompleteLesson,
            R::Service,
        ) => Everybody,

        _ => Nobody,
    }
}

/// To whom the actor may do this.
///
/// # Errors
/// FORBIDDEN where the role may do it to nobody.
pub fn reach(actor: &Actor, action: Action) -> Result<Reach, Refusal> {
    match whom(action, actor.role()) {
        Whom::Nobody => {
            let able: Vec<_> = Role::ALL.iter().filter(|role| whom(action, **role) != Whom::Nobody).collect();
            let able: Vec<_> = able.into_iter().map(|role| role.as_str().to_uppercase()).collect();
            let message = format!("Your role may not {}; {} may.", action.words(), able.join(", "));
            Err(Refusal::new(Code::Forbidden, message))
        }
        _ => Ok(Reach::of(actor, action)),
    }
}

/// Whose records the actor may read.
#[must_use]
pub fn sight(actor: &Actor) -> Reach {
    Reach::of(actor, Action::SeeRecord)
}

/// Proof that the actor may record events; `own` is set if only that person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    source: Source,
    own: Option<Uuid>,
}

impl Recorder {
    /// The product itself: what it emits belongs to a source that no sender may take.
    pub(crate) fn ourselves() -> Self {
        Self { source: Source::Ourselves, own: None }
    }

    /// The source the events' ids belong to.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The person who may report events about themselves only.
    pub(crate) fn reporter(&self) -> Option<Uuid> {
        self.own
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

/// The right to record events.
#[must_use]
pub fn recorder(actor: &Actor) -> Recorder {
    let everybody = whom(Action::RecordEvents, actor.role()) == Whom::Everybody;
    Recorder { source: actor.source(), own: actor.person().filter(|_| !everybody) }
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
    Err(Refusal::new(Code::Forbidden, message).at(["id"]).because("ABOVE_YOU"))
}

/// Whether the actor may give `person`, who has the role `now` if they exist, the role `wanted`.
///
/// # Errors
/// FORBIDDEN with what the actor may give, at `role`, or at `id` for a person above them.
pub fn give_role(actor: &Actor, person: Uuid, now: Option<Role>, wanted: Role) -> Result<(), Refusal> {
    keep(actor, now)?;
    if now == Some(wanted) {
        return Ok(());
    }
    if actor.person() == Some(person) {
        let message = match actor.role() {
            Role::SuperAdmin => "Nobody changes their own role: ask another super admin.",
            _ => "Nobody changes their own role: ask another admin.",
        };
        return Err(Refusal::new(Code::Forbidden, message).at(["role"]).because("OWN_ROLE"));
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
        Role::SuperAdmin => "a super admin gives any role of a person",
        Role::Admin => "an admin gives ADMIN, TEACHER, STUDENT and PARENT",
        _ => "a service creates STUDENT, PARENT and TEACHER and changes no role",
    };
    let message = format!("This role is not yours to give: {gives}.");
    Err(Refusal::new(Code::Forbidden, message).at(["role"]).because("ROLE_NOT_YOURS_TO_GIVE"))
}
