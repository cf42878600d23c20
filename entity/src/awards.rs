//! Someone earned something. Never deleted: revoked, with a reason.

use sea_orm::entity::prelude::*;
use serde::Serialize;

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
    /// What awarded it.
    pub cause: Cause,
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

/// The tables that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// What was earned.
    #[sea_orm(
        belongs_to = "super::achievements::Entity",
        from = "Column::AchievementId",
        to = "super::achievements::Column::Id"
    )]
    Achievement,
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
