//! Checks each row of a submission by the catalogue and the limits, without the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use engine::Attributes;
use uuid::Uuid;

use super::ingest::{Spot, unknown_person};
use super::self_report::Period;
use super::{Incoming, Submission};
use crate::app::App;
use crate::catalogue::Published;
use crate::id;
use crate::refusal::Refusal;

/// A row that is valid on its own; the database has not been read.
pub(super) struct Parsed {
    pub(super) source: Arc<str>,
    pub(super) external_id: Arc<str>,
    pub(super) id: Uuid,
    pub(super) person: Uuid,
    pub(super) activity: Arc<str>,
    pub(super) makes_active: bool,
    pub(super) occurred_at: Option<DateTime<Utc>>,
    /// Whether the person reports it about themselves.
    pub(super) is_own_report: bool,
    pub(super) attributes: Attributes,
}

impl Parsed {
    /// What identifies the event.
    pub(super) fn key(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.source), Arc::clone(&self.external_id))
    }
}

/// Every row, in place: parsed or refused.
pub(super) struct Accepted {
    pub(super) rows: Vec<Vec<Result<Parsed, Refusal>>>,
    /// When events may have happened that people report about themselves.
    pub(super) period: Period,
}

/// Parses every row by the catalogue; nothing is read or written.
pub(super) fn accept(
    app: &App,
    published: &Published,
    submissions: &[Submission],
    refused: &BTreeMap<Spot, Refusal>,
    now: DateTime<Utc>,
) -> Accepted {
    let rows = submissions.iter().enumerate().map(|(at, submission)| {
        let source: Arc<str> = submission.recorder.source().text().into();
        let events = submission.events.iter().enumerate();
        events
            .map(|(index, event)| match refused.get(&(at, index)) {
                Some(refusal) => Err(refusal.clone()),
                None => parse(app, published, submission, &source, event, now),
            })
            .collect()
    });
    let period = Period::before(now, app.config.limits.self_report_hours);
    Accepted { rows: rows.collect(), period }
}

fn parse(
    app: &App,
    published: &Published,
    submission: &Submission,
    source: &Arc<str>,
    event: &Incoming,
    now: DateTime<Utc>,
) -> Result<Parsed, Refusal> {
    let catalog = &published.catalog;
    let activity =
        catalog.activity(&event.activity).ok_or_else(|| unknown_activity(catalog, &event.activity))?;
    if event.person.is_nil() {
        return Err(Refusal::invalid(["userId"], "The nil UUID is not a user id: send the person's own id."));
    }
    submission.recorder.may_record(activity.self_reportable).map_err(|refusal| refusal.at(["activity"]))?;
    if !submission.recorder.may_record_of(event.person) {
        return Err(unknown_person());
    }
    let id = id::new(now);
    let external_id = match &event.id {
        Some(given) => check_id(given)?.into(),
        None => id.to_string().into(),
    };
    let occurred_at = event.occurred_at.map(|at| check_time(at, now)).transpose()?;
    let attributes = check_attributes(app, catalog, activity, event.attributes.as_ref())?;
    Ok(Parsed {
        source: Arc::clone(source),
        external_id,
        id,
        person: event.person,
        activity: Arc::from(event.activity.as_str()),
        makes_active: activity.counts_for_streak,
        occurred_at,
        is_own_report: submission.recorder.reporter().is_some(),
        attributes,
    })
}

fn unknown_activity(catalog: &engine::Catalog, key: &str) -> Refusal {
    let remedy = match catalog.nearest_activity(key) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "send an activity that a loaded pack declares.".to_owned(),
    };
    let shown: String = key.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Refusal::invalid(["activity"], format!("No activity is called `{shown}`: {remedy}"))
        .because("UNKNOWN_ACTIVITY")
}

fn check_id(id: &str) -> Result<&str, Refusal> {
    let letters = id.chars().count();
    if letters == 0 || letters > 128 || id.chars().any(char::is_control) {
        let message = "An event's id has 1 to 128 characters and no control characters.";
        return Err(Refusal::invalid(["id"], message));
    }
    Ok(id)
}

fn check_time(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    // What both databases keep and every answer prints: whole milliseconds.
    let at = DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at);
    let millennium = DateTime::from_timestamp(946_684_800, 0).unwrap_or_default();
    if at < millennium {
        return Err(Refusal::invalid(
            ["occurredAt"],
            "The time lies before 2000: send when it really happened.",
        ));
    }
    if at > now + TimeDelta::minutes(5) {
        let message =
            "The time lies in the future: send a time at most 5 minutes ahead of ours, or none for now.";
        return Err(Refusal::invalid(["occurredAt"], message));
    }
    Ok(at)
}

fn check_attributes(
    app: &App,
    catalog: &engine::Catalog,
    activity: &engine::Activity,
    given: Option<&serde_json::Value>,
) -> Result<Attributes, Refusal> {
    let most = app.config.limits.attributes_bytes;
    if given.is_some_and(|given| given.to_string().len() > most) {
        let message =
            format!("The attributes of one event may take {most} bytes as JSON: send fewer or shorter ones.");
        return Err(Refusal::invalid(["attributes"], message));
    }
    catalog.parse_attributes(activity, given).map_err(|problems| {
        let field = problems.first().map(|problem| problem.path.clone()).unwrap_or_default();
        let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
        Refusal::invalid(field, messages.join("; ")).below(["attributes"])
    })
}
