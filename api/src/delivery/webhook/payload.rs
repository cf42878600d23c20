//! The bodies of requests to webhooks. They name people by id only. `webhooks.schema.json` is their JSON Schema, written from
//! these types.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The version of the format. New fields do not change it.
pub(super) const VERSION: u8 = 1;

/// The body of a request to a webhook.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body {
    /// The version of this format, 1.
    pub(super) version: u8,
    /// When it happened, as the server recorded it.
    pub(super) timestamp: DateTime<Utc>,
    /// The id of the cause. What happened for the same cause has the same id.
    pub(super) group_id: Option<Uuid>,
    /// What happened.
    #[serde(flatten)]
    pub(super) event: Event,
}

/// What happened, and to whom.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub(crate) enum Event {
    /// A person earned an award, or a person gave it to them.
    #[serde(rename = "award.earned")]
    AwardEarned(Award),
    /// An award was revoked.
    #[serde(rename = "award.revoked")]
    AwardRevoked(Award),
    /// A person reached a higher level.
    #[serde(rename = "level.reached", rename_all = "camelCase")]
    LevelReached {
        /// The person's id.
        user_id: Uuid,
        /// The level before.
        from: i64,
        /// The level now.
        to: i64,
    },
    /// A person reached a rank of a pack.
    #[serde(rename = "rank.reached", rename_all = "camelCase")]
    RankReached {
        /// The person's id.
        user_id: Uuid,
        /// The key of the pack.
        pack: String,
        /// The name of the rank.
        rank: String,
    },
    /// A person was active this many days in a row.
    #[serde(rename = "streak.reached", rename_all = "camelCase")]
    StreakReached {
        /// The person's id.
        user_id: Uuid,
        /// Days in a row.
        days: i64,
    },
    /// A certificate was issued to a person.
    #[serde(rename = "certificate.issued")]
    CertificateIssued(Certificate),
    /// The data that identifies a person was removed. Remove it in your system too.
    #[serde(rename = "person.erased", rename_all = "camelCase")]
    PersonErased {
        /// The person's id.
        user_id: Uuid,
    },
    /// An admin tests the webhook.
    #[serde(rename = "webhook.test", rename_all = "camelCase")]
    Test {
        /// The webhook's id.
        webhook_id: Uuid,
    },
}

/// An award, as it is when the request is sent.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Award {
    /// The award's id.
    pub(super) id: Uuid,
    /// The id of the person who holds it.
    pub(super) user_id: Uuid,
    /// The achievement.
    pub(super) achievement: Achievement,
    /// The number of the award of a repeatable achievement, from 1.
    pub(super) occurrence: i64,
    /// Why it was awarded: RULE, PERSON or IMPORT.
    pub(super) cause: &'static str,
    /// When it was earned.
    pub(super) earned_at: DateTime<Utc>,
    /// XP of the award.
    pub(super) xp_bonus: i64,
    /// When it was revoked; null if it holds.
    pub(super) revoked_at: Option<DateTime<Utc>>,
}

/// An achievement.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Achievement {
    /// Its id.
    pub(super) id: Uuid,
    /// Its key: the pack and a name.
    pub(super) key: String,
    /// Its name for people.
    pub(super) name: String,
    /// The key of its category.
    pub(super) category: String,
    /// Its rarity: common, rare, epic or legendary.
    pub(super) rarity: &'static str,
}

/// A certificate.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    /// Its id.
    pub(super) id: Uuid,
    /// The id of the person who got it.
    pub(super) user_id: Uuid,
    /// Its number.
    pub(super) number: String,
    /// Its title.
    pub(super) title: String,
    /// Who issued it.
    pub(super) issued_by: String,
    /// The day of issue.
    pub(super) issued_date: NaiveDate,
    /// The id of the course that it is for.
    pub(super) course_id: Option<Uuid>,
    /// When it was deleted; null if it holds.
    pub(super) deleted_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON Schema of all bodies.
    fn schema() -> String {
        let schema = schemars::schema_for!(Body);
        serde_json::to_string_pretty(&schema).unwrap() + "\n"
    }

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/webhooks.schema.json");
        if std::env::var("PLAUDIT_WRITE_SCHEMA").as_deref() == Ok("1") {
            std::fs::write(file, schema()).unwrap();
        }
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            kept == schema(),
            "api/webhooks.schema.json is out of date: run this test with PLAUDIT_WRITE_SCHEMA=1"
        );
    }
}
