//! Courses, with their teachers and their ordered lessons.

use chrono::{DateTime, Utc};
use entity::{courses, enrollments, lessons};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::scope::Lookup;
use super::txn::Txn;
use crate::auth::policy::{Action, Extent, Reach, Relation};

/// A row of `courses`.
pub(crate) type Row = courses::Model;
/// A row of `lessons`.
pub(crate) type Lesson = lessons::Model;

/// A filter of courses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Only courses of this teacher.
    pub(crate) teacher: Option<Uuid>,
    /// Only courses that this person is enrolled in now; none if the person is outside this reach.
    pub(crate) student: Option<(Uuid, Reach)>,
}

/// The course with this id.
pub(crate) async fn by_id(db: &impl Reads, id: Uuid) -> Result<Option<Row>, Error> {
    Ok(courses::Entity::find_by_id(id).one(db.connection()).await?)
}

/// At most `limit` courses after `from`, newest first.
pub(crate) async fn page_of(
    db: &impl Reads,
    wanted: Wanted,
    from: Option<(DateTime<Utc>, Uuid)>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    use courses::Column;
    let mut query = courses::Entity::find().filter(are(wanted));
    if let Some((at, id)) = from {
        let here = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(here.lt(Expr::tuple([Expr::value(at), Expr::value(id)])));
    }
    let query = query.order_by(Column::CreatedAt, Order::Desc).order_by(Column::Id, Order::Desc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// The number of courses that match.
pub(crate) async fn count(db: &impl Reads, wanted: Wanted) -> Result<u64, Error> {
    Ok(courses::Entity::find().filter(are(wanted)).count(db.connection()).await?)
}

fn are(wanted: Wanted) -> Condition {
    let mut are = Condition::all();
    if let Some(teacher) = wanted.teacher {
        are = are.add(courses::Column::TeacherId.eq(teacher));
    }
    if let Some((student, reach)) = wanted.student {
        use enrollments::Column;
        let taken = Query::select()
            .column(Column::CourseId)
            .from(enrollments::Entity)
            .and_where(Column::StudentId.eq(student))
            .and_where(Column::EndedAt.is_null())
            .cond_where(super::scope::within(
                &reach,
                &[Action::SeeRecord],
                Column::StudentId,
                Lookup::EachRow,
            ))
            .to_owned();
        are = are.add(courses::Column::Id.in_subquery(taken));
    }
    are
}

/// The course with this id, locked, if its teacher is within the reach.
pub(crate) async fn keep(txn: &Txn, reach: &Reach, id: Uuid) -> Result<Option<Row>, Error> {
    let taught =
        super::scope::within(reach, &[Action::KeepCourse], courses::Column::TeacherId, Lookup::EachRow);
    let mut query = courses::Entity::find_by_id(id).filter(taught);
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    Ok(query.one(txn.connection()).await?)
}

/// The course with this id, if the reach allows actions in it. If the reach is based on teaching, only courses of that
/// teacher qualify, locked against a change of teacher; otherwise any course.
pub(crate) async fn open_to(txn: &Txn, reach: &Reach, id: Uuid) -> Result<Option<Row>, Error> {
    hold_taught(txn, reach).await?;
    let actions = [Action::Enroll, Action::CompleteLesson, Action::WriteComment];
    let open = match reach.extent_for(&actions) {
        Extent::Nobody => super::scope::nothing(),
        Extent::Related { me, relations } if relations.contains(&Relation::Student) => {
            Condition::all().add(courses::Column::TeacherId.eq(me))
        }
        Extent::Related { .. } | Extent::Everybody => Condition::all(),
    };
    Ok(courses::Entity::find_by_id(id).filter(open).one(txn.connection()).await?)
}

/// If the reach is based on teaching, locks the teacher's courses against changes until the transaction ends.
pub(crate) async fn hold_taught(txn: &Txn, reach: &Reach) -> Result<(), Error> {
    let Extent::Related { me, relations } = reach.extent() else { return Ok(()) };
    if !relations.contains(&Relation::Student) {
        return Ok(());
    }
    let mut query = taught_by(me);
    txn.dialect.hold_rows(QueryTrait::query(&mut query));
    query.into_tuple::<Uuid>().all(txn.connection()).await?;
    Ok(())
}

/// Locks the courses of this teacher, in the order of their ids.
pub(crate) async fn lock_taught(txn: &Txn, teacher: Uuid) -> Result<(), Error> {
    let mut query = taught_by(teacher);
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    query.into_tuple::<Uuid>().all(txn.connection()).await?;
    Ok(())
}

fn taught_by(teacher: Uuid) -> Select<courses::Entity> {
    use courses::Column;
    let theirs = courses::Entity::find().filter(Column::TeacherId.eq(teacher));
    theirs.select_only().column(Column::Id).order_by(Column::Id, Order::Asc)
}

/// Adds a course.
pub(crate) async fn insert(txn: &Txn, row: Row) -> Result<(), Error> {
    super::rows::insert_all::<_, courses::ActiveModel>(txn, vec![row], None).await
}

/// Stores the new state of the course.
pub(crate) async fn update(txn: &Txn, row: Row) -> Result<(), Error> {
    let row: courses::ActiveModel = super::rows::every_column(row.into_active_model());
    row.update(txn.connection()).await?;
    Ok(())
}

/// Adds lessons.
pub(crate) async fn add_lessons(txn: &Txn, rows: Vec<Lesson>) -> Result<(), Error> {
    super::rows::insert_all::<_, lessons::ActiveModel>(txn, rows, None).await
}

/// The lesson with this id.
pub(crate) async fn lesson(db: &impl Reads, id: Uuid) -> Result<Option<Lesson>, Error> {
    Ok(lessons::Entity::find_by_id(id).one(db.connection()).await?)
}

/// The lessons of these courses after a position, in order, at most `limit` per course.
pub(crate) async fn lessons_of(
    db: &impl Reads,
    courses: impl IntoIterator<Item = Uuid> + Send,
    after: i32,
    limit: u64,
) -> Result<Vec<Lesson>, Error> {
    use lessons::Column;
    let of =
        lessons::Entity::find().filter(Column::CourseId.is_in(courses)).filter(Column::Position.gt(after));
    super::first_of_each(db, of, Column::CourseId, &[(Column::Position, Order::Asc)], limit).await
}

/// The number of lessons of the course.
pub(crate) async fn count_lessons(txn: &Txn, course: Uuid) -> Result<u64, Error> {
    let query = lessons::Entity::find().filter(lessons::Column::CourseId.eq(course));
    Ok(query.count(txn.connection()).await?)
}
