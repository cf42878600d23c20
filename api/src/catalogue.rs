//! The current catalogue: the latest publication, compiled. It is the same for every replica.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use engine::catalog::{Achievement, Rarity};
use engine::{Catalog, Cause, Pack, Problem, Settings};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::{self, Database, Reads, Txn, catalogue};
use crate::text;

/// The pack of the badges that the school creates.
pub(crate) const SCHOOL: &str = "school";

/// A catalogue as published: the source texts of the packs, and their settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    /// The packs, in the order in which they are loaded.
    pub(crate) packs: Vec<Source>,
    /// (pack, setting, text), sorted.
    pub(crate) settings: Vec<(String, String, String)>,
    /// The school's time zone, in which its days are counted. None in publications of earlier releases.
    #[serde(default)]
    pub(crate) timezone: Option<Tz>,
}

/// The source text of one pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The file it was read from, for messages.
    pub(crate) file: String,
    /// The JSON.
    pub(crate) text: String,
}

impl Bundle {
    /// Parses, checks and compiles the catalogue.
    ///
    /// # Errors
    /// All problems, each with file, path and remedy.
    pub(crate) fn compile(&self) -> Result<Catalog, Vec<Problem>> {
        let packs = self.parse()?;
        let of_badges = self.packs.iter().zip(&packs).filter(|(_, pack)| pack.key() == SCHOOL);
        let problems: Vec<Problem> = of_badges
            .map(|(source, _)| Problem {
                file: source.file.clone(),
                path: "pack".to_owned(),
                message: format!("`{SCHOOL}` is the key of the school's own badges"),
                remedy: "choose another key, such as my-school".to_owned(),
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut settings = Settings::default();
        for (pack, key, value) in &self.settings {
            settings.set(pack, key, value);
        }
        Catalog::compile(&packs, &settings)
    }

    /// Parses the packs.
    ///
    /// # Errors
    /// All problems of their structure.
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

    /// Whether both have the same content, wherever their files were.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let texts = |bundle: &Self| bundle.packs.iter().map(|pack| pack.text.clone()).collect::<Vec<_>>();
        self.settings == other.settings && self.timezone == other.timezone && texts(self) == texts(other)
    }
}

/// A publication, compiled.
pub(crate) struct Published {
    /// The version; 1 is the first.
    pub(crate) version: i64,
    /// The achievements and rules.
    pub(crate) catalog: Catalog,
    /// The source texts that it was compiled from.
    pub(crate) bundle: Bundle,
    /// The revision of the catalogue when it was read. Badges change without a publication.
    pub(crate) revision: i64,
    /// Every achievement ever published, in its last published form: awards may refer to any of them.
    pub(crate) achievements: HashMap<Uuid, Arc<Known>>,
    /// The same, in the order of the packs. Achievements of packs no longer loaded come last, by key.
    pub(crate) listed: Vec<Arc<Known>>,
}

impl Published {
    /// The time zone of the school's days.
    pub(crate) fn zone(&self) -> Tz {
        self.bundle.timezone.unwrap_or(Tz::UTC)
    }

    /// Whether people can earn it: it is active, and of a loaded pack or a badge of the school.
    pub(crate) fn offers(&self, known: &Known) -> bool {
        known.definition.active && (known.pack == SCHOOL || self.catalog.achievement(known.id).is_some())
    }
}

/// An achievement as it was last published.
#[derive(Debug)]
pub(crate) struct Known {
    /// UUIDv5 of the key.
    pub(crate) id: Uuid,
    /// `pack/name`.
    pub(crate) key: String,
    /// The pack's key.
    pub(crate) pack: String,
    /// Its definition.
    pub(crate) definition: Definition,
    /// Its name and its description, each in the form of [`text::search_key`].
    search_keys: [String; 2],
    /// The time of its first publication.
    pub(crate) created_at: DateTime<Utc>,
    /// The time of the last publication that changed it.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Known {
    /// Reads a row.
    ///
    /// # Errors
    /// If the definition cannot be parsed.
    pub(crate) fn read(row: catalogue::Achievement) -> Result<Self, store::Error> {
        let definition = Definition::read(&row)?;
        let catalogue::Achievement { id, key, pack, created_at, updated_at, .. } = row;
        let search_keys = [&definition.name, &definition.description].map(|text| text::search_key(text));
        Ok(Self { id, key, pack, definition, search_keys, created_at, updated_at })
    }

    /// Whether its name or its description contains this text, in the form of [`text::search_key`].
    pub(crate) fn has_text(&self, search: &str) -> bool {
        self.search_keys.iter().any(|key| key.contains(search))
    }

    /// The file name of its picture. For a secret achievement it contains only the rarity. With the key in it, a client
    /// could find out which secret achievements exist.
    pub(crate) fn picture(&self) -> String {
        if self.definition.secret {
            return format!("secret-{}", rarity_word(self.definition.rarity));
        }
        self.key.clone()
    }
}

/// The name of a rarity in packs.
pub(crate) fn rarity_word(rarity: Rarity) -> &'static str {
    match rarity {
        Rarity::Common => "common",
        Rarity::Rare => "rare",
        Rarity::Epic => "epic",
        Rarity::Legendary => "legendary",
    }
}

/// The definition of an achievement. If it changes, the achievement counts as updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    /// The displayed name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// The rule in words.
    pub(crate) requirement: String,
    /// The key of its category.
    pub(crate) category: String,
    /// The key of its track, if it is part of one.
    pub(crate) track: Option<String>,
    /// Its position in the track.
    pub(crate) tier: Option<i32>,
    /// The intended rarity.
    pub(crate) rarity: Rarity,
    /// XP that an award of it adds.
    pub(crate) xp_bonus: i64,
    /// Whether only people can award it, not rules.
    pub(crate) by_people: bool,
    /// The URL of its picture, if the school set one.
    #[serde(default)]
    pub(crate) icon_url: Option<String>,
    /// Whether it is hidden until earned.
    pub(crate) secret: bool,
    /// Whether it can be earned now.
    pub(crate) active: bool,
    /// The rule, its time window and the required awards, as data.
    pub(crate) rule: serde_json::Value,
}

impl Definition {
    /// An empty definition of a badge.
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

    /// Parses the definition in a row.
    ///
    /// # Errors
    /// If the row has no valid definition.
    pub(crate) fn read(row: &catalogue::Achievement) -> Result<Self, store::Error> {
        serde_json::from_value(row.definition.clone())
            .map_err(|_| store::Error::Impossible(format!("achievement {} cannot be read", row.key)))
    }

    /// The definition of a compiled achievement.
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

/// Holds the latest publication that this process has read.
pub(crate) struct Catalogue {
    current: ArcSwap<Published>,
}

impl Catalogue {
    /// Reads the latest publication; `None` before the first.
    pub(crate) async fn open(db: &Database) -> Result<Option<Self>, store::Error> {
        let published = latest(db).await?;
        Ok(published.map(|published| Self { current: ArcSwap::from_pointee(published) }))
    }

    /// The latest publication that a transaction can see.
    pub(crate) async fn open_within(txn: &Txn) -> Result<Option<Published>, store::Error> {
        latest(txn).await
    }

    /// A catalogue without achievements.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        let bundle = Bundle { packs: Vec::new(), settings: Vec::new(), timezone: None };
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

    /// The current publication.
    pub(crate) fn current(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Reads the latest publication and its badges, if this process does not have them.
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
    fn a_pack_cannot_have_the_key_of_the_badges() {
        let text = serde_json::json!({"pack": "school", "name": "School", "description": "Ours.", "version": 1,
            "categories": [], "activities": [], "achievements": []});
        let packs = vec![Source { file: "ours.json".to_owned(), text: text.to_string() }];
        let problems = Bundle { packs, settings: Vec::new(), timezone: None }.compile().unwrap_err();
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                "ours.json: pack: `school` is the key of the school's own badges; choose another key, such as my-school"
            ]
        );
    }

    #[test]
    fn achievements_are_listed_in_pack_order_and_removed_ones_come_last() {
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
        let catalog = Bundle { packs, settings: Vec::new(), timezone: None }.compile().unwrap();
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
                search_keys: Default::default(),
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
