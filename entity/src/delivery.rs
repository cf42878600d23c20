//! The channels and the kinds of deliveries.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// How something is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Channel {
    /// A mail to a person.
    #[sea_orm(string_value = "MAIL")]
    Mail,
    /// A request to a webhook.
    #[sea_orm(string_value = "WEBHOOK")]
    Webhook,
}

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// The consequences of one cause, for one person.
    #[sea_orm(string_value = "NEWS")]
    News,
    /// The consequences of several causes, collected until a local hour.
    #[sea_orm(string_value = "DIGEST")]
    Digest,
    /// A streak ends tonight.
    #[sea_orm(string_value = "STREAK_REMINDER")]
    StreakReminder,
    /// The week of the children, for a guardian.
    #[sea_orm(string_value = "WEEKLY_SUMMARY")]
    WeeklySummary,
    /// A webhook was disabled, for admins.
    #[sea_orm(string_value = "WEBHOOK_DISABLED")]
    WebhookDisabled,
    /// One message, for a webhook.
    #[sea_orm(string_value = "EVENT")]
    Event,
    /// A test of a webhook.
    #[sea_orm(string_value = "TEST")]
    Test,
}
