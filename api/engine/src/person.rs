//! One person while a batch is folded: the loaded state by index, and its changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    catalog::{Activity, Catalog},
    event::Event,
    metric::{DayOfCount, Kind, Metric},
    run::{Run, Sequence},
    state::{Held, MetricState, PersonState},
    step::{PersonTotals, Step},
    streak::{LocalDay, Streak},
    xp::{MAX_XP, capped},
};

/// One person, by the catalogue's indexes.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) zone: Tz,
    pub(crate) referrer: Option<Uuid>,
    pub(crate) derived: BTreeSet<String>,
    pub(crate) whole: bool,
    pub(crate) xp: i64,
    xp_reached_at: Option<DateTime<Utc>>,
    award_count: i64,
    pub(crate) streak: Streak,
    /// By metric.
    pub(crate) metrics: Vec<i64>,
    /// By achievement: whether any occurrence is held and not revoked.
    pub(crate) held: Vec<bool>,
    /// By achievement and occurrence; achievements outside the catalogue are not here.
    pub(crate) awards: BTreeMap<(usize, i64), Held>,
    /// By achievement and occurrence: awards of achievements outside the catalogue.
    pub(crate) others: BTreeMap<(Uuid, i64), Held>,
    runs: HashMap<usize, Run>,
    last_event_at: Option<DateTime<Utc>>,
    members: BTreeSet<(usize, String)>,
    known_days: BTreeSet<LocalDay>,
    active_days: Option<BTreeSet<LocalDay>>,
    day_totals: BTreeMap<(String, NaiveDate), i64>,
    changes: Changes,
}

/// The changes of a person that have to be written.
#[derive(Debug, Clone, Default)]
struct Changes {
    any: bool,
    metrics: BTreeSet<usize>,
    members: Vec<(usize, String)>,
    active_days: Vec<LocalDay>,
    day_totals: BTreeSet<(String, NaiveDate)>,
}

/// The increase of one number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rise {
    pub(crate) old: i64,
    pub(crate) new: i64,
}

/// A count or total would exceed the maximum of an API response.
#[derive(Debug)]
pub(crate) struct TooMuch;

impl Person {
    /// `is_new` returns whether the event with this (source, external id) belongs to the batch and is not folded yet.
    pub(crate) fn new(
        catalog: &Catalog,
        id: Uuid,
        state: PersonState,
        is_new: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let mut metrics = vec![0; catalog.metrics.len()];
        let mut runs = HashMap::new();
        for (metric, MetricState { value, run }) in state.metrics {
            let Some(index) = catalog.metric_index(metric) else { continue };
            metrics.get_mut(index).into_iter().for_each(|slot| *slot = value);
            if run.is_some() {
                runs.insert(index, Run { cursor: run, ..Run::default() });
            }
        }
        for (metric, around) in state.runs {
            let Some(index) = catalog.metric_index(metric) else { continue };
            let sequence = Sequence::of(catalog, index, &around, &is_new);
            runs.entry(index).or_default().sequence = sequence;
        }
        let mut held = vec![false; catalog.achievements.len()];
        let mut awards = BTreeMap::new();
        let mut others = BTreeMap::new();
        for ((achievement, occurrence), award) in state.awards {
            let Some(index) = catalog.achievement_index(achievement) else {
                others.insert((achievement, occurrence), award);
                continue;
            };
            held.get_mut(index).into_iter().for_each(|slot| *slot |= !award.revoked);
            awards.insert((index, occurrence), award);
        }
        let members = state
            .members
            .into_iter()
            .filter_map(|(metric, member)| Some((catalog.metric_index(metric)?, member)))
            .collect();
        Self {
            id,
            zone: state.zone,
            referrer: state.referrer,
            derived: state.derived,
            whole: state.whole,
            xp: state.xp,
            xp_reached_at: state.xp_reached_at,
            award_count: state.award_count,
            streak: state.streak,
            metrics,
            held,
            awards,
            others,
            runs,
            last_event_at: state.last_event_at,
            members,
            known_days: state.known_days,
            active_days: state.active_days,
            day_totals: state.day_totals,
            changes: Changes::default(),
        }
    }

    /// Adds XP that was gained at this time. Fails if the sum would exceed a person's maximum.
    pub(crate) fn add_xp(&mut self, amount: i64, at: DateTime<Utc>) -> Result<Rise, TooMuch> {
        let old = self.xp;
        let new = old.checked_add(amount).filter(|xp| *xp <= MAX_XP).ok_or(TooMuch)?;
        if amount != 0 {
            self.xp_reached_at = self.xp_reached_at.filter(|_| old > 0).max(Some(at));
            self.xp = new;
            self.changes.any = true;
        }
        Ok(Rise { old, new })
    }

    /// The base XP of an event: its reward, limited by the rest of the daily cap.
    pub(crate) fn base_xp(&mut self, activity: &Activity, event: &Event) -> i64 {
        let amount = activity.reward.as_ref().map_or(0, |reward| reward.of(event));
        let Some(cap) = activity.daily_cap.filter(|_| amount != 0) else { return amount };
        let key = (activity.key.clone(), event.capped_on());
        let total = self.day_totals.entry(key.clone()).or_insert(0);
        let before = *total;
        *total = before.saturating_add(amount);
        let entry = capped(cap, before, *total);
        self.changes.day_totals.insert(key);
        entry
    }

    /// Updates the time of the person's latest event.
    pub(crate) fn note_event(&mut self, at: DateTime<Utc>) {
        if self.last_event_at < Some(at) {
            self.last_event_at = Some(at);
            self.changes.any = true;
        }
    }

    /// The run metrics whose longest run a late event may have broken, by index.
    pub(crate) fn broken_runs(&self) -> impl Iterator<Item = usize> + '_ {
        self.runs.iter().filter(|(_, run)| run.is_broken).map(|(index, _)| *index)
    }

    /// Marks a day as active.
    pub(crate) fn add_day(&mut self, day: LocalDay) -> Rise {
        let old = self.streak.longest;
        let is_new = match &mut self.active_days {
            Some(days) => days.insert(day),
            None => !self.streak.last.contains(&day) && !self.known_days.contains(&day),
        };
        if is_new {
            self.changes.any = true;
            self.changes.active_days.push(day);
            if !self.streak.add(day) {
                self.streak = self.active_days.as_ref().map_or_else(|| self.streak.clone(), Streak::of);
            }
        }
        Rise { old, new: self.streak.longest }
    }

    /// Folds an event into a metric, if the metric counts the event.
    pub(crate) fn fold(
        &mut self,
        catalog: &Catalog,
        index: usize,
        event: &Event,
    ) -> Result<Option<Rise>, TooMuch> {
        let Some(metric) = catalog.metrics.get(index).filter(|metric| metric.filter.takes(event)) else {
            return Ok(None);
        };
        let old = self.metrics.get(index).copied().unwrap_or(0);
        let new = match &metric.kind {
            Kind::Count | Kind::Sum { .. } => old.checked_add(metric.amount(event)).ok_or(TooMuch)?,
            Kind::Run { .. } => {
                self.runs.entry(index).or_default().fold(event.key(), metric.holds(event), old)
            }
            Kind::Distinct { .. } => match metric.member(event) {
                Some(member) if self.members.insert((index, member.clone())) => {
                    self.changes.members.push((index, member));
                    old.checked_add(1).ok_or(TooMuch)?
                }
                _ => old,
            },
            Kind::Daily { .. } => {
                let day = metric.day(event);
                let is_counted = day.is_some_and(|day| self.count_on(index, day));
                old.checked_add(i64::from(is_counted)).ok_or(TooMuch)?
            }
        };
        if new > MAX_XP {
            return Err(TooMuch);
        }
        // The open end of a run can change while the longest run does not.
        if new != old || metric.is_run() {
            self.metrics.get_mut(index).into_iter().for_each(|slot| *slot = new);
            self.changes.metrics.insert(index);
        }
        Ok(Some(Rise { old, new }))
    }

    /// Adds an event to its day of a daily count; returns whether it counts.
    fn count_on(&mut self, index: usize, day: DayOfCount) -> bool {
        let mut add = |member: String| {
            let is_new = self.members.insert((index, member.clone()));
            if is_new {
                self.changes.members.push((index, member));
            }
            is_new
        };
        day.repeated.is_none_or(&mut add) && day.places.into_iter().any(add)
    }

    /// Adds an award; returns whether it is the person's only unrevoked award of its achievement.
    pub(crate) fn hold(&mut self, catalog: &Catalog, key: (Uuid, i64), award: Held) -> bool {
        let is_first = self.standing(catalog, key.0).is_none();
        self.changes.any = true;
        self.award_count = self.award_count.saturating_add(1);
        match catalog.achievement_index(key.0) {
            Some(index) => {
                self.held.get_mut(index).into_iter().for_each(|held| *held = true);
                self.awards.insert((index, key.1), award);
            }
            None => {
                self.others.insert(key, award);
            }
        }
        is_first
    }

    /// The awards of one achievement, by occurrence, including revoked ones.
    pub(crate) fn of_achievement(
        &self,
        catalog: &Catalog,
        achievement: Uuid,
    ) -> Box<dyn Iterator<Item = (i64, &Held)> + '_> {
        match catalog.achievement_index(achievement) {
            Some(index) => {
                let range = self.awards.range((index, i64::MIN)..=(index, i64::MAX));
                Box::new(range.map(|((_, occurrence), held)| (*occurrence, held)))
            }
            None => {
                let range = self.others.range((achievement, i64::MIN)..=(achievement, i64::MAX));
                Box::new(range.map(|((_, occurrence), held)| (*occurrence, held)))
            }
        }
    }

    /// The occurrence of the first award of an achievement that is not revoked.
    pub(crate) fn standing(&self, catalog: &Catalog, achievement: Uuid) -> Option<i64> {
        self.of_achievement(catalog, achievement).find(|(_, held)| !held.revoked).map(|(first, _)| first)
    }

    /// Revokes an award that is not revoked yet; returns its XP. [`Person::date_xp`] must follow if it has XP.
    pub(crate) fn revoke(&mut self, catalog: &Catalog, key: (Uuid, i64)) -> Option<i64> {
        let index = catalog.achievement_index(key.0);
        let award = match index {
            Some(index) => self.awards.get_mut(&(index, key.1)),
            None => self.others.get_mut(&key),
        };
        let award = award.filter(|award| !award.revoked)?;
        (award.revoked, award.flagged) = (true, false);
        let bonus = award.xp_bonus;
        self.xp = self.xp.saturating_sub(bonus);
        self.award_count = self.award_count.saturating_sub(1);
        let stands = self.standing(catalog, key.0).is_some();
        index.and_then(|index| self.held.get_mut(index)).into_iter().for_each(|held| *held = stands);
        self.changes.any = true;
        Some(bonus)
    }

    /// Sets the time at which the XP was reached: that of the latest entry that counts, of an event (`base`) or of an
    /// award; `joined_at` if there is none. All awards must be loaded.
    pub(crate) fn date_xp(&mut self, base: Option<DateTime<Utc>>, joined_at: DateTime<Utc>) {
        let awards = self.awards.values().chain(self.others.values());
        let counting = awards.filter(|award| !award.revoked && award.xp_bonus != 0);
        let latest = counting.map(|award| award.earned_at).max().max(base);
        self.xp_reached_at = Some(latest.unwrap_or(joined_at));
    }

    /// Replaces a metric's state and members, which were folded again from all events.
    pub(crate) fn recount(&mut self, index: usize, state: MetricState, members: BTreeSet<String>) {
        self.metrics.get_mut(index).into_iter().for_each(|slot| *slot = state.value);
        if state.run.is_some() {
            self.runs.insert(index, Run { cursor: state.run, ..Run::default() });
        }
        self.changes.metrics.insert(index);
        self.changes.members.extend(members.into_iter().map(|member| (index, member)));
    }

    /// Replaces the XP before the cap of a capped activity on a day.
    pub(crate) fn recount_day(&mut self, activity: String, day: NaiveDate, total: i64) {
        self.day_totals.insert((activity.clone(), day), total);
        self.changes.day_totals.insert((activity, day));
    }

    /// Sets or clears the flag of an award.
    pub(crate) fn flag(&mut self, key: (usize, i64), flagged: bool) {
        self.awards.get_mut(&key).into_iter().for_each(|award| award.flagged = flagged);
    }

    /// Adds the changes to the step.
    pub(crate) fn save(self, catalog: &Catalog, step: &mut Step) {
        let id = |index: usize| catalog.metrics.get(index).map(Metric::id);
        for index in &self.changes.metrics {
            let value = self.metrics.get(*index).copied().unwrap_or(0);
            let run = self.runs.get(index).and_then(|run| run.cursor.clone());
            step.metrics.extend(id(*index).map(|metric| (self.id, metric, MetricState { value, run })));
        }
        for (index, member) in self.changes.members {
            step.members.extend(id(index).map(|metric| (self.id, metric, member)));
        }
        step.active_days.extend(self.changes.active_days.into_iter().map(|day| (self.id, day)));
        for (activity, day) in self.changes.day_totals {
            let key = (activity, day);
            let total = self.day_totals.get(&key).copied().unwrap_or(0);
            step.day_totals.push((self.id, key.0, day, total));
        }
        if self.changes.any {
            step.people.push(PersonTotals {
                person: self.id,
                xp: self.xp,
                xp_reached_at: self.xp_reached_at,
                last_event_at: self.last_event_at,
                awards: self.award_count,
                streak: self.streak,
            });
        }
    }
}
