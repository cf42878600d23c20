//! Every achievement ever published, so that awards can refer to it.

use sea_orm::entity::prelude::*;

/// A row of `achievements`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "achievements")]
pub struct Model {
    /// UUIDv5 of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// `pack/name`.
    pub key: String,
    /// The key of its pack.
    pub pack: String,
    /// The published definition.
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    /// The time of its first publication.
    pub created_at: DateTimeUtc,
    /// The time of the last publication that changed it.
    pub updated_at: DateTimeUtc,
}

/// Empty: `store` writes joins where it needs them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
