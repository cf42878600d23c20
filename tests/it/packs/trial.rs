//! The packs' own tests as requests of a host application: people, events, times, and the expected awards.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// A pack file.
pub(super) struct Pack {
    pub(super) key: &'static str,
    pub(super) achievements: Vec<Achievement>,
    pub(super) trials: Vec<Trial>,
}

/// The properties of an achievement that the tests need.
pub(super) struct Achievement {
    /// `pack/key`.
    pub(super) key: String,
    pub(super) pack: &'static str,
    pub(super) bonus: i64,
    pub(super) rule: Value,
}

/// One test of a pack.
pub(super) struct Trial {
    pub(super) name: String,
    pub(super) pack: &'static str,
    pub(super) zone: String,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) test_events: Vec<TestEvent>,
    /// The expected awards, as `pack/key`.
    pub(super) expect: BTreeSet<String>,
    pub(super) xp: i64,
    pub(super) level: Option<i64>,
    pub(super) rank: Option<String>,
}

/// One event of a test.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TestEvent {
    pub(super) at: DateTime<Utc>,
    pub(super) activity: String,
    pub(super) attributes: Value,
    /// The referred person of the event; `None` for the person of the test.
    pub(super) about: Option<String>,
}

/// Reads a built-in pack.
pub(super) fn pack(key: &'static str) -> Pack {
    let text = match key {
        "aurora" => include_str!("../../../api/catalogs/aurora.json"),
        "tests" => include_str!("../../../api/catalogs/tests.json"),
        "code-lab" => include_str!("../../../api/catalogs/code-lab.json"),
        "course-portal" => include_str!("../../../api/catalogs/course-portal.json"),
        other => panic!("no pack is called {other}"),
    };
    let written: Value = serde_json::from_str(text).expect("a pack is JSON");
    let achievements = list(&written["achievements"]).iter().map(|one| achievement(key, one)).collect();
    let trials = list(&written["tests"]).iter().map(|one| trial(key, one)).collect();
    Pack { key, achievements, trials }
}

impl Trial {
    /// Whether this test is the other with exactly one event more.
    pub(super) fn is_one_event_more_than(&self, other: &Self) -> bool {
        if self.test_events.len() != other.test_events.len() + 1 || self.zone != other.zone {
            return false;
        }
        let mut left = self.test_events.clone();
        other.test_events.iter().all(|happening| {
            left.iter().position(|one| one == happening).map(|place| left.swap_remove(place)).is_some()
        })
    }

    /// When the person appears, if the test specifies it.
    pub(super) fn joins_at(&self) -> Option<DateTime<Utc>> {
        self.test_events.iter().find(|one| one.activity == "user_joined").map(|one| one.at)
    }

    /// The other people of the test.
    pub(super) fn friends(&self) -> BTreeSet<&str> {
        self.test_events.iter().filter_map(|one| one.about.as_deref()).collect()
    }

    /// The events that the host application sends. It does not send that people join.
    pub(super) fn events(&self, person: Uuid, friends: &BTreeMap<&str, Uuid>) -> Vec<Value> {
        let sent = self.test_events.iter().filter(|one| one.activity != "user_joined");
        let event = |one: &TestEvent| {
            let user = one.about.as_deref().map_or(person, |friend| friends[friend]);
            json!({"userId": user, "activity": one.activity, "occurredAt": one.at, "attributes": one.attributes})
        };
        sent.map(event).collect()
    }
}

fn achievement(pack: &'static str, written: &Value) -> Achievement {
    let key = written["key"].as_str().map_or_else(|| kebab(text(&written["name"])), str::to_owned);
    Achievement {
        key: format!("{pack}/{key}"),
        pack,
        bonus: written["xpBonus"].as_i64().unwrap_or(0),
        rule: written["rule"].clone(),
    }
}

fn trial(pack: &'static str, written: &Value) -> Trial {
    let settings = written["settings"].as_object().cloned().unwrap_or_default();
    let expect = list(&written["expect"]).iter().map(|key| format!("{pack}/{}", text(key)));
    Trial {
        name: text(&written["name"]).to_owned(),
        pack,
        zone: written["timezone"].as_str().unwrap_or("UTC").to_owned(),
        settings: settings.iter().map(|(key, value)| (key.clone(), text(value).to_owned())).collect(),
        test_events: list(&written["events"]).iter().flat_map(test_events).collect(),
        expect: expect.collect(),
        xp: written["xp"].as_i64().expect("every test of a pack says how much XP there is"),
        level: written["level"].as_i64(),
        rank: written["rank"].as_str().map(str::to_owned),
    }
}

fn test_events(written: &Value) -> Vec<TestEvent> {
    let step = match written["every"].as_str().unwrap_or("minute") {
        "minute" => TimeDelta::minutes(1),
        "hour" => TimeDelta::hours(1),
        "day" => TimeDelta::days(1),
        "week" => TimeDelta::weeks(1),
        other => panic!("nothing happens every {other}"),
    };
    let from: DateTime<Utc> = text(&written["from"]).parse().expect("a test's times are RFC 3339");
    let repeat = written["repeat"].as_i64().unwrap_or(1);
    let happening = |number: i64| {
        let mut attributes = written["attributes"].as_object().cloned().unwrap_or_default();
        for (name, pattern) in written["attributeSeries"].as_object().into_iter().flatten() {
            attributes.insert(name.clone(), text(pattern).replace("{n}", &number.to_string()).into());
        }
        TestEvent {
            at: from + step * i32::try_from(number - 1).expect("a test has not that many events"),
            activity: text(&written["activity"]).to_owned(),
            attributes: attributes.into(),
            about: written["about"].as_str().map(str::to_owned),
        }
    };
    (1..=repeat).map(happening).collect()
}

fn kebab(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
