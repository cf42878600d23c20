//! The distinct members that a `distinct` metric has counted.

use sea_orm::entity::prelude::*;

/// A row of `metric_members`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "metric_members")]
pub struct Model {
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// The metric.
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric_id: Uuid,
    /// An attribute's value, or a calendar unit such as a weekend's Saturday.
    #[sea_orm(primary_key, auto_increment = false)]
    pub member: String,
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
