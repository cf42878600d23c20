//! Comments of people on lessons.

use sea_orm::entity::prelude::*;

/// A row of `comments`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "comments")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The lesson.
    pub lesson_id: Uuid,
    /// The author.
    pub author_id: Uuid,
    /// The text.
    pub body: String,
    /// When it was written.
    pub written_at: DateTimeUtc,
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
    /// The author.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::AuthorId",
        to = "super::people::Column::Id"
    )]
    Author,
}

impl ActiveModelBehavior for ActiveModel {}
