//! Courses: created and changed by admins and by their teachers.

use std::collections::BTreeSet;

use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::Role;
use crate::auth::policy::{self, Action, Reach};
use crate::id;
use crate::refusal::{Failure, Reason, Refusal};
use crate::store::{Txn, courses, people, scope};
use crate::text;

/// Maximum number of lessons of a course.
const LESSONS: usize = 500;

/// The values of a new course.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What it is called.
    pub(crate) title: String,
    /// The teacher. `None` means the caller, if the caller is a teacher.
    pub(crate) teacher: Option<Uuid>,
    /// The titles of its lessons, in order.
    pub(crate) lessons: Vec<String>,
    /// The title of the certificate that completing every lesson issues.
    pub(crate) certificate_title: Option<String>,
}

/// A change of a course; `None` keeps the current value, `Some(None)` clears it.
#[derive(Debug)]
pub(crate) struct Change {
    /// What it is called.
    pub(crate) title: Option<String>,
    /// The teacher.
    pub(crate) teacher: Option<Option<Uuid>>,
    /// Titles of lessons to append.
    pub(crate) add_lessons: Vec<String>,
    /// The title of the certificate that completing every lesson issues.
    pub(crate) certificate_title: Option<Option<String>>,
}

/// Creates a course.
///
/// # Errors
/// FORBIDDEN by role; `INVALID_INPUT` or `NOT_FOUND` at the field. An error if the database fails.
pub(crate) async fn create(
    app: &App,
    request: &RequestContext,
    draft: Draft,
) -> Result<courses::Row, Failure> {
    let reach = policy::reach(&request.actor, Action::KeepCourse)?;
    let title = text::line("title", &draft.title, text::TITLE)?;
    let certificate_title = check_certificate(draft.certificate_title.as_deref())?;
    let lessons = &check_lessons("lessons", &draft.lessons)?;
    let own = request.actor.person().filter(|_| request.actor.role() == Role::Teacher);
    let teacher_id = draft.teacher.or(own);
    let now = app.clock.now();
    let course = id::new(now);
    let row =
        &courses::Row { id: course, title, teacher_id, certificate_title, created_at: now, updated_at: now };
    attempt(app, |txn, _| {
        async move { Ok((create_within(txn, request, &reach, row, lessons).await?, None)) }.scope_boxed()
    })
    .await?;
    Ok(row.clone())
}

async fn create_within(
    txn: &Txn,
    request: &RequestContext,
    reach: &Reach,
    row: &courses::Row,
    lessons: &[String],
) -> Result<(), Interrupted> {
    if let Some(teacher) = row.teacher_id {
        check_teacher(txn, reach, teacher).await?;
    }
    courses::insert(txn, row.clone()).await?;
    courses::add_lessons(txn, lesson_rows(row, 0, lessons)).await?;
    audit::note(txn, request, AuditAction::CreateCourse, [(row.teacher_id, Some(row.id))], row.updated_at)
        .await?;
    Ok(())
}

/// Changes a course.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` at `id` for a course that the caller may not change; `INVALID_INPUT` at the
/// field. An error if the database fails.
pub(crate) async fn update(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    change: Change,
) -> Result<courses::Row, Failure> {
    let reach = policy::reach(&request.actor, Action::KeepCourse)?;
    let title = change.title.map(|title| text::line("title", &title, text::TITLE)).transpose()?;
    let certificate_title =
        change.certificate_title.map(|title| check_certificate(title.as_deref())).transpose()?;
    let add_lessons = check_lessons("addLessons", &change.add_lessons)?;
    let change = &Change { title, certificate_title, add_lessons, ..change };
    attempt(app, |txn, _| {
        async move { Ok((update_within(app, txn, request, &reach, id, change).await?, None)) }.scope_boxed()
    })
    .await
}

async fn update_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    reach: &Reach,
    id: Uuid,
    change: &Change,
) -> Result<courses::Row, Interrupted> {
    let message = "No course that you may change has this id. A teacher changes the courses that they teach.";
    let missing = || Refusal::not_found("id", Reason::CourseNotFound, message);
    let before = courses::keep(txn, reach, id).await?.ok_or_else(missing)?;
    if change.teacher == Some(None) && !reach.is_everybody() {
        let message =
            "You cannot remove yourself as the teacher. Ask an admin to assign another teacher or none.";
        return Err(Refusal::invalid(["teacherId"], message).into());
    }
    if let Some(Some(teacher)) = change.teacher
        && before.teacher_id != Some(teacher)
    {
        check_teacher(txn, reach, teacher).await?;
    }
    let there = usize::try_from(courses::count_lessons(txn, id).await?).unwrap_or(usize::MAX);
    if !change.add_lessons.is_empty() && there.saturating_add(change.add_lessons.len()) > LESSONS {
        return Err(too_many_lessons("addLessons").into());
    }
    let now = app.clock.now();
    let row = courses::Row {
        title: change.title.clone().unwrap_or_else(|| before.title.clone()),
        teacher_id: change.teacher.unwrap_or(before.teacher_id),
        certificate_title: change
            .certificate_title
            .clone()
            .unwrap_or_else(|| before.certificate_title.clone()),
        updated_at: now,
        ..before
    };
    courses::update(txn, row.clone()).await?;
    courses::add_lessons(txn, lesson_rows(&row, there, &change.add_lessons)).await?;
    // The change concerns both the old and the new teacher.
    let concerned: BTreeSet<_> = [before.teacher_id, row.teacher_id].into();
    let on = concerned.into_iter().map(|teacher| (teacher, Some(id)));
    audit::note(txn, request, AuditAction::UpdateCourse, on, now).await?;
    Ok(row)
}

fn lesson_rows(course: &courses::Row, there: usize, titles: &[String]) -> Vec<courses::Lesson> {
    let rows = (there + 1..).zip(titles).map(|(position, title)| courses::Lesson {
        id: id::new(course.updated_at),
        course_id: course.id,
        title: title.clone(),
        position: i32::try_from(position).unwrap_or(i32::MAX),
    });
    rows.collect()
}

async fn check_teacher(txn: &Txn, reach: &Reach, teacher: Uuid) -> Result<(), Interrupted> {
    let message = "You cannot assign this id. An admin sends the id of a teacher or an admin; a teacher sends only their \
                   own id.";
    let missing = || Refusal::not_found("teacherId", Reason::PersonNotFound, message);
    let seen = scope::see(txn, reach, teacher).await?.ok_or_else(missing)?;
    // Locked: a concurrent change of their role sees the course, or is already committed.
    let row = people::lock(txn, &[seen.person()].into()).await?.pop().ok_or_else(missing)?;
    match Role::from(row.role) {
        Role::SuperAdmin | Role::Admin | Role::Teacher => Ok(()),
        Role::Student | Role::Parent | Role::Service => {
            let message =
                "A teacher must have the role TEACHER, ADMIN or SUPER_ADMIN. Send the id of such a person.";
            Err(Refusal::invalid(["teacherId"], message).into())
        }
    }
}

fn check_lessons(field: &str, titles: &[String]) -> Result<Vec<String>, Refusal> {
    if titles.len() > LESSONS {
        return Err(too_many_lessons(field));
    }
    let check = |(at, title): (usize, &String)| {
        text::line(field, title, text::TITLE).map_err(|refusal| refusal.at([field, &at.to_string()]))
    };
    titles.iter().enumerate().map(check).collect()
}

fn too_many_lessons(field: &str) -> Refusal {
    let message = format!("A course has at most {LESSONS} lessons. Send fewer, or create another course.");
    Refusal::invalid([field], message)
}

fn check_certificate(title: Option<&str>) -> Result<Option<String>, Refusal> {
    title.map(|title| text::line("certificateTitle", title, text::TITLE)).transpose()
}
