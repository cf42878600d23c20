//! The XP ledger. Entries are only added; a total is their sum. A bonus entry has the moment of its award.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// A row of `xp_entries`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "xp_entries")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The person.
    pub person_id: Uuid,
    /// The XP; negative in a reversal.
    pub amount: i64,
    /// What it is for.
    pub kind: Kind,
    /// The event that gave it.
    pub event_id: Option<Uuid>,
    /// The award that gave it, for a bonus.
    pub award_id: Option<Uuid>,
    /// When the event or award happened.
    pub occurred_at: DateTimeUtc,
    /// The person's calendar day then.
    pub local_date: Date,
    /// When the entry was stored.
    pub recorded_at: DateTimeUtc,
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
    /// The event.
    #[sea_orm(
        belongs_to = "super::events::Entity",
        from = "Column::EventId",
        to = "super::events::Column::Id"
    )]
    Event,
    /// The award.
    #[sea_orm(
        belongs_to = "super::awards::Entity",
        from = "Column::AwardId",
        to = "super::awards::Column::Id"
    )]
    Award,
}

impl ActiveModelBehavior for ActiveModel {}

/// What an XP entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// An event.
    #[sea_orm(string_value = "BASE")]
    Base,
    /// An award's bonus.
    #[sea_orm(string_value = "BONUS")]
    Bonus,
    /// The bonus of a revoked award, taken back.
    #[sea_orm(string_value = "REVERSAL")]
    Reversal,
}
