//! A person's totals. `plaudit check` recalculates them from events, awards and ledger.

use sea_orm::entity::prelude::*;

/// A row of `totals`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "totals")]
pub struct Model {
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// Sum of the person's XP entries, 0 to 2,147,483,647.
    pub xp: i64,
    /// When the total last changed. Of equal scores, the earlier one ranks first.
    pub xp_reached_at: DateTimeUtc,
    /// Awards held and not revoked.
    pub awards: i64,
    /// Active days of the run that ends with `last_active_on`.
    pub streak_run: i64,
    /// The longest such run so far.
    pub streak_longest: i64,
    /// The latest active local day.
    pub last_active_on: Option<Date>,
    /// The names of the time zones in which that day was active, with commas between them.
    pub last_active_in: Option<String>,
    /// The latest `occurred_at` of the person's events.
    pub last_event_at: Option<DateTimeUtc>,
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
