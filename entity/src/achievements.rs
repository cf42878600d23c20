//! Every achievement ever published, so that awards can point at it.

use sea_orm::entity::prelude::*;

/// A row of `achievements`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "achievements")]
pub struct Model {
    /// UUIDv5 of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// `pack/name-of-it`.
    pub key: String,
    /// The pack it came with.
    pub pack: String,
    /// As published.
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    /// First publication.
    pub created_at: DateTimeUtc,
    /// Last publication that changed it.
    pub updated_at: DateTimeUtc,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
