//! Rebuilds the differences that `check` finds, one person per transaction, while a server may record. It does not change
//! events, awards and XP entries: if differences in them exist, it changes nothing.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::catalogue::{Catalogue, Published};
use crate::check::{Difference, Part, Report, check_person, survey};
use crate::clock::Clock;
use crate::config::Config;
use crate::pipeline::rebuild;
use crate::pipeline::transaction::jitter;
use crate::start::{Refused, open_existing};
use crate::store::{self, Database};

/// How often one person's transaction is tried when it conflicts with others.
const ATTEMPTS: u32 = 30;

/// The result of a repair.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing was changed: these differences are in the ledger, from which everything else is rebuilt.
    Refused(Vec<Difference>),
    /// The differences were rebuilt.
    Done(Summary),
}

/// The rebuilt data, and the remaining differences.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Differences found before the repair.
    pub found: usize,
    /// Number of people whose records were rebuilt.
    pub people: usize,
    /// Number of awards that got another position in the feed.
    pub moved: usize,
    /// Differences that a check finds afterwards.
    pub left: Vec<Difference>,
}

/// Repairs the database of the settings.
///
/// # Errors
/// If the database cannot be read or written, or no catalogue is published. People repaired until then stay repaired.
pub async fn run(config: &Config, clock: &Clock) -> Result<Outcome, Refused> {
    let db = open_existing(config).await?;
    let outcome = repair(&db, clock).await;
    db.close().await;
    outcome
}

async fn repair(db: &Database, clock: &Clock) -> Result<Outcome, Refused> {
    let Report { differences, .. } = survey(db).await?;
    let found = differences.len();
    let wrong: BTreeSet<Uuid> = differences
        .iter()
        .filter(|difference| difference.part == Part::Aggregate)
        .filter_map(|difference| difference.person)
        .collect();
    let is_feed_wrong = differences.iter().any(|difference| difference.part == Part::Feed);
    let ledger: Vec<Difference> =
        differences.into_iter().filter(|difference| difference.part == Part::Ledger).collect();
    if !ledger.is_empty() {
        return Ok(Outcome::Refused(ledger));
    }
    let mut summary = Summary { found, ..Summary::default() };
    for (done, person) in wrong.iter().enumerate() {
        summary.people += usize::from(repair_person(db, clock, *person).await?);
        tracing::info!(people = done + 1, of = wrong.len(), "repaired so far");
    }
    if is_feed_wrong {
        summary.moved = rebuild::renumber_feed(db).await?;
    }
    if found > 0 {
        summary.left = survey(db).await?.differences;
    }
    Ok(Outcome::Done(summary))
}

/// Rebuilds one person's record; returns whether it did. Tries again after a conflict with other transactions or a
/// publication.
async fn repair_person(db: &Database, clock: &Clock, person: Uuid) -> Result<bool, Refused> {
    let mut attempts = 0;
    loop {
        let published = published(db).await?;
        match rebuild_person(db, &published, clock, person).await {
            Ok(Some(rebuilt)) => return Ok(rebuilt),
            Ok(None) | Err(store::Error::Collision(_)) if attempts < ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(jitter(attempts)).await;
            }
            Ok(None) => return Err(store::Error::Busy.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

async fn published(db: &Database) -> Result<Published, Refused> {
    let txn = db.snapshot().await?;
    let published = Catalogue::open_within(&txn).await?;
    txn.rollback().await;
    published.ok_or(Refused::Unpublished)
}

/// Rebuilds one person's record in one transaction, under the person's lock. `None` if the catalogue has changed.
async fn rebuild_person(
    db: &Database,
    published: &Published,
    clock: &Clock,
    person: Uuid,
) -> Result<Option<bool>, store::Error> {
    let Some((txn, stored)) = rebuild::lock(db, published.version, person).await? else { return Ok(None) };
    let expected = stored.expected(&published.catalog, published.zone())?;
    let mut report = Report::default();
    check_person(&published.catalog, &stored, &expected, &mut report);
    // The ledger was correct at the check. If it is wrong now, nothing is derived from it.
    if report.differences.iter().any(|difference| difference.part == Part::Ledger) {
        txn.rollback().await;
        return Ok(Some(false));
    }
    rebuild::write(&txn, published, &stored, &expected, clock.now()).await?;
    txn.commit().await?;
    Ok(Some(true))
}
