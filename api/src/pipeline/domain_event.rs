//! Records domain events of the product (join, enrol, complete a lesson, comment) if a loaded pack has an activity
//! for them.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::transaction::Interrupted;
use super::{Incoming, OWN_SOURCE, Submission, record_within};
use crate::app::App;
use crate::auth::policy::Recorder;
use crate::catalogue::Published;
use crate::store::{self, Txn, awards, events};

/// A domain event that has just happened.
#[derive(Debug)]
pub(crate) struct DomainEvent<'a> {
    /// The kind of event.
    pub(crate) kind: engine::DomainEventKind,
    /// The event's id. A repeated id counts once.
    pub(crate) id: String,
    /// The subject.
    pub(crate) person: Uuid,
    /// The ids of related records, by name. The activity uses those that it declares as attributes.
    pub(crate) facts: &'a [(&'static str, Uuid)],
}

/// Records the event in the transaction of its cause; returns the event's awards, and the feed's head if it moved.
///
/// # Errors
/// When the domain refuses it, a person changed meanwhile, or the database fails; the caller rolls back.
pub(crate) async fn record_domain_event(
    app: &App,
    txn: &Txn,
    published: &Published,
    event: DomainEvent<'_>,
) -> Result<(Vec<awards::Row>, Option<i64>), Interrupted> {
    // One id records one event, so only one activity can use it: the first one of the loaded packs.
    let Some(activity) = published.catalog.activities_on(event.kind).next() else {
        return Ok((Vec::new(), None));
    };
    let declared = event.facts.iter().filter(|(name, _)| activity.declares(name));
    let attributes: Map<String, Value> =
        declared.map(|(name, id)| ((*name).to_owned(), id.to_string().into())).collect();
    let event = Incoming {
        id: Some(event.id),
        person: event.person,
        activity: activity.key.clone(),
        occurred_at: None,
        attributes: Some(Value::Object(attributes)),
    };
    let submission = Submission { recorder: Recorder::ourselves(), request: None, events: [event].into() };
    let (outcomes, head) = record_within(app, txn, published, submission).await?;
    let recorded = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((recorded.into_iter().flat_map(|recorded| recorded.awards).collect(), head))
}

/// The awards that the person earned with this event when it was recorded.
///
/// # Errors
/// When the database fails.
pub(crate) async fn first_awards(
    txn: &Txn,
    id: String,
    person: Uuid,
) -> Result<Vec<awards::Row>, store::Error> {
    let key = [(OWN_SOURCE.to_owned(), id)].into();
    let known: Vec<Uuid> =
        events::by_external_ids(txn, &key).await?.into_iter().map(|event| event.id).collect();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let mut awards = awards::of_events(txn, known).await?;
    awards.retain(|award| award.person_id == person);
    Ok(awards)
}
