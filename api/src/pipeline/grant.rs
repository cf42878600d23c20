//! Applies people's grants and revocations.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use engine::{Dates, Grant, Granted, Revocation, Revoked};
use uuid::Uuid;

use super::load::{self, Loaded};
use super::persist::{self, Writing};
use crate::auth::policy::{Action, Seen};
use crate::catalogue::Published;
use crate::id;
use crate::refusal::Refusal;
use crate::store::{self, Txn, awards, feed, ledger, people};

/// A badge that a person grants to another.
#[derive(Debug, Clone)]
pub(crate) struct BadgeGrant {
    /// The recipient.
    pub(crate) person: Seen,
    /// The badge's id.
    pub(crate) achievement: Uuid,
    /// XP of the award.
    pub(crate) xp_bonus: i64,
    /// The granting person.
    pub(crate) by: Option<Uuid>,
    /// The granting person's note.
    pub(crate) notes: Option<String>,
    /// When it was earned.
    pub(crate) at: DateTime<Utc>,
}

/// The outcome of a grant.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The new award, or the one that the person already held.
    pub(crate) award: awards::Row,
    /// All awards that the grant brought: `award`, and those that its XP led to.
    pub(crate) awards: Vec<awards::Row>,
    /// Whether the person already held it.
    pub(crate) duplicate: bool,
}

/// Grants these badges, including the awards that follow from their XP; returns an outcome for each, and the feed's
/// head if it moved.
///
/// # Errors
/// When the database fails. The caller must hold the catalogue's lock, and rolls back.
pub(crate) async fn grant(
    txn: &Txn,
    published: &Published,
    grants: &[BadgeGrant],
    now: DateTime<Utc>,
) -> Result<(Vec<Result<Outcome, Refusal>>, Option<i64>), store::Error> {
    let grants = grants.iter().map(|grant| {
        let proof = "a badge was to be granted with a proof of another action";
        let person = grant.person.person_for(&[Action::AwardBadge]);
        Ok(Grant {
            id: id::new(now),
            person: person.ok_or_else(|| store::Error::Impossible(proof.into()))?,
            achievement: grant.achievement,
            xp_bonus: grant.xp_bonus,
            at: grant.at,
            by: grant.by,
            notes: grant.notes.clone(),
        })
    });
    let grants: Vec<Grant> = grants.collect::<Result<_, store::Error>>()?;
    let catalog = &published.catalog;
    let (locked, mut loaded) = lock_whole(txn, grants.iter().map(|grant| grant.person).collect()).await?;
    let dates = Dates::of(&loaded.state);
    let (mut step, outcomes) = engine::grant(catalog, loaded.state, &grants);
    let moved = dates.moved_by_grants(&step);
    load::redate(txn, catalog, &mut step, (locked, &moved), &[], &mut loaded.awards).await?;
    load::add_ranks(txn, catalog, &mut step).await?;
    let written = persist::write(txn, &step, &loaded.awards, Writing::of(published, now)).await?;
    let existing = grants.iter().zip(&outcomes).filter_map(|(grant, outcome)| match outcome {
        Granted::Existing(occurrence) => Some((grant.person, grant.achievement, *occurrence)),
        _ => None,
    });
    let existing = existing_awards(txn, existing.collect()).await?;
    let answer = |(grant, outcome): (&Grant, &Granted)| match outcome {
        Granted::New(indexes) => {
            let awards = written.awards.get(indexes.clone()).ok_or_else(missing)?.to_vec();
            let award = awards.first().cloned().ok_or_else(missing)?;
            Ok(Ok(Outcome { award, awards, duplicate: false }))
        }
        Granted::Existing(occurrence) => {
            let key = (grant.person, grant.achievement, *occurrence);
            let (award, awards) = existing.get(&key).cloned().ok_or_else(missing)?;
            Ok(Ok(Outcome { award, awards, duplicate: true }))
        }
        Granted::TooMuch => Ok(Err(too_much())),
    };
    let outcomes = grants.iter().zip(&outcomes).map(answer).collect::<Result<_, store::Error>>()?;
    Ok((outcomes, written.head))
}

/// A person, an achievement and an occurrence.
type Key = (Uuid, Uuid, i64);

/// These awards, each with all awards that its grant brought. An award has only itself if it was not granted.
async fn existing_awards(
    txn: &Txn,
    keys: BTreeSet<Key>,
) -> Result<BTreeMap<Key, (awards::Row, Vec<awards::Row>)>, store::Error> {
    let pairs = keys.iter().map(|(person, achievement, _)| (*person, *achievement)).collect();
    let mut rows = awards::of_pairs(txn, &pairs).await?;
    rows.retain(|row| keys.contains(&(row.person_id, row.achievement_id, row.occurrence)));
    let granted = rows.iter().filter(|row| row.cause == awards::Cause::Person).map(|row| row.id).collect();
    let mut brought: BTreeMap<Uuid, Vec<awards::Row>> = BTreeMap::new();
    for (of, award) in feed::of_same_cause(txn, feed::Kind::AwardEarned, &granted).await? {
        brought.entry(of).or_default().push(award);
    }
    let with_brought = rows.into_iter().map(|row| {
        let awards = brought.remove(&row.id).unwrap_or_else(|| vec![row.clone()]);
        ((row.person_id, row.achievement_id, row.occurrence), (row, awards))
    });
    Ok(with_brought.collect())
}

fn too_much() -> Refusal {
    let message = format!(
        "This badge would raise the person's XP above the maximum of {}: award one with less XP.",
        engine::MAX_XP
    );
    Refusal::invalid(["studentId"], message)
}

fn missing() -> store::Error {
    store::Error::Impossible("an award or a person disappeared within a transaction".into())
}

/// The revocation of an award.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revoking<'a> {
    /// The award.
    pub(crate) award: &'a awards::Row,
    /// The revoking person.
    pub(crate) by: Option<Uuid>,
    /// The reason.
    pub(crate) reason: &'a str,
    /// Whether RULE awards that no longer hold without the award are revoked too.
    pub(crate) cascade: bool,
}

/// The outcome of a revocation.
#[derive(Debug)]
pub(crate) struct Unawarded {
    /// The revoked awards, the given one first; those of the first call if the award was already revoked.
    pub(crate) revoked: Vec<awards::Row>,
    /// The person's awards that are flagged now.
    pub(crate) flagged: Vec<awards::Row>,
    /// Whether this call revoked the award.
    pub(crate) is_new: bool,
}

/// Revokes an award: the row stays, with the reason, and a ledger entry reverses its XP. Returns the outcome, and the
/// feed's head if it moved.
///
/// # Errors
/// When the database fails. The caller must hold the catalogue's lock, and rolls back.
pub(crate) async fn revoke(
    txn: &Txn,
    published: &Published,
    Revoking { award, by, reason, cascade }: Revoking<'_>,
    now: DateTime<Utc>,
) -> Result<(Unawarded, Option<i64>), store::Error> {
    let locked = people::lock(txn, &[award.person_id].into()).await?;
    let person = locked.first().ok_or_else(missing)?;
    let base_reached_at = ledger::base_reached_at(txn, award.person_id).await?;
    let loaded = load::whole(txn, &locked).await?;
    let revoked =
        Revoked { key: load::award_key(award), at: now, by, reason: reason.to_owned(), is_last: true };
    let joined_at = person.created_at;
    let revocation = Revocation { id: id::new(now), revoked, cascade, base_reached_at, joined_at };
    let catalog = &published.catalog;
    let mut step = engine::revoke(catalog, loaded.state, &revocation);
    let is_new = !step.revoked.is_empty();
    load::add_ranks(txn, catalog, &mut step).await?;
    let written = persist::write(txn, &step, &loaded.awards, Writing::of(published, now)).await?;
    let revoked = feed::of_same_cause(txn, feed::Kind::AwardRevoked, &[award.id].into()).await?;
    let mut revoked: Vec<awards::Row> = revoked.into_iter().map(|(_, row)| row).collect();
    if revoked.is_empty() {
        // It was revoked before the feed recorded revocations.
        revoked.push(award.clone());
    }
    let flagged = awards::flagged_of(txn, [award.person_id]).await?;
    Ok((Unawarded { revoked, flagged, is_new }, written.head))
}

/// Locks these people in the order of their ids and loads their whole state.
async fn lock_whole(txn: &Txn, people: BTreeSet<Uuid>) -> Result<(Vec<people::Row>, Loaded), store::Error> {
    let locked = people::lock(txn, &people).await?;
    if locked.len() != people.len() {
        return Err(missing());
    }
    let loaded = load::whole(txn, &locked).await?;
    Ok((locked, loaded))
}
