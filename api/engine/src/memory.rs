//! An in-memory store: records batches as the server does, and loads exactly the state that the engine requests.
//! The tests of packs and of the engine use it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    advance::{Overflow, advance, owed},
    catalog::Catalog,
    event::Event,
    grant::{Grant, grant},
    late::{Late, Span, further, late},
    needs::{Candidates, PersonNeeds, candidates, needs},
    publish::{Changes, catch_up},
    redate::{Dates, redate},
    rewind::History,
    state::{Held, MetricState, PersonState, RunEvents, State},
    step::{AwardKey, EntryCause, Step},
    streak::{LocalDay, Streak},
};

/// All stored people and events.
#[derive(Debug, Clone, Default)]
pub struct School {
    /// By the person's id.
    pub people: BTreeMap<Uuid, Kept>,
    /// By (source, external id).
    pub events: BTreeMap<(String, String), Event>,
    /// How often the whole past of a person was read to update the times of awards.
    pub whole_pasts: usize,
}

/// All stored state of one person.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The person's time zone.
    pub zone: Tz,
    /// The person's referrer.
    pub referrer: Option<Uuid>,
    /// The sum of the XP entries.
    pub xp: i64,
    /// The time of the latest XP entry that counts.
    pub xp_reached_at: Option<DateTime<Utc>>,
    /// The number of awards that are not revoked.
    pub award_count: i64,
    /// The time of the latest event.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The XP entries of events: amount and time, by the event's id.
    pub base: HashMap<Uuid, (i64, DateTime<Utc>)>,
    /// The streak.
    pub streak: Streak,
    /// By metric.
    pub metrics: BTreeMap<Uuid, MetricState>,
    /// (metric, member).
    pub members: BTreeSet<(Uuid, String)>,
    /// The active days.
    pub active_days: BTreeSet<LocalDay>,
    /// By (activity, local date).
    pub day_totals: BTreeMap<(String, NaiveDate), i64>,
    /// By (achievement, occurrence).
    pub awards: BTreeMap<(Uuid, i64), Held>,
    /// The XP entries' amounts, in order.
    pub entries: Vec<i64>,
}

impl School {
    /// Adds a person.
    pub fn join(&mut self, person: Uuid, zone: Tz, referrer: Option<Uuid>) {
        self.people.insert(person, Kept { zone, referrer, ..Kept::default() });
    }

    /// Records a batch: skips known events; folds and stores the others.
    ///
    /// # Errors
    /// The first event that would raise a total above the maximum. Nothing of the batch is stored then.
    pub fn record(&mut self, catalog: &Catalog, batch: &[Event]) -> Result<Step, Overflow> {
        let mut fresh = BTreeSet::new();
        let mut events: Vec<Event> = batch
            .iter()
            .filter(|event| !self.events.contains_key(&identity(event)) && fresh.insert(identity(event)))
            .cloned()
            .collect();
        events.sort_by_cached_key(Event::key);
        let referrers = self
            .people
            .iter()
            .filter_map(|(person, kept)| kept.referrer.map(|referrer| (*person, referrer)))
            .collect();
        let needs = needs(catalog, &events, &referrers);
        let load = |(person, needs): (&Uuid, &PersonNeeds)| (*person, self.load(*person, needs));
        let mut state = State { people: needs.people.iter().map(load).collect() };
        self.load_candidates(&candidates(catalog, &needs, &state), &mut state);
        let late = late(catalog, &state, &events);
        self.load_late(catalog, &late, &mut state);
        let further = further(catalog, &state, &events);
        for (person, metric) in further.runs {
            let events = self.events_of(person);
            let loaded = state.people.entry(person).or_default();
            loaded.runs.insert(metric, RunEvents { events, is_whole: true });
        }
        for person in further.days {
            let days = self.people.get(&person).map(|kept| kept.active_days.clone());
            state.people.entry(person).or_default().active_days = days;
        }
        for person in further.whole {
            let loaded = state.people.entry(person).or_default();
            let whole = self.whole(person);
            (loaded.metrics, loaded.awards, loaded.whole) = (whole.metrics, whole.awards, true);
        }
        let dates = Dates::of(&state);
        let mut step = advance(catalog, state, &events)?;
        for (person, since) in dates.moved(&events, &step) {
            self.redate_since(catalog, &mut step, person, &events, since);
        }
        self.save(&events, &step);
        Ok(step)
    }

    /// Grants an achievement, as the server does.
    pub fn grant(&mut self, catalog: &Catalog, given: Grant) {
        let person = given.person;
        let state = State { people: BTreeMap::from([(person, self.whole(person))]) };
        let dates = Dates::of(&state);
        let (mut step, _) = grant(catalog, state, &[given]);
        for (person, since) in dates.moved_by_grants(&step) {
            self.redate_since(catalog, &mut step, person, &[], since);
        }
        self.save(&[], &step);
    }

    /// Updates the times of the person's awards from the events since this time, or from the whole past.
    fn redate_since(
        &mut self,
        catalog: &Catalog,
        step: &mut Step,
        person: Uuid,
        batch: &[Event],
        since: DateTime<Utc>,
    ) {
        if !self.redate(catalog, step, person, batch, Some(since)) {
            self.whole_pasts += 1;
            let _ = self.redate(catalog, step, person, batch, None);
        }
    }

    /// Whether the events since this time decided when the person's awards were earned.
    fn redate(
        &self,
        catalog: &Catalog,
        step: &mut Step,
        person: Uuid,
        batch: &[Event],
        since: Option<DateTime<Utc>>,
    ) -> bool {
        let is_in = |at: DateTime<Utc>| since.is_none_or(|since| at >= since);
        let of_batch: Vec<Event> = batch.iter().chain(&step.derived).cloned().collect();
        let new = of_batch.iter().map(|event| event.id).collect();
        let mut events = self.events_of(person);
        events.extend(of_batch.into_iter().filter(|event| event.person == person));
        events.retain(|event| is_in(event.occurred_at));
        let kept = self.people.get(&person).cloned().unwrap_or_default();
        let state = PersonState { day_totals: kept.day_totals, ..self.whole(person) };
        let base = kept.base.into_iter().filter(|(_, (_, at))| is_in(*at)).collect();
        redate(
            catalog,
            step,
            person,
            &History { since, state: &state, events: &events, new: &new, base: &base },
        )
    }

    /// Publishes a catalogue, as the server does: brings everyone up to date, and records the missing derived events.
    ///
    /// # Errors
    /// The first derived event that would raise a total above the maximum.
    pub fn publish(&mut self, before: &Catalog, after: &Catalog, now: DateTime<Utc>) -> Result<(), Overflow> {
        let changes = Changes::between(Some(before), after, &BTreeSet::new());
        let activated = self.events.values_mut().filter(|event| changes.activated.contains(&*event.activity));
        activated.for_each(|event| event.makes_active = true);
        for person in self.people.keys().copied().collect::<Vec<_>>() {
            let kept = self.kept(person);
            kept.metrics.retain(|metric, _| !changes.metrics.contains(metric));
            kept.members.retain(|(metric, _)| !changes.metrics.contains(metric));
            let mut past = self.events_of(person);
            past.sort_by_cached_key(Event::key);
            let changed = past.iter().filter(|event| changes.activities.contains(&*event.activity));
            let recounted: Vec<Event> = changed.cloned().collect();
            let active =
                past.iter().filter(|event| event.makes_active && changes.active.contains(&*event.activity));
            let days: BTreeSet<LocalDay> = active.map(Event::local_day).collect();
            let known = self.people.get(&person).map(|kept| kept.active_days.clone());
            let state = PersonState { active_days: known, ..self.whole(person) };
            let behind = catch_up(after, &changes, person, state, &recounted, &days);
            let step = behind.settle(&past, Uuid::nil(), now);
            self.save(&[], &step);
        }
        let owed_by = |person: &Uuid| {
            let referrer = self.people.get(person)?.referrer?;
            let zone = self.people.get(&referrer)?.zone;
            Some(owed(after, *person, &self.whole(*person), (referrer, zone), now))
        };
        let owed: Vec<Event> = self.people.keys().filter_map(owed_by).flatten().collect();
        self.record(after, &owed).map(drop)
    }

    /// A person's whole state, as the engine reads it.
    pub fn whole(&self, person: Uuid) -> PersonState {
        let Some(kept) = self.people.get(&person) else { return PersonState::default() };
        PersonState {
            metrics: kept.metrics.clone(),
            awards: kept.awards.clone(),
            whole: true,
            ..self.load(person, &PersonNeeds::default())
        }
    }

    /// A person's events, including derived ones.
    pub fn events_of(&self, person: Uuid) -> Vec<Event> {
        self.events.values().filter(|event| event.person == person).cloned().collect()
    }

    fn load(&self, person: Uuid, needs: &PersonNeeds) -> PersonState {
        let Some(kept) = self.people.get(&person) else { return PersonState::default() };
        let metrics = needs.metrics.iter().filter_map(|metric| kept.metrics.get_key_value(metric));
        let days = needs.days.iter().filter_map(|day| kept.day_totals.get_key_value(day));
        let flagged = kept.awards.iter().filter(|(_, award)| award.flagged);
        PersonState {
            zone: kept.zone,
            referrer: kept.referrer,
            xp: kept.xp,
            xp_reached_at: kept.xp_reached_at,
            award_count: kept.award_count,
            last_event_at: kept.last_event_at,
            streak: kept.streak.clone(),
            metrics: metrics.map(|(metric, state)| (*metric, state.clone())).collect(),
            members: needs.members.intersection(&kept.members).cloned().collect(),
            day_totals: days.map(|(day, total)| (day.clone(), *total)).collect(),
            awards: flagged.map(|(key, award)| (*key, award.clone())).collect(),
            ..PersonState::default()
        }
    }

    fn load_candidates(&self, candidates: &Candidates, state: &mut State) {
        for (person, metric) in &candidates.metrics {
            let found = self.people.get(person).and_then(|kept| kept.metrics.get_key_value(metric));
            let loaded = state.people.entry(*person).or_default();
            loaded.metrics.extend(found.map(|(metric, state)| (*metric, state.clone())));
        }
        for (person, achievement) in &candidates.awards {
            let Some(kept) = self.people.get(person) else { continue };
            let found = kept.awards.iter().filter(|(key, _)| key.0 == *achievement);
            let loaded = state.people.entry(*person).or_default();
            loaded.awards.extend(found.map(|(key, award)| (*key, award.clone())));
        }
        for person in &candidates.dated {
            let awards = self.people.get(person).into_iter().flat_map(|kept| kept.awards.values());
            let last = awards.map(|award| award.earned_at).max();
            state.people.entry(*person).or_default().last_award_at = last;
        }
    }

    fn load_late(&self, catalog: &Catalog, late: &Late, state: &mut State) {
        for ((person, metric), span) in &late.runs {
            let around = self.around(catalog, *person, *metric, span);
            let loaded = state.people.entry(*person).or_default();
            loaded.runs.insert(*metric, around);
        }
        for (person, day) in &late.days {
            let is_known = self.people.get(person).is_some_and(|kept| kept.active_days.contains(day));
            if is_known {
                state.people.entry(*person).or_default().known_days.insert(*day);
            }
        }
    }

    /// A run metric's events from the reset before the span to the reset after it.
    fn around(&self, catalog: &Catalog, person: Uuid, metric: Uuid, span: &Span) -> RunEvents {
        let Some(metric) = catalog.metric(metric) else { return RunEvents::default() };
        let activities = catalog.activities_of(metric);
        let mut events = self.events_of(person);
        events.retain(|event| activities.contains(&&*event.activity) && metric.takes(event));
        let resets = || events.iter().filter(|event| !metric.holds(event)).map(Event::key);
        let from = resets().filter(|key| *key < span.from).max();
        let to = resets().filter(|key| *key > span.to).min();
        events.retain(|event| {
            let key = Some(event.key());
            from <= key && (to.is_none() || key <= to)
        });
        RunEvents { events, is_whole: from.is_none() && to.is_none() }
    }

    fn save(&mut self, events: &[Event], step: &Step) {
        for event in events.iter().chain(&step.derived) {
            self.events.insert(identity(event), event.clone());
        }
        for (person, metric, state) in &step.metrics {
            self.kept(*person).metrics.insert(*metric, state.clone());
        }
        for (person, metric, member) in &step.members {
            self.kept(*person).members.insert((*metric, member.clone()));
        }
        for (person, day) in &step.active_days {
            self.kept(*person).active_days.insert(*day);
        }
        for (person, activity, day, total) in &step.day_totals {
            self.kept(*person).day_totals.insert((activity.clone(), *day), *total);
        }
        for entry in &step.entries {
            let kept = self.kept(entry.person);
            kept.entries.push(entry.amount);
            if let EntryCause::Base { event } = entry.cause {
                kept.base.insert(event, (entry.amount, entry.at));
            }
        }
        for award in &step.awards {
            let AwardKey { person, achievement, occurrence } = award.key;
            self.kept(person).awards.insert((achievement, occurrence), award.held());
        }
        for flag in &step.flags {
            let AwardKey { person, achievement, occurrence } = flag.key;
            let award = self.kept(person).awards.entry((achievement, occurrence));
            award.and_modify(|award| award.flagged = flag.flagged);
        }
        for redated in &step.redated {
            let AwardKey { person, achievement, occurrence } = redated.key;
            let award = self.kept(person).awards.entry((achievement, occurrence));
            award.and_modify(|award| award.earned_at = redated.earned_at);
        }
        for totals in &step.people {
            let kept = self.kept(totals.person);
            (kept.xp, kept.xp_reached_at) = (totals.xp, totals.xp_reached_at);
            (kept.streak, kept.award_count) = (totals.streak.clone(), totals.awards);
            kept.last_event_at = totals.last_event_at;
        }
    }

    fn kept(&mut self, person: Uuid) -> &mut Kept {
        self.people.entry(person).or_default()
    }
}

fn identity(event: &Event) -> (String, String) {
    (event.source.to_string(), event.external_id.to_string())
}
