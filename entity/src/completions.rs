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

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The lesson.
    #[sea_orm(
        belongs_to = "super::lessons::Entity",
        from = "Column::LessonId",
        to = "super::lessons::Column::Id"
    )]
    Lesson,
    /// The student.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::StudentId",
        to = "super::people::Column::Id"
    )]
    Student,
}

impl ActiveModelBehavior for ActiveModel {}
