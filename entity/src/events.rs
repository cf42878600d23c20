//! What happened, as it was recorded. Never deleted.

use sea_orm::entity::prelude::*;

/// A row of `events`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who sent it: the token's `sub`; `plaudit` for our own.
    pub source: String,
    /// The sender's id; unique within the source.
    pub external_id: String,
    /// Who did it.
    pub person_id: Uuid,
    /// What kind of thing happened: a key of the catalogue.
    pub activity: String,
    /// When it happened.
    pub occurred_at: DateTimeUtc,
    /// The person's calendar day then; never recomputed.
    pub local_date: Date,
    /// The person's hour of the day then, 0 to 23.
    pub local_hour: i16,
    /// The person's calendar day at recording, if the person reported the event; the daily cap counts there.
    pub reported_on: Option<Date>,
    /// Whether it makes its day an active one; fixed when it is recorded, as its day is.
    pub makes_active: bool,
    /// As parsed, defaults filled in.
    #[sea_orm(column_type = "JsonBinary")]
    pub attributes: Json,
    /// Its place in the request that sent it, from 0: of events of one moment, the earlier place comes first.
    pub place: i32,
    /// A hash of the attributes as they were sent; none for events recorded before version 7 of the tables.
    pub sent_hash: Option<Uuid>,
    /// When we took it in.
    pub recorded_at: DateTimeUtc,
    /// The publication its consequences were decided by.
    pub catalogue_version: i64,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
