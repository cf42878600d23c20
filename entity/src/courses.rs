//! Courses and their teachers.

use sea_orm::entity::prelude::*;

/// A row of `courses`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "courses")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The title.
    pub title: String,
    /// The current teacher.
    pub teacher_id: Option<Uuid>,
    /// The title of the certificate for completing every lesson; without it none is issued.
    pub certificate_title: Option<String>,
    /// When it was created.
    pub created_at: DateTimeUtc,
    /// Last change of this row.
    pub updated_at: DateTimeUtc,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The teacher.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::TeacherId",
        to = "super::people::Column::Id"
    )]
    Teacher,
}

impl ActiveModelBehavior for ActiveModel {}
