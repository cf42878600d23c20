//! The rows of people: pages, locks and inserts.

use std::collections::BTreeSet;

use entity::enrollments;
use entity::people::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr, OnConflict, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::scope::{Lookup, MANY, up_to};
use super::txn::Txn;
use crate::auth;
use crate::auth::policy::{Action, Reach};

/// A row of `people`.
pub(crate) type Row = entity::people::Model;
pub(crate) use entity::role::Role;

impl From<Role> for auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::SuperAdmin => Self::SuperAdmin,
            Role::Admin => Self::Admin,
            Role::Teacher => Self::Teacher,
            Role::Student => Self::Student,
            Role::Parent => Self::Parent,
            Role::Service => Self::Service,
        }
    }
}

impl From<auth::Role> for Role {
    fn from(role: auth::Role) -> Self {
        match role {
            auth::Role::SuperAdmin => Self::SuperAdmin,
            auth::Role::Admin => Self::Admin,
            auth::Role::Teacher => Self::Teacher,
            auth::Role::Student => Self::Student,
            auth::Role::Parent => Self::Parent,
            auth::Role::Service => Self::Service,
        }
    }
}

/// A filter of people, in addition to the reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Only people of this role.
    pub(crate) role: Option<Role>,
    /// Only people enrolled in this course now.
    pub(crate) course: Option<Uuid>,
    /// Only people whose name contains this text, in the form of [`crate::text::search_key`].
    pub(crate) search: Option<String>,
}

/// A position in a list of people sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The name in the form used for sorting.
    pub(crate) search_name: String,
    /// The person's id, which orders people of the same name.
    pub(crate) id: Uuid,
}

impl Place {
    /// Condition: the person is after this position.
    pub(super) fn behind(&self) -> Condition {
        let here = Expr::tuple([Expr::col(Column::SearchName), Expr::col(Column::Id)]);
        let there = Expr::tuple([Expr::value(self.search_name.as_str()), Expr::value(self.id)]);
        Condition::all().add(here.gt(there))
    }
}

/// The person with this id.
pub(crate) async fn by_id(db: &impl Reads, id: Uuid) -> Result<Option<Row>, Error> {
    Ok(Entity::find_by_id(id).one(db.connection()).await?)
}

/// The people with these ids, in any order.
pub(crate) async fn by_ids(
    db: &impl Reads,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(among(db.connection(), Column::Id, ids)).all(db.connection()).await?)
}

/// At most `limit` people within the reach after `from`, by name.
pub(crate) async fn page_of(
    db: &impl Reads,
    reach: &Reach,
    wanted: &Wanted,
    from: Option<&Place>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let of_reach = Lookup::of_page(db, reach).await?;
    let of_course = match wanted.course {
        Some(course) => Lookup::of_many(up_to(db, students(course), MANY).await?),
        None => Lookup::WholeSet,
    };
    let mut query = Entity::find().filter(are(reach, wanted, of_reach, of_course));
    if let Some(from) = from {
        query = query.filter(from.behind());
    }
    let query = query.order_by(Column::SearchName, Order::Asc).order_by(Column::Id, Order::Asc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// The number of people within the reach that match.
pub(crate) async fn count(db: &impl Reads, reach: &Reach, wanted: &Wanted) -> Result<u64, Error> {
    let are = are(reach, wanted, Lookup::WholeSet, Lookup::WholeSet);
    Ok(Entity::find().filter(are).count(db.connection()).await?)
}

fn students(course: Uuid) -> SelectStatement {
    use enrollments::Column;
    Query::select()
        .column(Column::StudentId)
        .from(enrollments::Entity)
        .and_where(Column::CourseId.eq(course))
        .and_where(Column::EndedAt.is_null())
        .to_owned()
}

fn are(reach: &Reach, wanted: &Wanted, of_reach: Lookup, of_course: Lookup) -> Condition {
    // The reach may be an OR, so AND joins the other conditions around it.
    let mut are = Condition::all()
        .add(super::scope::within(reach, &[Action::SeeRecord], Column::Id, of_reach))
        .add(Column::ErasedAt.is_null());
    if let Some(role) = wanted.role {
        are = are.add(Column::Role.eq(role));
    }
    if let Some(course) = wanted.course {
        are = are.add(match of_course {
            Lookup::WholeSet => Column::Id.in_subquery(students(course)),
            Lookup::EachRow => takes(course),
        });
    }
    if let Some(search) = &wanted.search {
        let literal = search.replace('|', "||").replace('%', "|%").replace('_', "|_");
        are = are.add(Column::SearchKey.like(LikeExpr::new(format!("%{literal}%")).escape('|')));
    }
    are
}

/// Condition: the person is enrolled in this course now. For a statement that scans people.
pub(super) fn takes(course: Uuid) -> Expr {
    use enrollments::Column as Enrolment;
    let mut enrolment = students(course);
    let same = Expr::col(Enrolment::StudentId.as_column_ref()).eq(Expr::col(Column::Id.as_column_ref()));
    Expr::exists(enrolment.and_where(same).to_owned())
}

/// At most `limit` admins and super admins who have an address, by id.
pub(crate) async fn admins_with_address(db: &Txn, limit: u64) -> Result<Vec<Row>, Error> {
    let query = Entity::find()
        .filter(Column::Role.is_in([Role::Admin, Role::SuperAdmin]))
        .filter(Column::Email.is_not_null())
        .filter(Column::ErasedAt.is_null())
        .order_by(Column::Id, Order::Asc)
        .limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// At most `limit` people after `after`, by id: for scans of the whole school.
pub(crate) async fn walk(db: &impl Reads, after: Option<Uuid>, limit: u64) -> Result<Vec<Row>, Error> {
    let after = after.map(|id| Column::Id.gt(id));
    let query = Entity::find().order_by(Column::Id, Order::Asc).limit(limit);
    Ok(query.filter(after.unwrap_or_else(|| Expr::value(true))).all(db.connection()).await?)
}

/// Locks these people in the order of their ids, and returns their current rows.
pub(crate) async fn lock(txn: &Txn, ids: &BTreeSet<Uuid>) -> Result<Vec<Row>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Entity::find()
        .filter(among(txn.connection(), Column::Id, ids.iter().copied()))
        .order_by(Column::Id, Order::Asc);
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    Ok(query.all(txn.connection()).await?)
}

/// Inserts the person unless the id exists; returns whether it was new.
pub(crate) async fn insert(txn: &Txn, row: Row) -> Result<bool, Error> {
    let row = super::rows::every_column(row.into_active_model());
    let nothing = OnConflict::column(Column::Id).do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(nothing).exec_without_returning(txn.connection()).await? > 0)
}

/// Stores the new state of the person.
pub(crate) async fn update(txn: &Txn, row: Row) -> Result<(), Error> {
    let row: ActiveModel = super::rows::every_column(row.into_active_model());
    row.update(txn.connection()).await?;
    Ok(())
}
