//! A number that a person's events change. A requirement compares it with a target.

use sea_orm::entity::prelude::*;

/// A row of `metrics`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "metrics")]
pub struct Model {
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// Hash of the metric's definition.
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric_id: Uuid,
    /// Count, sum, number of members, or longest run.
    pub value: i64,
    /// Runs only: the length of the current run.
    pub run_current: Option<i64>,
    /// Runs only: `occurred_at` of the last event folded.
    pub run_at: Option<DateTimeUtc>,
    /// Runs only: the position of that event in its request.
    pub run_place: Option<i32>,
    /// Runs only: the source of that event.
    pub run_source: Option<String>,
    /// Runs only: the sender's id of that event.
    pub run_external_id: Option<String>,
    /// Runs only: `occurred_at` of the last event that broke a run; 1970 if none did, null if it is not known.
    pub reset_at: Option<DateTimeUtc>,
    /// Runs only: the position of that event in its request.
    pub reset_place: Option<i32>,
    /// Runs only: the source of that event.
    pub reset_source: Option<String>,
    /// Runs only: the sender's id of that event.
    pub reset_external_id: Option<String>,
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
