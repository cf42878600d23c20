//! What students do in courses: enrol, complete lessons, write comments.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::awards::Award;
use super::certificates::Certificate;
use super::context::{app, request_context};
use super::courses::{Course, Lesson, given};
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use crate::auth::policy::{self, Action};
use crate::registry::lessons as registry;

/// Who takes which course, or no longer does.
#[derive(InputObject)]
pub(crate) struct EnrollInput {
    /// The course.
    course_id: ID,
    /// Who; the caller if omitted.
    student_id: Option<ID>,
    /// false ends it.
    #[graphql(default = true)]
    enrolled: bool,
}

/// What became of `enroll`.
#[derive(SimpleObject)]
pub(crate) struct EnrollPayload {
    /// The course; null if something was wrong.
    course: Option<Course>,
    /// The student; null if something was wrong.
    student: Option<User>,
    /// Whether the student takes the course now.
    enrolled: Option<bool>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// A lesson that somebody has completed.
#[derive(InputObject)]
pub(crate) struct CompleteLessonInput {
    /// The lesson, of a course that the student takes now.
    lesson_id: ID,
    /// Who; the caller if omitted.
    student_id: Option<ID>,
}

/// What became of `completeLesson`.
#[derive(SimpleObject)]
pub(crate) struct CompleteLessonPayload {
    /// The lesson; null if something was wrong.
    lesson: Option<Lesson>,
    /// The awards it brought the student; completed again, those of the first time.
    awards: Option<Vec<Award>>,
    /// The student's certificate of the course, once all its lessons are completed and if it issues one.
    certificate: Option<Certificate>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Something to say about a lesson.
#[derive(InputObject)]
pub(crate) struct WriteCommentInput {
    /// The lesson, of a course that the caller takes now.
    lesson_id: ID,
    /// What it says: at most 2,000 letters, which may have line breaks; kept in NFC.
    body: String,
}

/// What became of `writeComment`.
#[derive(SimpleObject)]
pub(crate) struct WriteCommentPayload {
    /// The awards it brought the caller; null if something was wrong.
    awards: Option<Vec<Award>>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Enrols a student, or ends it.
pub(crate) async fn enroll(ctx: &Context<'_>, input: EnrollInput) -> Answer<EnrollPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::Enroll)?;
    let course = given("courseId", &input.course_id);
    let student = input.student_id.as_ref().map(|id| given("studentId", id)).transpose();
    let done = match course.and_then(|course| Ok((course, student?))) {
        Ok((course, student)) => registry::enroll(app(ctx)?, &request, course, student, input.enrolled).await,
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match done {
        Ok(registry::Enrolled { course, student }) => EnrollPayload {
            course: Some(Course(course)),
            student: Some(User::new(student)),
            enrolled: Some(input.enrolled),
            user_errors: Vec::new(),
        },
        Err(failure) => EnrollPayload {
            course: None,
            student: None,
            enrolled: None,
            user_errors: vec![user_error(failure, &["input"])?],
        },
    })
}

/// Completes a lesson for a student.
pub(crate) async fn complete(ctx: &Context<'_>, input: CompleteLessonInput) -> Answer<CompleteLessonPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::CompleteLesson)?;
    let lesson = given("lessonId", &input.lesson_id);
    let student = input.student_id.as_ref().map(|id| given("studentId", id)).transpose();
    let done = match lesson.and_then(|lesson| Ok((lesson, student?))) {
        Ok((lesson, student)) => registry::complete(app(ctx)?, &request, lesson, student).await,
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match done {
        Ok(registry::Completed { lesson, awards, certificate }) => CompleteLessonPayload {
            lesson: Some(Lesson(lesson)),
            awards: Some(awards.into_iter().map(Award).collect()),
            certificate: certificate.map(Certificate),
            user_errors: Vec::new(),
        },
        Err(failure) => CompleteLessonPayload {
            lesson: None,
            awards: None,
            certificate: None,
            user_errors: vec![user_error(failure, &["input"])?],
        },
    })
}

/// Writes a comment as the caller.
pub(crate) async fn comment(ctx: &Context<'_>, input: WriteCommentInput) -> Answer<WriteCommentPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::WriteComment)?;
    let written = match given("lessonId", &input.lesson_id) {
        Ok(lesson) => registry::comment(app(ctx)?, &request, lesson, &input.body).await,
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match written {
        Ok(awards) => WriteCommentPayload {
            awards: Some(awards.into_iter().map(Award).collect()),
            user_errors: Vec::new(),
        },
        Err(failure) => {
            WriteCommentPayload { awards: None, user_errors: vec![user_error(failure, &["input"])?] }
        }
    })
}
