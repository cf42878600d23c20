//! Actions of students in courses: enrol, complete lessons, write comments. Each creates an event in the transaction
//! that stores the action.

use chrono::{DateTime, Utc};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt, certificates, people as register};
use crate::app::App;
use crate::auth::Role;
use crate::auth::policy::{self, Action, Reach, Seen};
use crate::catalogue::Published;
use crate::id;
use crate::pipeline::{DomainEvent, first_awards, record_domain_event};
use crate::refusal::{Failure, Reason, Refusal};
use crate::store::{self, Txn, awards, courses, enrollments, people, scope};
use crate::text;

/// A course and a student after the change.
#[derive(Debug)]
pub(crate) struct Enrolled {
    /// The course.
    pub(crate) course: courses::Row,
    /// The student.
    pub(crate) student: people::Row,
}

/// A completed lesson, and the resulting awards and certificate.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The lesson.
    pub(crate) lesson: courses::Lesson,
    /// The student's awards; a repeat returns those of the first time.
    pub(crate) awards: Vec<awards::Row>,
    /// The certificate of the course, if it has been issued to the student.
    pub(crate) certificate: Option<store::certificates::Row>,
}

/// Enrols a student (by default the caller), or ends it. A request that matches the current state changes nothing.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` at `courseId` and `studentId`; `INVALID_INPUT` if the person is not a student. An
/// error if the database fails.
pub(crate) async fn enroll(
    app: &App,
    request: &RequestContext,
    course: Uuid,
    student: Option<Uuid>,
    enrolled: bool,
) -> Result<Enrolled, Failure> {
    let reach = policy::reach(&request.actor, Action::Enroll)?;
    let student = named(request, student)?;
    attempt(app, |txn, published| {
        async move { enroll_within(app, txn, published, request, &reach, (course, student), enrolled).await }
            .scope_boxed()
    })
    .await
}

async fn enroll_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    request: &RequestContext,
    reach: &Reach,
    (course, student): (Uuid, Uuid),
    enrolled: bool,
) -> Result<(Enrolled, Option<i64>), Interrupted> {
    let course = courses::open_to(txn, reach, course).await?.ok_or_else(|| {
        let message = "No course that you may enrol people in has this id. `courses` lists all courses; a teacher enrols \
                       people in their own courses.";
        Refusal::not_found("courseId", Reason::CourseNotFound, message)
    })?;
    let (seen, student) = find_student(txn, reach, student).await?;
    if enrolled && Role::from(student.role) != Role::Student {
        let message = "Only students can enrol. Send the id of a person with the role STUDENT.";
        return Err(Refusal::invalid(["studentId"], message).into());
    }
    let (now, mut head) = (app.clock.now(), None);
    let before = enrollments::of(txn, seen, course.id).await?;
    let holds = before.as_ref().is_some_and(|row| row.ended_at.is_none());
    if holds != enrolled {
        let act = if enrolled {
            enrollments::begin(txn, seen, course.id, now).await?;
            if before.is_none() {
                let id = format!("{}:{}", student.id, course.id);
                let facts = [("course", course.id)];
                let event = DomainEvent {
                    kind: engine::DomainEventKind::Enroll,
                    id,
                    person: student.id,
                    facts: &facts,
                };
                head = record_domain_event(app, txn, published, event)
                    .await
                    .map_err(|interrupted| at(interrupted, "courseId"))?
                    .1;
            }
            AuditAction::Enroll
        } else {
            enrollments::end(txn, seen, course.id, now).await?;
            AuditAction::Unenroll
        };
        audit::note(txn, request, act, [(Some(student.id), Some(course.id))], now).await?;
    }
    Ok((Enrolled { course, student }, head))
}

/// Completes a lesson for a student, by default the caller. A repeat has no effect.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` at `lessonId`, also if the student is not enrolled, and at `studentId`. An
/// error if the database fails.
pub(crate) async fn complete(
    app: &App,
    request: &RequestContext,
    lesson: Uuid,
    student: Option<Uuid>,
) -> Result<Completed, Failure> {
    let reach = policy::reach(&request.actor, Action::CompleteLesson)?;
    let student = named(request, student)?;
    attempt(app, |txn, published| {
        async move { complete_within(app, txn, published, request, &reach, lesson, student).await }
            .scope_boxed()
    })
    .await
}

async fn complete_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    request: &RequestContext,
    reach: &Reach,
    lesson: Uuid,
    student: Uuid,
) -> Result<(Completed, Option<i64>), Interrupted> {
    let (lesson, course) = find_lesson(txn, reach, lesson).await?;
    let (seen, student) = find_student(txn, reach, student).await?;
    check_enrolled(txn, seen, &course).await?;
    let now = app.clock.now();
    let id = format!("{}:{}", student.id, lesson.id);
    let first = enrollments::complete(txn, seen, lesson.id, now).await?;
    let issued = certify(app, txn, seen, &course).await?;
    if let Some(certificate) = &issued {
        let on = [(Some(student.id), Some(certificate.id))];
        audit::note(txn, request, AuditAction::CreateCertificate, on, now).await?;
    }
    let certificate = store::certificates::of_course(txn, seen, course.id).await?;
    if !first {
        let awards = first_awards(txn, engine::DomainEventKind::Lesson, &id, student.id).await?;
        let head = tell(app, txn, published, issued).await?;
        return Ok((Completed { lesson, awards, certificate }, head));
    }
    let facts = [("lesson", lesson.id), ("course", course.id)];
    let event = DomainEvent { kind: engine::DomainEventKind::Lesson, id, person: student.id, facts: &facts };
    let (awards, head) = record_domain_event(app, txn, published, event)
        .await
        .map_err(|interrupted| at(interrupted, "lessonId"))?;
    audit::note(txn, request, AuditAction::CompleteLesson, [(Some(student.id), Some(lesson.id))], now)
        .await?;
    let head = tell(app, txn, published, issued).await?.or(head);
    Ok((Completed { lesson, awards, certificate }, head))
}

/// Records that the course's certificate was issued, if it was. The feed's counter is locked last, so this is the last
/// statement.
async fn tell(
    app: &App,
    txn: &Txn,
    published: &Published,
    issued: Option<store::certificates::Row>,
) -> Result<Option<i64>, store::Error> {
    match issued {
        Some(certificate) => certificates::tell(app, txn, published, &certificate).await,
        None => Ok(None),
    }
}

/// Issues the certificate of a course that the student has completed, unless they have it; returns it if it is new.
async fn certify(
    app: &App,
    txn: &Txn,
    student: Seen,
    course: &courses::Row,
) -> Result<Option<store::certificates::Row>, store::Error> {
    let Some(title) = &course.certificate_title else { return Ok(None) };
    if enrollments::lessons_left(txn, student, course.id).await? > 0 {
        return Ok(None);
    }
    let teacher = match course.teacher_id {
        Some(teacher) => people::by_id(txn, teacher).await?,
        None => None,
    };
    // An erased teacher is not named.
    let teacher = teacher.filter(|teacher| teacher.erased_at.is_none());
    let issued_by = teacher.map_or_else(|| course.title.clone(), |teacher| teacher.display_name);
    certificates::issue_for_course(app, txn, student, course.id, title, &issued_by).await
}

/// Writes a comment in the caller's name; returns the resulting awards.
///
/// # Errors
/// FORBIDDEN for a service; `INVALID_INPUT` at `body`; `NOT_FOUND` at `lessonId`, also if the caller is not enrolled. An
/// error if the database fails.
pub(crate) async fn comment(
    app: &App,
    request: &RequestContext,
    lesson: Uuid,
    body: &str,
) -> Result<Vec<awards::Row>, Failure> {
    let reach = policy::reach(&request.actor, Action::WriteComment)?;
    let me = request.actor.person().ok_or_else(no_lesson)?;
    let body = &text::prose("body", body, text::BODY)?;
    attempt(app, |txn, published| {
        async move { comment_within(app, txn, published, &reach, me, lesson, body).await }.scope_boxed()
    })
    .await
}

async fn comment_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    reach: &Reach,
    me: Uuid,
    lesson: Uuid,
    body: &str,
) -> Result<(Vec<awards::Row>, Option<i64>), Interrupted> {
    let (lesson, course) = find_lesson(txn, reach, lesson).await?;
    let (seen, me) = find_student(txn, reach, me).await?;
    check_enrolled(txn, seen, &course).await?;
    let now: DateTime<Utc> = app.clock.now();
    let id = id::new(now);
    let row = enrollments::Comment {
        id,
        lesson_id: lesson.id,
        author_id: me.id,
        body: body.to_owned(),
        written_at: now,
    };
    enrollments::add_comment(txn, row).await?;
    let facts = [("lesson", lesson.id), ("course", course.id), ("text", text::fingerprint(me.id, body))];
    let event = DomainEvent {
        kind: engine::DomainEventKind::Comment,
        id: id.to_string(),
        person: me.id,
        facts: &facts,
    };
    record_domain_event(app, txn, published, event).await.map_err(|interrupted| at(interrupted, "lessonId"))
}

/// The student named in the request, or else the caller.
fn named(request: &RequestContext, student: Option<Uuid>) -> Result<Uuid, Refusal> {
    let themselves = request.actor.person().filter(|_| request.actor.role() == Role::Student);
    let message = "Only students take courses. Send the studentId.";
    student.or(themselves).ok_or_else(|| Refusal::invalid(["studentId"], message))
}

async fn find_lesson(
    txn: &Txn,
    reach: &Reach,
    id: Uuid,
) -> Result<(courses::Lesson, courses::Row), Interrupted> {
    let lesson = courses::lesson(txn, id).await?.ok_or_else(no_lesson)?;
    let course = courses::open_to(txn, reach, lesson.course_id).await?.ok_or_else(no_lesson)?;
    Ok((lesson, course))
}

async fn check_enrolled(txn: &Txn, student: Seen, course: &courses::Row) -> Result<(), Interrupted> {
    let enrolled = enrollments::of(txn, student, course.id).await?;
    match enrolled {
        Some(row) if row.ended_at.is_none() => Ok(()),
        _ => Err(no_lesson().into()),
    }
}

/// A missing lesson, a lesson of another person's course, and a missing enrolment return the same error.
fn no_lesson() -> Refusal {
    let message =
        "Lesson not found in a course that the student is enrolled in. Enrol first, or send another id.";
    Refusal::not_found("lessonId", Reason::LessonNotFound, message)
}

/// The student, locked, so that their actions are processed one after another.
async fn find_student(txn: &Txn, reach: &Reach, id: Uuid) -> Result<(Seen, people::Row), Interrupted> {
    let message = "No student for whom you may act has this id. Send the id they sign in with; a student acts for \
                   themselves and omits `studentId`.";
    let missing = || Refusal::not_found("studentId", Reason::StudentNotFound, message);
    let row = register::lock(txn, id).await?.ok_or_else(missing)?;
    let seen = scope::see(txn, reach, id).await?.ok_or_else(missing)?;
    Ok((seen, row))
}

/// Moves an error of the pipeline to the field of the action, whichever field of the event it names.
fn at(interrupted: Interrupted, field: &str) -> Interrupted {
    match interrupted {
        Interrupted::Failed(Failure::Refused(refusal)) => refusal.at([field]).into(),
        other => other,
    }
}
