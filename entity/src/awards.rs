//! Awards of achievements to people. Never deleted, only revoked.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// A row of `awards`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "awards")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The person who holds it.
    pub person_id: Uuid,
    /// The achievement.
    pub achievement_id: Uuid,
    /// 1 for the first; unique with person and achievement.
    pub occurrence: i64,
    /// What awarded it.
    pub cause: Cause,
    /// `occurred_at` of the event that crossed the threshold.
    pub earned_at: DateTimeUtc,
    /// When it was stored.
    pub recorded_at: DateTimeUtc,
    /// The XP it added, fixed at the time of the award.
    pub xp_bonus: i64,
    /// The event that crossed the threshold, if a rule granted the award.
    pub event_id: Option<Uuid>,
    /// A rule granted it and would not grant it now, because of a late or voided event.
    pub flagged: bool,
    /// The person who awarded it; none for a rule.
    pub awarded_by: Option<Uuid>,
    /// The notes of that person.
    pub notes: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<DateTimeUtc>,
    /// The person who revoked it.
    pub revoked_by: Option<Uuid>,
    /// The reason of the revocation.
    pub revocation_reason: Option<String>,
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
    /// What was earned.
    #[sea_orm(
        belongs_to = "super::achievements::Entity",
        from = "Column::AchievementId",
        to = "super::achievements::Column::Id"
    )]
    Achievement,
    /// The event.
    #[sea_orm(
        belongs_to = "super::events::Entity",
        from = "Column::EventId",
        to = "super::events::Column::Id"
    )]
    Event,
    /// The person who granted it.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::AwardedBy",
        to = "super::people::Column::Id"
    )]
    Granter,
    /// The person who revoked it.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::RevokedBy",
        to = "super::people::Column::Id"
    )]
    Revoker,
}

impl ActiveModelBehavior for ActiveModel {}

/// What awards an achievement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Cause {
    /// Its rule.
    #[sea_orm(string_value = "RULE")]
    Rule,
    /// A person.
    #[sea_orm(string_value = "PERSON")]
    Person,
    /// The past of another system.
    #[sea_orm(string_value = "IMPORT")]
    Import,
}
