//! Courses and lessons: their types, their pages, and the mutations that create and change courses.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use super::context::{actor, app, loaders, request_context};
use super::fault::{Answer, Fault, UserError, user_error};
use super::loaders::{CompletedBy, LessonsOf, SightOf};
use super::page::{self, Moment, list};
use super::people::User;
use super::roster::{self, UserPage};
use super::scalars::{DateTime, parse_uuid, uuid};
use crate::auth::policy::{self, Action};
use crate::refusal::Refusal;
use crate::registry::courses::{self as registry, Change, Draft};
use crate::store::courses::{self, Row, Wanted};

/// A course, which consists of lessons.
#[derive(Clone)]
pub(crate) struct Course(pub(crate) Row);

/// A course, which consists of lessons.
#[Object]
impl Course {
    /// The course's id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The course's title.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The teacher. Null if the course has none.
    async fn teacher(&self, ctx: &Context<'_>) -> Option<Answer<User>> {
        match self.0.teacher_id {
            Some(teacher) => Some(User::of(ctx, teacher).await),
            None => None,
        }
    }

    /// The lessons, in order. Page with `after`.
    async fn lessons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 100)] first: Option<i32>,
        #[graphql(desc = "Return lessons after the lesson with this `position`.")] after: Option<i32>,
    ) -> Answer<Vec<Lesson>> {
        let limit = page::at_most("first", first.unwrap_or(page::MOST), page::MOST)?;
        let lessons = LessonsOf { course: self.0.id, after: after.unwrap_or(0), limit };
        let lessons = loaders(ctx)?.load_one(lessons).await?.unwrap_or_default();
        Ok(lessons.iter().cloned().map(Lesson).collect())
    }

    /// The enrolled students whose record the caller may see, ordered by name.
    async fn students(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<UserPage>> {
        Some(roster::students(ctx, self.0.id, first, after.as_deref()).await)
    }

    /// The title of the certificate that a student gets after completing all lessons. Null if the course issues none.
    async fn certificate_title(&self) -> Option<&str> {
        self.0.certificate_title.as_deref()
    }

    /// When the course was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When the course was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// A lesson of a course.
#[derive(Clone)]
pub(crate) struct Lesson(pub(crate) courses::Lesson);

/// A lesson of a course.
#[Object]
impl Lesson {
    /// The lesson's id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The lesson's title.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The lesson's position in the course, starting at 1.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// Whether a person has completed the lesson. Null if the person does not exist or the caller may not see their
    /// record.
    async fn completed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id. Default: the caller. A service must send it.")] user_id: Option<
            ID,
        >,
    ) -> Option<Answer<bool>> {
        let completed = async {
            let person = match &user_id {
                Some(id) => uuid("userId", id)?,
                None => actor(ctx)?.person().ok_or_else(|| {
                    Fault::argument("userId", "A service is not a person: send a person's id as `userId`.")
                })?,
            };
            let Some(seen) = loaders(ctx)?.load_one(SightOf(person)).await? else { return Ok(None) };
            Ok(Some(loaders(ctx)?.load_one(CompletedBy(self.0.id, seen)).await?.is_some()))
        };
        completed.await.transpose()
    }
}

/// Additional fields of a page of courses.
pub(crate) struct CourseCount {
    wanted: Wanted,
}

#[Object]
impl CourseCount {
    /// The number of courses on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        let count = courses::count(&app(ctx)?.db, self.wanted).await?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A page of courses, newest first.
pub(crate) type CoursePage = Connection<Moment<{ list::COURSES }>, Course, CourseCount>;

/// A page of courses, newest first. Every signed-in caller may see every course, so that students can enrol. Which
/// courses a student takes is part of the student's record.
pub(crate) async fn page(
    ctx: &Context<'_>,
    teacher: Option<&ID>,
    student: Option<&ID>,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<CoursePage> {
    let sight = policy::sight(actor(ctx)?);
    let rows = page::first(first)?;
    let wanted = Wanted {
        teacher: teacher.map(|id| uuid("teacherId", id)).transpose()?,
        student: student.map(|id| Ok::<_, Fault>((uuid("studentId", id)?, sight))).transpose()?,
    };
    let from: Option<Moment<{ list::COURSES }>> = after.map(|text| page::place("after", text)).transpose()?;
    let place = from.map(|Moment(at, id)| (at, id));
    let found = courses::page_of(&app(ctx)?.db, wanted, place, rows + 1).await?;
    let asked = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut page =
        Connection::with_additional_fields(from.is_some(), found.len() > asked, CourseCount { wanted });
    let edges = found.into_iter().take(asked);
    page.edges.extend(edges.map(|row| Edge::new(Moment(row.created_at, row.id), Course(row))));
    Ok(page)
}

/// The course to create.
#[derive(InputObject)]
pub(crate) struct CreateCourseInput {
    /// The title: one line of 1 to 200 characters.
    title: String,
    /// The id of the teacher: a TEACHER, ADMIN or SUPER_ADMIN. A teacher can only send their own id, which is also
    /// their default. If an admin omits it, the course has no teacher yet.
    teacher_id: Option<ID>,
    /// The titles of the lessons, in order: at most 500, each one line of 1 to 200 characters.
    lessons: Vec<String>,
    /// The title of the certificate that a student gets after completing all lessons. If omitted, the course issues
    /// none. A course without lessons also issues none.
    certificate_title: Option<String>,
}

/// The result of `createCourse`.
#[derive(SimpleObject)]
pub(crate) struct CreateCoursePayload {
    /// The new course. Null on error.
    course: Option<Course>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The changes of a course. Omitted fields keep their value. Null clears a field; for a required field, null is
/// INVALID_INPUT.
#[derive(InputObject)]
pub(crate) struct UpdateCourseInput {
    /// The course's id.
    id: ID,
    /// The title: one line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// The id of the new teacher. Null removes the teacher, which only an admin may do.
    teacher_id: MaybeUndefined<ID>,
    /// The titles of lessons to add after the last lesson. A course has at most 500 lessons.
    add_lessons: Option<Vec<String>>,
    /// The title of the certificate that a student gets after completing all lessons. Null: the course issues none.
    /// The change takes effect at the student's next call of `completeLesson`, also for a lesson that is already
    /// completed.
    certificate_title: MaybeUndefined<String>,
}

/// The result of `updateCourse`.
#[derive(SimpleObject)]
pub(crate) struct UpdateCoursePayload {
    /// The course after the change. Null on error.
    course: Option<Course>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Creates a course.
pub(crate) async fn create(ctx: &Context<'_>, input: CreateCourseInput) -> Answer<CreateCoursePayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::KeepCourse)?;
    let made = match input.teacher_id.as_ref().map(|id| given("teacherId", id)).transpose() {
        Ok(teacher) => {
            let CreateCourseInput { title, lessons, certificate_title, .. } = input;
            registry::create(app(ctx)?, &request, Draft { title, teacher, lessons, certificate_title }).await
        }
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match made {
        Ok(row) => CreateCoursePayload { course: Some(Course(row)), user_errors: Vec::new() },
        Err(failure) => {
            CreateCoursePayload { course: None, user_errors: vec![user_error(failure, &["input"])?] }
        }
    })
}

/// Changes a course.
pub(crate) async fn update(ctx: &Context<'_>, input: UpdateCourseInput) -> Answer<UpdateCoursePayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::KeepCourse)?;
    let id = given("id", &input.id);
    let changed = match id.and_then(|id| Ok((id, read(input)?))) {
        Ok((id, change)) => registry::update(app(ctx)?, &request, id, change).await,
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match changed {
        Ok(row) => UpdateCoursePayload { course: Some(Course(row)), user_errors: Vec::new() },
        Err(failure) => {
            UpdateCoursePayload { course: None, user_errors: vec![user_error(failure, &["input"])?] }
        }
    })
}

fn read(input: UpdateCourseInput) -> Result<Change, Refusal> {
    let title = match input.title {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Value(title) => Some(title),
        MaybeUndefined::Null => {
            let message = "A course must have a title: send one, or omit the field to keep it.";
            return Err(Refusal::invalid(["title"], message));
        }
    };
    let teacher = match input.teacher_id {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(id) => Some(Some(given("teacherId", &id)?)),
    };
    let certificate_title = input.certificate_title.as_opt_ref().map(|title| title.cloned());
    Ok(Change { title, teacher, add_lessons: input.add_lessons.unwrap_or_default(), certificate_title })
}

/// Parses the UUID in a field of an input.
pub(crate) fn given(field: &str, id: &ID) -> Result<uuid::Uuid, Refusal> {
    let message = "Not a UUID: send an id as this API returns it.";
    parse_uuid(id).ok_or_else(|| Refusal::invalid([field], message))
}
