//! The flow, left of the commit: events in, awards out, one transaction, no network.
//! `record` is the whole of it; each step below it has a file of its own.

mod advance;
pub(crate) mod backfill;
mod batcher;
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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

pub(crate) use batcher::Batcher;
pub(crate) use domain_event::{DomainEvent, first_awards, record_domain_event};

use self::advance::Decision;
use self::persist::Writing;
use self::transaction::{Interrupted, Mode, transact};
use crate::app::App;
use crate::audit::{self, AuditAction, RequestContext};
use crate::auth::policy::Recorder;
use crate::catalogue::Published;
use crate::refusal::{Failure, Refusal};
use crate::store::{self, Txn};

/// The source of the events the product emits itself; no sender may call itself so.
pub(crate) const OWN_SOURCE: &str = "plaudit";

/// An event as a sender words it; nothing has been checked.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// The sender's id for it: with one, it counts once however often it is sent.
    pub(crate) id: Option<String>,
    /// Who did it.
    pub(crate) person: Uuid,
    /// What kind of thing happened.
    pub(crate) activity: String,
    /// When; now if omitted.
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    /// What the catalogue declares for the activity.
    pub(crate) attributes: Option<serde_json::Value>,
}

/// Events of one sender that are answered together.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    /// Who sends, and for whom they may.
    pub(crate) recorder: Recorder,
    /// Whose act it is on the records of others: a person's. A system is named by its events alone.
    pub(crate) request: Option<RequestContext>,
    /// In the order in which the events of one person fold.
    pub(crate) events: Arc<[Incoming]>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// Our id for it.
    pub(crate) event: Uuid,
    /// Who did it.
    pub(crate) person: Uuid,
    /// True if the event was already recorded; the other fields repeat the first result.
    pub(crate) duplicate: bool,
    /// All XP it brought this person, bonuses included.
    pub(crate) xp_gained: i64,
    /// The awards it brought this person.
    pub(crate) awards: Vec<store::awards::Row>,
}

/// One answer a submitted event, in the order of the submission.
pub(crate) type Outcomes = Vec<Result<Recorded, Refusal>>;

/// Records what a sender submits, in one transaction with whoever submits at the same moment, and
/// answers after the commit.
///
/// # Errors
/// When the database fails; then nothing of the submission is kept.
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

/// Rows that cannot be recorded, and why.
type Rejected = BTreeMap<usize, Refusal>;

fn of(rejected: &Mutex<Rejected>) -> MutexGuard<'_, Rejected> {
    rejected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The steps of a batch, in the order in which every transaction takes its locks. Rows of `rejected` are refused. If
/// others do not fit either, it adds them and interrupts the transaction.
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
    let writing = Writing { version: published.version, silent: None, now };
    let written = persist::write(txn, &step, &held, writing).await?;
    Ok((ingested.answer(&step, &written.awards), written.head))
}

/// The fresh events that people send, each (request, person and event).
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

/// Records the derived events that a person owes a referrer who has just become known. The caller has locked both.
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
    let submission = Submission { recorder: Recorder::ourselves(), request: None, events: owed.into() };
    let (outcomes, head) = record_within(app, txn, published, submission).await?;
    outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(head)
}

/// The derived events that a person's past owes their referrer, as they are submitted.
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

/// Writes these submissions in one transaction and answers them after its commit. If they cannot
/// be written together, each is tried alone, so that only the one at fault is refused.
async fn commit(app: &App, submissions: &[Submission]) -> Vec<Result<Outcomes, store::Error>> {
    match attempt(app, submissions).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if submissions.len() == 1 => vec![Err(error)],
        // Nobody is guilty of a database that does not answer, and asking it once more each only makes them wait.
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
    let (batch, rejected) = (&batch, &Mutex::new(Rejected::new()));
    let mode = Mode::Record { is_idempotent: have_ids(submissions) };
    // After an overflow all rows that do not fit are known. More can follow only if others took XP meanwhile.
    let outcomes = transact(app, mode, |txn, published| {
        async move { write(app, txn, published, batch, rejected).await }.scope_boxed()
    });
    let outcomes = match outcomes.await {
        Ok(outcomes) => outcomes,
        Err(Failure::Store(error)) => return Err(error),
        Err(Failure::Refused(refusal)) => return Err(store::Error::Impossible(refusal.message)),
    };
    app.telemetry.recorded(fresh(&outcomes));
    Ok(batch.split(outcomes))
}

/// Whether every event has its sender's id, so that it counts once however often it is recorded.
fn have_ids(submissions: &[Submission]) -> bool {
    submissions.iter().flat_map(|submission| &*submission.events).all(|event| event.id.is_some())
}

/// The number of events that were recorded for the first time.
fn fresh(outcomes: &Outcomes) -> usize {
    outcomes.iter().filter(|outcome| outcome.as_ref().is_ok_and(|one| !one.duplicate)).count()
}
