//! One loader a relation: what many fields of one answer ask for at once is read in one statement.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::Request;
use async_graphql::dataloader::{DataLoader, Loader};
use uuid::Uuid;

use super::errands::{AtOnce, Errands};
use super::fault::Fault;
use crate::app::App;
use crate::auth::policy::Seen;
use crate::store::{awards, metrics, people, totals};

/// What the loaders read with.
pub(crate) struct Loaders {
    app: App,
}

/// A person, as everybody may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PersonOf(pub(crate) Uuid);
/// A person's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TotalsOf(pub(crate) Seen);
/// All a person holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HeldBy(pub(crate) Seen);
/// All a person's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MetricsOf(pub(crate) Seen);
/// A slice of what a person holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SliceOf(pub(crate) Seen, pub(crate) Arc<awards::Slice>);
/// How many awards a slice is cut from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CountOf(pub(crate) Seen, pub(crate) Arc<awards::Slice>);
/// How many people hold an achievement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HoldersOf(pub(crate) Uuid);

/// Gives a request loaders of its own, which send their loads through `errands`.
pub(crate) fn attach(app: &App, errands: Errands, request: Request) -> Request {
    request.data(DataLoader::new(Loaders { app: app.clone() }, errands, AtOnce))
}

impl Loader<PersonOf> for Loaders {
    type Value = people::Row;
    type Error = Fault;

    async fn load(&self, keys: &[PersonOf]) -> Result<HashMap<PersonOf, people::Row>, Fault> {
        let rows = people::by_ids(&self.app.db, keys.iter().map(|key| key.0)).await?;
        Ok(rows.into_iter().map(|row| (PersonOf(row.id), row)).collect())
    }
}

impl Loader<TotalsOf> for Loaders {
    type Value = totals::Row;
    type Error = Fault;

    async fn load(&self, keys: &[TotalsOf]) -> Result<HashMap<TotalsOf, totals::Row>, Fault> {
        let rows = totals::of_seen(&self.app.db, &keys.iter().map(|key| key.0).collect::<Vec<_>>()).await?;
        let mut rows: HashMap<Uuid, _> = rows.into_iter().map(|row| (row.person_id, row)).collect();
        Ok(keys.iter().filter_map(|key| Some((*key, rows.remove(&key.0.person())?))).collect())
    }
}

impl Loader<HeldBy> for Loaders {
    /// (achievement, bonus) of each award.
    type Value = Arc<[(Uuid, i64)]>;
    type Error = Fault;

    async fn load(&self, keys: &[HeldBy]) -> Result<HashMap<HeldBy, Self::Value>, Fault> {
        let people: Vec<Seen> = keys.iter().map(|key| key.0).collect();
        let rows = awards::held_by(&self.app.db, &people).await?;
        let mut held =
            grouped(rows.into_iter().map(|(person, achievement, bonus)| (person, (achievement, bonus))));
        Ok(keys.iter().map(|key| (*key, held.remove(&key.0.person()).unwrap_or_default().into())).collect())
    }
}

impl Loader<MetricsOf> for Loaders {
    type Value = Arc<[metrics::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[MetricsOf]) -> Result<HashMap<MetricsOf, Self::Value>, Fault> {
        let rows = metrics::of_seen(&self.app.db, &keys.iter().map(|key| key.0).collect::<Vec<_>>()).await?;
        let mut of = grouped(rows.into_iter().map(|row| (row.person_id, row)));
        Ok(keys.iter().map(|key| (*key, of.remove(&key.0.person()).unwrap_or_default().into())).collect())
    }
}

impl Loader<SliceOf> for Loaders {
    type Value = Arc<[awards::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[SliceOf]) -> Result<HashMap<SliceOf, Self::Value>, Fault> {
        let mut loaded = HashMap::new();
        for (slice, people) in grouped(keys.iter().map(|key| (Arc::clone(&key.1), key.0))) {
            let rows = awards::pages_of(&self.app.db, &people, &slice).await?;
            let mut of = grouped(rows.into_iter().map(|row| (row.person_id, row)));
            loaded.extend(people.into_iter().map(|person| {
                let rows = of.remove(&person.person()).unwrap_or_default();
                (SliceOf(person, Arc::clone(&slice)), rows.into())
            }));
        }
        Ok(loaded)
    }
}

impl Loader<CountOf> for Loaders {
    type Value = i64;
    type Error = Fault;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, i64>, Fault> {
        let mut loaded = HashMap::new();
        for (slice, people) in grouped(keys.iter().map(|key| (Arc::clone(&key.1), key.0))) {
            let counts = awards::counts_of(&self.app.db, &people, &slice).await?;
            loaded.extend(people.into_iter().map(|person| {
                (CountOf(person, Arc::clone(&slice)), counts.get(&person.person()).copied().unwrap_or(0))
            }));
        }
        Ok(loaded)
    }
}

impl Loader<HoldersOf> for Loaders {
    type Value = i64;
    type Error = Fault;

    async fn load(&self, keys: &[HoldersOf]) -> Result<HashMap<HoldersOf, i64>, Fault> {
        let wanted: HashSet<Uuid> = keys.iter().map(|key| key.0).collect();
        let holders = awards::holders(&self.app.db, wanted).await?;
        Ok(keys.iter().map(|key| (*key, holders.get(&key.0).copied().unwrap_or(0))).collect())
    }
}

fn grouped<K: Eq + Hash, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}
