//! The catalogue as published; every replica works by the latest.

use sea_orm::entity::prelude::*;

/// A row of `publications`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "publications")]
pub struct Model {
    /// 1, 2, 3, …
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// When.
    pub published_at: DateTimeUtc,
    /// The packs, whole, and the settings they were compiled with.
    #[sea_orm(column_type = "JsonBinary")]
    pub packs: Json,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
