//! Scope as part of the SQL: who lies within an actor's reach, by the relations that hold now.

use std::collections::HashMap;

use entity::{courses, enrollments, guardians, people};
use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use crate::auth::policy::{Action, Extent, Reach, Relation, Seen};

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
        .filter(inside(reach.extent(), people::Column::Id));
    let found: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(found.into_iter().map(|id| (id, reach.found(id))).collect())
}

/// The person, if they exist within the reach.
pub(crate) async fn see(db: &impl Reads, reach: &Reach, id: Uuid) -> Result<Option<Seen>, Error> {
    Ok(seen(db, reach, [id]).await?.remove(&id))
}

/// "The person in this column lies within the reach", for a statement of any table that serves these actions.
/// A reach for another action contains no person.
pub(super) fn within(reach: &Reach, actions: &[Action], person: impl ColumnTrait) -> Condition {
    inside(reach.extent_for(actions), person)
}

fn inside(extent: Extent, person: impl ColumnTrait) -> Condition {
    let (me, relations) = match extent {
        Extent::Everybody => return Condition::all(),
        Extent::Nobody | Extent::Related { relations: [], .. } => return nothing(),
        Extent::Related { me, relations } => (me, relations),
    };
    let person = || Expr::col(person.into_column_ref());
    relations.iter().fold(Condition::any(), |any, relation| {
        any.add(match relation {
            Relation::Themselves => person().eq(me),
            Relation::Child => person().in_subquery(children(me)),
            Relation::Student => person().in_subquery(students(me)),
        })
    })
}

/// Holds for no row.
pub(super) fn nothing() -> Condition {
    Condition::all().add(Expr::cust("1 = 0"))
}

/// The people whose records the proofs let their holder read.
pub(super) fn readable(people: &[Seen]) -> impl Iterator<Item = Uuid> {
    people.iter().filter_map(|seen| seen.person_for(&[Action::SeeRecord]))
}

/// The person, if the proof is for one of these actions.
///
/// # Errors
/// For a proof of another action: a fault of the code that passes it.
pub(super) fn proven(seen: Seen, actions: &[Action]) -> Result<Uuid, Error> {
    let wrong = || Error::Impossible(format!("{seen:?} is no proof for {actions:?}"));
    seen.person_for(actions).ok_or_else(wrong)
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

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryTrait};

    use super::*;

    const ME: Uuid = Uuid::from_u128(7);

    fn sql(extent: Extent) -> String {
        let query = people::Entity::find().select_only().column(people::Column::Id);
        query.filter(inside(extent, people::Column::Id)).build(DbBackend::Sqlite).to_string()
    }

    #[test]
    fn a_reach_of_nobody_is_a_condition_that_no_row_meets() {
        let nobody = r#"SELECT "people"."id" FROM "people" WHERE 1 = 0"#;
        assert_eq!(sql(Extent::Nobody), nobody);
        assert_eq!(sql(Extent::Related { me: ME, relations: &[] }), nobody);
        assert_eq!(sql(Extent::Everybody), r#"SELECT "people"."id" FROM "people" WHERE TRUE"#);
        let me = sql(Extent::Related { me: ME, relations: &[Relation::Themselves] });
        assert!(me.ends_with(r#" WHERE "id" = '00000000-0000-0000-0000-000000000007'"#), "{me}");
    }
}
