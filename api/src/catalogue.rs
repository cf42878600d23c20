//! The catalogue in force: what the latest publication says, compiled, the same for every replica.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use engine::catalog::{Achievement, Rarity};
use engine::{Catalog, Cause, Pack, Problem, Settings};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::{self, Database, Reads, Txn, catalogue};

/// The pack that badges of the school's own belong to.
pub(crate) const SCHOOL: &str = "school";

/// A catalogue as it is published: the packs as they were written, and what was set for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    /// The packs, in the order in which they are loaded.
    pub(crate) packs: Vec<Source>,
    /// (pack, setting, text), sorted.
    pub(crate) settings: Vec<(String, String, String)>,
}

/// One pack as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Where it was read, for messages.
    pub(crate) file: String,
    /// The JSON.
    pub(crate) text: String,
}

impl Bundle {
    /// Parses, checks and compiles the whole.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, path and remedy.
    pub(crate) fn compile(&self) -> Result<Catalog, Vec<Problem>> {
        let packs = self.parse()?;
        let mut settings = Settings::default();
        for (pack, key, value) in &self.settings {
            settings.set(pack, key, value);
        }
        Catalog::compile(&packs, &settings)
    }

    /// Parses the packs.
    ///
    /// # Errors
    /// Everything that is wrong with their shape.
    pub(crate) fn parse(&self) -> Result<Vec<Pack>, Vec<Problem>> {
        let mut packs = Vec::with_capacity(self.packs.len());
        let mut problems = Vec::new();
        for source in &self.packs {
            match Pack::parse(&source.file, &source.text) {
                Ok(pack) => packs.push(pack),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(packs) } else { Err(problems) }
    }

    /// What was written, without regard to where the files lay.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let texts = |bundle: &Self| bundle.packs.iter().map(|pack| pack.text.clone()).collect::<Vec<_>>();
        self.settings == other.settings && texts(self) == texts(other)
    }
}

/// A publication, compiled.
pub(crate) struct Published {
    /// Its number; 1 is the first.
    pub(crate) version: i64,
    /// What can be earned.
    pub(crate) catalog: Catalog,
    /// What it was compiled from.
    pub(crate) bundle: Bundle,
    /// How often the catalogue had changed when it was read: badges change without a publication.
    pub(crate) revision: i64,
    /// Every achievement ever published, as last published: awards may point at any.
    pub(crate) achievements: HashMap<Uuid, Arc<Known>>,
    /// The same in the order of the packs; what is no longer loaded comes last, by key.
    pub(crate) listed: Vec<Arc<Known>>,
}

impl Published {
    /// Whether someone can get it: it is active, and of a loaded pack or a badge of the school's own.
    pub(crate) fn offers(&self, known: &Known) -> bool {
        known.definition.active && (known.pack == SCHOOL || self.catalog.achievement(known.id).is_some())
    }
}

/// An achievement as it was last published.
#[derive(Debug)]
pub(crate) struct Known {
    /// UUIDv5 of the key.
    pub(crate) id: Uuid,
    /// `pack/name-of-it`.
    pub(crate) key: String,
    /// The pack's key.
    pub(crate) pack: String,
    /// What it says.
    pub(crate) definition: Definition,
    /// First publication.
    pub(crate) created_at: DateTime<Utc>,
    /// Last publication that changed it.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Known {
    /// What a row says.
    ///
    /// # Errors
    /// When its definition cannot be read.
    pub(crate) fn read(row: catalogue::Achievement) -> Result<Self, store::Error> {
        let definition = Definition::read(&row)?;
        let catalogue::Achievement { id, key, pack, created_at, updated_at, .. } = row;
        Ok(Self { id, key, pack, definition, created_at, updated_at })
    }

    /// The name of its picture. A secret's tells no more than its rarity: whoever could ask for it by its key
    /// would learn that there is one.
    pub(crate) fn picture(&self) -> String {
        if self.definition.secret {
            return format!("secret-{}", rarity_word(self.definition.rarity));
        }
        self.key.clone()
    }
}

/// The word for a rarity, as packs write it.
pub(crate) fn rarity_word(rarity: Rarity) -> &'static str {
    match rarity {
        Rarity::Common => "common",
        Rarity::Rare => "rare",
        Rarity::Epic => "epic",
        Rarity::Legendary => "legendary",
    }
}

/// What an achievement says. With another word of it, it counts as updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    /// For people.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) description: String,
    /// The rule in words.
    pub(crate) requirement: String,
    /// A category's key.
    pub(crate) category: String,
    /// The track it is a step of.
    pub(crate) track: Option<String>,
    /// Its place there.
    pub(crate) tier: Option<i32>,
    /// How rare it is meant to be.
    pub(crate) rarity: Rarity,
    /// XP that earning it gives.
    pub(crate) xp_bonus: i64,
    /// Whether people alone give it.
    pub(crate) by_people: bool,
    /// Where its picture lies, if the school has one of its own.
    #[serde(default)]
    pub(crate) icon_url: Option<String>,
    /// Not shown until earned.
    pub(crate) secret: bool,
    /// Whether it can be earned now.
    pub(crate) active: bool,
    /// The rule, its window and what must be held first, as data.
    pub(crate) rule: serde_json::Value,
}

impl Definition {
    /// A badge of which nothing has been said yet.
    pub(crate) fn badge() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            requirement: String::new(),
            category: "special".to_owned(),
            track: None,
            tier: None,
            rarity: Rarity::Common,
            xp_bonus: 0,
            by_people: true,
            icon_url: None,
            secret: false,
            active: true,
            rule: serde_json::json!({"kind": "person"}),
        }
    }

    /// The definition in a row.
    ///
    /// # Errors
    /// When the row holds none.
    pub(crate) fn read(row: &catalogue::Achievement) -> Result<Self, store::Error> {
        serde_json::from_value(row.definition.clone())
            .map_err(|_| store::Error::Impossible(format!("achievement {} cannot be read", row.key)))
    }

    /// What a compiled achievement says.
    pub(crate) fn of(achievement: &Achievement) -> Self {
        Self {
            name: achievement.name.clone(),
            description: achievement.description.clone(),
            requirement: achievement.requirement.clone(),
            category: achievement.category.clone(),
            track: achievement.track.clone(),
            tier: achievement.tier,
            rarity: achievement.rarity,
            xp_bonus: achievement.xp_bonus,
            by_people: achievement.awarded_by == Cause::Person,
            icon_url: None,
            secret: achievement.secret,
            active: achievement.is_active(),
            rule: achievement.rule_json.clone(),
        }
    }
}

/// Holds the latest publication this process knows of.
pub(crate) struct Catalogue {
    current: ArcSwap<Published>,
}

impl Catalogue {
    /// The latest publication; none before the first.
    pub(crate) async fn open(db: &Database) -> Result<Option<Self>, store::Error> {
        let published = latest(db).await?;
        Ok(published.map(|published| Self { current: ArcSwap::from_pointee(published) }))
    }

    /// The latest publication, as a transaction sees it.
    pub(crate) async fn open_within(txn: &Txn) -> Result<Option<Published>, store::Error> {
        latest(txn).await
    }

    /// Nothing to earn.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        let bundle = Bundle { packs: Vec::new(), settings: Vec::new() };
        let catalog = bundle.compile().unwrap();
        let published = Published {
            version: 0,
            catalog,
            bundle,
            revision: 0,
            achievements: HashMap::new(),
            listed: Vec::new(),
        };
        Self { current: ArcSwap::from_pointee(published) }
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Reads the latest publication and its badges, if this process does not have them yet.
    pub(crate) async fn refresh(&self, db: &Database) -> Result<(), store::Error> {
        if catalogue::revision(db).await? == self.current().revision { Ok(()) } else { self.reload(db).await }
    }

    /// Reads the latest publication and its badges.
    pub(crate) async fn reload(&self, db: &Database) -> Result<(), store::Error> {
        let Some(published) = latest(db).await?.map(Arc::new) else { return Ok(()) };
        let before = self.current.rcu(|current| {
            let is_newer = (current.version, current.revision) <= (published.version, published.revision);
            if is_newer { Arc::clone(&published) } else { Arc::clone(current) }
        });
        if before.version < published.version {
            tracing::info!(version = published.version, "changed over to the published catalogue");
        }
        Ok(())
    }
}

async fn latest(db: &impl Reads) -> Result<Option<Published>, store::Error> {
    let revision = catalogue::revision(db).await?;
    let Some(publication) = catalogue::latest(db).await? else { return Ok(None) };
    let unreadable =
        |_| store::Error::Impossible(format!("publication {} cannot be read", publication.version));
    let bundle: Bundle = serde_json::from_value(publication.packs).map_err(unreadable)?;
    let catalog = bundle.compile().map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        store::Error::Impossible(format!("publication {}: {}", publication.version, problems.join("; ")))
    })?;
    let achievements = catalogue::achievements(db).await?;
    let achievements = achievements.into_iter().map(|row| Ok((row.id, Arc::new(Known::read(row)?))));
    let achievements = achievements.collect::<Result<_, store::Error>>()?;
    let listed = list(&catalog, &achievements);
    Ok(Some(Published { version: publication.version, catalog, bundle, revision, achievements, listed }))
}

fn list(catalog: &Catalog, achievements: &HashMap<Uuid, Arc<Known>>) -> Vec<Arc<Known>> {
    let places: HashMap<Uuid, usize> = catalog.achievements().iter().map(|one| one.id).zip(0..).collect();
    let mut listed: Vec<_> = achievements.values().cloned().collect();
    listed.sort_by_cached_key(|known| {
        (places.get(&known.id).copied().unwrap_or(usize::MAX), known.key.clone())
    });
    listed
}

#[cfg(test)]
mod tests {
    use engine::catalog::achievement_id;

    use super::*;

    #[test]
    fn achievements_are_listed_as_their_pack_does_and_what_is_gone_comes_last() {
        let event = |name: &str| {
            serde_json::json!({
                "name": name, "description": "A event.", "requirement": "Do it", "category": "odd", "rarity": "common",
                "rule": {"kind": "count", "activity": "done", "target": name.len()},
            })
        };
        let text = serde_json::json!({
            "pack": "deeds", "name": "Deeds", "description": "Something done.", "version": 1,
            "categories": [{"key": "odd", "name": "Odd"}],
            "activities": [{"key": "done", "description": "Something was done.", "xp": {"amount": 5}}],
            "achievements": [event("Zeal"), event("Ardour"), event("Merriment")],
        });
        let packs = vec![Source { file: "deeds.json".to_owned(), text: text.to_string() }];
        let catalog = Bundle { packs, settings: Vec::new() }.compile().unwrap();
        let definition = Definition::of(catalog.achievements().first().unwrap());
        let keys = ["deeds/ardour", "gone/b", "deeds/merriment", "deeds/zeal", "gone/a"];
        let known = keys.map(|key| {
            let id = achievement_id(key);
            let at = DateTime::UNIX_EPOCH;
            let definition = definition.clone();
            let known = Known {
                id,
                key: key.into(),
                pack: String::new(),
                definition,
                created_at: at,
                updated_at: at,
            };
            (id, Arc::new(known))
        });
        let listed = list(&catalog, &known.into_iter().collect());
        let keys: Vec<&str> = listed.iter().map(|known| known.key.as_str()).collect();
        assert_eq!(keys, ["deeds/zeal", "deeds/ardour", "deeds/merriment", "gone/a", "gone/b"]);
    }
}
