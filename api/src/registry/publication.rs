//! Publishes the catalogue: records achievements, folds new metrics from stored events, and adds due awards without
//! messages, before the new version is used.

use std::collections::HashMap;

use engine::Problem;
use engine::catalog::renamed;
use serde_json::Value;

use crate::catalogue::{Bundle, Catalogue, Definition};
use crate::clock::Clock;
use crate::pipeline::backfill::backfill;
use crate::pipeline::days;
use crate::store::locks::{AdvisoryLock, exclusive};
use crate::store::{self, Database, Txn, catalogue};
use crate::text::hidden;

/// The result of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The files equal the published version.
    Unchanged(i64),
    /// The new version, and the number of awards that people had already earned by it.
    Published(i64, usize),
}

/// The reason why nothing was published.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The files are invalid.
    Problems(Vec<Problem>),
    /// The database failed.
    Store(store::Error),
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// Publishes the bundle unless it equals the published version.
///
/// # Errors
/// When the files are invalid or the database fails; the old version stays in force.
pub(crate) async fn publish(db: &Database, clock: &Clock, bundle: &Bundle) -> Result<Outcome, Refused> {
    let catalog = bundle.compile().map_err(Refused::Problems)?;
    let problems = hidden_characters(bundle);
    if !problems.is_empty() {
        return Err(Refused::Problems(problems));
    }
    let txn = db.begin().await?;
    txn.take_time().await?;
    exclusive(&txn, AdvisoryLock::Catalogue).await?;
    let before = Catalogue::open_within(&txn).await?;
    if let Some(before) = &before
        && before.bundle.says_the_same(bundle)
    {
        txn.rollback().await;
        return Ok(Outcome::Unchanged(before.version));
    }
    if let Some(before) = &before {
        let packs = (before.bundle.parse(), bundle.parse());
        let problems =
            if let (Ok(before), Ok(after)) = packs { renamed(&before, &after) } else { Vec::new() };
        if !problems.is_empty() {
            txn.rollback().await;
            return Err(Refused::Problems(problems));
        }
    }
    let now = clock.now();
    let version = before.as_ref().map_or(0, |before| before.version) + 1;
    let packs = serde_json::to_value(bundle).unwrap_or_default();
    let publication = catalogue::Publication { version, published_at: now, packs };
    let rows = achievements(&txn, &catalog, now).await?;
    catalogue::publish(&txn, publication, rows).await?;
    let zone = bundle.timezone.unwrap_or_default();
    let awarded =
        backfill(&txn, before.as_ref().map(|before| &before.catalog), (version, &catalog, zone), now).await?;
    if before.is_some_and(|before| before.bundle.timezone != bundle.timezone) {
        days::recalculate(&txn, zone).await?;
    }
    catalogue::raise_revision(&txn).await?;
    txn.commit().await?;
    Ok(Outcome::Published(version, awarded))
}

/// The achievements to write: new and changed ones.
async fn achievements(
    txn: &Txn,
    catalog: &engine::Catalog,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<catalogue::Achievement>, store::Error> {
    let known: HashMap<_, _> =
        catalogue::achievements(txn).await?.into_iter().map(|row| (row.id, row.definition)).collect();
    let rows = catalog.achievements().iter().map(|achievement| catalogue::Achievement {
        id: achievement.id,
        key: achievement.key.to_string(),
        pack: achievement.pack.to_string(),
        definition: serde_json::to_value(Definition::of(achievement)).unwrap_or_default(),
        created_at: now,
        updated_at: now,
    });
    Ok(rows.filter(|row| known.get(&row.id) != Some(&row.definition)).collect())
}

/// A problem for each text of the packs that has an invisible character.
fn hidden_characters(bundle: &Bundle) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in &bundle.packs {
        let Ok(pack) = serde_json::from_str::<Value>(&source.text) else { continue };
        collect_hidden(&source.file, String::new(), &pack, &mut problems);
    }
    problems
}

fn collect_hidden(file: &str, path: String, value: &Value, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) => {
            problems.extend(hidden::first(text, hidden::Kind::Name).map(|letter| Problem {
                file: file.to_owned(),
                path,
                message: format!(
                    "the text has the character U+{:04X}, which readers cannot see",
                    u32::from(letter)
                ),
                remedy: "remove it".to_owned(),
            }))
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect_hidden(file, format!("{path}[{at}]"), item, problems);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect_hidden(file, below, field, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
