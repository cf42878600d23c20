//! The kinds of consequences: what a feed item and an outbox message are about.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// An award was earned or granted.
    #[sea_orm(string_value = "AWARD_EARNED")]
    AwardEarned,
    /// An award was revoked.
    #[sea_orm(string_value = "AWARD_REVOKED")]
    AwardRevoked,
    /// A higher level was reached.
    #[sea_orm(string_value = "LEVEL_REACHED")]
    LevelReached,
    /// A pack's rank was reached.
    #[sea_orm(string_value = "RANK_REACHED")]
    RankReached,
    /// A streak milestone was reached.
    #[sea_orm(string_value = "STREAK_REACHED")]
    StreakReached,
    /// A certificate was issued.
    #[sea_orm(string_value = "CERTIFICATE_ISSUED")]
    CertificateIssued,
    /// A person was erased. Only in the outbox, not in the feed.
    #[sea_orm(string_value = "PERSON_ERASED")]
    PersonErased,
}
