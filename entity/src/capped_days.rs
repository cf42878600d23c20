//! The XP that an activity with a daily cap would have given on a day without the cap.

use sea_orm::entity::prelude::*;

/// A row of `capped_days`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "capped_days")]
pub struct Model {
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// The activity's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub activity: String,
    /// The local day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Date,
    /// XP before the cap.
    pub amount: i64,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The person.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::PersonId",
        to = "super::people::Column::Id"
    )]
    Person,
}

impl ActiveModelBehavior for ActiveModel {}
