//! The audit log: a row for every action of a person or service on another person's record.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::auth::Actor;
use crate::id;
pub(crate) use crate::store::audit_log::Action as AuditAction;
use crate::store::{self, Txn, audit_log};

/// The actor of a request, and the request's id.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The actor.
    pub(crate) actor: Actor,
    /// The id of the request.
    pub(crate) request_id: Arc<str>,
}

/// The objects of an action: the person whose record it is, and the changed object.
type On = (Option<Uuid>, Option<Uuid>);

/// Records actions, in the transaction that performs them.
pub(crate) async fn note(
    txn: &Txn,
    request: &RequestContext,
    act: AuditAction,
    on: impl IntoIterator<Item = On>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    note_all(txn, act, on.into_iter().map(|on| (request, on)), now).await
}

/// The same for actions on several people. Actions of people on their own records are left out.
pub(crate) async fn note_all<'a>(
    txn: &Txn,
    act: AuditAction,
    done: impl IntoIterator<Item = (&'a RequestContext, On)>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let others = done
        .into_iter()
        .filter(|(request, (person, _))| person.is_none() || *person != request.actor.person());
    let rows = others.map(|(request, on)| row(request, act, on, now));
    audit_log::insert(txn, rows.collect()).await
}

/// New events of one activity that a person reported about themselves in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The activity's key.
    pub(crate) activity: String,
    /// The number of new events.
    pub(crate) events: i64,
}

/// Records self-reports: one row per report, however many events it has.
pub(crate) async fn note_reports(
    txn: &Txn,
    reports: Vec<(&RequestContext, Report)>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let rows = reports.into_iter().map(|(request, report)| audit_log::Row {
        activity: Some(report.activity),
        events: Some(report.events),
        ..row(request, AuditAction::ReportEvents, (request.actor.person(), None), now)
    });
    audit_log::insert(txn, rows.collect()).await
}

fn row(
    request: &RequestContext,
    act: AuditAction,
    (person_id, object_id): On,
    now: DateTime<Utc>,
) -> audit_log::Row {
    audit_log::Row {
        id: id::new(now),
        actor_kind: request.actor.kind().into(),
        actor: request.actor.name(),
        role: request.actor.role().into(),
        act,
        person_id,
        object_id,
        activity: None,
        events: None,
        at: now,
        request_id: request.request_id.to_string(),
    }
}
