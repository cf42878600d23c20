//! Courses and lessons: what is taught, and how it is made and changed.

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

/// What is taught, in lessons.
#[derive(Clone)]
pub(crate) struct Course(pub(crate) Row);

/// What is taught, in lessons.
#[Object]
impl Course {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it is called.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Who teaches it; null if nobody does.
    async fn teacher(&self, ctx: &Context<'_>) -> Option<Answer<User>> {
        match self.0.teacher_id {
            Some(teacher) => Some(User::of(ctx, teacher).await),
            None => None,
        }
    }

    /// Its lessons, in order, by pages.
    async fn lessons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100.", default = 100)] first: Option<i32>,
        #[graphql(desc = "Return lessons after this position.")] after: Option<i32>,
    ) -> Answer<Vec<Lesson>> {
        let limit = page::at_most("first", first.unwrap_or(page::MOST), page::MOST)?;
        let lessons = LessonsOf { course: self.0.id, after: after.unwrap_or(0), limit };
        let lessons = loaders(ctx)?.load_one(lessons).await?.unwrap_or_default();
        Ok(lessons.iter().cloned().map(Lesson).collect())
    }

    /// Who takes it now, as far as the caller may see their record, by name.
    async fn students(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<UserPage>> {
        Some(roster::students(ctx, self.0.id, first, after.as_deref()).await)
    }

    /// The title of the certificate that completing every lesson issues; null if none is issued.
    async fn certificate_title(&self) -> Option<&str> {
        self.0.certificate_title.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// A part of a course.
#[derive(Clone)]
pub(crate) struct Lesson(pub(crate) courses::Lesson);

/// A part of a course.
#[Object]
impl Lesson {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it is called.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Its place in the course; 1 is the first.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// Whether somebody has completed it; null for somebody who is missing or out of scope.
    async fn completed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who; the caller if omitted.")] user_id: Option<ID>,
    ) -> Option<Answer<bool>> {
        let completed = async {
            let person = match &user_id {
                Some(id) => uuid("userId", id)?,
                None => actor(ctx)?.person().ok_or_else(|| {
                    Fault::argument("userId", "A service takes no course: name a person as `userId`.")
                })?,
            };
            let Some(seen) = loaders(ctx)?.load_one(SightOf(person)).await? else { return Ok(None) };
            Ok(Some(loaders(ctx)?.load_one(CompletedBy(self.0.id, seen)).await?.is_some()))
        };
        completed.await.transpose()
    }
}

/// What a page of courses says beside its rows.
pub(crate) struct CourseCount {
    wanted: Wanted,
}

#[Object]
impl CourseCount {
    /// How many courses there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        let count = courses::count(&app(ctx)?.db, self.wanted).await?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A page of courses, newest first.
pub(crate) type CoursePage = Connection<Moment<{ list::COURSES }>, Course, CourseCount>;

/// Courses, newest first: everybody signed in sees them, or nobody could enrol; who takes which is of the record.
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

/// A course to make.
#[derive(InputObject)]
pub(crate) struct CreateCourseInput {
    /// What it is called: one line of at most 200 letters.
    title: String,
    /// Who teaches it: a teacher or an admin. A teacher makes courses of their own; an admin's has nobody yet if omitted.
    teacher_id: Option<ID>,
    /// The titles of its lessons, in order; at most 500.
    lessons: Vec<String>,
    /// The title of the certificate that completing every lesson issues; none if omitted. A course without lessons
    /// issues none.
    certificate_title: Option<String>,
}

/// What became of `createCourse`.
#[derive(SimpleObject)]
pub(crate) struct CreateCoursePayload {
    /// The course; null if something was wrong.
    course: Option<Course>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// What to change of a course. Omitted keeps, null clears; null where a value is required is INVALID_INPUT.
#[derive(InputObject)]
pub(crate) struct UpdateCourseInput {
    /// Which course.
    id: ID,
    /// What it is called: one line of at most 200 letters.
    title: MaybeUndefined<String>,
    /// Who teaches it from now on; null: nobody, which only an admin may say.
    teacher_id: MaybeUndefined<ID>,
    /// Titles of lessons to add behind those that are there; at most 500 in all.
    add_lessons: Option<Vec<String>>,
    /// The title of the certificate that completing every lesson issues; null: none is issued. It holds from the next
    /// lesson that somebody completes, be it once more.
    certificate_title: MaybeUndefined<String>,
}

/// What became of `updateCourse`.
#[derive(SimpleObject)]
pub(crate) struct UpdateCoursePayload {
    /// The course as it is now; null if something was wrong.
    course: Option<Course>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Makes a course.
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
            let message = "A course has a title: send one, or leave it out to keep it.";
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

/// The UUID in a field of an input.
pub(crate) fn given(field: &str, id: &ID) -> Result<uuid::Uuid, Refusal> {
    let message = "Not a UUID: send an id as this API answers it.";
    parse_uuid(id).ok_or_else(|| Refusal::invalid([field], message))
}
