//! What is taught, and by whom.

use sea_orm::entity::prelude::*;

/// A row of `courses`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "courses")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What it is called.
    pub title: String,
    /// Who teaches it now.
    pub teacher_id: Option<Uuid>,
    /// The title of the certificate that completing every lesson issues; none issues none.
    pub certificate_title: Option<String>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Last change of this row.
    pub updated_at: DateTimeUtc,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
