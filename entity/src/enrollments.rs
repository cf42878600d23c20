//! Who takes which course. One that has ended is kept as such.

use sea_orm::entity::prelude::*;

/// A row of `enrollments`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "enrollments")]
pub struct Model {
    /// The course.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: Uuid,
    /// Who takes it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub student_id: Uuid,
    /// Since when.
    pub enrolled_at: DateTimeUtc,
    /// Until when; none while it holds.
    pub ended_at: Option<DateTimeUtc>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
