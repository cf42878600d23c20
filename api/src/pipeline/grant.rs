//! Applies people's grants and revocations.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use engine::{Catalog, Dates, Grant, Granted, Revocation, Revoked};
use uuid::Uuid;

use super::load::{self, Loaded};
use super::persist::{self, Writing};
use crate::auth::policy::{Action, Seen};
use crate::id;
use crate::refusal::Refusal;
use crate::store::{self, Txn, awards, ledger, people};

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
    (version, catalog): (i64, &Catalog),
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
    let (locked, mut loaded) = lock_whole(txn, grants.iter().map(|grant| grant.person).collect()).await?;
    let dates = Dates::of(&loaded.state);
    let (mut step, outcomes) = engine::grant(catalog, loaded.state, &grants);
    let moved = dates.moved_by_grants(&step);
    load::redate(txn, catalog, &mut step, (locked, &moved), &[], &mut loaded.awards).await?;
    load::add_ranks(txn, catalog, &mut step).await?;
    let writing = Writing { version, silent: None, now };
    let written = persist::write(txn, &step, &loaded.awards, writing).await?;
    let existing = grants.iter().zip(&outcomes).filter_map(|(grant, outcome)| match outcome {
        Granted::Existing(occurrence) => Some((grant.person, grant.achievement, *occurrence)),
        _ => None,
    });
    let existing = existing.collect::<Vec<_>>();
    let pairs = existing.iter().map(|(person, achievement, _)| (*person, *achievement)).collect();
    let existing = awards::of_pairs(txn, &pairs).await?;
    let answer = |(grant, outcome): (&Grant, &Granted)| match outcome {
        Granted::New(index) => {
            let award = written.awards.get(*index).cloned().ok_or_else(missing)?;
            Ok(Ok(Outcome { award, duplicate: false }))
        }
        Granted::Existing(occurrence) => {
            let key = (grant.person, grant.achievement, *occurrence);
            let same = |row: &&awards::Row| (row.person_id, row.achievement_id, row.occurrence) == key;
            let award = existing.iter().find(same).cloned().ok_or_else(missing)?;
            Ok(Ok(Outcome { award, duplicate: true }))
        }
        Granted::TooMuch => Ok(Err(too_much())),
    };
    let outcomes = grants.iter().zip(&outcomes).map(answer).collect::<Result<_, store::Error>>()?;
    Ok((outcomes, written.head))
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

/// Revokes an award: the row stays, with the reason, and a ledger entry reverses its XP. Returns the updated award,
/// whether this call revoked it, and the feed's head if it moved.
///
/// # Errors
/// When the database fails. The caller must hold the catalogue's lock, and rolls back.
pub(crate) async fn revoke(
    txn: &Txn,
    (version, catalog): (i64, &Catalog),
    award: &awards::Row,
    (by, reason): (Option<Uuid>, &str),
    now: DateTime<Utc>,
) -> Result<(awards::Row, bool, Option<i64>), store::Error> {
    let locked = people::lock(txn, &[award.person_id].into()).await?;
    let person = locked.first().ok_or_else(missing)?;
    let reached_at = ledger::reached_at_without(txn, award.person_id, award.id).await?;
    let xp_reached_at = reached_at.unwrap_or(person.created_at);
    let loaded = load::whole(txn, &locked).await?;
    let revoked =
        Revoked { key: load::award_key(award), at: now, by, reason: reason.to_owned(), is_last: true };
    let revocation = Revocation { id: id::new(now), revoked, xp_reached_at };
    let mut step = engine::revoke(catalog, loaded.state, &revocation);
    let is_new = !step.revoked.is_empty();
    load::add_ranks(txn, catalog, &mut step).await?;
    let writing = Writing { version, silent: None, now };
    let written = persist::write(txn, &step, &loaded.awards, writing).await?;
    let pair = [(award.person_id, award.achievement_id)].into();
    let row = awards::of_pairs(txn, &pair).await?.into_iter().find(|row| row.id == award.id);
    Ok((row.ok_or_else(missing)?, is_new, written.head))
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
