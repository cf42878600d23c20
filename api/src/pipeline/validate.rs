//! Validates each row of a submission against the catalogue and the limits, without the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::Attributes;
use uuid::Uuid;

use super::domain_event::{is_unassigned, with_facts};
use super::ingest::unknown_person;
use super::self_report::Period;
use super::{Batch, BatchRow, Incoming, Rejected, Submission};
use crate::app::App;
use crate::auth::Source;
use crate::catalogue::Published;
use crate::clock;
use crate::id;
use crate::refusal::{Reason, Refusal};
use crate::text;

/// A row's content as sent. It identifies repeats independently of the current catalogue.
pub(super) struct Sent {
    pub(super) source: Arc<str>,
    pub(super) external_id: Arc<str>,
    pub(super) person: Uuid,
    pub(super) activity: Arc<str>,
    pub(super) occurred_at: Option<DateTime<Utc>>,
    /// A hash of the attributes.
    pub(super) hash: Uuid,
}

/// A row that is valid without reading the database.
pub(super) struct Parsed {
    pub(super) sent: Sent,
    pub(super) id: Uuid,
    /// Its index in the submission.
    pub(super) place: i32,
    pub(super) makes_active: bool,
    /// Whether it is a self-report.
    pub(super) is_own_report: bool,
    pub(super) attributes: Attributes,
}

/// A row that cannot be recorded. It may still repeat an event that was recorded by an earlier catalogue.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) sent: Option<Box<Sent>>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, sent: None }
    }
}

/// The namespace of the hashes of sent values.
const SENT: Uuid = Uuid::from_u128(0x2d0c_9d50_93b7_4f0f_8a55_6d0c_5a3e_91c4);

impl Sent {
    /// The event's identity.
    pub(super) fn key(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.source), Arc::clone(&self.external_id))
    }
}

/// Every row, parsed or refused, in the order of the batch.
pub(super) struct Accepted {
    pub(super) rows: Vec<Result<Parsed, Refused>>,
    /// The permitted period of self-reports.
    pub(super) period: Period,
}

/// Parses every row by the catalogue, without the database.
pub(super) fn accept(
    app: &App,
    published: &Published,
    batch: &Batch<'_>,
    rejected: &Rejected,
    now: DateTime<Utc>,
) -> Accepted {
    let rows = batch.rows.iter().enumerate().map(|(index, row)| match rejected.get(&index) {
        Some(refusal) => Err(refusal.clone().into()),
        None => parse(app, published, row, now),
    });
    let period = Period::before(now, app.config.limits.self_report_hours);
    Accepted { rows: rows.collect(), period }
}

fn parse(
    app: &App,
    published: &Published,
    row: &BatchRow<'_>,
    now: DateTime<Utc>,
) -> Result<Parsed, Refused> {
    let BatchRow { submission, event, place, .. } = row;
    let catalog = &published.catalog;
    if event.person.is_nil() {
        return Err(
            Refusal::invalid(["userId"], "The nil UUID is not a user id: send the person's own id.").into()
        );
    }
    if !submission.recorder.may_record_of(event.person) {
        return Err(unknown_person().into());
    }
    let id = id::new(now);
    let external_id = match &event.id {
        Some(given) => text::client_id("id", given.clone())?.into(),
        None => id.to_string().into(),
    };
    let occurred_at = event.occurred_at.map(|at| clock::past("occurredAt", at, now)).transpose()?;
    let sent = Sent {
        source: submission.recorder.source().text().into(),
        external_id,
        person: event.person,
        activity: Arc::from(event.activity.as_str()),
        occurred_at,
        hash: hash_of(event.attributes.as_ref().unwrap_or(&serde_json::Value::Null)),
    };
    match by_catalogue(app, catalog, submission, event) {
        Ok((makes_active, attributes)) => Ok(Parsed {
            sent,
            id,
            place: *place,
            makes_active,
            is_own_report: submission.recorder.reporter().is_some(),
            attributes,
        }),
        Err(refusal) => Err(Refused { refusal, sent: event.id.is_some().then(|| Box::new(sent)) }),
    }
}

/// Whether the event makes its day an active one, and its attributes, by the catalogue.
fn by_catalogue(
    app: &App,
    catalog: &engine::Catalog,
    submission: &Submission,
    event: &Incoming,
) -> Result<(bool, Attributes), Refusal> {
    if *submission.recorder.source() == Source::Ourselves && is_unassigned(&event.activity) {
        let facts = event.attributes.clone().unwrap_or_default();
        return Ok((false, serde_json::from_value(facts).map_err(|_| Refusal::internal())?));
    }
    let activity =
        catalog.activity(&event.activity).ok_or_else(|| unknown_activity(catalog, &event.activity))?;
    submission.recorder.may_record(activity.self_reportable).map_err(|refusal| refusal.at(["activity"]))?;
    let attributes = if *submission.recorder.source() == Source::Ourselves {
        let facts = event.attributes.as_ref().and_then(serde_json::Value::as_object).cloned();
        with_facts(catalog, activity, facts.unwrap_or_default()).map_err(unfit)?
    } else {
        check_attributes(app, catalog, activity, event.attributes.as_ref())?
    };
    Ok((activity.counts_for_streak, attributes))
}

/// A hash of the fields of a sent object that does not depend on their order. Other values have the hash of an empty
/// object.
pub(crate) fn hash_of(sent: &serde_json::Value) -> Uuid {
    let sorted: BTreeMap<&String, &serde_json::Value> = sent.as_object().into_iter().flatten().collect();
    Uuid::new_v5(&SENT, &serde_json::to_vec(&sorted).unwrap_or_default())
}

fn unknown_activity(catalog: &engine::Catalog, key: &str) -> Refusal {
    let remedy = match catalog.nearest_activity(key) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "send an activity that a loaded pack declares.".to_owned(),
    };
    let shown: String = key.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Refusal::invalid(["activity"], format!("No activity is called `{shown}`: {remedy}"))
        .because(Reason::UnknownActivity)
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
    catalog.parse_attributes(activity, given).map_err(unfit)
}

/// The refusal of attributes that do not fit their activity.
fn unfit(problems: Vec<engine::AttributeProblem>) -> Refusal {
    let field = problems.first().map(|problem| problem.path.clone()).unwrap_or_default();
    let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
    Refusal::invalid(field, messages.join("; ")).below(["attributes"])
}
