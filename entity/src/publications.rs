//! The published catalogues. Every replica uses the latest.

use sea_orm::entity::prelude::*;

/// A row of `publications`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "publications")]
pub struct Model {
    /// 1, 2, 3, …
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// When it was published.
    pub published_at: DateTimeUtc,
    /// The complete packs, and the settings they were compiled with.
    #[sea_orm(column_type = "JsonBinary")]
    pub packs: Json,
}

/// Empty: `store` writes joins where it needs them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
