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
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(crate) use batcher::Batcher;
pub(crate) use domain_event::{DomainEvent, first_awards, record_domain_event};

use self::persist::Writing;
use crate::app::App;
use crate::audit::{self, AuditAction, RequestContext};
use crate::auth::policy::Recorder;
use crate::catalogue::Published;
use crate::refusal::Refusal;
use crate::store::dialect::{AdvisoryLock, shared};
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

/// Why an attempt at a transaction has to be given up and made again.
#[derive(Debug)]
enum Stop {
    /// The catalogue has been published anew since the attempt began.
    Stale,
    /// Somebody's referrer became known in between: look again.
    Moved,
    /// These rows (submission, event) cannot be kept beside the others. There is at least one.
    Overflow(Vec<((usize, usize), Refusal)>),
    /// The database failed.
    Store(store::Error),
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Stop {
    /// The same for a caller that cannot make another attempt.
    fn into_error(self) -> store::Error {
        match self {
            Self::Store(error) => error,
            Self::Overflow(rows) => {
                let messages: Vec<String> = rows.into_iter().map(|(_, refusal)| refusal.message).collect();
                store::Error::Impossible(messages.join("; "))
            }
            Self::Stale | Self::Moved => store::Error::Busy,
        }
    }
}

/// The outcomes of a transaction, and the feed's head if it moved.
struct Committed {
    outcomes: Vec<Outcomes>,
    head: Option<i64>,
}

/// Joins those who work by the published catalogue; it does not change until the transaction ends.
async fn join_catalogue(txn: &Txn, published: &Published) -> Result<(), Stop> {
    shared(txn, AdvisoryLock::Catalogue).await?;
    if store::catalogue::version(txn).await? == published.version { Ok(()) } else { Err(Stop::Stale) }
}

/// The steps, in the order in which every transaction takes its locks, once it has joined the catalogue's.
async fn write(
    app: &App,
    txn: &Txn,
    published: &Published,
    submissions: &[Submission],
    refused: &BTreeMap<(usize, usize), Refusal>,
) -> Result<Committed, Stop> {
    let now = app.clock.now();
    let accepted = validate::accept(app, published, submissions, refused, now);
    let ingested = ingest::append(txn, published, accepted, now).await?;
    audit::note_all(txn, AuditAction::RecordEvent, signed(submissions, &ingested.fresh), now).await?;
    audit::note_reports(txn, self_report::reports(submissions, &ingested.fresh), now).await?;
    let (step, held) = advance::advance(txn, &published.catalog, &ingested.fresh, &ingested.people).await?;
    let writing = Writing { version: published.version, silent: None, now };
    let written = persist::write(txn, &step, &held, writing).await?;
    Ok(Committed { outcomes: ingested.answer(&step, &written.awards), head: written.head })
}

/// The fresh events that people send, each (who, on whose record and which event).
fn signed<'a>(
    submissions: &'a [Submission],
    fresh: &'a ingest::Fresh,
) -> impl Iterator<Item = (&'a RequestContext, (Option<Uuid>, Option<Uuid>))> {
    fresh.spots.iter().zip(&fresh.events).filter_map(|((at, _), event)| {
        let request = submissions.get(*at)?.request.as_ref()?;
        Some((request, (Some(event.person), Some(event.id))))
    })
}

/// Records one submission inside a transaction that does more than that: registering a person, completing a
/// lesson. The catalogue is the published one, and stays so: the caller has joined its lock. The caller commits,
/// then passes the head on to the bus.
///
/// # Errors
/// When the database fails, or the domain refuses; either way the caller rolls back.
pub(crate) async fn record_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    submission: Submission,
) -> Result<(Outcomes, Option<i64>), Within> {
    let written = write(app, txn, published, &[submission], &BTreeMap::new()).await;
    match written {
        Ok(mut written) => Ok((written.outcomes.pop().unwrap_or_default(), written.head)),
        Err(Stop::Store(error)) => Err(Within::Store(error)),
        Err(Stop::Overflow(rows)) => {
            Err(rows.into_iter().next().map_or(Within::Again, |(_, refusal)| Within::Refused(refusal)))
        }
        Err(Stop::Stale | Stop::Moved) => Err(Within::Again),
    }
}

/// Sends a referrer, who has just become known, what the person they referred has earned them
/// already. Both are locked by the caller.
pub(crate) async fn settle_referral(
    app: &App,
    txn: &Txn,
    published: &Published,
    person: &store::people::Row,
) -> Result<Option<i64>, Within> {
    let owed = owed(app, txn, published, person).await.map_err(Within::Store)?;
    if owed.is_empty() {
        return Ok(None);
    }
    let submission = Submission { recorder: Recorder::ourselves(), request: None, events: owed.into() };
    let (outcomes, head) = record_within(app, txn, published, submission).await?;
    outcomes.into_iter().collect::<Result<Vec<_>, _>>().map_err(Within::Refused)?;
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

impl From<store::Error> for Within {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// Why `record_within` did not record.
#[derive(Debug)]
pub(crate) enum Within {
    /// The domain said no.
    Refused(Refusal),
    /// Somebody's referrer became known meanwhile: roll back, begin again.
    Again,
    /// The database failed.
    Store(store::Error),
}

/// How often a transaction that collided, or worked by an old catalogue, is made again.
const ATTEMPTS: u32 = 8;
/// How often a transaction whose connection was lost is made again.
const LOST: u32 = 1;

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
    let mut refused = BTreeMap::new();
    let (mut attempts, mut lost) = (0, 0);
    loop {
        let published = app.catalogue.current();
        let (stop, committing) = match attempt_once(app, &published, submissions, &refused).await {
            Ok(written) => {
                app.bus.hint(written.head);
                app.telemetry.recorded(fresh(&written.outcomes));
                return Ok(written.outcomes);
            }
            Err(stopped) => stopped,
        };
        attempts += 1;
        match stop {
            // All rows that do not fit are known now. More can follow only if somebody else took XP in between.
            Stop::Overflow(rows) if attempts < ATTEMPTS => refused.extend(rows),
            Stop::Stale if attempts < ATTEMPTS => app.catalogue.refresh(&app.db.apart()).await?,
            Stop::Moved | Stop::Store(store::Error::Collision(_)) if attempts < ATTEMPTS => {
                tokio::time::sleep(jitter(attempts)).await;
            }
            // Another connection may serve. Events without an id would count twice if the commit had succeeded.
            Stop::Store(error)
                if lost < LOST && error.is_lost_connection() && (!committing || have_ids(submissions)) =>
            {
                lost += 1;
                tracing::warn!(
                    error = error.chain(),
                    "the connection was lost; recording again over another"
                );
            }
            Stop::Stale | Stop::Moved | Stop::Overflow(_) => return Err(store::Error::Busy),
            Stop::Store(error) => return Err(error),
        }
    }
}

/// One transaction. An error says whether it came from the commit, which may have succeeded all the same.
async fn attempt_once(
    app: &App,
    published: &Published,
    submissions: &[Submission],
    refused: &BTreeMap<ingest::Spot, Refusal>,
) -> Result<Committed, (Stop, bool)> {
    let txn = app.db.begin_recording().await.map_err(|error| (error.into(), false))?;
    let written = async {
        join_catalogue(&txn, published).await?;
        write(app, &txn, published, submissions, refused).await
    };
    match written.await {
        Ok(written) => match txn.commit().await {
            Ok(()) => Ok(written),
            Err(error) => Err((error.into(), true)),
        },
        Err(stop) => {
            txn.rollback().await;
            Err((stop, false))
        }
    }
}

/// Whether every event has its sender's id, so that it counts once however often it is recorded.
fn have_ids(submissions: &[Submission]) -> bool {
    submissions.iter().flat_map(|submission| &*submission.events).all(|event| event.id.is_some())
}

/// The number of events that were recorded for the first time.
fn fresh(outcomes: &[Outcomes]) -> usize {
    outcomes.iter().flatten().filter(|outcome| outcome.as_ref().is_ok_and(|one| !one.duplicate)).count()
}

/// A few milliseconds, more with every attempt, different for everybody: those who collided
/// should not meet again.
pub(crate) fn jitter(attempt: u32) -> Duration {
    let random = u64::from(Uuid::new_v4().as_fields().0) % 8;
    Duration::from_millis((1 + random) * u64::from(attempt))
}
