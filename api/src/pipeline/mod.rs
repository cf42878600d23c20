//! The pipeline: records events and their awards in one transaction, without network access.
//! `record` is the entry point; each step has its own file.

mod advance;
pub(crate) mod backfill;
mod batcher;
pub(crate) mod days;
mod domain_event;
pub(crate) mod grant;
mod ingest;
mod line;
pub(crate) mod load;
mod overflow;
pub(crate) mod persist;
pub(crate) mod rebuild;
mod self_report;
pub(crate) mod transaction;
mod validate;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use engine::Step;
use scoped_futures::ScopedFutureExt;
use tracing::{Instrument, Span};
use uuid::Uuid;

pub(crate) use batcher::Batcher;
pub(crate) use domain_event::{DomainEvent, first_awards, record_domain_event};
pub(crate) use validate::hash_of;

use self::advance::Decision;
use self::persist::Writing;
use self::transaction::{Interrupted, Mode, transact};
use crate::app::App;
use crate::audit::{self, AuditAction, RequestContext};
use crate::auth::policy::Recorder;
use crate::catalogue::Published;
use crate::refusal::{Failure, Refusal};
use crate::store::{self, Txn};
use crate::trace;

/// The source of the product's own events. No sender can use this name.
pub(crate) const OWN_SOURCE: &str = "plaudit";

/// An event as sent, not validated.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// The sender's id for the event. An event with an id counts once, even if it is sent repeatedly.
    pub(crate) id: Option<String>,
    /// The subject.
    pub(crate) person: Uuid,
    /// The activity's key.
    pub(crate) activity: String,
    /// When it happened; now if omitted.
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    /// The attributes that the catalogue declares for the activity.
    pub(crate) attributes: Option<serde_json::Value>,
}

/// Events of one sender that get one answer.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    /// The sender, and the people for whom it may record.
    pub(crate) recorder: Recorder,
    /// The request of a person who records events, for the audit log. None for a system: its events name it.
    pub(crate) request: Option<RequestContext>,
    /// The events. Events of one person at the same time fold in this order.
    pub(crate) events: Arc<[Incoming]>,
    /// The span of the request.
    pub(crate) span: Span,
}

/// The result of one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// The server's id for the event.
    pub(crate) event: Uuid,
    /// The subject.
    pub(crate) person: Uuid,
    /// True if the event was already recorded; the other fields repeat the first result.
    pub(crate) duplicate: bool,
    /// All XP that this person gained with the event, including bonuses.
    pub(crate) xp_gained: i64,
    /// The awards that this person earned with the event.
    pub(crate) awards: Vec<store::awards::Row>,
}

/// One result per submitted event, in the order of the submission.
pub(crate) type Outcomes = Vec<Result<Recorded, Refusal>>;

/// Records a submission, in one transaction with other concurrent submissions; returns after the commit.
///
/// # Errors
/// When the database fails. Nothing of the submission is stored then.
pub(crate) async fn record(app: &App, submission: Submission) -> Result<Outcomes, store::Error> {
    app.batcher.submit(submission).await
}

/// The events of some submissions as one list. The index of an event in it is its row.
struct Batch<'a> {
    rows: Vec<BatchRow<'a>>,
    /// The number of events of each submission.
    lengths: Vec<usize>,
}

/// An event of a batch.
struct BatchRow<'a> {
    /// The index of the submission.
    at: usize,
    submission: &'a Submission,
    event: &'a Incoming,
    /// Its place in the submission.
    place: i32,
}

impl<'a> Batch<'a> {
    fn of(submissions: &'a [Submission]) -> Self {
        let rows = submissions.iter().enumerate().flat_map(|(at, submission)| {
            (0..).zip(&*submission.events).map(move |(place, event)| BatchRow {
                at,
                submission,
                event,
                place,
            })
        });
        let lengths = submissions.iter().map(|submission| submission.events.len());
        Self { rows: rows.collect(), lengths: lengths.collect() }
    }

    /// The submission of a row.
    fn submission(&self, row: usize) -> Option<&'a Submission> {
        self.rows.get(row).map(|row| row.submission)
    }

    /// Outcomes of all rows, by submission.
    fn split(&self, outcomes: Outcomes) -> Vec<Outcomes> {
        let mut outcomes = outcomes.into_iter();
        self.lengths.iter().map(|length| outcomes.by_ref().take(*length).collect()).collect()
    }
}

/// Rows that cannot be recorded, with the reason.
type Rejected = BTreeMap<usize, Refusal>;

fn of(rejected: &Mutex<Rejected>) -> MutexGuard<'_, Rejected> {
    rejected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the steps of a batch in the order in which every transaction takes its locks. Refuses the rows of `rejected`.
/// If further rows would exceed a maximum, adds them to `rejected` and interrupts the transaction.
async fn write(
    app: &App,
    txn: &Txn,
    published: &Published,
    batch: &Batch<'_>,
    rejected: &Mutex<Rejected>,
) -> Result<(Outcomes, Option<i64>), Interrupted> {
    let now = app.clock.now();
    let accepted = validate::accept(app, published, batch, &of(rejected), now);
    let ingested = ingest::append(txn, published, accepted, now).await?;
    audit::note_all(txn, AuditAction::RecordEvent, signed(batch, &ingested.fresh), now).await?;
    audit::note_reports(txn, self_report::reports(batch, &ingested.fresh), now).await?;
    let decision = advance::advance(txn, &published.catalog, &ingested.fresh, &ingested.people).await?;
    let (step, held) = match decision {
        Decision::Step(step, held) => (step, held),
        Decision::Overflow(rows) => {
            of(rejected).extend(rows);
            return Err(Interrupted::Again);
        }
    };
    let traces = traces(batch, &ingested.fresh, &step);
    let writing =
        Writing { traces: Some(&traces), recorded: &ingested.fresh.events, ..Writing::of(published, now) };
    let written = persist::write(txn, &step, &held, writing).await?;
    Ok((ingested.answer(&step, &written.awards), written.head))
}

/// The traces of the events that have consequences, by the event's id.
fn traces(batch: &Batch<'_>, fresh: &ingest::Fresh, step: &Step) -> HashMap<Uuid, String> {
    let causes: BTreeSet<Uuid> = step.consequences.iter().map(|one| one.group).collect();
    let rows = fresh.rows.iter().zip(&fresh.events).filter(|(_, event)| causes.contains(&event.id));
    rows.filter_map(|(row, event)| Some((event.id, trace::of(&batch.submission(*row)?.span)?))).collect()
}

/// The new events that people sent, each as (request, person and event).
fn signed<'a>(
    batch: &'a Batch<'_>,
    fresh: &'a ingest::Fresh,
) -> impl Iterator<Item = (&'a RequestContext, (Option<Uuid>, Option<Uuid>))> {
    fresh.rows.iter().zip(&fresh.events).filter_map(|(row, event)| {
        let request = batch.submission(*row)?.request.as_ref()?;
        Some((request, (Some(event.person), Some(event.id))))
    })
}

/// Records one submission inside the transaction of another change, such as the registration of a person. Returns its
/// outcomes and the feed's head if it moved.
///
/// # Errors
/// When the domain refuses, a person changed meanwhile, or the database fails; the caller rolls back.
pub(crate) async fn record_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    submission: Submission,
) -> Result<(Outcomes, Option<i64>), Interrupted> {
    let rejected = Mutex::new(Rejected::new());
    let submissions = [submission];
    let written = write(app, txn, published, &Batch::of(&submissions), &rejected).await;
    match of(&rejected).pop_first() {
        Some((_, refusal)) => Err(refusal.into()),
        None => written,
    }
}

/// Records the derived events that a person has earned for a referrer who has just become known. The caller must have
/// locked both people.
///
/// # Errors
/// As [`record_within`].
pub(crate) async fn settle_referral(
    app: &App,
    txn: &Txn,
    published: &Published,
    person: &store::people::Row,
) -> Result<Option<i64>, Interrupted> {
    let owed = owed(app, txn, published, person).await?;
    if owed.is_empty() {
        return Ok(None);
    }
    let submission = Submission {
        recorder: Recorder::ourselves(),
        request: None,
        events: owed.into(),
        span: Span::current(),
    };
    let (outcomes, head) = record_within(app, txn, published, submission).await?;
    outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(head)
}

/// The derived events that a person's past events have earned for their referrer, as a submission.
async fn owed(
    app: &App,
    txn: &Txn,
    published: &Published,
    person: &store::people::Row,
) -> Result<Vec<Incoming>, store::Error> {
    let person = std::slice::from_ref(person);
    let events = backfill::owed(txn, &published.catalog, person, app.clock.now()).await?;
    let incoming = events.into_iter().map(|event| Incoming {
        id: Some(event.external_id.to_string()),
        person: event.person,
        activity: event.activity.to_string(),
        occurred_at: Some(event.occurred_at),
        attributes: None,
    });
    Ok(incoming.collect())
}

/// Writes these submissions in one transaction; returns their outcomes after the commit. If the joint transaction
/// fails, tries each submission alone, so that only the faulty one fails.
async fn commit(app: &App, submissions: &[Submission]) -> Vec<Result<Outcomes, store::Error>> {
    match attempt(app, submissions).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if submissions.len() == 1 => vec![Err(error)],
        // If the database is unavailable, no submission is at fault. Separate attempts would only delay the answers.
        Err(error @ store::Error::Unavailable(_)) => {
            tracing::warn!(
                error = error.chain(),
                callers = submissions.len(),
                "a transaction could not be made"
            );
            submissions.iter().map(|_| Err(store::Error::Busy)).collect()
        }
        Err(error) => {
            tracing::warn!(
                error = error.chain(),
                callers = submissions.len(),
                "a joint transaction failed; trying each caller alone"
            );
            let mut answers = Vec::with_capacity(submissions.len());
            for submission in submissions {
                let alone = attempt(app, std::slice::from_ref(submission)).await;
                answers.push(alone.map(|mut outcomes| outcomes.pop().unwrap_or_default()));
            }
            answers
        }
    }
}

async fn attempt(app: &App, submissions: &[Submission]) -> Result<Vec<Outcomes>, store::Error> {
    let batch = Batch::of(submissions);
    let [callers, events] =
        [submissions.len(), batch.rows.len()].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let span = tracing::debug_span!(target: trace::TARGET, "record", callers, events);
    for submission in submissions {
        span.follows_from(submission.span.id());
    }
    let (batch, rejected) = (&batch, &Mutex::new(Rejected::new()));
    let mode = Mode::Record { is_idempotent: have_ids(submissions) };
    // After an overflow all rows that exceed a maximum are known. Concurrent XP gains can add further ones.
    let outcomes = transact(app, mode, |txn, published| {
        async move { write(app, txn, published, batch, rejected).await }.scope_boxed()
    });
    let outcomes = match outcomes.instrument(span).await {
        Ok(outcomes) => outcomes,
        Err(Failure::Store(error)) => return Err(error),
        Err(Failure::Refused(refusal)) => return Err(store::Error::Impossible(refusal.message)),
    };
    app.telemetry.recorded(fresh(&outcomes));
    Ok(batch.split(outcomes))
}

/// Whether every event has a sender's id, so that a repeated recording counts once.
fn have_ids(submissions: &[Submission]) -> bool {
    submissions.iter().flat_map(|submission| &*submission.events).all(|event| event.id.is_some())
}

/// The number of events that were recorded for the first time.
fn fresh(outcomes: &Outcomes) -> usize {
    outcomes.iter().filter(|outcome| outcome.as_ref().is_ok_and(|one| !one.duplicate)).count()
}
