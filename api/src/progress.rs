//! The progress of a person: the state as the engine reads it, and its summary.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::{Achievement, Catalog, Cause, Held, LocalDay, PersonState, Progress};
use uuid::Uuid;

use crate::app::App;
use crate::catalogue::{Known, Published};
use crate::pipeline::load::{self, to_metric};
use crate::store::awards::Brief;
use crate::store::{self, metrics, people, totals};

/// What a person can still earn.
pub(crate) struct Offer {
    now: DateTime<Utc>,
    held: HashSet<Uuid>,
}

impl Offer {
    /// For a person who holds these awards.
    pub(crate) fn of(app: &App, held: &[Brief]) -> Self {
        let held = held.iter().filter(|one| one.revoked_at.is_none()).map(|one| one.achievement_id);
        Self { now: app.clock.now(), held: held.collect() }
    }

    /// Whether the person can still earn this achievement by events, and it is not secret.
    pub(crate) fn includes(&self, catalog: &Catalog, achievement: &Achievement) -> bool {
        achievement.awarded_by == Cause::Rule
            && !achievement.secret
            && catalog.is_offered(achievement, self.now, &|id| self.held.contains(&id))
    }
}

/// A summary of a person's awards, in numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summed {
    /// Number of different achievements.
    pub(crate) earned: i64,
    /// XP from awards.
    pub(crate) bonus_xp: i64,
    /// The category with most of them.
    pub(crate) favorite_category: Option<String>,
    /// The rank reached.
    pub(crate) current_rank: Option<String>,
    /// The next rank.
    pub(crate) next_rank: Option<String>,
    /// Number of achievements missing to the next rank.
    pub(crate) remaining: Option<i64>,
}

/// The part of a person's state that progress uses.
///
/// # Errors
/// If this build does not know a stored time zone.
pub(crate) fn state(
    person: &people::Row,
    totals: &totals::Row,
    held: &[Brief],
    metrics: &[metrics::Row],
) -> Result<PersonState, store::Error> {
    let awards = held.iter().map(|one| {
        let held = Held {
            cause: Cause::Rule,
            earned_at: one.earned_at,
            xp_bonus: one.xp_bonus,
            revoked: one.revoked_at.is_some(),
            flagged: false,
        };
        ((one.achievement_id, one.occurrence), held)
    });
    Ok(PersonState {
        awards: awards.collect(),
        metrics: metrics.iter().map(|row| (row.metric_id, to_metric(row))).collect(),
        ..load::state(person, Some(totals))?
    })
}

/// The person's local day now.
///
/// # Errors
/// If this build does not know a stored time zone.
pub(crate) fn today(person: &people::Row, now: DateTime<Utc>) -> Result<LocalDay, store::Error> {
    let zone = load::zone(person)?;
    Ok(LocalDay { date: engine::local(now, zone).date, zone })
}

/// The days of the person's current streak.
///
/// # Errors
/// If this build does not know a stored time zone.
pub(crate) fn streak(totals: &totals::Row, today: LocalDay) -> Result<i64, store::Error> {
    Ok(load::streak(totals)?.current(today))
}

/// The progress in each achievement that `wanted` accepts and that the person can still earn, in the order of the catalogue. An achievement with a
/// revoked award counts as earned, unless it is repeatable.
pub(crate) fn open(
    published: &Published,
    offer: &Offer,
    held: &[Brief],
    state: &PersonState,
    today: LocalDay,
    wanted: impl Fn(&Achievement) -> bool,
) -> Vec<(Arc<Known>, Progress)> {
    let open = published.catalog.achievements().iter().filter(|achievement| {
        let earned = !achievement.repeatable && held.iter().any(|one| one.achievement_id == achievement.id);
        !earned && wanted(achievement) && offer.includes(&published.catalog, achievement)
    });
    let rows = open.filter_map(|achievement| {
        let known = published.achievements.get(&achievement.id)?;
        Some((Arc::clone(known), engine::progress(&published.catalog, achievement, state, today)))
    });
    rows.collect()
}

/// Summarises the held awards; with `pack`, those of that pack alone. The ranks are those of the pack, otherwise of the
/// first loaded pack that has ranks.
pub(crate) fn summary(published: &Published, held: &[Brief], pack: Option<&str>) -> Summed {
    let of_pack =
        |id: &Uuid, pack: &str| published.achievements.get(id).is_some_and(|known| known.pack == pack);
    let held = || held.iter().filter(|one| one.revoked_at.is_none());
    let counted: Vec<_> =
        held().filter(|one| pack.is_none_or(|pack| of_pack(&one.achievement_id, pack))).collect();
    let ranked = match pack {
        Some(pack) => published.catalog.pack(pack),
        None => published.catalog.packs().iter().find(|pack| !pack.ranks.is_empty()),
    };
    let ranks = ranked.filter(|pack| !pack.ranks.is_empty()).map(|pack| {
        let of_ranked = held().map(|one| &one.achievement_id).filter(|id| of_pack(id, &pack.key));
        engine::summary(pack, different(of_ranked))
    });
    Summed {
        earned: different(counted.iter().map(|one| &one.achievement_id)),
        bonus_xp: counted.iter().map(|one| one.xp_bonus).sum(),
        favorite_category: favorite(published, counted.iter().map(|one| &one.achievement_id)),
        current_rank: ranks.as_ref().and_then(|ranks| ranks.current_rank).map(str::to_owned),
        next_rank: ranks.as_ref().and_then(|ranks| ranks.next_rank).map(str::to_owned),
        remaining: ranks.and_then(|ranks| ranks.remaining),
    }
}

fn different<'a>(ids: impl Iterator<Item = &'a Uuid>) -> i64 {
    let ids: HashSet<_> = ids.collect();
    i64::try_from(ids.len()).unwrap_or(i64::MAX)
}

/// The category most of these belong to; among equals the first in the catalogue.
fn favorite<'a>(published: &Published, ids: impl Iterator<Item = &'a Uuid>) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for id in ids.collect::<HashSet<_>>() {
        if let Some(known) = published.achievements.get(id) {
            *counts.entry(&known.definition.category).or_insert(0) += 1;
        }
    }
    let most = counts.values().copied().max()?;
    let mut categories = published.catalog.packs().iter().flat_map(|pack| &pack.categories);
    let favorite = categories.find(|category| counts.get(category.key.as_str()) == Some(&most));
    favorite.map(|category| category.key.clone()).or_else(|| {
        // All of them are of packs that are no longer loaded.
        counts.into_iter().filter(|(_, count)| *count == most).map(|(key, _)| key.to_owned()).min()
    })
}
