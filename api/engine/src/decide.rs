//! The logic that all causes share: awards, the bonus cascade, flags, levels, streak milestones and totals.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    entitlement::{Due, misjudged_awards, settle_held, settle_whole},
    person::{Person, TooMuch},
    state::{Cause, PersonState, State},
    step::{AwardKey, Consequence, ConsequenceKind, Entry, EntryCause, Flag, NewAward, Step},
    streak::milestone,
};

/// The people of a cause, and the step so far.
pub(crate) struct Decision<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) people: BTreeMap<Uuid, Person>,
    pub(crate) step: Step,
}

/// The origin of an award.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// The id of the cause.
    pub(crate) group: Uuid,
    /// When the cause happened.
    pub(crate) at: DateTime<Utc>,
    /// The person's local date at that time.
    pub(crate) day: NaiveDate,
    /// The event that the award names.
    pub(crate) event: Option<Uuid>,
}

/// A person's level and current streak before a cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    level: i64,
    streak: i64,
}

/// The lengths of the step's lists, for a later rollback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    entries: usize,
    awards: usize,
    consequences: usize,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(catalog: &'a Catalog, state: State) -> Self {
        let people = state.people.into_iter();
        let people =
            people.map(|(id, person)| (id, Person::new(catalog, id, person, |_, _| false))).collect();
        Self { catalog, people, step: Step::default() }
    }

    /// The person with this id; a person who was not loaded has an empty state.
    pub(crate) fn person(&mut self, id: Uuid) -> &mut Person {
        let catalog = self.catalog;
        self.people
            .entry(id)
            .or_insert_with(|| Person::new(catalog, id, PersonState::default(), |_, _| false))
    }

    pub(crate) fn mark(&self) -> Mark {
        let step = &self.step;
        Mark { entries: step.entries.len(), awards: step.awards.len(), consequences: step.consequences.len() }
    }

    /// Rolls the step back to the mark, and restores the person as of the mark.
    pub(crate) fn roll_back(&mut self, mark: Mark, person: Person) {
        self.step.entries.truncate(mark.entries);
        self.step.awards.truncate(mark.awards);
        self.step.consequences.truncate(mark.consequences);
        self.people.insert(person.id, person);
    }

    pub(crate) fn before(&mut self, person: Uuid) -> Before {
        let catalog = self.catalog;
        let person = self.person(person);
        Before { level: catalog.level(person.xp).number, streak: person.streak.run }
    }

    /// Adds consequences for a level or streak milestone that the person has reached since `before`.
    pub(crate) fn compare(&mut self, person: Uuid, before: Before, group: Uuid) {
        let now = self.before(person);
        if now.level > before.level {
            let kind = ConsequenceKind::LevelReached { from: before.level, to: now.level };
            self.step.consequences.push(Consequence { person, group, kind });
        }
        if let Some(days) = milestone(before.streak, now.streak) {
            let kind = ConsequenceKind::StreakReached { days };
            self.step.consequences.push(Consequence { person, group, kind });
        }
    }

    /// Adds the awards that are due after a change to the person; returns their bonuses. If a metric may have
    /// decreased, it evaluates all achievements from the start, because existing awards may be wrong. Otherwise only
    /// `candidates` can be due.
    pub(crate) fn settle(
        &mut self,
        person: Uuid,
        origin: Origin,
        candidates: BTreeSet<usize>,
    ) -> Result<i64, TooMuch> {
        let catalog = self.catalog;
        let of = self.person(person);
        let due = if of.whole {
            settle_whole(catalog, of).due
        } else if candidates.is_empty() {
            return Ok(0);
        } else {
            settle_held(catalog, of, candidates).due
        };
        let mut bonuses: i64 = 0;
        for due in due {
            self.award_due(person, due, origin)?;
            bonuses = bonuses.saturating_add(due.xp_bonus);
        }
        Ok(bonuses)
    }

    /// Awards one achievement of the catalogue by its rule.
    pub(crate) fn award_due(&mut self, person: Uuid, due: Due, origin: Origin) -> Result<(), TooMuch> {
        let Some(achievement) = self.catalog.achievements.get(due.achievement) else { return Ok(()) };
        let key = AwardKey { person, achievement: achievement.id, occurrence: due.occurrence };
        self.award(
            NewAward {
                key,
                cause: Cause::Rule,
                earned_at: origin.at,
                day: origin.day,
                event: origin.event,
                xp_bonus: due.xp_bonus,
                flagged: false,
                granted_by: None,
                notes: None,
                is_first: true,
            },
            origin,
        )
    }

    /// Awards one achievement by its rule, unless its bonus would raise the person's XP above the maximum.
    pub(crate) fn award_if_fits(&mut self, person: Uuid, due: Due, origin: Origin) {
        if let Err(TooMuch) = self.award_due(person, due, origin)
            && let Some(achievement) = self.catalog.achievements.get(due.achievement)
        {
            let key = AwardKey { person, achievement: achievement.id, occurrence: due.occurrence };
            self.step.left_out.push(key);
        }
    }

    /// Adds an award, its XP and its consequence. All awards are added by this function.
    pub(crate) fn award(&mut self, award: NewAward, origin: Origin) -> Result<(), TooMuch> {
        let catalog = self.catalog;
        let AwardKey { person: id, achievement, occurrence } = award.key;
        let person = self.person(id);
        person.add_xp(award.xp_bonus, award.earned_at)?;
        let is_first = person.hold(catalog, (achievement, occurrence), award.held());
        let index = self.step.awards.len();
        if award.xp_bonus != 0 {
            self.step.entries.push(Entry {
                person: id,
                amount: award.xp_bonus,
                cause: EntryCause::Bonus { award: index },
                at: award.earned_at,
                day: award.day,
            });
        }
        self.step.awards.push(NewAward { is_first, ..award });
        let kind = ConsequenceKind::AwardEarned { award: index };
        self.step.consequences.push(Consequence { person: id, group: origin.group, kind });
        Ok(())
    }

    /// Flags awards outside the entitlement, and clears the flag of awards that are inside again.
    fn judge(&mut self) {
        let catalog = self.catalog;
        for person in self.people.values_mut().filter(|person| person.whole) {
            for ((index, occurrence), flagged) in misjudged_awards(catalog, person) {
                let Some(achievement) = catalog.achievements.get(index).map(|achievement| achievement.id)
                else {
                    continue;
                };
                person.flag((index, occurrence), flagged);
                let key = AwardKey { person: person.id, achievement, occurrence };
                match self.step.awards.iter_mut().find(|award| award.key == key) {
                    Some(award) => award.flagged = flagged,
                    None => self.step.flags.push(Flag { key, flagged }),
                }
            }
        }
    }

    /// Completes the step with flags, metrics and totals.
    pub(crate) fn finish(mut self) -> Step {
        self.judge();
        for person in self.people.into_values() {
            person.save(self.catalog, &mut self.step);
        }
        self.step
    }
}
