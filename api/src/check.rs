//! Recalculates every aggregate from events, awards and ledger, and reports each difference.
//! It reads one snapshot of the database and writes nothing, so it may run while a server runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use chrono::{DateTime, Utc};
use engine::{Catalog, MetricState, PersonState};
use uuid::Uuid;

use crate::catalogue::{Catalogue, Published};
use crate::config::Config;
use crate::pipeline::backfill;
use crate::pipeline::days::Days;
use crate::pipeline::rebuild::{Expected, Stored};
use crate::start::{Refused, open_existing};
use crate::store::{self, Database, Txn, awards, events, feed, ledger, outbox, people, person_days, totals};

/// The number of people checked together.
const PAGE: u64 = 200;

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of people checked.
    pub people: usize,
    /// Number of events folded again.
    pub events: usize,
    /// Number of awards checked.
    pub awards: usize,
    /// Awards that a rule granted and would not grant now, by (person, achievement, occurrence).
    pub flagged: BTreeSet<(Uuid, Uuid, i64)>,
    /// All differences.
    pub differences: Vec<Difference>,
    /// A digest of all metrics, active days, streaks and entitlements with their XP. Two databases that recorded the
    /// same requests have the same digest, in whatever order they arrived. Events of one person at the same time are
    /// ordered by their position in the request, so other requests with the same events can have another digest.
    pub digest: Uuid,
}

/// A stored value that differs from the recalculated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The person; `None` for the feed as a whole.
    pub person: Option<Uuid>,
    /// The part of the data it is in. `plaudit repair` can rebuild some parts.
    pub part: Part,
    /// The name of the value.
    pub what: String,
    /// The stored value.
    pub stored: String,
    /// The recalculated value.
    pub rebuilt: String,
}

/// The part of the stored data that a difference is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Events, awards and XP entries. Everything else is rebuilt from them, and they cannot be rebuilt.
    Ledger,
    /// Values calculated from the ledger.
    Aggregate,
    /// The positions of awards in the feed, calculated from the awards.
    Feed,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(person) = self.person {
            write!(f, "person {person}: ")?;
        }
        write!(f, "{}: stored {}, rebuilt {}", self.what, self.stored, self.rebuilt)
    }
}

/// Checks the database of the settings.
///
/// # Errors
/// If the database cannot be read, or no catalogue is published.
pub async fn run(config: &Config) -> Result<Report, Refused> {
    let db = open_existing(config).await?;
    let report = survey(&db).await;
    db.close().await;
    report
}

/// Checks an open database.
///
/// # Errors
/// If the database cannot be read, or no catalogue is published.
pub(crate) async fn survey(db: &Database) -> Result<Report, Refused> {
    let missing = store::pending(db).await?;
    if !missing.is_empty() {
        return Err(Refused::Outdated(missing));
    }
    let txn = db.snapshot().await?;
    txn.take_time().await?;
    let published = Catalogue::open_within(&txn).await?.ok_or(Refused::Unpublished)?;
    let mut report = Report::default();
    let trimmed = outbox::trimmed_until(&txn).await?;
    let mut last = None;
    loop {
        let page = people::walk(&txn, last, PAGE).await?;
        let Some(person) = page.last() else { break };
        last = Some(person.id);
        check_page(&txn, &published, trimmed, &page, &mut report).await?;
        tracing::info!(people = report.people, events = report.events, "checked so far");
    }
    check_feed(&txn, &mut report).await?;
    txn.rollback().await;
    Ok(report)
}

async fn check_page(
    txn: &Txn,
    published: &Published,
    trimmed: Option<DateTime<Utc>>,
    page: &[people::Row],
    report: &mut Report,
) -> Result<(), store::Error> {
    let (version, catalog) = (published.version, &published.catalog);
    let ids: BTreeSet<Uuid> = page.iter().map(|person| person.id).collect();
    let totals = totals::of_people(txn, ids.iter().copied()).await?;
    let mut totals: HashMap<Uuid, totals::Row> = totals.into_iter().map(|row| (row.person_id, row)).collect();
    let mut held: HashMap<Uuid, Vec<awards::Row>> = HashMap::new();
    for row in awards::of_people(txn, ids.iter().copied()).await? {
        held.entry(row.person_id).or_default().push(row);
    }
    check_announced(txn, held.values().flatten(), trimmed, report).await?;
    let mut states = HashMap::new();
    for person in page {
        let (totals, held) = (totals.remove(&person.id), held.remove(&person.id).unwrap_or_default());
        let stored = Stored::read(txn, version, person.clone(), totals, held).await?;
        let expected = stored.expected(catalog, published.zone())?;
        report.people += 1;
        report.events += stored.events.len();
        report.awards += stored.awards.len();
        check_person(catalog, &stored, &expected, report);
        if person.referred_by.is_some() {
            let metrics = expected.folded.metrics;
            states.insert(person.id, PersonState { metrics, ..PersonState::default() });
        }
    }
    check_derived(txn, catalog, page, states, report).await
}

/// Checks that every award is in the feed once and has one message, unless the message was delivered and deleted.
async fn check_announced(
    txn: &Txn,
    held: impl Iterator<Item = &awards::Row>,
    trimmed: Option<DateTime<Utc>>,
    report: &mut Report,
) -> Result<(), store::Error> {
    let held: Vec<&awards::Row> = held.collect();
    let places: BTreeSet<Uuid> = feed::positions(txn, held.iter().map(|award| award.id))
        .await?
        .into_iter()
        .map(|(award, _)| award)
        .collect();
    let messages = outbox::of_awards(txn, held.iter().map(|award| award.id)).await?;
    for award in held {
        let mut compare = Compare { person: Some(award.person_id), report };
        let has_place = usize::from(places.contains(&award.id));
        compare.of(Part::Feed, || format!("places of award {} in the feed", award.id), has_place, 1);
        let messages = messages.get(&award.id).copied().unwrap_or(0);
        let may_be_gone = trimmed.is_some_and(|until| award.recorded_at < until);
        if messages > 0 || !may_be_gone {
            compare.of(Part::Aggregate, || format!("messages about award {}", award.id), messages, 1);
        }
    }
    Ok(())
}

async fn check_feed(txn: &Txn, report: &mut Report) -> Result<(), store::Error> {
    let head = feed::head(txn).await?;
    let (places, last) = feed::extent(txn).await?;
    let mut compare = Compare { person: None, report };
    compare.of(Part::Feed, || "places in the feed".to_owned(), places, head);
    compare.of(Part::Feed, || "the last place of the feed".to_owned(), last, head);
    Ok(())
}

/// Compares the stored data of one person with the recalculated data, and adds the differences to the report.
pub(crate) fn check_person(catalog: &Catalog, stored: &Stored, expected: &Expected, report: &mut Report) {
    use Part::Aggregate;
    let folded = &expected.folded;
    let mut compare = Compare { person: Some(stored.person.id), report };
    compare.maps(Aggregate, "metric", stored.known_metrics(catalog, &folded.metrics).iter(), &folded.metrics);
    let members = stored.known_members(catalog);
    compare.of(Aggregate, || "members of distinct metrics".to_owned(), &members, &folded.members);
    compare.of(Aggregate, || "active days".to_owned(), &stored.days, &stored.active);
    compare.maps(Aggregate, "capped day", stored.known_capped(catalog).iter(), &folded.day_totals);

    let days = |of: &Days| -> BTreeMap<_, _> {
        let numbers = |row: &person_days::Row| (row.events, row.xp, row.xp_at, row.awards, row.awards_at);
        of.values().map(|row| (row.day, numbers(row))).collect()
    };
    compare.maps(Aggregate, "day", days(&stored.rollup).iter(), &days(&expected.rollup));
    let streak =
        |of: &totals::Row| (of.last_active_on, of.last_active_in.clone(), of.streak_run, of.streak_longest);
    let (kept, right) = (&stored.totals, &expected.totals);
    let what = || "streak (last active on, in, run, longest)".to_owned();
    compare.of(Aggregate, what, streak(kept), streak(right));
    compare.of(Aggregate, || "XP".to_owned(), kept.xp, right.xp);
    compare.of(Aggregate, || "when the XP was reached".to_owned(), kept.xp_reached_at, right.xp_reached_at);
    compare.of(Aggregate, || "number of awards".to_owned(), kept.awards, right.awards);
    compare.of(Aggregate, || "moment of the last event".to_owned(), kept.last_event_at, right.last_event_at);
    check_ledger(stored, folded.base_xp, &mut compare);
    let due = due(catalog, &expected.entitled.awards, right.xp);
    check_awards(stored, &due, &expected.misjudged, &mut compare);

    // The digest omits the position of the event in its request, because a client can split the same events into other requests.
    let state = |state: &MetricState| {
        let last =
            state.run.as_ref().map(|run| (run.current, run.last.occurred_at, run.last.external_id.clone()));
        (state.value, last)
    };
    let metrics: BTreeMap<Uuid, _> = folded.metrics.iter().map(|(id, metric)| (*id, state(metric))).collect();
    let person = (
        stored.person.id,
        &metrics,
        &folded.members,
        &stored.active,
        &folded.day_totals,
        streak(right),
        &expected.entitled.awards,
        expected.entitled.xp,
    );
    report.digest = Uuid::new_v5(&report.digest, format!("{person:?}").as_bytes());
}

fn check_ledger(stored: &Stored, base_xp: i64, compare: &mut Compare<'_>) {
    if stored.same_version {
        let base = stored
            .ledger
            .iter()
            .filter(|entry| entry.kind == ledger::Kind::Base)
            .map(|entry| entry.amount)
            .sum();
        compare.of(Part::Ledger, || "XP of events".to_owned(), base, base_xp);
    }
    let bonuses: BTreeMap<Uuid, i64> = stored
        .ledger
        .iter()
        .filter(|entry| entry.kind == ledger::Kind::Bonus)
        .filter_map(|entry| Some((entry.award_id?, entry.amount)))
        .collect();
    let promised =
        stored.awards.iter().filter(|award| award.xp_bonus > 0).map(|award| (award.id, award.xp_bonus));
    compare.maps(Part::Ledger, "bonus of award", bonuses.iter(), &promised.collect());
    let reversals: BTreeMap<Uuid, i64> = stored
        .ledger
        .iter()
        .filter(|entry| entry.kind == ledger::Kind::Reversal)
        .filter_map(|entry| Some((entry.award_id?, entry.amount)))
        .collect();
    let revoked = stored.awards.iter().filter(|award| award.revoked_at.is_some() && award.xp_bonus > 0);
    let owed = revoked.map(|award| (award.id, -award.xp_bonus));
    compare.maps(Part::Ledger, "reversal of award", reversals.iter(), &owed.collect());
}

/// The entitlements that fit: an award that would exceed a person's maximum XP is left out.
fn due(catalog: &Catalog, entitled: &BTreeSet<(Uuid, i64)>, xp: i64) -> BTreeSet<(Uuid, i64)> {
    let bonus = |id: &Uuid| catalog.achievement(*id).map_or(0, |achievement| achievement.xp_bonus);
    entitled.iter().filter(|(id, _)| xp + bonus(id) <= engine::MAX_XP).copied().collect()
}

/// Checks that the derived events for referrers have been recorded.
async fn check_derived(
    txn: &Txn,
    catalog: &Catalog,
    page: &[people::Row],
    states: HashMap<Uuid, PersonState>,
    report: &mut Report,
) -> Result<(), store::Error> {
    let owed = backfill::owed_by(txn, catalog, page, states, DateTime::UNIX_EPOCH).await?;
    let keys = owed.iter().map(|event| (event.source.to_string(), event.external_id.to_string()));
    let sent = events::by_external_ids(txn, &keys.collect()).await?;
    let sent: BTreeSet<String> = sent.into_iter().map(|row| row.external_id).collect();
    for event in owed {
        let mut compare = Compare { person: Some(event.person), report };
        let is_sent = sent.contains(&*event.external_id);
        compare.of(Part::Ledger, || format!("derived event {}", event.external_id), is_sent, true);
    }
    Ok(())
}

fn check_awards(
    stored: &Stored,
    entitled: &BTreeSet<(Uuid, i64)>,
    misjudged: &BTreeMap<(Uuid, i64), bool>,
    compare: &mut Compare<'_>,
) {
    let held: BTreeSet<_> =
        stored.awards.iter().map(|award| (award.achievement_id, award.occurrence)).collect();
    for (achievement, occurrence) in entitled.difference(&held) {
        compare.of(Part::Ledger, || format!("award of {achievement}, {occurrence}"), "missing", "earned");
    }
    for award in &stored.awards {
        let key = (award.achievement_id, award.occurrence);
        let follows = misjudged.get(&key).copied().unwrap_or(award.flagged);
        compare.of(Part::Aggregate, || format!("flag of award {}", award.id), award.flagged, follows);
        if award.flagged {
            compare.report.flagged.insert((award.person_id, key.0, key.1));
        }
    }
}

/// Compares stored values with recalculated ones, and records the differences.
struct Compare<'a> {
    person: Option<Uuid>,
    report: &'a mut Report,
}

impl Compare<'_> {
    fn of<T: PartialEq + fmt::Debug>(
        &mut self,
        part: Part,
        what: impl FnOnce() -> String,
        stored: T,
        rebuilt: T,
    ) {
        if stored != rebuilt {
            let (person, what) = (self.person, what());
            let (stored, rebuilt) = (format!("{stored:?}"), format!("{rebuilt:?}"));
            self.report.differences.push(Difference { person, part, what, stored, rebuilt });
        }
    }

    fn maps<'m, K: Ord + fmt::Debug + 'm, V: PartialEq + fmt::Debug + 'm>(
        &mut self,
        part: Part,
        what: &str,
        stored: impl Iterator<Item = (&'m K, &'m V)>,
        rebuilt: &BTreeMap<K, V>,
    ) {
        let stored: BTreeMap<&K, &V> = stored.collect();
        let keys: BTreeSet<&K> = stored.keys().copied().chain(rebuilt.keys()).collect();
        for key in keys {
            self.of(part, || format!("{what} {key:?}"), stored.get(key).copied(), rebuilt.get(key));
        }
    }
}
