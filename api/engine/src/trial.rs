//! A pack's own tests: the given events must result in exactly the expected awards.

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    catalog::{
        Catalog, Pack, Settings, achievement_id,
        format::{Every, Trial, TrialEvents},
    },
    event::{Event, local},
    memory::School,
    progress::summary,
};

/// The namespace of the people and events in these tests.
const NAMESPACE: Uuid = Uuid::from_u128(0x3c5e_7a10_64bd_4f2a_8d19_c07b_25e6_f48d);

/// A failed test of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The test's name.
    pub trial: String,
    /// The expected and the actual result.
    pub message: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.trial, self.message)
    }
}

/// Runs every test of a pack, with the pack loaded alone.
pub fn run(pack: &Pack) -> Vec<Mismatch> {
    pack.content.tests.iter().flat_map(|trial| mismatches(pack, trial)).collect()
}

fn mismatches(pack: &Pack, trial: &Trial) -> Vec<Mismatch> {
    let messages = match play(pack, trial) {
        Ok(messages) => messages,
        Err(message) => vec![message],
    };
    messages.into_iter().map(|message| Mismatch { trial: trial.name.clone(), message }).collect()
}

/// The differences, or the reason why the test cannot run.
fn play(pack: &Pack, trial: &Trial) -> Result<Vec<String>, String> {
    let mut settings = Settings::default();
    for (key, value) in &trial.settings {
        settings.set(pack.key(), key, value);
    }
    let catalog = Catalog::compile(std::slice::from_ref(pack), &settings)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let zone: Tz = match &trial.timezone {
        Some(name) => name.parse().map_err(|_| format!("`{name}` is not a time zone such as Asia/Tokyo"))?,
        None => Tz::UTC,
    };
    let person = id_of("the person");
    let mut school = School::default();
    school.join(person, zone, None);
    let mut batch = Vec::new();
    for events in &trial.events {
        let about = events.about.as_deref().map(id_of);
        if let Some(referred) = about {
            school.join(referred, zone, Some(person));
        }
        extend(&catalog, events, about.unwrap_or(person), zone, &mut batch)?;
    }
    school.record(&catalog, &batch).map_err(|overflow| overflow.to_string())?;
    Ok(compare(&catalog, pack, trial, &school, person))
}

fn extend(
    catalog: &Catalog,
    events: &TrialEvents,
    person: Uuid,
    zone: Tz,
    batch: &mut Vec<Event>,
) -> Result<(), String> {
    let activity =
        catalog.activity(&events.activity).ok_or_else(|| format!("no activity `{}`", events.activity))?;
    for number in 1..=events.repeat {
        let mut attributes = events.attributes.clone();
        for (name, pattern) in &events.attribute_series {
            let value = pattern.replace("{n}", &number.to_string());
            attributes.insert(name.clone(), value.into());
        }
        let attributes = catalog
            .parse_attributes(activity, Some(&serde_json::Value::Object(attributes)))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let occurred_at = moment(events, number).ok_or("an event lies beyond the calendar")?;
        let there = local(occurred_at, zone);
        let external_id = format!("event-{:06}", batch.len());
        batch.push(Event {
            id: id_of(&external_id),
            source: "trial".into(),
            external_id: external_id.into(),
            person,
            activity: activity.key.as_str().into(),
            occurred_at,
            place: 0,
            local_date: there.date,
            local_hour: there.hour,
            zone,
            reported_on: None,
            makes_active: activity.counts_for_streak,
            attributes,
        });
    }
    Ok(())
}

fn moment(events: &TrialEvents, number: u32) -> Option<DateTime<Utc>> {
    let step = match events.every {
        Every::Minute => Duration::minutes(1),
        Every::Hour => Duration::hours(1),
        Every::Day => Duration::days(1),
        Every::Week => Duration::weeks(1),
    };
    let steps = i32::try_from(number.saturating_sub(1)).ok()?;
    events.from.checked_add_signed(step.checked_mul(steps)?)
}

fn compare(catalog: &Catalog, pack: &Pack, trial: &Trial, school: &School, person: Uuid) -> Vec<String> {
    let state = school.whole(person);
    let mut messages = Vec::new();
    let mut check = |what: &str, expected: String, came: String| {
        if expected != came {
            messages.push(format!("expected {what} {expected}, came {came}"));
        }
    };
    let own = format!("{}/", pack.key());
    let mut expected = trial.expect.clone();
    let mut came: Vec<String> = state
        .awards
        .keys()
        .filter_map(|(achievement, _)| catalog.achievement(*achievement))
        .map(|achievement| achievement.key.strip_prefix(&own).unwrap_or(&achievement.key).to_owned())
        .collect();
    expected.sort();
    came.sort();
    check("awards", expected.join(", "), came.join(", "));
    if let Some(xp) = trial.xp {
        check("XP", xp.to_string(), state.xp.to_string());
    }
    if let Some(level) = trial.level {
        check("level", level.to_string(), catalog.level(state.xp).number.to_string());
    }
    if let (Some(rank), Some(loaded)) = (&trial.rank, catalog.pack(pack.key())) {
        came.dedup();
        let held = i64::try_from(came.len()).unwrap_or(i64::MAX);
        let title = summary(loaded, held).current_rank.unwrap_or("none");
        check("rank", rank.clone(), title.to_owned());
    }
    for key in &trial.expect {
        if catalog.achievement(achievement_id(&format!("{own}{key}"))).is_none() {
            messages.push(format!("expects `{key}`, which the pack does not have"));
        }
    }
    messages
}

fn id_of(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}
