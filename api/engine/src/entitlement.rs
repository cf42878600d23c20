//! A person's entitlement: the least fixpoint of rules, prerequisites and bonuses.
//! The same loop evaluates one more event and evaluates all awards from the start.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    catalog::{Achievement, Catalog},
    person::Person,
    rule::Numbers,
    state::{Cause, Held, PersonState},
};

/// The RULE awards to which a person's metrics, streak and XP entitle, regardless of the existing awards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entitlement {
    /// By (achievement, occurrence). Revoked awards and grants are not included.
    pub awards: BTreeSet<(Uuid, i64)>,
    /// Base XP, XP of grants, and the bonuses of `awards`.
    pub xp: i64,
}

/// The entitlement of a person. `state` must be whole: all metrics, all awards, XP and streak.
pub fn entitlement(catalog: &Catalog, state: &PersonState) -> Entitlement {
    let person = Person::new(catalog, Uuid::nil(), state.clone(), |_, _| false);
    let settled = settle_whole(catalog, &person);
    let awards = settled.entitled.iter().filter_map(|(index, occurrence)| {
        catalog.achievements.get(*index).map(|achievement| (achievement.id, *occurrence))
    });
    Entitlement { awards: awards.collect(), xp: settled.xp }
}

/// The awards whose flag is wrong, by (achievement, occurrence), with the correct flag. Grants, revoked awards and
/// awards of retired achievements are not evaluated: an award of a retired achievement is outside the entitlement, but
/// its flag does not change. `state` must be whole.
pub fn misjudged(catalog: &Catalog, state: &PersonState) -> BTreeMap<(Uuid, i64), bool> {
    let person = Person::new(catalog, Uuid::nil(), state.clone(), |_, _| false);
    let named =
        misjudged_awards(catalog, &person).into_iter().filter_map(|((index, occurrence), flagged)| {
            catalog.achievements.get(index).map(|achievement| ((achievement.id, occurrence), flagged))
        });
    named.collect()
}

/// An award that is due and does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) achievement: usize,
    pub(crate) occurrence: i64,
    pub(crate) xp_bonus: i64,
}

/// The result of the fixpoint loop.
#[derive(Debug)]
pub(crate) struct Settled {
    /// RULE awards, by (achievement, occurrence): all of them from [`settle_whole`], the new ones from [`settle_held`].
    pub(crate) entitled: BTreeSet<(usize, i64)>,
    /// The awards of `entitled` that do not exist yet, in the order in which the loop found them.
    pub(crate) due: Vec<Due>,
    pub(crate) xp: i64,
}

/// Evaluates `candidates` in addition to the existing awards. Correct only while the person is entitled to all existing
/// awards.
pub(crate) fn settle_held(catalog: &Catalog, person: &Person, candidates: BTreeSet<usize>) -> Settled {
    let fixpoint = Fixpoint {
        catalog,
        person,
        counts_held: true,
        held: person.held.clone(),
        candidates,
        settled: Settled { entitled: BTreeSet::new(), due: Vec::new(), xp: person.xp },
    };
    fixpoint.run()
}

/// Evaluates all achievements from the start: from base XP and the awards that rules do not decide.
pub(crate) fn settle_whole(catalog: &Catalog, person: &Person) -> Settled {
    let mut held = vec![false; catalog.achievements.len()];
    let mut xp = person.xp;
    for ((index, _), award) in &person.awards {
        if award.revoked {
            continue;
        }
        if is_judged(catalog, *index, award) || is_surplus(award) {
            xp = xp.saturating_sub(award.xp_bonus);
        } else {
            held.get_mut(*index).into_iter().for_each(|slot| *slot = true);
        }
    }
    for award in person.others.values().filter(|award| is_surplus(award)) {
        xp = xp.saturating_sub(award.xp_bonus);
    }
    let fixpoint = Fixpoint {
        catalog,
        person,
        counts_held: false,
        held,
        candidates: (0..catalog.achievements.len()).collect(),
        settled: Settled { entitled: BTreeSet::new(), due: Vec::new(), xp },
    };
    fixpoint.run()
}

/// As [`misjudged`], by the achievement's index.
pub(crate) fn misjudged_awards(catalog: &Catalog, person: &Person) -> BTreeMap<(usize, i64), bool> {
    let entitled = settle_whole(catalog, person).entitled;
    person
        .awards
        .iter()
        .filter(|((index, _), award)| !award.revoked && is_judged(catalog, *index, award))
        .map(|(key, award)| (*key, award.flagged, !entitled.contains(key)))
        .filter(|(_, is, should_be)| is != should_be)
        .map(|(key, _, should_be)| (key, should_be))
        .collect()
}

/// Whether rules decide about an award. They do not decide about grants or awards of retired achievements.
pub(crate) fn is_judged(catalog: &Catalog, index: usize, award: &Held) -> bool {
    award.cause == Cause::Rule && catalog.achievements.get(index).is_some_and(Achievement::is_active)
}

/// Whether rules decide about an award. They do not decide about grants or achievements that can no longer be earned.
pub(crate) fn rules_decide(catalog: &Catalog, achievement: Uuid, held: &Held) -> bool {
    catalog.achievement_index(achievement).is_some_and(|index| is_judged(catalog, index, held))
}

/// Whether the entitlement contains neither the award nor its XP, because the award is flagged. The flag stays while its
/// achievement is retired or its pack is not loaded.
pub(crate) fn is_surplus(held: &Held) -> bool {
    held.flagged && !held.revoked
}

struct Fixpoint<'a> {
    catalog: &'a Catalog,
    person: &'a Person,
    /// Whether `held` and `xp` already include the existing RULE awards.
    counts_held: bool,
    held: Vec<bool>,
    candidates: BTreeSet<usize>,
    settled: Settled,
}

impl Fixpoint<'_> {
    /// Each new award adds candidates: its dependents, and the achievements whose XP threshold its bonus crosses.
    /// The loop ends because each occurrence is awarded once and a repeatable award never depends on itself.
    fn run(mut self) -> Settled {
        while let Some(index) = self.candidates.pop_first() {
            let Some(achievement) = self.catalog.achievements.get(index) else { continue };
            for occurrence in 1..=self.times(achievement) {
                self.give(index, occurrence, achievement);
            }
        }
        self.settled
    }

    fn times(&self, achievement: &Achievement) -> i64 {
        let numbers = Numbers {
            metrics: &self.person.metrics,
            xp: self.settled.xp,
            longest_streak: self.person.streak.longest,
            held: &self.held,
        };
        if !achievement.is_active() || !achievement.gates.iter().all(|gate| numbers.holds(*gate)) {
            return 0;
        }
        let times = achievement.rule.times(&numbers);
        if achievement.repeatable { times } else { times.min(1) }
    }

    fn give(&mut self, index: usize, occurrence: i64, achievement: &Achievement) {
        let key = (index, occurrence);
        let xp_bonus = match self.person.awards.get(&key) {
            // A revoked award cannot be earned again. A granted award already exists.
            Some(award) if award.revoked || award.cause != Cause::Rule => return,
            Some(_) if self.counts_held => return,
            Some(award) => award.xp_bonus,
            None => achievement.xp_bonus,
        };
        if !self.settled.entitled.insert(key) {
            return;
        }
        if !self.person.awards.contains_key(&key) {
            self.settled.due.push(Due { achievement: index, occurrence, xp_bonus });
        }
        let before = self.settled.xp;
        self.settled.xp = before.saturating_add(xp_bonus);
        let candidates = &mut self.candidates;
        self.catalog.xp_moves.crossed(before, self.settled.xp, |reached| {
            candidates.insert(reached);
        });
        if let Some(held) = self.held.get_mut(index).filter(|held| !**held) {
            *held = true;
            self.candidates.extend(self.catalog.dependents.get(index).into_iter().flatten());
        }
    }
}
