//! The format of a pack's own tests.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A test of the pack: the events must result in exactly the expected awards.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Trial {
    /// What it tests, in words.
    pub(crate) name: String,
    /// The person's IANA zone; UTC if absent.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    /// The pack's settings for this test.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// The events, in this order.
    pub(crate) events: Vec<TrialEvents>,
    /// All awards of the person afterwards, by key. A repeatable one is listed as often as earned.
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
    /// The number of events.
    #[serde(default = "super::one")]
    pub(crate) repeat: u32,
    /// The time of the first event.
    pub(crate) from: DateTime<Utc>,
    /// The interval between two events.
    #[serde(default)]
    pub(crate) every: Every,
    /// The activity of the events.
    pub(crate) activity: String,
    /// The attributes of the events.
    #[serde(default)]
    pub(crate) attributes: serde_json::Map<String, serde_json::Value>,
    /// String attributes that differ per event: {n} is the number of the event, from 1.
    #[serde(default)]
    pub(crate) attribute_series: BTreeMap<String, String>,
    /// The person of the events, if it is not the person of the test: an arbitrary name for a person whom they referred.
    #[serde(default)]
    pub(crate) about: Option<String>,
}

/// The interval between events.
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
