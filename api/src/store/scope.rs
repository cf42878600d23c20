//! Scope as part of the SQL: the people within an actor's reach, by the current relations.

use std::collections::HashMap;

use entity::{courses, enrollments, guardians, people};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use crate::auth::policy::{Action, Extent, Reach, Relation, Seen};

/// The people among these who exist and are within the reach.
pub(crate) async fn seen(
    db: &impl Reads,
    reach: &Reach,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashMap<Uuid, Seen>, Error> {
    let query = people::Entity::find()
        .select_only()
        .column(people::Column::Id)
        .filter(among(db.connection(), people::Column::Id, ids))
        // Erased people are out of reach for every caller.
        .filter(people::Column::ErasedAt.is_null())
        .filter(inside(reach.extent(), people::Column::Id, Lookup::EachRow));
    let found: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(found.into_iter().map(|id| (id, reach.found(id))).collect())
}

/// The person of this row, if the reach includes them whatever the relations of other people are. Needs no statement.
pub(crate) fn see_row(reach: &Reach, row: &people::Model) -> Option<Seen> {
    let is_inside = match reach.extent() {
        Extent::Everybody => true,
        Extent::Related { me, relations } => me == row.id && relations.contains(&Relation::Themselves),
        Extent::Nobody => false,
    };
    (is_inside && row.erased_at.is_none()).then(|| reach.found(row.id))
}

/// The person, if they exist and are within the reach.
pub(crate) async fn see(db: &impl Reads, reach: &Reach, id: Uuid) -> Result<Option<Seen>, Error> {
    Ok(seen(db, reach, [id]).await?.remove(&id))
}

/// How a statement decides whether a person belongs to a set, such as the caller's students or those of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Checks the enrolment of each person: for a statement that reads few people, or that stops after a page.
    EachRow,
    /// Reads the whole set first: for a statement that reads many people.
    WholeSet,
}

/// With at least this many people, the statement scans the index of names and checks each person until the page is full.
/// With fewer, it reads and sorts them: a scan of 50,000 names would find them late.
pub(super) const MANY: u64 = 1_000;

impl Lookup {
    /// For a page of people or of their data, within a reach to read records.
    pub(super) async fn of_page(db: &impl Reads, reach: &Reach) -> Result<Self, Error> {
        match reach.extent_for(&[Action::SeeRecord]) {
            Extent::Related { me, relations } if relations.contains(&Relation::Student) => {
                Ok(Self::of_many(up_to(db, students(me), MANY).await?))
            }
            Extent::Everybody | Extent::Nobody | Extent::Related { .. } => Ok(Self::EachRow),
        }
    }

    /// For a page among this many people.
    pub(super) fn of_many(people: u64) -> Self {
        if people < MANY { Self::WholeSet } else { Self::EachRow }
    }
}

/// Condition: the person in this column is within the reach, for a statement that serves these actions.
/// If the reach is for another action, no row matches.
pub(super) fn within(
    reach: &Reach,
    actions: &[Action],
    person: impl ColumnTrait,
    lookup: Lookup,
) -> Condition {
    inside(reach.extent_for(actions), person, lookup)
}

/// Condition: the caller teaches the course in this column. Then all its students are within the reach.
pub(super) fn teaches(reach: &Reach, actions: &[Action], course: impl ColumnTrait) -> Condition {
    match reach.extent_for(actions) {
        Extent::Related { me, relations } if relations.contains(&Relation::Student) => {
            Condition::all().add(course.in_subquery(taught(me)))
        }
        _ => nothing(),
    }
}

/// The number of rows of the query, at most `most`; it stops counting there.
pub(super) async fn up_to(db: &impl Reads, mut rows: SelectStatement, most: u64) -> Result<u64, Error> {
    let mut count = Query::select();
    count.expr_as(Expr::cust("COUNT(*)"), "rows").from_subquery(rows.limit(most).to_owned(), "some");
    let row = db.connection().query_one(&count).await?;
    let rows: i64 = row.map(|row| row.try_get("", "rows")).transpose()?.unwrap_or_default();
    Ok(rows.unsigned_abs())
}

fn inside(extent: Extent, person: impl ColumnTrait, lookup: Lookup) -> Condition {
    let (me, relations) = match extent {
        Extent::Everybody => return Condition::all(),
        Extent::Nobody | Extent::Related { relations: [], .. } => return nothing(),
        Extent::Related { me, relations } => (me, relations),
    };
    let column = person.as_column_ref();
    let person = || Expr::col(column.clone());
    relations.iter().fold(Condition::any(), |any, relation| {
        any.add(match (relation, lookup) {
            (Relation::Themselves, _) => person().eq(me),
            (Relation::Child, _) => person().in_subquery(children(me)),
            (Relation::Student, Lookup::WholeSet) => person().in_subquery(students(me)),
            (Relation::Student, Lookup::EachRow) => Expr::exists(enrolment(me, person())),
        })
    })
}

/// A condition that no row meets.
pub(super) fn nothing() -> Condition {
    Condition::all().add(Expr::cust("1 = 0"))
}

/// The people of the proofs that permit reading records.
pub(super) fn readable(people: &[Seen]) -> impl Iterator<Item = Uuid> {
    people.iter().filter_map(|seen| seen.person_for(&[Action::SeeRecord]))
}

/// The person, if the proof is for one of these actions.
///
/// # Errors
/// If the proof is for another action: a defect of the calling code.
pub(super) fn proven(seen: Seen, actions: &[Action]) -> Result<Uuid, Error> {
    let wrong = || Error::Impossible(format!("{seen:?} is not a proof for {actions:?}"));
    seen.person_for(actions).ok_or_else(wrong)
}

/// Condition: the person in this column has not been erased.
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

fn taught(teacher: Uuid) -> SelectStatement {
    Query::select()
        .column(courses::Column::Id)
        .from(courses::Entity)
        .and_where(courses::Column::TeacherId.eq(teacher))
        .to_owned()
}

fn students(teacher: Uuid) -> SelectStatement {
    use enrollments::Column;
    Query::select()
        .column(Column::StudentId)
        .from(enrollments::Entity)
        .and_where(Column::EndedAt.is_null())
        .and_where(Column::CourseId.in_subquery(taught(teacher)))
        .to_owned()
}

/// An enrolment of this person with this teacher. Its tables have aliases, because the person may be a column of the same
/// table in the outer query.
fn enrolment(teacher: Uuid, person: Expr) -> SelectStatement {
    let taken = |column: enrollments::Column| Expr::col(("taken", column));
    let taught = |column: courses::Column| Expr::col(("taught", column));
    let same_course = taught(courses::Column::Id).eq(taken(enrollments::Column::CourseId));
    Query::select()
        .expr(Expr::val(1))
        .from_as(enrollments::Entity, "taken")
        .join_as(JoinType::InnerJoin, courses::Entity, "taught", same_course)
        .and_where(taken(enrollments::Column::StudentId).eq(person))
        .and_where(taken(enrollments::Column::EndedAt).is_null())
        .and_where(taught(courses::Column::TeacherId).eq(teacher))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryTrait};

    use super::*;

    const ME: Uuid = Uuid::from_u128(7);

    fn sql(extent: Extent) -> String {
        let query = people::Entity::find().select_only().column(people::Column::Id);
        query.filter(inside(extent, people::Column::Id, Lookup::EachRow)).build(DbBackend::Sqlite).to_string()
    }

    #[test]
    fn an_empty_reach_is_a_condition_that_no_row_meets() {
        let nobody = r#"SELECT "people"."id" FROM "people" WHERE 1 = 0"#;
        assert_eq!(sql(Extent::Nobody), nobody);
        assert_eq!(sql(Extent::Related { me: ME, relations: &[] }), nobody);
        assert_eq!(sql(Extent::Everybody), r#"SELECT "people"."id" FROM "people" WHERE TRUE"#);
        let me = sql(Extent::Related { me: ME, relations: &[Relation::Themselves] });
        assert!(me.ends_with(r#" WHERE "people"."id" = '00000000-0000-0000-0000-000000000007'"#), "{me}");
    }
}
