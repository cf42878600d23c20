//! Tokens and signing keys that are no longer accepted.

use sea_orm::entity::prelude::*;

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// One token, by its `jti`.
    #[sea_orm(string_value = "TOKEN")]
    Token,
    /// All tokens of a key, by its `kid`.
    #[sea_orm(string_value = "KEY")]
    Key,
}

/// A row of `revoked_tokens`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revoked_tokens")]
pub struct Model {
    /// Whether it is a token or a key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Kind,
    /// The `jti` or the `kid`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// When it was revoked.
    pub revoked_at: DateTimeUtc,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
