//! Mutations of students in courses: enrol, complete lessons, write comments.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::awards::Award;
use super::certificates::Certificate;
use super::context::{app, request_context};
use super::courses::{Course, Lesson, given};
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use crate::auth::policy::{self, Action};
use crate::registry::lessons as registry;

/// An enrolment to start or to end.
#[derive(InputObject)]
pub(crate) struct EnrollInput {
    /// The course's id.
    course_id: ID,
    /// The student's id. Default: the caller, if they are a student. Other callers must send it.
    student_id: Option<ID>,
    /// True enrols the student, false ends the enrolment.
    #[graphql(default = true)]
    enrolled: bool,
}

/// The result of `enroll`.
#[derive(SimpleObject)]
pub(crate) struct EnrollPayload {
    /// The course. Null on error.
    course: Option<Course>,
    /// The student. Null on error.
    student: Option<User>,
    /// Whether the student is enrolled now. Null on error.
    enrolled: Option<bool>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The lesson that a student has completed.
#[derive(InputObject)]
pub(crate) struct CompleteLessonInput {
    /// The lesson's id. The student must be enrolled in its course.
    lesson_id: ID,
    /// The student's id. Default: the caller, if they are a student. Other callers must send it.
    student_id: Option<ID>,
}

/// The result of `completeLesson`.
#[derive(SimpleObject)]
pub(crate) struct CompleteLessonPayload {
    /// The lesson. Null on error.
    lesson: Option<Lesson>,
    /// The awards that the student earned by completing the lesson. A repeated call returns the awards of the first
    /// call. Null on error.
    awards: Option<Vec<Award>>,
    /// The student's certificate of the course. Null until all lessons are completed, if the course issues none, and
    /// on error.
    certificate: Option<Certificate>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The comment to write.
#[derive(InputObject)]
pub(crate) struct WriteCommentInput {
    /// The lesson's id. The caller must be enrolled in its course.
    lesson_id: ID,
    /// The text: 1 to 2,000 characters, with or without line breaks, stored in Unicode NFC.
    body: String,
}

/// The result of `writeComment`.
#[derive(SimpleObject)]
pub(crate) struct WriteCommentPayload {
    /// The awards that the caller earned with the comment. Null on error.
    awards: Option<Vec<Award>>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Enrols a student, or ends the enrolment.
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
