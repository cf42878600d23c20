//! The table of rights: for each action and role, the people on whom the role may act.

use super::Role;

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
    /// Choose one's own mails.
    ChooseMails,
    /// Manage webhooks, and read and retry deliveries.
    ManageDeliveries,
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
    pub const ALL: [Self; 20] = [
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
        Self::ChooseMails,
        Self::ManageDeliveries,
    ];

    /// The action as a phrase that completes "Your role cannot …".
    pub(super) fn words(self) -> &'static str {
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
            Self::ChooseMails => "get mails",
            Self::ManageDeliveries => "manage webhooks and deliveries",
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
        (A::ChooseMails, R::Service) => Nobody,
        (A::ChooseMails, _) => Only(&[Themselves]),
        (A::WriteComment, R::Student) => Only(&[Themselves]),
        (A::WriteComment, _) => Nobody,

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
