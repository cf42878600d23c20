//! Decides people's grants and revocations.

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    decide::{Decision, Origin},
    entitlement::{misjudged_awards, settle_whole},
    event::local,
    person::TooMuch,
    state::{Cause, State},
    step::{AwardKey, Consequence, ConsequenceKind, Entry, EntryCause, NewAward, Revoked, Step},
};

/// An achievement that a person grants to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The grant's id; its consequences share it as their group.
    pub id: Uuid,
    /// The recipient.
    pub person: Uuid,
    /// The achievement's id. It can be outside the catalogue.
    pub achievement: Uuid,
    /// XP of the award.
    pub xp_bonus: i64,
    /// When it was earned.
    pub at: DateTime<Utc>,
    /// The granting person.
    pub by: Option<Uuid>,
    /// The granting person's note.
    pub notes: Option<String>,
}

/// The outcome of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// A new award, followed by the awards that its XP led to: the indexes into the step's awards.
    New(Range<usize>),
    /// The person already holds the achievement, at this occurrence.
    Existing(i64),
    /// The award would raise the person's XP above the maximum. The grant changes nothing.
    TooMuch,
}

/// Decides grants in order, including the awards that follow from their XP. `state` must be whole. Returns one outcome
/// per grant.
pub fn grant(catalog: &Catalog, state: State, grants: &[Grant]) -> (Step, Vec<Granted>) {
    let mut decision = Decision::new(catalog, state);
    let outcomes = grants.iter().map(|grant| grant_one(&mut decision, grant)).collect();
    (decision.finish(), outcomes)
}

fn grant_one(decision: &mut Decision<'_>, grant: &Grant) -> Granted {
    let catalog = decision.catalog;
    let person = decision.person(grant.person);
    if let Some(occurrence) = person.standing(catalog, grant.achievement) {
        return Granted::Existing(occurrence);
    }
    let last = person.of_achievement(catalog, grant.achievement).map(|(occurrence, _)| occurrence).max();
    let key = AwardKey {
        person: grant.person,
        achievement: grant.achievement,
        occurrence: last.unwrap_or(0).saturating_add(1),
    };
    let day = local(grant.at, person.zone).date;
    let (unchanged, before) = (person.clone(), decision.before(grant.person));
    let mark = decision.mark();
    let award = NewAward {
        key,
        cause: Cause::Person,
        earned_at: grant.at,
        day,
        event: None,
        xp_bonus: grant.xp_bonus,
        flagged: false,
        granted_by: grant.by,
        notes: grant.notes.clone(),
        is_first: true,
    };
    let origin = Origin { group: grant.id, at: grant.at, day, event: None };
    let index = decision.step.awards.len();
    let decided = decision
        .award(award, origin)
        .and_then(|()| decision.settle(grant.person, origin, BTreeSet::new()).map(drop));
    match decided {
        Ok(()) => {
            decision.compare(grant.person, before, grant.id);
            Granted::New(index..decision.step.awards.len())
        }
        Err(TooMuch) => {
            decision.roll_back(mark, unchanged);
            Granted::TooMuch
        }
    }
}

/// A person's revocation of an award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The revocation's id; its consequences share it as their group.
    pub id: Uuid,
    /// The award, the time, the revoking person and the reason.
    pub revoked: Revoked,
    /// Whether RULE awards that no longer hold without the award are revoked too. Otherwise they are flagged.
    pub cascade: bool,
    /// The time of the person's latest XP entry of an event; none without such an entry.
    pub base_reached_at: Option<DateTime<Utc>>,
    /// The time that counts if no XP entry is left.
    pub joined_at: DateTime<Utc>,
}

/// Decides a revocation, including the RULE awards that no longer hold without the award. `state` must be whole. The
/// step is empty if the award does not exist or is already revoked.
pub fn revoke(catalog: &Catalog, state: State, revocation: &Revocation) -> Step {
    let mut decision = Decision::new(catalog, state);
    let Revocation { id: group, revoked, cascade, .. } = revocation;
    let id = revoked.key.person;
    if !revoke_one(&mut decision, *group, revoked.clone()) {
        return Step::default();
    }
    if *cascade {
        // One pass is enough: the entitlement does not count the awards outside it.
        let misjudged = misjudged_awards(catalog, decision.person(id));
        for (index, occurrence) in misjudged.into_iter().filter_map(|(key, flagged)| flagged.then_some(key)) {
            let Some(achievement) = catalog.achievements.get(index) else { continue };
            let key = AwardKey { person: id, achievement: achievement.id, occurrence };
            revoke_one(&mut decision, *group, Revoked { key, ..revoked.clone() });
        }
    }
    if !decision.step.entries.is_empty() {
        decision.person(id).date_xp(revocation.base_reached_at, revocation.joined_at);
    }
    // With less XP, an award that exceeded the maximum before can fit.
    let day = local(revoked.at, decision.person(id).zone).date;
    let origin = Origin { group: *group, at: revoked.at, day, event: None };
    for due in settle_whole(catalog, decision.person(id)).due {
        decision.award_if_fits(id, due, origin);
    }
    decision.finish()
}

/// Revokes an award and reverses its XP; returns whether it existed and was not revoked yet.
fn revoke_one(decision: &mut Decision<'_>, group: Uuid, revoked: Revoked) -> bool {
    let catalog = decision.catalog;
    let AwardKey { person: id, achievement, occurrence } = revoked.key;
    let person = decision.person(id);
    let Some(bonus) = person.revoke(catalog, (achievement, occurrence)) else { return false };
    let day = local(revoked.at, person.zone).date;
    let is_last = person.standing(catalog, achievement).is_none();
    let (at, index) = (revoked.at, decision.step.revoked.len());
    decision.step.revoked.push(Revoked { is_last, ..revoked });
    let kind = ConsequenceKind::AwardRevoked { revoked: index };
    decision.step.consequences.push(Consequence { person: id, group, kind });
    if bonus != 0 {
        decision.step.entries.push(Entry {
            person: id,
            amount: bonus.saturating_neg(),
            cause: EntryCause::Reversal { revoked: index },
            at,
            day,
        });
    }
    true
}
