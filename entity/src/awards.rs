//! Someone earned something. Never deleted: revoked, with a reason.

use sea_orm::entity::prelude::*;

/// A row of `awards`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "awards")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who has it.
    pub person_id: Uuid,
    /// What it is.
    pub achievement_id: Uuid,
    /// 1 for the first; unique with person and achievement.
    pub occurrence: i64,
    /// `RULE`, `PERSON` or `IMPORT`.
    pub cause: String,
    /// `occurred_at` of the event that crossed the threshold.
    pub earned_at: DateTimeUtc,
    /// When we wrote it.
    pub recorded_at: DateTimeUtc,
    /// What it brought; fixed when it was given.
    pub xp_bonus: i64,
    /// The event that crossed, if a rule gave it.
    pub event_id: Option<Uuid>,
    /// A rule gave it and would no longer: something late or voided took its ground.
    pub flagged: bool,
    /// Who gave it, if a person did.
    pub awarded_by: Option<Uuid>,
    /// What that person wrote to it.
    pub notes: Option<String>,
    /// When it was taken back.
    pub revoked_at: Option<DateTimeUtc>,
    /// Who took it back.
    pub revoked_by: Option<Uuid>,
    /// Why.
    pub revocation_reason: Option<String>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
