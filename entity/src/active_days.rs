//! The local days on which a person was active; a streak is a pure function of them.

use sea_orm::entity::prelude::*;

/// A row of `active_days`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "active_days")]
pub struct Model {
    /// Whose day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// The local day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Date,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
