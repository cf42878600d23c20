//! Scope as part of the SQL: who lies within an actor's reach, by the relations that hold now.

use std::collections::HashMap;

use entity::{courses, enrollments, guardians, people};
use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use crate::auth::policy::{Reach, Relation, Seen};

/// Those of these people who exist within the reach.
pub(crate) async fn seen(
    db: &impl Reads,
    reach: &Reach,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashMap<Uuid, Seen>, Error> {
    let query = people::Entity::find()
        .select_only()
        .column(people::Column::Id)
        .filter(among(db.connection(), people::Column::Id, ids))
        // Nobody has anything to do with who has been erased.
        .filter(people::Column::ErasedAt.is_null())
        .filter(within(reach, people::Column::Id));
    let found: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(found.into_iter().map(|id| (id, reach.found(id))).collect())
}

/// The person, if they exist within the reach.
pub(crate) async fn see(db: &impl Reads, reach: &Reach, id: Uuid) -> Result<Option<Seen>, Error> {
    Ok(seen(db, reach, [id]).await?.remove(&id))
}

/// "The person in this column lies within the reach", for a statement of any table.
pub(super) fn within(reach: &Reach, person: impl ColumnTrait) -> Condition {
    let Some((me, relations)) = reach.relations() else { return Condition::all() };
    let person = || Expr::col(person.into_column_ref());
    relations.iter().fold(Condition::any(), |any, relation| {
        any.add(match relation {
            Relation::Themselves => person().eq(me),
            Relation::Child => person().in_subquery(children(me)),
            Relation::Student => person().in_subquery(students(me)),
        })
    })
}

/// "The person in this column has not been erased", for a statement of any table.
pub(super) fn remains(person: impl ColumnTrait) -> Expr {
    use people::Column;
    let them = Query::select()
        .column(Column::Id.as_column_ref())
        .from(people::Entity)
        .and_where(Expr::col(Column::Id.as_column_ref()).eq(Expr::col(person.as_column_ref())))
        .and_where(Expr::col(Column::ErasedAt.as_column_ref()).is_null())
        .to_owned();
    Expr::exists(them)
}

fn children(guardian: Uuid) -> SelectStatement {
    use guardians::Column;
    Query::select()
        .column(Column::ChildId)
        .from(guardians::Entity)
        .and_where(Column::GuardianId.eq(guardian))
        .and_where(Column::EndedAt.is_null())
        .to_owned()
}

fn students(teacher: Uuid) -> SelectStatement {
    use enrollments::Column;
    let taught = Query::select()
        .column(courses::Column::Id)
        .from(courses::Entity)
        .and_where(courses::Column::TeacherId.eq(teacher))
        .to_owned();
    Query::select()
        .column(Column::StudentId)
        .from(enrollments::Entity)
        .and_where(Column::EndedAt.is_null())
        .and_where(Column::CourseId.in_subquery(taught))
        .to_owned()
}
