//! Certificates: inserted, changed, softly deleted, and read within a reach.

use chrono::{DateTime, Utc};
use entity::certificates::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::scope::{Lookup, proven};
use super::txn::Txn;
use crate::auth::policy::{Action, Reach, Seen};

/// A row of `certificates`.
pub(crate) type Row = entity::certificates::Model;

/// A filter of certificates, in addition to the reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Only those of this student.
    pub(crate) student: Option<Uuid>,
    /// Includes deleted ones.
    pub(crate) deleted: bool,
}

/// Adds a certificate of a student; returns whether it was new. Numbers are unique, a
/// person's own ids are, and a course issues one certificate per student.
pub(crate) async fn insert(txn: &Txn, student: Seen, row: Row) -> Result<bool, Error> {
    let student_id = proven(student, &[Action::CreateCertificate, Action::CompleteLesson])?;
    let row = Row { student_id, ..row };
    let row: ActiveModel = super::rows::every_column(row.into_active_model());
    let nothing = OnConflict::new().do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(nothing).exec_without_returning(txn.connection()).await? > 0)
}

/// Stores the new state of the certificate.
pub(crate) async fn update(txn: &Txn, row: Row) -> Result<(), Error> {
    let row: ActiveModel = super::rows::every_column(row.into_active_model());
    row.update(txn.connection()).await?;
    Ok(())
}

/// The certificates with these ids, deleted or not, for messages about them.
pub(crate) async fn by_ids(db: &Txn, ids: impl IntoIterator<Item = Uuid> + Send) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(among(db.connection(), Column::Id, ids)).all(db.connection()).await?)
}

/// The certificate with this id, deleted or not, locked, if its student is within the reach.
pub(crate) async fn lock(txn: &Txn, reach: &Reach, id: Uuid) -> Result<Option<Row>, Error> {
    let mut query = Entity::find_by_id(id).filter(super::scope::within(
        reach,
        &[Action::ChangeCertificate, Action::DeleteCertificate],
        Column::StudentId,
        Lookup::EachRow,
    ));
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    Ok(query.one(txn.connection()).await?)
}

/// The student of a certificate, deleted or not, if they are within the reach.
pub(crate) async fn student_of(txn: &Txn, reach: &Reach, id: Uuid) -> Result<Option<Uuid>, Error> {
    let actions = [Action::DeleteCertificate];
    let query = Entity::find_by_id(id).select_only().column(Column::StudentId).filter(super::scope::within(
        reach,
        &actions,
        Column::StudentId,
        Lookup::EachRow,
    ));
    Ok(query.into_tuple().one(txn.connection()).await?)
}

/// The certificate that this person issued with this id of their own, deleted or not.
pub(crate) async fn by_client_mutation(txn: &Txn, creator: Uuid, id: &str) -> Result<Option<Row>, Error> {
    let query = Entity::find().filter(Column::CreatedBy.eq(creator)).filter(Column::ClientMutationId.eq(id));
    Ok(query.one(txn.connection()).await?)
}

/// The certificate with this id, if its student is within the reach; a deleted one only if `deleted`.
pub(crate) async fn by_id(
    db: &impl Reads,
    reach: &Reach,
    id: Uuid,
    deleted: bool,
) -> Result<Option<Row>, Error> {
    let wanted = Wanted { student: None, deleted };
    Ok(Entity::find_by_id(id).filter(are(reach, wanted, Lookup::EachRow)).one(db.connection()).await?)
}

/// The student's certificate for completing this course, unless it has been deleted.
pub(crate) async fn of_course(db: &impl Reads, student: Seen, course: Uuid) -> Result<Option<Row>, Error> {
    let student = proven(student, &[Action::CompleteLesson])?;
    let query = Entity::find()
        .filter(Column::CourseId.eq(course))
        .filter(Column::StudentId.eq(student))
        .filter(standing(false));
    Ok(query.one(db.connection()).await?)
}

/// At most `limit` certificates after `from`, newest first.
pub(crate) async fn page_of(
    db: &impl Reads,
    reach: &Reach,
    wanted: Wanted,
    from: Option<(DateTime<Utc>, Uuid)>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let lookup = match wanted.student {
        Some(_) => Lookup::EachRow,
        None => Lookup::of_page(db, reach).await?,
    };
    let mut query = Entity::find().filter(are(reach, wanted, lookup));
    if let Some((at, id)) = from {
        let here = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(here.lt(Expr::tuple([Expr::value(at), Expr::value(id)])));
    }
    let query = query.order_by(Column::CreatedAt, Order::Desc).order_by(Column::Id, Order::Desc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// The number of certificates that match.
pub(crate) async fn count(db: &impl Reads, reach: &Reach, wanted: Wanted) -> Result<u64, Error> {
    // One student has few certificates.
    let lookup = if wanted.student.is_some() { Lookup::EachRow } else { Lookup::WholeSet };
    Ok(Entity::find().filter(are(reach, wanted, lookup)).count(db.connection()).await?)
}

/// The newest certificates of these people, at most `limit` per person; deleted ones only if `deleted`.
pub(crate) async fn of_seen(
    db: &impl Reads,
    people: &[Seen],
    deleted: bool,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let of = Entity::find()
        .filter(Column::StudentId.is_in(super::scope::readable(people)))
        .filter(standing(deleted));
    let newest = [(Column::CreatedAt, Order::Desc), (Column::Id, Order::Desc)];
    super::first_of_each(db, of, Column::StudentId, &newest, limit).await
}

fn are(reach: &Reach, wanted: Wanted, lookup: Lookup) -> Condition {
    // The reach may be an OR, so AND joins the other conditions around it.
    let are = Condition::all()
        .add(super::scope::within(reach, &[Action::SeeRecord], Column::StudentId, lookup))
        .add(standing(wanted.deleted));
    match wanted.student {
        Some(student) => are.add(Column::StudentId.eq(student)),
        None => are,
    }
}

fn standing(deleted: bool) -> Condition {
    if deleted { Condition::all() } else { Condition::all().add(Column::DeletedAt.is_null()) }
}
