//! What an activity with a daily cap would have brought that day without the cap.

use sea_orm::entity::prelude::*;

/// A row of `capped_days`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "capped_days")]
pub struct Model {
    /// Whose day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// Which activity.
    #[sea_orm(primary_key, auto_increment = false)]
    pub activity: String,
    /// The local day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Date,
    /// XP before the cap.
    pub amount: i64,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
