//! A batch of events folded into the state it meets: what it gives, and what is to be written.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    entitlement::{misjudged_awards, settle_held, settle_whole},
    event::{Attributes, Event, local},
    person::{Person, TooMuch},
    state::{MetricState, PersonState, State},
    streak::Streak,
    xp::MAX_XP,
};

/// The source of the events that the engine derives.
pub const DERIVED_SOURCE: &str = "plaudit";

/// The namespace of derived events' ids.
const NAMESPACE: Uuid = Uuid::from_u128(0xb7a1_94c0_0d1e_4e0c_a3f4_5f27_c1d8_6e72);

/// Everything that follows from a batch. Nothing of it is written yet.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// One an input event, at the same index.
    pub gains: Vec<Gain>,
    /// XP entries, none of them zero.
    pub entries: Vec<Entry>,
    /// Awards, in the order they were earned.
    pub awards: Vec<NewAward>,
    /// Awards held before that are now flagged, or no longer are.
    pub flags: Vec<Flag>,
    /// Events that follow for referrers: folded already, to be stored.
    pub derived: Vec<Event>,
    /// (person, metric, state): where metrics stand now.
    pub metrics: Vec<(Uuid, Uuid, MetricState)>,
    /// (person, metric, member): new members of `distinct` metrics.
    pub members: Vec<(Uuid, Uuid, String)>,
    /// (person, local date): days that were not active before.
    pub active_days: Vec<(Uuid, NaiveDate)>,
    /// (person, activity, local date, XP before the cap): totals of capped activities.
    pub day_totals: Vec<(Uuid, String, NaiveDate, i64)>,
    /// Everyone whose totals changed.
    pub people: Vec<PersonTotals>,
}

/// What one event brought the person it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gain {
    /// The event's own XP, after any cap.
    pub base: i64,
    /// That and the bonuses of the awards it brought this person.
    pub total: i64,
}

/// An XP entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub person: Uuid,
    /// How much; more than 0.
    pub amount: i64,
    /// What for.
    pub cause: EntryCause,
}

/// What an XP entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryCause {
    /// An event.
    Base {
        /// The event's id.
        event: Uuid,
    },
    /// An award's bonus.
    Bonus {
        /// The index into the step's awards.
        award: usize,
    },
}

/// An award that an event brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAward {
    /// Who earned it.
    pub person: Uuid,
    /// What.
    pub achievement: Uuid,
    /// The how-manieth time, from 1.
    pub occurrence: i64,
    /// When the event that crossed happened.
    pub earned_at: DateTime<Utc>,
    /// The id of the event that crossed: one of the batch, or a derived one.
    pub event: Uuid,
    /// The index of the event of the batch that led to it.
    pub input: usize,
    /// The XP it gave.
    pub xp_bonus: i64,
    /// Whether a later event of the same batch already took its ground away.
    pub flagged: bool,
}

/// An award held before whose flag changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Who holds it.
    pub person: Uuid,
    /// What.
    pub achievement: Uuid,
    /// Which time.
    pub occurrence: i64,
    /// Whether it is flagged now.
    pub flagged: bool,
}

/// Where a person stands after the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonTotals {
    /// Who.
    pub person: Uuid,
    /// The sum of their XP entries.
    pub xp: i64,
    /// Their streak.
    pub streak: Streak,
    /// Whether any of their awards is flagged.
    pub has_flagged: bool,
}

/// An event would take a total past what an answer can hold. Nothing was decided: the batch goes
/// again without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Overflow {
    /// The index of the event.
    pub event: usize,
    /// What to tell its sender.
    pub message: String,
}

impl Overflow {
    pub(crate) fn of(event: usize) -> Self {
        let message = format!(
            "This event would raise a person's XP or a count above the maximum of {MAX_XP}: send a smaller amount, or \
             omit the event."
        );
        Self { event, message }
    }
}

/// Folds new events, in the order of the slice, into a state that holds what `needs` and `late` asked for.
///
/// # Errors
/// The first event that would take XP or a metric past [`MAX_XP`].
pub fn advance(catalog: &Catalog, state: State, events: &[Event]) -> Result<Step, Overflow> {
    let mut folding = Folding::new(catalog, state, events);
    for (input, event) in events.iter().enumerate() {
        let gain = folding.fold(event, input).map_err(|TooMuch| Overflow::of(input))?;
        folding.step.gains.push(gain);
    }
    folding.judge();
    Ok(folding.finish())
}

/// The derived events that a person has already earned whoever referred them: for when the referrer
/// becomes known late. To be recorded like any others, at the time it became known.
/// `state` needs the metrics of `Catalog::derivation_metrics`.
pub fn owed(
    catalog: &Catalog,
    person: Uuid,
    state: &PersonState,
    referrer: (Uuid, Tz),
    at: DateTime<Utc>,
) -> Vec<Event> {
    let reached = catalog.derivations.iter().filter(|derivation| {
        let metric = catalog.metrics.get(derivation.metric);
        let value = metric.and_then(|metric| state.metrics.get(&metric.id)).map_or(0, |state| state.value);
        value >= derivation.target
    });
    reached.filter_map(|derivation| derive(catalog, derivation.activity, person, referrer, at)).collect()
}

/// The event that follows for a referrer, given the emitted activity's index and the person it is about.
pub(crate) fn derive(
    catalog: &Catalog,
    activity: usize,
    about: Uuid,
    (referrer, zone): (Uuid, Tz),
    at: DateTime<Utc>,
) -> Option<Event> {
    let activity = catalog.activities.get(activity)?;
    let external_id = format!("{}:{about}", activity.key);
    let there = local(at, zone);
    let defaults = activity.attributes.iter();
    let attributes: Attributes =
        defaults.filter_map(|(name, attribute)| Some((name.clone(), attribute.default.clone()?))).collect();
    Some(Event {
        id: Uuid::new_v5(&NAMESPACE, external_id.as_bytes()),
        source: DERIVED_SOURCE.into(),
        external_id: external_id.into(),
        person: referrer,
        activity: activity.key.as_str().into(),
        occurred_at: at,
        place: 0,
        local_date: there.date,
        local_hour: there.hour,
        reported_on: None,
        attributes,
    })
}

/// A batch while it is folded.
pub(crate) struct Folding<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) people: BTreeMap<Uuid, Person>,
    step: Step,
}

/// What one event brought, and the indexes of the activities that follow from it for the referrer.
#[derive(Default)]
struct Folded {
    gain: Gain,
    derived: Vec<usize>,
}

impl<'a> Folding<'a> {
    /// The state before the first of `events`.
    pub(crate) fn new(catalog: &'a Catalog, state: State, events: &[Event]) -> Self {
        let has_history = state.people.values().any(|person| person.history.is_some());
        let batch: HashSet<(&str, &str)> = if has_history {
            events.iter().map(|event| (&*event.source, &*event.external_id)).collect()
        } else {
            HashSet::new()
        };
        let is_new = |source: &str, external_id: &str| batch.contains(&(source, external_id));
        let people = state.people.into_iter();
        let people = people.map(|(id, person)| (id, Person::new(catalog, id, person, is_new))).collect();
        Self { catalog, people, step: Step::default() }
    }

    /// One event of the batch, and the events that follow from it: one hop.
    pub(crate) fn fold(&mut self, event: &Event, input: usize) -> Result<Gain, TooMuch> {
        let folded = self.fold_one(event, input)?;
        for activity in folded.derived {
            let referrer = self.person(event.person).referrer;
            let Some(referrer) = referrer else { continue };
            let zone = self.person(referrer).zone;
            let about = event.person;
            let derived = derive(self.catalog, activity, about, (referrer, zone), event.occurred_at);
            if let Some(derived) = derived {
                self.fold_one(&derived, input)?;
                self.step.derived.push(derived);
            }
        }
        Ok(folded.gain)
    }

    fn fold_one(&mut self, event: &Event, input: usize) -> Result<Folded, TooMuch> {
        let catalog = self.catalog;
        let index = catalog.activity_index(&event.activity);
        let Some(activity) = index.and_then(|index| catalog.activities.get(index)) else {
            return Ok(Folded::default());
        };
        let person = self.person(event.person);
        let mut derived = Vec::new();
        let mut candidates = BTreeSet::new();
        let mut reached = |achievement| {
            candidates.insert(achievement);
        };
        let base = person.base_xp(activity, event);
        let rise = person.add_xp(base)?;
        catalog.xp_moves.crossed(rise.old, rise.new, &mut reached);
        if activity.counts_for_streak {
            let rise = person.add_day(event.local_date);
            catalog.streak_moves.crossed(rise.old, rise.new, &mut reached);
        }
        for metric in &activity.metrics {
            let Some(rise) = person.fold(catalog, *metric, event)? else { continue };
            let Some(moves) = catalog.moves.get(*metric) else { continue };
            moves.thresholds.crossed(rise.old, rise.new, &mut reached);
            for derivation in moves.derivations.iter().filter_map(|index| catalog.derivations.get(*index)) {
                let key = catalog.activities.get(derivation.activity).map(|activity| activity.key.as_str());
                let sent = key.is_some_and(|key| person.derived.contains(key));
                if !sent && rise.old < derivation.target && derivation.target <= rise.new {
                    derived.push(derivation.activity);
                }
            }
        }
        if base != 0 {
            let cause = EntryCause::Base { event: event.id };
            self.step.entries.push(Entry { person: event.person, amount: base, cause });
        }
        let bonuses = self.award(event, input, candidates)?;
        Ok(Folded { gain: Gain { base, total: base.saturating_add(bonuses) }, derived })
    }

    /// Gives what an event brought, and returns the bonuses. While a metric may have fallen, what is
    /// held says nothing about what is due, so the person is judged from nothing.
    fn award(&mut self, event: &Event, input: usize, candidates: BTreeSet<usize>) -> Result<i64, TooMuch> {
        let catalog = self.catalog;
        let person = self.person(event.person);
        let due = if person.whole {
            settle_whole(catalog, person).due
        } else if candidates.is_empty() {
            return Ok(0);
        } else {
            settle_held(catalog, person, candidates).due
        };
        let mut bonuses: i64 = 0;
        for due in due {
            let Some(achievement) = catalog.achievements.get(due.achievement) else { continue };
            let person = self.person(event.person);
            person.add_xp(due.xp_bonus)?;
            person.hold(due);
            bonuses = bonuses.saturating_add(due.xp_bonus);
            if due.xp_bonus != 0 {
                let cause = EntryCause::Bonus { award: self.step.awards.len() };
                self.step.entries.push(Entry { person: event.person, amount: due.xp_bonus, cause });
            }
            self.step.awards.push(NewAward {
                person: event.person,
                achievement: achievement.id,
                occurrence: due.occurrence,
                earned_at: event.occurred_at,
                event: event.id,
                input,
                xp_bonus: due.xp_bonus,
                flagged: false,
            });
        }
        Ok(bonuses)
    }

    /// Flags the awards that lost their ground, and unflags those that have it again.
    fn judge(&mut self) {
        let catalog = self.catalog;
        for person in self.people.values_mut().filter(|person| person.whole) {
            for ((index, occurrence), flagged) in misjudged_awards(catalog, person) {
                let Some(achievement) = catalog.achievements.get(index).map(|achievement| achievement.id)
                else {
                    continue;
                };
                person.flag((index, occurrence), flagged);
                let new = self.step.awards.iter_mut().find(|award| {
                    (award.person, award.achievement, award.occurrence)
                        == (person.id, achievement, occurrence)
                });
                match new {
                    Some(award) => award.flagged = flagged,
                    None => {
                        self.step.flags.push(Flag { person: person.id, achievement, occurrence, flagged })
                    }
                }
            }
            person.note_flags();
        }
    }

    fn finish(mut self) -> Step {
        for person in self.people.into_values() {
            person.save(self.catalog, &mut self.step);
        }
        self.step
    }

    /// The person with this id; one that was not loaded starts from nothing.
    pub(crate) fn person(&mut self, id: Uuid) -> &mut Person {
        let catalog = self.catalog;
        self.people
            .entry(id)
            .or_insert_with(|| Person::new(catalog, id, PersonState::default(), |_, _| false))
    }
}
