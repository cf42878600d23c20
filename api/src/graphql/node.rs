//! `Query.node`: finds an object by its id.

use async_graphql::{Context, ID, Interface};

use super::achievements::Achievement;
use super::audit::AuditEntry;
use super::awards::Award;
use super::catalog::visible_one;
use super::certificates::{self, Certificate};
use super::comments::Comment;
use super::context::{actor, app, loaders};
use super::courses::{Course, Lesson};
use super::fault::Answer;
use super::loaders::{CommentOf, EntryOf};
use super::people::User;
use super::scalars::uuid;
use crate::auth::policy::{self, Action};
use crate::store::{awards, courses};

/// An object with a globally unique id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The object's id, a UUID."))]
pub(crate) enum Node {
    /// A person.
    User(User),
    /// An achievement or a badge.
    Achievement(Achievement),
    /// An achievement that a person earned.
    Award(Award),
    /// A certificate of a student.
    Certificate(Certificate),
    /// A course.
    Course(Course),
    /// A lesson of a course.
    Lesson(Lesson),
    /// A comment on a lesson.
    Comment(Comment),
    /// An entry of the audit log.
    AuditEntry(AuditEntry),
}

/// Finds the object with this id; `None` if it does not exist or the caller may not see it.
pub(crate) async fn find(ctx: &Context<'_>, id: &ID) -> Answer<Option<Node>> {
    let actor = actor(ctx)?;
    let id = uuid("id", id)?;
    if let Some(known) = visible_one(ctx, id).await? {
        return Ok(Some(Node::Achievement(Achievement(known))));
    }
    if let Some(user) = User::visible(ctx, id).await? {
        return Ok(Some(Node::User(user)));
    }
    let db = &app(ctx)?.db;
    if let Some(award) = awards::by_id(db, &policy::sight(actor), id).await? {
        return Ok(Some(Node::Award(Award(award))));
    }
    if let Some(certificate) = certificates::by_id(ctx, id).await? {
        return Ok(Some(Node::Certificate(certificate)));
    }
    if let Some(course) = courses::by_id(db, id).await? {
        return Ok(Some(Node::Course(Course(course))));
    }
    if let Some(lesson) = courses::lesson(db, id).await? {
        return Ok(Some(Node::Lesson(Lesson(lesson))));
    }
    if let Some(comment) = loaders(ctx)?.load_one(CommentOf(id)).await? {
        return Ok(Some(Node::Comment(Comment(comment))));
    }
    if policy::reach(actor, Action::ReadAudit).is_err() {
        return Ok(None);
    }
    let entry = loaders(ctx)?.load_one(EntryOf(id)).await?;
    Ok(entry.map(|entry| Node::AuditEntry(AuditEntry(entry))))
}
