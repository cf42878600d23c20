//! The achievements that a caller may see, and pages of them.

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::Context;
use uuid::Uuid;

use super::achievements::{Achievement, Catalog, Category};
use super::context::actor;
use super::fault::{Answer, Fault};
use super::people::{User, published};
use crate::auth::policy;
use crate::catalogue::Known;

/// The achievements that `wanted` accepts and the caller may see, in the order of the packs. Achievements of packs that
/// are no longer loaded come last.
pub(super) async fn visible(ctx: &Context<'_>, wanted: impl Fn(&Known) -> bool) -> Answer<Vec<Arc<Known>>> {
    let found = published(ctx)?.listed.iter().filter(|known| wanted(known)).cloned().collect();
    without_secrets(ctx, found).await
}

/// The achievement with this id, if the caller may see it.
pub(super) async fn visible_one(ctx: &Context<'_>, id: Uuid) -> Answer<Option<Arc<Known>>> {
    let found = published(ctx)?.achievements.get(&id).cloned();
    Ok(without_secrets(ctx, found.into_iter().collect()).await?.pop())
}

/// Removes the secret achievements that the caller has not earned.
async fn without_secrets(ctx: &Context<'_>, mut found: Vec<Arc<Known>>) -> Answer<Vec<Arc<Known>>> {
    let actor = actor(ctx)?;
    let hidden = |known: &Arc<Known>| known.definition.secret && !policy::sight(actor).is_everybody();
    if found.iter().any(hidden) {
        let held: HashSet<Uuid> = match actor.person() {
            Some(id) => {
                let held = User::of(ctx, id).await?.held(ctx).await?.unwrap_or_default();
                held.iter().filter(|one| one.revoked_at.is_none()).map(|one| one.achievement_id).collect()
            }
            None => HashSet::new(),
        };
        found.retain(|known| !hidden(known) || held.contains(&known.id));
    }
    Ok(found)
}

/// A page of these achievements, grouped by category.
pub(super) fn page(
    ctx: &Context<'_>,
    mut found: Vec<Arc<Known>>,
    rows: u64,
    after: Option<&str>,
) -> Answer<Catalog> {
    let published = published(ctx)?;
    let total_count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    // The order of categories is the same for every page size. Otherwise `after` could skip achievements.
    let mut order: Vec<String> = Vec::new();
    for known in &found {
        if !order.contains(&known.definition.category) {
            order.push(known.definition.category.clone());
        }
    }
    found.sort_by_key(|known| order.iter().position(|category| *category == known.definition.category));
    let begin = match after {
        Some(after) => {
            let unknown = || {
                Fault::argument(
                    "after",
                    "`after` is not a key of this list: send the key of the last achievement.",
                )
            };
            found.iter().position(|known| known.key == after).ok_or_else(unknown)? + 1
        }
        None => 0,
    };
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut categories: Vec<Category> = Vec::new();
    for known in found.into_iter().skip(begin).take(rows) {
        let key = known.definition.category.clone();
        let achievement = Achievement(known);
        match categories.iter_mut().find(|category| category.key == key) {
            Some(category) => category.achievements.push(achievement),
            None => {
                let declared = published.catalog.packs().iter().flat_map(|pack| &pack.categories);
                let name = declared.into_iter().find(|category| category.key == key);
                let name = name.map_or_else(|| key.clone(), |category| category.name.clone());
                categories.push(Category { key, name, achievements: vec![achievement] });
            }
        }
    }
    Ok(Catalog { categories, total_count })
}
