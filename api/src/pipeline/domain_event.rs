//! Records domain events of the product: a person joined, enrolled, completed a lesson or wrote a comment. If no loaded
//! pack has an activity for an event, it is recorded as unheard. A publication with such an activity hears it.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Activity, Attributes, Catalog, DomainEventKind, LocalDay};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::load::day_of;
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
    pub(crate) kind: DomainEventKind,
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
    let activity = published.catalog.activities_on(event.kind).next();
    let declared =
        event.facts.iter().filter(|(name, _)| activity.is_none_or(|activity| activity.declares(name)));
    let attributes: Map<String, Value> =
        declared.map(|(name, id)| ((*name).to_owned(), id.to_string().into())).collect();
    let event = Incoming {
        id: Some(event.id),
        person: event.person,
        activity: activity.map_or_else(|| unheard(event.kind).to_owned(), |activity| activity.key.clone()),
        occurred_at: None,
        attributes: Some(Value::Object(attributes)),
    };
    let submission = Submission { recorder: Recorder::ourselves(), request: None, events: [event].into() };
    let (outcomes, head) = record_within(app, txn, published, submission).await?;
    let recorded = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((recorded.into_iter().flat_map(|recorded| recorded.awards).collect(), head))
}

/// The kinds that the product records; referrals are derived.
const RECORDED: [DomainEventKind; 4] =
    [DomainEventKind::Joined, DomainEventKind::Enroll, DomainEventKind::Lesson, DomainEventKind::Comment];

/// The activity of a domain event for which no pack has an activity. No pack can declare this key.
fn unheard(kind: DomainEventKind) -> &'static str {
    match kind {
        DomainEventKind::Lesson => "plaudit:lesson",
        DomainEventKind::Comment => "plaudit:comment",
        DomainEventKind::Enroll => "plaudit:enroll",
        DomainEventKind::Joined => "plaudit:joined",
        DomainEventKind::Referral => "plaudit:referral",
    }
}

/// Whether it is the activity of an unheard event.
pub(super) fn is_unheard(activity: &str) -> bool {
    RECORDED.into_iter().any(|kind| unheard(kind) == activity)
}

/// Gives the unheard events to the activities of a catalogue that hear their kind. They give no XP, as all events before
/// a publication, but they count, and make their days active. Returns these days.
pub(super) async fn hear(
    txn: &Txn,
    catalog: &Catalog,
) -> Result<BTreeMap<Uuid, BTreeSet<LocalDay>>, store::Error> {
    let mut days: BTreeMap<Uuid, BTreeSet<LocalDay>> = BTreeMap::new();
    for kind in RECORDED {
        let Some(activity) = catalog.activities_on(kind).next() else { continue };
        let mut after = None;
        loop {
            let page = events::of_activity(txn, unheard(kind), after).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let rows = page.iter().filter_map(|row| heard(catalog, activity, row));
            let rows: Vec<events::Row> = rows.collect();
            for row in rows.iter().filter(|row| row.makes_active) {
                days.entry(row.person_id).or_default().insert(day_of(row));
            }
            events::assign(txn, &rows).await?;
        }
    }
    Ok(days)
}

/// The event as one of this activity. None if the activity requires an attribute that the event does not have.
fn heard(catalog: &Catalog, activity: &Activity, row: &events::Row) -> Option<events::Row> {
    let facts = row.attributes.as_object().into_iter().flatten();
    let declared = facts.filter(|(name, _)| activity.declares(name));
    let declared = declared.map(|(name, value)| (name.clone(), value.clone())).collect();
    let attributes: Attributes = catalog.parse_attributes(activity, Some(&Value::Object(declared))).ok()?;
    Some(events::Row {
        activity: activity.key.clone(),
        makes_active: activity.counts_for_streak,
        attributes: serde_json::to_value(&attributes).ok()?,
        ..row.clone()
    })
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
