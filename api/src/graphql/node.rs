//! `node`: whatever has an id of its own, found by it.

use async_graphql::{Context, ID, Interface};

use super::achievements::Achievement;
use super::awards::Award;
use super::certificates::{self, Certificate};
use super::context::{actor, app};
use super::courses::{Course, Lesson};
use super::fault::Answer;
use super::people::User;
use super::query::visible_one;
use super::scalars::uuid;
use crate::auth::policy;
use crate::store::{awards, courses};

/// Something that has an id of its own.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Its id."))]
pub(crate) enum Node {
    /// A person.
    User(User),
    /// Something that can be earned.
    Achievement(Achievement),
    /// The fact that somebody earned something.
    Award(Award),
    /// A numbered document that a student was issued.
    Certificate(Certificate),
    /// What is taught, in lessons.
    Course(Course),
    /// A part of a course.
    Lesson(Lesson),
}

/// What has this id, if the caller may see it.
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
    let lesson = courses::lesson(db, id).await?;
    Ok(lesson.map(|lesson| Node::Lesson(Lesson(lesson))))
}
