//! The ranks that new awards reach. A rank is a pack's title for a number of its achievements that a person holds.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    catalog::{Catalog, LoadedPack},
    step::{Consequence, ConsequenceKind, Step},
};

/// The people and packs whose numbers of achievements [`add_ranks`] needs. Empty if no rank can be reached.
pub fn ranks_need(catalog: &Catalog, step: &Step) -> BTreeSet<(Uuid, String)> {
    let first = step.awards.iter().filter(|award| award.is_first);
    let ranked = first.filter_map(|award| {
        Some((award.key.person, ranked_pack(catalog, award.key.achievement)?.key.clone()))
    });
    ranked.collect()
}

/// Adds the ranks that the step's awards reach, each after the awards of its group. `held` has the number of a pack's
/// different achievements that a person held before the step; 0 if absent.
pub fn add_ranks(catalog: &Catalog, step: &mut Step, mut held: BTreeMap<(Uuid, String), i64>) {
    for revoked in step.revoked.iter().filter(|revoked| revoked.is_last) {
        if let Some(pack) = ranked_pack(catalog, revoked.key.achievement) {
            held.entry((revoked.key.person, pack.key.clone()))
                .and_modify(|count| *count = count.saturating_sub(1));
        }
    }
    let mut consequences = Vec::with_capacity(step.consequences.len());
    let mut reached: Vec<Consequence> = Vec::new();
    for consequence in std::mem::take(&mut step.consequences) {
        let ends_ranks = matches!(consequence.kind, ConsequenceKind::StreakReached { .. })
            || reached
                .first()
                .is_some_and(|rank| (rank.person, rank.group) != (consequence.person, consequence.group));
        if ends_ranks {
            consequences.append(&mut reached);
        }
        if let ConsequenceKind::AwardEarned { award } = consequence.kind
            && let Some(award) = step.awards.get(award).filter(|award| award.is_first)
            && let Some(pack) = ranked_pack(catalog, award.key.achievement)
        {
            let count = held.entry((award.key.person, pack.key.clone())).or_insert(0);
            *count = count.saturating_add(1);
            let rank = pack.ranks.iter().find(|rank| rank.awards == *count && rank.awards > 0);
            if let Some(rank) = rank {
                let kind = ConsequenceKind::RankReached { pack: pack.key.clone(), rank: rank.name.clone() };
                reached.push(Consequence { kind, ..consequence.clone() });
            }
        }
        consequences.push(consequence);
    }
    consequences.append(&mut reached);
    step.consequences = consequences;
}

/// The pack of an achievement, if it has ranks.
fn ranked_pack(catalog: &Catalog, achievement: Uuid) -> Option<&LoadedPack> {
    let achievement = catalog.achievement(achievement)?;
    catalog.pack(&achievement.pack).filter(|pack| !pack.ranks.is_empty())
}
