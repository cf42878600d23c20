//! Who has completed which lesson; once is enough.

use sea_orm::entity::prelude::*;

/// A row of `completions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "completions")]
pub struct Model {
    /// The lesson.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lesson_id: Uuid,
    /// Who completed it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub student_id: Uuid,
    /// When first.
    pub completed_at: DateTimeUtc,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
