//! Comments on lessons. The teacher of the course, its enrolled students, their linked parents and admins can read
//! them.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use super::context::{actor, app};
use super::fault::Answer;
use super::page::{self, Moment, list};
use super::people::User;
use super::scalars::{DateTime, uuid};
use crate::auth::policy::{self, Action, Reach};
use crate::store::enrollments::{self, Comment as Row};

/// A comment on a lesson.
pub(crate) struct Comment(pub(crate) Row);

/// A comment on a lesson.
#[Object]
impl Comment {
    /// The comment's id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The person who wrote the comment.
    async fn author(&self, ctx: &Context<'_>) -> Answer<User> {
        User::of(ctx, self.0.author_id).await
    }

    /// The text. Empty if the author has been erased.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// When the comment was written.
    async fn written_at(&self) -> DateTime {
        DateTime(self.0.written_at)
    }
}

/// Additional fields of a page of comments.
pub(crate) struct CommentCount {
    reach: Reach,
    lesson: Uuid,
}

#[Object]
impl CommentCount {
    /// The number of comments on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        let count = enrollments::count_comments(&app(ctx)?.db, &self.reach, self.lesson).await?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A page of comments, newest first.
pub(crate) type CommentPage = Connection<Moment<{ list::COMMENTS }>, Comment, CommentCount>;

/// A page of the comments on a lesson. `None` for a lesson whose comments the caller may not read.
pub(crate) async fn page(
    ctx: &Context<'_>,
    lesson: &ID,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<Option<CommentPage>> {
    let reach = policy::reach(actor(ctx)?, Action::ReadComments)?;
    let rows = page::first(first)?;
    let from: Option<Moment<{ list::COMMENTS }>> =
        after.map(|text| page::place("after", text)).transpose()?;
    let lesson = uuid("lessonId", lesson)?;
    let db = &app(ctx)?.db;
    if enrollments::lesson_within(db, &reach, lesson).await?.is_none() {
        return Ok(None);
    }
    let place = from.map(|Moment(at, id)| (at, id));
    let found = enrollments::comments_of(db, &reach, lesson, place, rows + 1).await?;
    let asked = usize::try_from(rows).unwrap_or(usize::MAX);
    let count = CommentCount { reach, lesson };
    let mut page = Connection::with_additional_fields(from.is_some(), found.len() > asked, count);
    let edges = found.into_iter().take(asked);
    page.edges.extend(edges.map(|row| Edge::new(Moment(row.written_at, row.id), Comment(row))));
    Ok(Some(page))
}
