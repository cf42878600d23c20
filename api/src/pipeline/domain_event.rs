//! Records the actions of people in the product: joining, enrolling, completing a lesson and writing a comment. If no loaded
//! pack has an activity for an action, its event is stored as unassigned. A publication with such an activity assigns it.

use std::collections::BTreeSet;

use engine::{Activity, AttributeProblem, Attributes, Catalog, DomainEventKind};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ingest::attributes_of;
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
    /// The event's id within its kind. A repeated id counts once.
    pub(crate) id: String,
    /// The subject.
    pub(crate) person: Uuid,
    /// The ids of related records, by name. All are stored; the activity counts those that it declares.
    pub(crate) facts: &'a [(&'static str, Uuid)],
}

/// Records the event in the transaction of its cause; returns the event's awards, and the feed's head if it moved.
///
/// # Errors
/// When the domain refuses it, a person's row has changed in the meantime, or the database fails; the caller rolls back.
pub(crate) async fn record_domain_event(
    app: &App,
    txn: &Txn,
    published: &Published,
    event: DomainEvent<'_>,
) -> Result<(Vec<awards::Row>, Option<i64>), Interrupted> {
    // One id records one event, so only one activity can use it: the first one of the loaded packs.
    let activity = published.catalog.activities_on(event.kind).next();
    let facts: Map<String, Value> =
        event.facts.iter().map(|(name, id)| ((*name).to_owned(), id.to_string().into())).collect();
    let event = Incoming {
        id: Some(format!("{}{}", prefix(event.kind), event.id)),
        person: event.person,
        activity: activity.map_or_else(|| unassigned(event.kind).to_owned(), |activity| activity.key.clone()),
        occurred_at: None,
        attributes: Some(Value::Object(facts)),
    };
    let submission = Submission {
        recorder: Recorder::ourselves(),
        request: None,
        events: [event].into(),
        span: tracing::Span::current(),
    };
    let (outcomes, head) = record_within(app, txn, published, submission).await?;
    let recorded = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((recorded.into_iter().flat_map(|recorded| recorded.awards).collect(), head))
}

/// The kinds that the product records; referrals are derived.
const RECORDED: [DomainEventKind; 4] =
    [DomainEventKind::Joined, DomainEventKind::Enroll, DomainEventKind::Lesson, DomainEventKind::Comment];

/// The activity of a domain event for which no pack has an activity. No pack can declare this key.
fn unassigned(kind: DomainEventKind) -> &'static str {
    match kind {
        DomainEventKind::Lesson => "plaudit:lesson",
        DomainEventKind::Comment => "plaudit:comment",
        DomainEventKind::Enroll => "plaudit:enroll",
        DomainEventKind::Joined => "plaudit:joined",
        DomainEventKind::Referral => "plaudit:referral",
    }
}

/// The start of the ids of an action's events, which the product assigns.
fn prefix(kind: DomainEventKind) -> &'static str {
    match kind {
        DomainEventKind::Lesson => "lesson:",
        DomainEventKind::Comment => "comment:",
        DomainEventKind::Enroll => "enroll:",
        DomainEventKind::Joined => "joined:",
        DomainEventKind::Referral => "referral:",
    }
}

/// Whether it is the activity of an unassigned event.
pub(super) fn is_unassigned(activity: &str) -> bool {
    RECORDED.into_iter().any(|kind| unassigned(kind) == activity)
}

/// Assigns the stored events of actions to the activities of a new catalogue: those that no pack had an activity for, and
/// those whose activity no pack has any more. They keep their XP, but count for the new activity, and make their days
/// active if it does. Returns the keys of the activities that got events. Reads events only if an activity of an action is
/// new, or if an activity is gone.
pub(super) async fn assign_stored(
    txn: &Txn,
    before: Option<&Catalog>,
    after: &Catalog,
) -> Result<BTreeSet<String>, store::Error> {
    let is_gone = |activity: &Activity| after.activity(&activity.key).is_none();
    let some_are_gone = before.is_some_and(|before| before.activities().iter().any(is_gone));
    let mut keys = BTreeSet::new();
    for kind in RECORDED {
        let Some(activity) = after.activities_on(kind).next() else { continue };
        let was = before.and_then(|before| before.activities_on(kind).next());
        if was.is_some_and(|was| was.key == activity.key) && !some_are_gone {
            continue;
        }
        let (mut last, mut unfit) = (None, 0_usize);
        loop {
            let page = events::of_prefix(txn, OWN_SOURCE, prefix(kind), last).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.id);
            let free = page.iter().filter(|row| after.activity(&row.activity).is_none());
            let mut rows = Vec::new();
            for row in free {
                match assigned(after, (kind, activity), row)? {
                    Some(row) => rows.push(row),
                    None => unfit += 1,
                }
            }
            if !rows.is_empty() {
                keys.insert(activity.key.clone());
            }
            events::assign(txn, &rows).await?;
        }
        if unfit > 0 {
            let activity = &activity.key;
            tracing::warn!(
                events = unfit,
                activity,
                "stored events of an action lack a fact; they are not assigned"
            );
        }
    }
    Ok(keys)
}

/// The event as one of this activity. None if the activity requires a fact that was not stored: earlier versions stored only
/// the facts that the activity of their time declared.
fn assigned(
    catalog: &Catalog,
    (kind, activity): (DomainEventKind, &Activity),
    row: &events::Row,
) -> Result<Option<events::Row>, store::Error> {
    let facts: Map<String, Value> = row
        .attributes
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| kind.facts().contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let Ok(attributes) = with_facts(catalog, activity, facts) else { return Ok(None) };
    Ok(Some(events::Row {
        activity: activity.key.clone(),
        makes_active: row.makes_active || activity.counts_for_streak,
        attributes: attributes_of(&attributes)?,
        ..row.clone()
    }))
}

/// The attributes of an event of an action: those that the activity declares, with defaults, and all facts. Facts that the
/// activity does not declare are kept for an activity of a later catalogue.
pub(super) fn with_facts(
    catalog: &Catalog,
    activity: &Activity,
    facts: Map<String, Value>,
) -> Result<Attributes, Vec<AttributeProblem>> {
    let (declared, others): (Map<String, Value>, Map<String, Value>) =
        facts.into_iter().partition(|(name, _)| activity.declares(name));
    let declared = catalog.parse_attributes(activity, Some(&Value::Object(declared)))?;
    let others: Attributes = serde_json::from_value(Value::Object(others)).map_err(|_| Vec::new())?;
    Ok(declared.iter().chain(&others).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The awards that the person earned with this event when it was recorded.
///
/// # Errors
/// When the database fails.
pub(crate) async fn first_awards(
    txn: &Txn,
    kind: DomainEventKind,
    id: &str,
    person: Uuid,
) -> Result<Vec<awards::Row>, store::Error> {
    let key = [(OWN_SOURCE.to_owned(), format!("{}{id}", prefix(kind)))].into();
    let known: Vec<Uuid> =
        events::by_external_ids(txn, &key).await?.into_iter().map(|event| event.id).collect();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let mut awards = awards::of_events(txn, known).await?;
    awards.retain(|award| award.person_id == person);
    Ok(awards)
}
