//! The lessons that students have completed, each once.

use sea_orm::entity::prelude::*;

/// A row of `completions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "completions")]
pub struct Model {
    /// The lesson.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lesson_id: Uuid,
    /// The student.
    #[sea_orm(primary_key, auto_increment = false)]
    pub student_id: Uuid,
    /// When the lesson was first completed.
    pub completed_at: DateTimeUtc,
}

/// Empty: `store` writes joins where it needs them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
