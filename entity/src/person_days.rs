//! What a person did on one day of the school: a rollup of events, awards and XP entries. `plaudit check` recalculates it.

use sea_orm::entity::prelude::*;

/// A row of `person_days`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "person_days")]
pub struct Model {
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// The day in the school's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Date,
    /// The number of events of this day.
    pub events: i64,
    /// The sum of the XP entries of this day that count: reversals and bonuses of revoked awards do not.
    pub xp: i64,
    /// The time of the latest such entry.
    pub xp_at: Option<DateTimeUtc>,
    /// The number of awards earned on this day and not revoked.
    pub awards: i64,
    /// The time of the latest such award.
    pub awards_at: Option<DateTimeUtc>,
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
