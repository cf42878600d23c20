//! Recorded events. Never deleted.

use sea_orm::entity::prelude::*;

/// A row of `events`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The sender: the token's `sub`; `plaudit` for our own events.
    pub source: String,
    /// The sender's id; unique within the source.
    pub external_id: String,
    /// The person it is about.
    pub person_id: Uuid,
    /// The kind of event: a key of the catalogue.
    pub activity: String,
    /// When it happened.
    pub occurred_at: DateTimeUtc,
    /// The person's calendar day then. Never recalculated.
    pub local_date: Date,
    /// The person's hour of the day then, 0 to 23.
    pub local_hour: i16,
    /// The name of the person's time zone at recording, in which the day and the hour are local.
    pub timezone: String,
    /// The person's calendar day at recording, if the person reported the event; the daily cap of that day applies.
    pub reported_on: Option<Date>,
    /// Whether it makes its day an active one. Fixed at recording, like its day.
    pub makes_active: bool,
    /// The parsed attributes, with defaults.
    #[sea_orm(column_type = "JsonBinary")]
    pub attributes: Json,
    /// Its position in the request that sent it, from 0. It orders events of the same moment.
    pub place: i32,
    /// A hash of the attributes as sent; none for events recorded before version 7 of the tables.
    pub sent_hash: Option<Uuid>,
    /// When it was recorded.
    pub recorded_at: DateTimeUtc,
    /// The publication that decided its consequences.
    pub catalogue_version: i64,
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
