//! A number that a person's events move; a requirement compares it with its target.

use sea_orm::entity::prelude::*;

/// A row of `metrics`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "metrics")]
pub struct Model {
    /// Whose number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// Hash of the metric's definition.
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric_id: Uuid,
    /// Count, sum, number of members, or longest run.
    pub value: i64,
    /// Runs only: the length of the run that is going on.
    pub run_current: Option<i64>,
    /// Runs only: `occurred_at` of the last event folded.
    pub run_at: Option<DateTimeUtc>,
    /// Runs only: its place in its request.
    pub run_place: Option<i32>,
    /// Runs only: its source.
    pub run_source: Option<String>,
    /// Runs only: its id.
    pub run_external_id: Option<String>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
