//! Rebuilds every aggregate from events, awards and ledger, and names each difference.
//! Reads one moment of the database and writes nothing, so it may run beside a server.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use engine::{Catalog, Event, MetricState};
use uuid::Uuid;

use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::pipeline::replay;
use crate::start::{Refused, open_existing};
use crate::store::dialect::take_time;
use crate::store::{self, Txn, awards, events, feed, ledger, metrics, outbox, people, totals};

/// People that are looked at together.
const PAGE: u64 = 200;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// People looked at.
    pub people: usize,
    /// Events folded again.
    pub events: usize,
    /// Awards looked at.
    pub awards: usize,
    /// Awards that a rule gave and would not give now, by (person, achievement, occurrence).
    pub flagged: BTreeSet<(Uuid, Uuid, i64)>,
    /// Everything that is not as it should be.
    pub differences: Vec<Difference>,
    /// Stands for all metrics, active days, streaks and entitlements with their XP: two databases
    /// that took in the same events have the same, in whatever order they came.
    pub digest: Uuid,
}

/// Something that is stored otherwise than it follows from what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose it is; nobody's for the feed as a whole.
    pub person: Option<Uuid>,
    /// What it is.
    pub what: String,
    /// As it is stored.
    pub stored: String,
    /// As it follows.
    pub rebuilt: String,
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
/// When it cannot be read, or no catalogue is published.
pub async fn run(config: &Config) -> Result<Report, Refused> {
    let db = open_existing(config).await?;
    let missing = store::pending(&db).await?;
    if !missing.is_empty() {
        return Err(Refused::Outdated(missing));
    }
    let txn = db.snapshot().await?;
    take_time(&txn).await?;
    let published = Catalogue::open_within(&txn).await?.ok_or(Refused::Unpublished)?;
    let mut report = Report::default();
    let mut last = None;
    loop {
        let page = people::walk(&txn, last, PAGE).await?;
        let Some(person) = page.last() else { break };
        last = Some(person.id);
        check_page(&txn, &published.catalog, published.version, &page, &mut report).await?;
        tracing::info!(people = report.people, events = report.events, "checked so far");
    }
    check_feed(&txn, &mut report).await?;
    txn.rollback().await;
    Ok(report)
}

/// Everything stored of one person.
struct Stored<'a> {
    person: &'a people::Row,
    totals: Option<&'a totals::Row>,
    awards: &'a [awards::Row],
    metrics: Vec<metrics::Row>,
    members: Vec<metrics::Member>,
    days: BTreeSet<chrono::NaiveDate>,
    /// The days of the events that make a day active.
    active: BTreeSet<chrono::NaiveDate>,
    capped: Vec<metrics::CappedDay>,
    ledger: Vec<ledger::Row>,
    events: Vec<Event>,
    /// All events were decided by the catalogue in force, so base XP can be compared too.
    same_version: bool,
}

async fn check_page(
    txn: &Txn,
    catalog: &Catalog,
    version: i64,
    page: &[people::Row],
    report: &mut Report,
) -> Result<(), store::Error> {
    let ids: BTreeSet<Uuid> = page.iter().map(|person| person.id).collect();
    let totals = totals::of_people(txn, ids.iter().copied()).await?;
    let totals: HashMap<Uuid, totals::Row> = totals.into_iter().map(|row| (row.person_id, row)).collect();
    let mut held: HashMap<Uuid, Vec<awards::Row>> = HashMap::new();
    for row in awards::of_people(txn, ids.iter().copied()).await? {
        held.entry(row.person_id).or_default().push(row);
    }
    check_announced(txn, held.values().flatten(), report).await?;
    check_derived(txn, catalog, page, report).await?;
    for person in page {
        let rows = events::of_person(txn, person.id).await?;
        let stored = Stored {
            person,
            totals: totals.get(&person.id),
            awards: held.get(&person.id).map_or(&[], Vec::as_slice),
            metrics: metrics::of_people(txn, [person.id]).await?,
            members: metrics::members_of(txn, person.id).await?,
            days: metrics::days(txn, &[person.id].into()).await?.into_iter().map(|(_, day)| day).collect(),
            capped: metrics::capped_of(txn, person.id).await?,
            ledger: ledger::of_person(txn, person.id).await?,
            active: rows.iter().filter(|row| row.makes_active).map(|row| row.local_date).collect(),
            same_version: rows.iter().all(|row| row.catalogue_version == version),
            events: rows.iter().map(crate::pipeline::to_event).collect::<Result<_, _>>()?,
        };
        report.people += 1;
        report.events += stored.events.len();
        report.awards += stored.awards.len();
        check_person(catalog, &stored, report);
    }
    Ok(())
}

/// Every award is in the feed once and has one message.
async fn check_announced(
    txn: &Txn,
    held: impl Iterator<Item = &awards::Row>,
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
        compare.of(
            || format!("places of award {} in the feed", award.id),
            usize::from(places.contains(&award.id)),
            1,
        );
        let told = messages.get(&award.id).copied().unwrap_or(0);
        compare.of(|| format!("messages about award {}", award.id), told, 1);
    }
    Ok(())
}

async fn check_feed(txn: &Txn, report: &mut Report) -> Result<(), store::Error> {
    let head = feed::head(txn).await?;
    let (places, last) = feed::extent(txn).await?;
    let mut compare = Compare { person: None, report };
    compare.of(|| "places in the feed".to_owned(), places, head);
    compare.of(|| "the last place of the feed".to_owned(), last, head);
    Ok(())
}

fn check_person(catalog: &Catalog, stored: &Stored<'_>, report: &mut Report) {
    let rebuilt = engine::rebuild(catalog, &stored.events);
    let known: BTreeSet<Uuid> = catalog.metrics().iter().map(engine::metric::Metric::id).collect();
    let mut compare = Compare { person: Some(stored.person.id), report };

    let kept: BTreeMap<_, _> =
        stored.metrics.iter().map(|row| (row.metric_id, crate::pipeline::to_metric(row))).collect();
    compare.maps(
        "metric",
        // A run that has only ever broken stands at zero, and still says where it stands.
        kept.iter().filter(|(id, state)| known.contains(*id) && **state != MetricState::default()),
        &rebuilt.metrics,
    );
    let members: BTreeSet<_> = stored.members.iter().map(|row| (row.metric_id, row.member.clone())).collect();
    let members = members.into_iter().filter(|(metric, _)| known.contains(metric)).collect();
    compare.of(|| "members of distinct metrics".to_owned(), &members, &rebuilt.members);
    compare.of(|| "active days".to_owned(), &stored.days, &stored.active);
    let is_capped = |key: &str| catalog.activity(key).is_some_and(|activity| activity.daily_cap.is_some());
    let capped: BTreeMap<_, _> = stored
        .capped
        .iter()
        .filter(|row| is_capped(&row.activity))
        .map(|row| ((row.activity.clone(), row.day), row.amount))
        .collect();
    compare.maps("capped day", capped.iter(), &rebuilt.day_totals);

    let zero = totals::none(stored.person.id, stored.person.created_at);
    let totals = stored.totals.unwrap_or(&zero);
    let streak = (totals.last_active_on, totals.streak_run, totals.streak_longest);
    let of_days = engine::Streak::of(&stored.active);
    let of_days = (of_days.last_active_on, of_days.run, of_days.longest);
    compare.of(|| "streak (last active on, run, longest)".to_owned(), &streak, &of_days);
    check_ledger(stored, totals, rebuilt.base_xp, &mut compare);

    let mut state = replay::whole(stored.person, totals, stored.awards);
    state.metrics = kept;
    let entitled = engine::entitlement(catalog, &state);
    let due = due(catalog, &entitled.awards, totals);
    check_awards(stored, &due, &engine::misjudged(catalog, &state), &mut compare);

    let person = (
        stored.person.id,
        &rebuilt.metrics,
        &rebuilt.members,
        &stored.active,
        &rebuilt.day_totals,
        of_days,
        &entitled.awards,
        entitled.xp,
    );
    report.digest = Uuid::new_v5(&report.digest, format!("{person:?}").as_bytes());
}

fn check_ledger(stored: &Stored<'_>, totals: &totals::Row, base_xp: i64, compare: &mut Compare<'_>) {
    let sum: i64 = stored.ledger.iter().map(|entry| entry.amount).sum();
    compare.of(|| "XP".to_owned(), totals.xp, sum);
    if stored.same_version {
        let base =
            stored.ledger.iter().filter(|entry| entry.kind == ledger::BASE).map(|entry| entry.amount).sum();
        compare.of(|| "XP of events".to_owned(), base, base_xp);
    }
    let bonuses: BTreeMap<Uuid, i64> = stored
        .ledger
        .iter()
        .filter(|entry| entry.kind == ledger::BONUS)
        .filter_map(|entry| Some((entry.award_id?, entry.amount)))
        .collect();
    let promised =
        stored.awards.iter().filter(|award| award.xp_bonus > 0).map(|award| (award.id, award.xp_bonus));
    compare.maps("bonus of award", bonuses.iter(), &promised.collect());
    let reversals: BTreeMap<Uuid, i64> = stored
        .ledger
        .iter()
        .filter(|entry| entry.kind == ledger::REVERSAL)
        .filter_map(|entry| Some((entry.award_id?, entry.amount)))
        .collect();
    let revoked = stored.awards.iter().filter(|award| award.revoked_at.is_some() && award.xp_bonus > 0);
    let owed = revoked.map(|award| (award.id, -award.xp_bonus));
    compare.maps("reversal of award", reversals.iter(), &owed.collect());
    let held = stored.awards.iter().filter(|award| award.revoked_at.is_none()).count();
    compare.of(|| "number of awards".to_owned(), totals.awards, i64::try_from(held).unwrap_or(i64::MAX));
}

/// What is entitled and fits: an award that would take a person past the most XP there can be is left out.
fn due(catalog: &Catalog, entitled: &BTreeSet<(Uuid, i64)>, totals: &totals::Row) -> BTreeSet<(Uuid, i64)> {
    let bonus = |id: &Uuid| catalog.achievement(*id).map_or(0, |achievement| achievement.xp_bonus);
    entitled.iter().filter(|(id, _)| totals.xp + bonus(id) <= engine::MAX_XP).copied().collect()
}

/// What people's deeds owe whoever referred them has been sent.
async fn check_derived(
    txn: &Txn,
    catalog: &Catalog,
    page: &[people::Row],
    report: &mut Report,
) -> Result<(), store::Error> {
    let owed = replay::owed(txn, catalog, page, chrono::DateTime::UNIX_EPOCH).await?;
    let keys = owed.iter().map(|event| (event.source.to_string(), event.external_id.to_string()));
    let sent = events::by_external_ids(txn, &keys.collect()).await?;
    let sent: BTreeSet<String> = sent.into_iter().map(|row| row.external_id).collect();
    for event in owed {
        let mut compare = Compare { person: Some(event.person), report };
        let is_sent = sent.contains(&*event.external_id);
        compare.of(|| format!("derived event {}", event.external_id), is_sent, true);
    }
    Ok(())
}

fn check_awards(
    stored: &Stored<'_>,
    entitled: &BTreeSet<(Uuid, i64)>,
    misjudged: &BTreeMap<(Uuid, i64), bool>,
    compare: &mut Compare<'_>,
) {
    let held: BTreeSet<_> =
        stored.awards.iter().map(|award| (award.achievement_id, award.occurrence)).collect();
    for (achievement, occurrence) in entitled.difference(&held) {
        compare.of(|| format!("award of {achievement}, {occurrence}"), &"missing", &"earned");
    }
    for award in stored.awards {
        let key = (award.achievement_id, award.occurrence);
        let follows = misjudged.get(&key).copied().unwrap_or(award.flagged);
        compare.of(|| format!("flag of award {}", award.id), award.flagged, follows);
        if award.flagged {
            compare.report.flagged.insert((award.person_id, key.0, key.1));
        }
    }
}

/// Compares what is stored with what follows, and writes down what differs.
struct Compare<'a> {
    person: Option<Uuid>,
    report: &'a mut Report,
}

impl Compare<'_> {
    fn of<T: PartialEq + fmt::Debug>(&mut self, what: impl FnOnce() -> String, stored: T, rebuilt: T) {
        if stored != rebuilt {
            let (stored, rebuilt) = (format!("{stored:?}"), format!("{rebuilt:?}"));
            self.report.differences.push(Difference { person: self.person, what: what(), stored, rebuilt });
        }
    }

    fn maps<'m, K: Ord + fmt::Debug + 'm, V: PartialEq + fmt::Debug + 'm>(
        &mut self,
        what: &str,
        stored: impl Iterator<Item = (&'m K, &'m V)>,
        rebuilt: &BTreeMap<K, V>,
    ) {
        let stored: BTreeMap<&K, &V> = stored.collect();
        let keys: BTreeSet<&K> = stored.keys().copied().chain(rebuilt.keys()).collect();
        for key in keys {
            self.of(|| format!("{what} {key:?}"), stored.get(key).copied(), rebuilt.get(key));
        }
    }
}
