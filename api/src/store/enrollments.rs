//! Enrolments of students in courses, the lessons they completed, and comments on lessons.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::{comments, completions, courses, enrollments, lessons, people};
use sea_orm::sea_query::{
    Alias, ColumnRef, Expr, ExprTrait, IntoColumnRef, OnConflict, Query, SelectStatement, WindowStatement,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, Iterable, Order,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::scope::{Lookup, MANY, proven, teaches};
use super::txn::Txn;
use crate::auth::policy::{Action, Reach, Seen};

/// A row of `enrollments`.
pub(crate) type Row = enrollments::Model;
/// A row of `comments`.
pub(crate) type Comment = comments::Model;

/// A student's enrolment in a course, current or ended.
pub(crate) async fn of(db: &impl Reads, student: Seen, course: Uuid) -> Result<Option<Row>, Error> {
    let student = proven(student, &[Action::Enroll, Action::CompleteLesson, Action::WriteComment])?;
    Ok(enrollments::Entity::find_by_id((course, student)).one(db.connection()).await?)
}

/// Enrols a student from now on; reactivates an ended enrolment.
pub(crate) async fn begin(txn: &Txn, student: Seen, course: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    use enrollments::Column;
    let student_id = proven(student, &[Action::Enroll])?;
    let row = Row { course_id: course, student_id, enrolled_at: now, ended_at: None };
    let mut again = OnConflict::columns([Column::CourseId, Column::StudentId]);
    again.update_column(Column::EndedAt);
    super::rows::insert_all::<_, enrollments::ActiveModel>(txn, vec![row], Some(again)).await
}

/// Ends a student's enrolment.
pub(crate) async fn end(txn: &Txn, student: Seen, course: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    use enrollments::Column;
    let student = proven(student, &[Action::Enroll])?;
    let update = enrollments::Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .filter(Column::CourseId.eq(course))
        .filter(Column::StudentId.eq(student))
        .filter(Column::EndedAt.is_null());
    update.exec(txn.connection()).await?;
    Ok(())
}

/// Records that the student has completed the lesson; returns whether it was the first time.
pub(crate) async fn complete(
    txn: &Txn,
    student: Seen,
    lesson: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    use completions::Column;
    let student_id = proven(student, &[Action::CompleteLesson])?;
    let row = completions::Model { lesson_id: lesson, student_id, completed_at: now };
    let row: completions::ActiveModel = super::rows::every_column(row.into_active_model());
    let once = OnConflict::columns([Column::LessonId, Column::StudentId]).do_nothing().to_owned();
    let insert = completions::Entity::insert(row).on_conflict(once);
    Ok(insert.exec_without_returning(txn.connection()).await? > 0)
}

/// The number of lessons of the course that the student has not completed.
pub(crate) async fn lessons_left(txn: &Txn, student: Seen, course: Uuid) -> Result<u64, Error> {
    let student = proven(student, &[Action::CompleteLesson])?;
    let completed = Query::select()
        .column(completions::Column::LessonId)
        .from(completions::Entity)
        .and_where(completions::Column::StudentId.eq(student))
        .to_owned();
    let left = lessons::Entity::find()
        .filter(lessons::Column::CourseId.eq(course))
        .filter(lessons::Column::Id.not_in_subquery(completed));
    Ok(left.count(txn.connection()).await?)
}

/// The lessons among these that each of these people has completed, as (lesson, person).
pub(crate) async fn completed_among(
    db: &impl Reads,
    people: &[Seen],
    lessons: &[Uuid],
) -> Result<HashSet<(Uuid, Uuid)>, Error> {
    use completions::Column;
    let query = completions::Entity::find()
        .select_only()
        .columns([Column::LessonId, Column::StudentId])
        .filter(Column::LessonId.is_in(lessons.iter().copied()))
        .filter(Column::StudentId.is_in(super::scope::readable(people)));
    let pairs: Vec<(Uuid, Uuid)> = query.into_tuple().all(db.connection()).await?;
    Ok(pairs.into_iter().collect())
}

/// The lesson with this id, if the teacher or a current student of its course is within the reach.
pub(crate) async fn lesson_within(
    db: &impl Reads,
    reach: &Reach,
    id: Uuid,
) -> Result<Option<lessons::Model>, Error> {
    Ok(lessons::Entity::find_by_id(id).filter(shared(reach)).one(db.connection()).await?)
}

/// At most `limit` comments on a lesson after `from`, newest first; none if the lesson is out of reach.
pub(crate) async fn comments_of(
    db: &impl Reads,
    reach: &Reach,
    lesson: Uuid,
    from: Option<(DateTime<Utc>, Uuid)>,
    limit: u64,
) -> Result<Vec<Comment>, Error> {
    use comments::Column;
    let mut query = comments::Entity::find().filter(on(reach, lesson));
    if let Some((at, id)) = from {
        let here = Expr::tuple([Expr::col(Column::WrittenAt), Expr::col(Column::Id)]);
        query = query.filter(here.lt(Expr::tuple([Expr::value(at), Expr::value(id)])));
    }
    let query = query.order_by(Column::WrittenAt, Order::Desc).order_by(Column::Id, Order::Desc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// The comments with these ids, as far as their lessons are within the reach.
pub(crate) async fn comments_by_ids(
    db: &impl Reads,
    reach: &Reach,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Comment>, Error> {
    use comments::Column;
    let theirs =
        Expr::col(lessons::Column::Id.as_column_ref()).eq(Expr::col(Column::LessonId.as_column_ref()));
    let lesson = Query::select()
        .expr(Expr::val(1))
        .from(lessons::Entity)
        .and_where(theirs)
        .cond_where(shared(reach))
        .to_owned();
    let query = comments::Entity::find().filter(among(db.connection(), Column::Id, ids));
    Ok(query.filter(Expr::exists(lesson)).all(db.connection()).await?)
}

/// The number of comments on a lesson within the reach.
pub(crate) async fn count_comments(db: &impl Reads, reach: &Reach, lesson: Uuid) -> Result<u64, Error> {
    Ok(comments::Entity::find().filter(on(reach, lesson)).count(db.connection()).await?)
}

fn on(reach: &Reach, lesson: Uuid) -> Condition {
    let within = Query::select()
        .column(lessons::Column::Id)
        .from(lessons::Entity)
        .and_where(lessons::Column::Id.eq(lesson))
        .cond_where(shared(reach))
        .to_owned();
    Condition::all().add(comments::Column::LessonId.in_subquery(within))
}

/// Condition: a person within the reach teaches the lesson's course, or is enrolled in it. Reads only people of that course.
fn shared(reach: &Reach) -> Condition {
    use {courses::Column as Course, enrollments::Column as Enrollment};
    let of_lesson =
        |course: ColumnRef| Expr::col(course).eq(Expr::col(lessons::Column::CourseId.as_column_ref()));
    let taught = Query::select()
        .expr(Expr::val(1))
        .from(courses::Entity)
        .and_where(of_lesson(Course::Id.into_column_ref()))
        .cond_where(super::scope::within(reach, &[Action::ReadComments], Course::TeacherId, Lookup::EachRow))
        .to_owned();
    let taken = Query::select()
        .expr(Expr::val(1))
        .from(enrollments::Entity)
        .and_where(of_lesson(Enrollment::CourseId.into_column_ref()))
        .and_where(Expr::col(Enrollment::EndedAt.as_column_ref()).is_null())
        .cond_where(super::scope::within(
            reach,
            &[Action::ReadComments],
            Enrollment::StudentId,
            Lookup::EachRow,
        ))
        .to_owned();
    Condition::any().add(Expr::exists(taught)).add(Expr::exists(taken))
}

/// Adds a comment.
pub(crate) async fn add_comment(txn: &Txn, row: Comment) -> Result<(), Error> {
    super::rows::insert_all::<_, comments::ActiveModel>(txn, vec![row], None).await
}

/// The people among these who are enrolled now.
pub(crate) async fn enrolled_among(
    db: &impl Reads,
    course: Uuid,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashSet<Uuid>, Error> {
    use enrollments::Column;
    let query = enrollments::Entity::find()
        .select_only()
        .column(Column::StudentId)
        .filter(Column::CourseId.eq(course))
        .filter(Column::EndedAt.is_null())
        .filter(Column::StudentId.is_in(people));
    let ids: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(ids.into_iter().collect())
}

/// The same page of students, by name, for several courses, as far as they are within the reach: (course, student).
/// One statement sorts the students of all small courses. A large course gets its own statement, which scans the index
/// of names until the page is full.
pub(crate) async fn students_of(
    db: &impl Reads,
    reach: &Reach,
    courses: &[Uuid],
    from: Option<&super::people::Place>,
    limit: u64,
) -> Result<Vec<(Uuid, people::Model)>, Error> {
    let large = large_among(db, courses).await?;
    let taught: HashSet<Uuid> = taught_among(db, reach, &large).await?;
    let reached = Lookup::of_page(db, reach).await?;
    // A scan soon fills the page if most students are in reach. Otherwise the caller's students are the smaller set.
    let walks = |course: &Uuid| taught.contains(course) || reached == Lookup::EachRow;
    let (walked, sorted): (Vec<Uuid>, Vec<Uuid>) =
        courses.iter().copied().partition(|course| large.contains(course) && walks(course));
    let lookup = if large.is_empty() { Lookup::EachRow } else { reached };
    let mut students = students_sorted(db, reach, &sorted, from, limit, lookup).await?;
    for course in walked {
        let rows = students_walked(db, reach, course, taught.contains(&course), from, limit).await?;
        students.extend(rows.map(|row| (course, row)));
    }
    Ok(students)
}

/// The courses among these that have many students.
async fn large_among(db: &impl Reads, courses: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
    use enrollments::Column;
    let taken = |column: Column| Expr::col(("taken", column));
    let some = Query::select()
        .expr(Expr::val(1))
        .from_as(enrollments::Entity, "taken")
        .and_where(taken(Column::CourseId).eq(Expr::col(courses::Column::Id.as_column_ref())))
        .and_where(taken(Column::EndedAt).is_null())
        .limit(MANY)
        .to_owned();
    let size = Query::select().expr(Expr::cust("COUNT(*)")).from_subquery(some, "some").to_owned();
    let query = courses::Entity::find()
        .select_only()
        .column(courses::Column::Id)
        .filter(courses::Column::Id.is_in(courses.iter().copied()))
        .filter(Expr::from(size).gte(MANY));
    let large: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(large.into_iter().collect())
}

/// The courses among these that the caller teaches. All their students are in reach.
async fn taught_among(
    db: &impl Reads,
    reach: &Reach,
    courses: &HashSet<Uuid>,
) -> Result<HashSet<Uuid>, Error> {
    if courses.is_empty() {
        return Ok(HashSet::new());
    }
    let query = courses::Entity::find()
        .select_only()
        .column(courses::Column::Id)
        .filter(courses::Column::Id.is_in(courses.iter().copied()))
        .filter(teaches(reach, &[Action::SeeRecord], courses::Column::Id));
    let taught: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(taught.into_iter().collect())
}

/// Scans the names until the page is full.
async fn students_walked(
    db: &impl Reads,
    reach: &Reach,
    course: Uuid,
    is_taught: bool,
    from: Option<&super::people::Place>,
    limit: u64,
) -> Result<impl Iterator<Item = people::Model>, Error> {
    use people::Column;
    let mut query = people::Entity::find().filter(super::people::takes(course));
    if !is_taught {
        query = query.filter(super::scope::within(reach, &[Action::SeeRecord], Column::Id, Lookup::EachRow));
    }
    if let Some(from) = from {
        query = query.filter(from.behind());
    }
    let query = query.order_by(Column::SearchName, Order::Asc).order_by(Column::Id, Order::Asc).limit(limit);
    Ok(query.all(db.connection()).await?.into_iter())
}

/// Sorts the students of each course and takes the page, in one statement.
async fn students_sorted(
    db: &impl Reads,
    reach: &Reach,
    courses: &[Uuid],
    from: Option<&super::people::Place>,
    limit: u64,
    lookup: Lookup,
) -> Result<Vec<(Uuid, people::Model)>, Error> {
    if courses.is_empty() {
        return Ok(Vec::new());
    }
    use people::Column;
    let mut ranked: SelectStatement =
        people::Entity::find().filter(taking(reach, courses, lookup)).into_query();
    join(&mut ranked);
    if let Some(from) = from {
        ranked.cond_where(from.behind());
    }
    ranked.expr_as(Expr::col(enrollments::Column::CourseId), Alias::new("course"));
    let mut window = WindowStatement::partition_by(enrollments::Column::CourseId);
    window.order_by(Column::SearchName, Order::Asc).order_by(Column::Id, Order::Asc);
    ranked.expr_window_as(Expr::cust("ROW_NUMBER()"), window, Alias::new("place"));
    let mut page = Query::select();
    page.columns(Column::iter())
        .column(Alias::new("course"))
        .from_subquery(ranked, Alias::new("ranked"))
        .and_where(Expr::col(Alias::new("place")).lte(i64::try_from(limit).unwrap_or(i64::MAX)))
        .order_by(Alias::new("place"), Order::Asc);
    let rows = db.connection().query_all(&page).await?;
    let student = |row| {
        Ok((sea_orm::QueryResult::try_get(row, "", "course")?, people::Model::from_query_result(row, "")?))
    };
    rows.iter().map(student).collect()
}

/// The number of students within the reach, per course.
pub(crate) async fn count_students(
    db: &impl Reads,
    reach: &Reach,
    courses: &[Uuid],
) -> Result<HashMap<Uuid, i64>, Error> {
    use enrollments::Column;
    let query = enrollments::Entity::find()
        .select_only()
        .column(Column::CourseId)
        .column_as(Column::StudentId.count(), "students")
        .filter(Column::EndedAt.is_null())
        .filter(Column::CourseId.is_in(courses.iter().copied()))
        .filter(in_reach(reach, Lookup::EachRow))
        .group_by(Column::CourseId);
    let rows: Vec<(Uuid, i64)> = query.into_tuple().all(db.connection()).await?;
    Ok(rows.into_iter().collect())
}

fn taking(reach: &Reach, courses: &[Uuid], lookup: Lookup) -> Condition {
    use enrollments::Column;
    Condition::all()
        .add(Column::CourseId.is_in(courses.iter().copied()))
        .add(Column::EndedAt.is_null())
        .add(in_reach(reach, lookup))
}

/// Condition: the student is within the reach. In a course that the caller teaches, all students are, without a check.
fn in_reach(reach: &Reach, lookup: Lookup) -> Condition {
    use enrollments::Column;
    Condition::any().add(teaches(reach, &[Action::SeeRecord], Column::CourseId)).add(super::scope::within(
        reach,
        &[Action::SeeRecord],
        Column::StudentId,
        lookup,
    ))
}

fn join(people: &mut SelectStatement) {
    let same = Expr::col(enrollments::Column::StudentId.into_column_ref());
    people.inner_join(enrollments::Entity, same.eq(Expr::col(people::Column::Id.into_column_ref())));
}
