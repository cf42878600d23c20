//! How a pack writes its own tests.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A test of the pack: given these events, expect exactly these awards.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Trial {
    /// What it shows.
    pub(crate) name: String,
    /// The person's IANA zone; UTC if absent.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    /// The pack's settings for this test.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// What happens, in this order.
    pub(crate) events: Vec<TrialEvents>,
    /// Every award of the person's afterwards, by key; a repeatable one as often as earned.
    pub(crate) expect: Vec<String>,
    /// The person's XP afterwards.
    #[serde(default)]
    pub(crate) xp: Option<i64>,
    /// The person's level afterwards.
    #[serde(default)]
    pub(crate) level: Option<i64>,
    /// The person's rank afterwards.
    #[serde(default)]
    pub(crate) rank: Option<String>,
}

/// Events of one activity, evenly spaced.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrialEvents {
    /// How many.
    #[serde(default = "super::one")]
    pub(crate) repeat: u32,
    /// When the first happens.
    pub(crate) from: DateTime<Utc>,
    /// How far apart they are.
    #[serde(default)]
    pub(crate) every: Every,
    /// What happens.
    pub(crate) activity: String,
    /// With these attributes.
    #[serde(default)]
    pub(crate) attributes: serde_json::Map<String, serde_json::Value>,
    /// String attributes that differ from event to event: {n} is its number, from 1.
    #[serde(default)]
    pub(crate) attribute_series: BTreeMap<String, String>,
    /// Who does it, when it is not the person of the test: any name of someone they referred.
    #[serde(default)]
    pub(crate) about: Option<String>,
}

/// How far apart events are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Every {
    /// 60 seconds.
    #[default]
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
}
