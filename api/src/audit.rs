//! Who did what on whose record: a row for every act of somebody on another person's.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::auth::Actor;
use crate::id;
use crate::store::{self, Txn, acts};

/// Who acts, and in which request.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    /// Who.
    pub(crate) actor: Actor,
    /// The id of the request.
    pub(crate) request_id: Arc<str>,
}

/// What was done, in the words of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    UpsertUser,
    LinkGuardian,
    UnlinkGuardian,
    CreateCourse,
    UpdateCourse,
    Enroll,
    Unenroll,
    CompleteLesson,
    RecordEvent,
    CreateBadge,
    UpdateBadge,
    RetireBadge,
    AwardBadge,
    RevokeAward,
    CreateCertificate,
    UpdateCertificate,
    DeleteCertificate,
    ExportPerson,
    ErasePerson,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::UpsertUser => "upsert_user",
            Self::LinkGuardian => "link_guardian",
            Self::UnlinkGuardian => "unlink_guardian",
            Self::CreateCourse => "create_course",
            Self::UpdateCourse => "update_course",
            Self::Enroll => "enroll",
            Self::Unenroll => "unenroll",
            Self::CompleteLesson => "complete_lesson",
            Self::RecordEvent => "record_event",
            Self::CreateBadge => "create_badge",
            Self::UpdateBadge => "update_badge",
            Self::RetireBadge => "retire_badge",
            Self::AwardBadge => "award_badge",
            Self::RevokeAward => "revoke_award",
            Self::CreateCertificate => "create_certificate",
            Self::UpdateCertificate => "update_certificate",
            Self::DeleteCertificate => "delete_certificate",
            Self::ExportPerson => "export_person",
            Self::ErasePerson => "erase_person",
        }
    }
}

/// What an act is on: whose record, which object.
type On = (Option<Uuid>, Option<Uuid>);

/// Writes down acts in the transaction that does them.
pub(crate) async fn note(
    txn: &Txn,
    author: &Author,
    act: Act,
    on: impl IntoIterator<Item = On>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    note_all(txn, act, on.into_iter().map(|on| (author, on)), now).await
}

/// The same for acts of several people. What people do to their own records is their own affair.
pub(crate) async fn note_all<'a>(
    txn: &Txn,
    act: Act,
    done: impl IntoIterator<Item = (&'a Author, On)>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let others =
        done.into_iter().filter(|(author, (person, _))| person.is_none() || *person != author.actor.person());
    let rows = others.map(|(author, (person_id, object_id))| acts::Row {
        id: id::new(now),
        actor: author.actor.source(),
        role: author.actor.role().as_str().to_owned(),
        act: act.as_str().to_owned(),
        person_id,
        object_id,
        at: now,
        request_id: author.request_id.to_string(),
    });
    acts::insert(txn, rows.collect()).await
}
