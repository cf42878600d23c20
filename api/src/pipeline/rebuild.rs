//! Compares one person's stored state with the state that follows from their events, awards and ledger, and repairs
//! the stored state.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use engine::metric::Metric;
use engine::{Catalog, Event, Flag, LocalDay, MetricState, PersonTotals, Step, Streak};
use uuid::Uuid;

use super::days::{self, Days};
use super::ingest::to_event;
use super::load::{active_day, active_day_row, award_key, day_of, to_metric, whole_state, zone_names};
use super::persist::{self, Writing};
use crate::catalogue::Published;
use crate::store::locks::{AdvisoryLock, shared};
use crate::store::person_days::{self, Happened};
use crate::store::{self, Database, Txn, awards, catalogue, events, feed, ledger, metrics, people, totals};

/// The reason on a restored message. It may have been delivered before, so it is not delivered again.
const RESTORED: &str = "restored by repair";

/// The stored state of one person.
pub(crate) struct Stored {
    /// The person.
    pub(crate) person: people::Row,
    /// Their totals; zeros without a row.
    pub(crate) totals: totals::Row,
    /// Their awards, including revoked ones.
    pub(crate) awards: Vec<awards::Row>,
    /// Every metric with a row.
    pub(crate) metrics: Vec<metrics::Row>,
    /// The members of `distinct` metrics.
    pub(crate) members: Vec<metrics::Member>,
    /// The active days.
    pub(crate) days: BTreeSet<LocalDay>,
    /// The days of the events that count for the streak.
    pub(crate) active: BTreeSet<LocalDay>,
    /// XP of capped activities per day, before the cap.
    pub(crate) capped: Vec<metrics::CappedDay>,
    /// Their XP entries.
    pub(crate) ledger: Vec<ledger::Row>,
    /// Their events.
    pub(crate) events: Vec<Event>,
    /// The rollup of their days.
    pub(crate) rollup: Days,
    /// Whether the current catalogue decided all events. Only then can base XP be compared.
    pub(crate) same_version: bool,
}

/// The expected state of the person.
pub(crate) struct Expected {
    /// The aggregates of their events.
    pub(crate) folded: engine::Rebuilt,
    /// Their totals.
    pub(crate) totals: totals::Row,
    /// Their streak.
    pub(crate) streak: Streak,
    /// The rollup of their days.
    pub(crate) rollup: Days,
    /// Their entitlement by the catalogue.
    pub(crate) entitled: engine::Entitlement,
    /// The awards whose flag is wrong, with the correct flag.
    pub(crate) misjudged: BTreeMap<(Uuid, i64), bool>,
}

impl Stored {
    /// Reads the rest of the stored state, by the catalogue of this version.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn read(
        txn: &Txn,
        version: i64,
        person: people::Row,
        totals: Option<totals::Row>,
        awards: Vec<awards::Row>,
    ) -> Result<Self, store::Error> {
        let rows = events::of_person(txn, person.id).await?;
        let only = BTreeSet::from([person.id]);
        Ok(Self {
            totals: totals.unwrap_or_else(|| totals::none(person.id, person.created_at)),
            awards,
            metrics: metrics::of_people(txn, [person.id]).await?,
            members: metrics::members_of(txn, person.id).await?,
            days: metrics::days(txn, &only).await?.iter().map(active_day).collect::<Result<_, _>>()?,
            capped: metrics::capped_of(txn, person.id).await?,
            ledger: ledger::of_person(txn, person.id).await?,
            rollup: of_days(person_days::of_people(txn, [person.id]).await?),
            active: rows.iter().filter(|row| row.makes_active).map(day_of).collect::<Result<_, _>>()?,
            same_version: rows.iter().all(|row| row.catalogue_version == version),
            events: rows.iter().map(to_event).collect::<Result<_, _>>()?,
            person,
        })
    }

    /// The state that follows from the events, the awards and the ledger, by this catalogue.
    ///
    /// # Errors
    /// If this build does not know a stored time zone.
    pub(crate) fn expected(&self, catalog: &Catalog, zone: Tz) -> Result<Expected, store::Error> {
        let folded = engine::rebuild(catalog, &self.events);
        let streak = Streak::of(&self.active);
        let held = self.awards.iter().filter(|award| award.revoked_at.is_none()).count();
        let revoked = self.awards.iter().filter(|award| award.revoked_at.is_some()).map(|award| award.id);
        let revoked: BTreeSet<Uuid> = revoked.collect();
        let rollup = days::count(&self.happened(&revoked), zone);
        let reached_at = ledger::reached_at(&self.ledger, |award| revoked.contains(&award));
        let totals = totals::Row {
            xp: self.ledger.iter().map(|entry| entry.amount).sum(),
            xp_reached_at: reached_at.unwrap_or(self.totals.xp_reached_at),
            awards: i64::try_from(held).unwrap_or(i64::MAX),
            last_active_on: streak.last_active_on(),
            last_active_in: zone_names(&streak),
            last_event_at: self.events.iter().map(|event| event.occurred_at).max(),
            streak_run: streak.run,
            streak_longest: streak.longest,
            ..self.totals.clone()
        };
        let mut state = whole_state(&self.person, Some(&totals), &self.awards)?;
        state.metrics = folded.metrics.clone();
        let entitled = engine::entitlement(catalog, &state);
        let misjudged = engine::misjudged(catalog, &state);
        Ok(Expected { folded, totals, streak, rollup, entitled, misjudged })
    }

    /// What happened to the person, without what was revoked.
    fn happened(&self, revoked: &BTreeSet<Uuid>) -> Happened {
        let id = self.person.id;
        let counts = |entry: &&ledger::Row| {
            entry.kind != ledger::Kind::Reversal
                && !entry.award_id.is_some_and(|award| revoked.contains(&award))
        };
        let held = self.awards.iter().filter(|award| award.revoked_at.is_none());
        Happened {
            events: self.events.iter().map(|event| (id, event.occurred_at)).collect(),
            entries: self.ledger.iter().filter(counts).map(|one| (id, one.occurred_at, one.amount)).collect(),
            awards: held.map(|award| (id, award.earned_at)).collect(),
        }
    }

    /// The stored metrics that the catalogue has. A metric with its initial state counts as absent. An unknown last
    /// reset counts as equal to the one in `folded`.
    pub(crate) fn known_metrics(
        &self,
        catalog: &Catalog,
        folded: &BTreeMap<Uuid, MetricState>,
    ) -> BTreeMap<Uuid, MetricState> {
        let known = known(catalog);
        let metrics = self.metrics.iter().map(|row| (row.metric_id, to_metric(row)));
        let known = metrics.filter(|(id, state)| known.contains(id) && *state != MetricState::default());
        let complete = known.map(|(id, mut state)| {
            let reset = folded.get(&id).and_then(|folded| folded.run.as_ref()?.reset.clone());
            if let Some(run) = state.run.as_mut().filter(|run| run.reset.is_none()) {
                run.reset = reset;
            }
            (id, state)
        });
        complete.collect()
    }

    /// The stored members of the metrics that the catalogue has.
    pub(crate) fn known_members(&self, catalog: &Catalog) -> BTreeSet<(Uuid, String)> {
        let known = known(catalog);
        let members = self.members.iter().map(|row| (row.metric_id, row.member.clone()));
        members.filter(|(metric, _)| known.contains(metric)).collect()
    }

    /// The stored capped days of the activities that the catalogue caps. An amount of zero counts as absent.
    pub(crate) fn known_capped(&self, catalog: &Catalog) -> BTreeMap<(String, NaiveDate), i64> {
        let is_capped = |key: &str| catalog.activity(key).is_some_and(|one| one.daily_cap.is_some());
        let capped = self.capped.iter().filter(|row| is_capped(&row.activity) && row.amount != 0);
        capped.map(|row| ((row.activity.clone(), row.day), row.amount)).collect()
    }
}

/// These rows by person and day. A row that counts nothing is as good as none.
fn of_days(rows: Vec<person_days::Row>) -> Days {
    let counts = |row: &person_days::Row| *row != person_days::none(row.person_id, row.day);
    rows.into_iter().filter(counts).map(|row| ((row.person_id, row.day), row)).collect()
}

fn known(catalog: &Catalog) -> BTreeSet<Uuid> {
    catalog.metrics().iter().map(Metric::id).collect()
}

/// Begins a transaction, shares the catalogue's lock, locks the person and reads their stored state. None if another
/// version of the catalogue is in force, or the person does not exist.
///
/// # Errors
/// When the database fails.
pub(crate) async fn lock(
    db: &Database,
    version: i64,
    person: Uuid,
) -> Result<Option<(Txn, Stored)>, store::Error> {
    let txn = db.begin().await?;
    txn.take_time().await?;
    shared(&txn, AdvisoryLock::Catalogue).await?;
    let locked = people::lock(&txn, &BTreeSet::from([person])).await?.pop();
    let Some(locked) = locked.filter(|locked| locked.id == person) else {
        txn.rollback().await;
        return Ok(None);
    };
    if catalogue::version(&txn).await? != version {
        txn.rollback().await;
        return Ok(None);
    }
    let totals = totals::of_people(&txn, [person]).await?.pop();
    let awards = awards::of_people(&txn, [person]).await?;
    let stored = Stored::read(&txn, version, locked, totals, awards).await?;
    Ok(Some((txn, stored)))
}

/// Replaces a person's stored state with the expected one. The caller must have locked the person with [`lock`].
///
/// # Errors
/// When the database fails; the caller rolls back.
pub(crate) async fn write(
    txn: &Txn,
    published: &Published,
    stored: &Stored,
    expected: &Expected,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let (id, catalog) = (stored.person.id, &published.catalog);
    let kept = stored.known_members(catalog);
    let surplus: Vec<_> = kept.difference(&expected.folded.members).cloned().collect();
    metrics::remove_members(txn, id, &surplus).await?;
    let surplus = stored.days.difference(&stored.active).map(|day| active_day_row(id, *day));
    metrics::remove_days(txn, &surplus.collect::<Vec<_>>()).await?;
    let held = stored.awards.iter().map(|row| (award_key(row), row.id)).collect();
    let writing = Writing { silent: Some(RESTORED), ..Writing::of(published, now) };
    persist::write(txn, &difference(catalog, stored, expected), &held, writing).await?;
    if stored.rollup != expected.rollup {
        person_days::forget(txn, [id]).await?;
        person_days::put(txn, expected.rollup.values().cloned().collect()).await?;
    }
    restore_messages(txn, &stored.awards, writing).await?;
    store::boards::log(txn, &BTreeSet::from([id])).await
}

/// The difference between the stored and the expected state, as a step.
fn difference(catalog: &Catalog, stored: &Stored, expected: &Expected) -> Step {
    let id = stored.person.id;
    let mut step = Step::default();
    let kept = stored.known_metrics(catalog, &expected.folded.metrics);
    let nothing = MetricState::default();
    let surplus = kept.keys().filter(|metric| !expected.folded.metrics.contains_key(metric));
    let changed = expected.folded.metrics.iter().filter(|(metric, state)| kept.get(metric) != Some(*state));
    let metrics = changed.chain(surplus.map(|metric| (metric, &nothing)));
    step.metrics = metrics.map(|(metric, state)| (id, *metric, state.clone())).collect();

    let missing =
        expected.folded.members.difference(&stored.known_members(catalog)).cloned().collect::<Vec<_>>();
    step.members = missing.into_iter().map(|(metric, member)| (id, metric, member)).collect();
    step.active_days = stored.active.difference(&stored.days).map(|day| (id, *day)).collect();

    let kept = stored.known_capped(catalog);
    let surplus = kept.keys().filter(|key| !expected.folded.day_totals.contains_key(key)).map(|key| (key, 0));
    let all = expected.folded.day_totals.iter().map(|(key, amount)| (key, *amount));
    let capped = all.chain(surplus).map(|((activity, day), amount)| (id, activity.clone(), *day, amount));
    step.day_totals = capped.collect();

    if stored.totals != expected.totals {
        let totals = &expected.totals;
        step.people.push(PersonTotals {
            person: id,
            xp: totals.xp,
            xp_reached_at: Some(totals.xp_reached_at),
            last_event_at: totals.last_event_at,
            awards: totals.awards,
            streak: expected.streak.clone(),
        });
    }
    let wrong = stored.awards.iter().filter_map(|award| {
        let flagged = *expected.misjudged.get(&(award.achievement_id, award.occurrence))?;
        (award.flagged != flagged).then(|| Flag { key: award_key(award), flagged })
    });
    step.flags = wrong.collect();
    step
}

/// Writes missing messages as silent ones. Does not restore trimmed messages.
async fn restore_messages(txn: &Txn, held: &[awards::Row], writing: Writing<'_>) -> Result<(), store::Error> {
    let messages = store::outbox::of_awards(txn, held.iter().map(|award| award.id)).await?;
    let trimmed = store::outbox::trimmed_until(txn).await?;
    let missing = held.iter().filter(|award| {
        !messages.contains_key(&award.id) && trimmed.is_none_or(|until| award.recorded_at >= until)
    });
    persist::restore_messages(txn, &missing.collect::<Vec<_>>(), writing).await
}

/// Renumbers the feed: adds missing items of awards and closes gaps. Correct positions stay. Returns the number of
/// added or moved items.
///
/// # Errors
/// When the database fails. Nothing is stored then.
pub(crate) async fn renumber_feed(db: &Database) -> Result<usize, store::Error> {
    let txn = db.begin().await?;
    txn.take_time().await?;
    let moved = feed::renumber(&txn).await?;
    txn.commit().await?;
    Ok(moved)
}
