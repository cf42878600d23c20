//! What can be earned: achievements, the catalogue by category, progress, summaries.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Json, Object, SimpleObject};

use super::context::{app, loaders};
use super::fault::{Answer, Fault};
use super::loaders::HoldersOf;
use super::scalars::{DateTime, Url};
use crate::catalogue::Known;
use crate::store::awards;

/// How rare an achievement is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Rarity {
    /// Most people earn it.
    Common,
    /// Some people earn it.
    Rare,
    /// Few people earn it.
    Epic,
    /// Hardly anyone earns it.
    Legendary,
}

impl From<engine::catalog::Rarity> for Rarity {
    fn from(rarity: engine::catalog::Rarity) -> Self {
        match rarity {
            engine::catalog::Rarity::Common => Self::Common,
            engine::catalog::Rarity::Rare => Self::Rare,
            engine::catalog::Rarity::Epic => Self::Epic,
            engine::catalog::Rarity::Legendary => Self::Legendary,
        }
    }
}

impl From<Rarity> for engine::catalog::Rarity {
    fn from(rarity: Rarity) -> Self {
        match rarity {
            Rarity::Common => Self::Common,
            Rarity::Rare => Self::Rare,
            Rarity::Epic => Self::Epic,
            Rarity::Legendary => Self::Legendary,
        }
    }
}

/// Who or what gives an award.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AwardCause {
    /// A rule of the catalogue, met by events.
    Rule,
    /// A person, who may award it.
    Person,
    /// It was brought in from another system.
    Import,
}

impl From<awards::Cause> for AwardCause {
    fn from(cause: awards::Cause) -> Self {
        match cause {
            awards::Cause::Rule => Self::Rule,
            awards::Cause::Person => Self::Person,
            awards::Cause::Import => Self::Import,
        }
    }
}

/// Something that can be earned.
#[derive(Clone)]
pub(crate) struct Achievement(pub(crate) Arc<Known>);

/// Something that can be earned.
#[Object]
impl Achievement {
    /// Stable: it follows from the key.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The pack and the name in kebab case, such as aurora/first-steps.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.definition.name
    }

    /// What it stands for, in a sentence.
    async fn description(&self) -> &str {
        &self.0.definition.description
    }

    /// The key of its category.
    async fn category(&self) -> &str {
        &self.0.definition.category
    }

    /// The track it is a step of, such as lessons; null if it stands alone.
    async fn track(&self) -> Option<&str> {
        self.0.definition.track.as_deref()
    }

    /// Its place in the track; 1 is the first.
    async fn tier(&self) -> Option<i32> {
        self.0.definition.tier
    }

    /// How rare it is meant to be.
    async fn rarity(&self) -> Rarity {
        self.0.definition.rarity.into()
    }

    /// XP that earning it brings.
    async fn xp_bonus(&self) -> i64 {
        self.0.definition.xp_bonus
    }

    /// A picture of it, as SVG.
    async fn badge_url(&self, ctx: &Context<'_>) -> Answer<Url> {
        if let Some(url) = self.0.definition.icon_url.as_ref().and_then(|url| url::Url::parse(url).ok()) {
            return Ok(Url(url));
        }
        let path = format!("badges/{}.svg", self.0.picture());
        let url = app(ctx)?.config.public_url.join(&path);
        url.map(Url).map_err(|_| Fault::argument("badgeUrl", "This achievement's key makes no address."))
    }

    /// What has to be done, in words: Complete 100 grammar questions.
    async fn requirement(&self) -> &str {
        &self.0.definition.requirement
    }

    /// `requirement` as data, as the pack writes it.
    async fn rule(&self) -> Json<&serde_json::Value> {
        Json(&self.0.definition.rule)
    }

    /// RULE where events earn it, PERSON where people give it.
    async fn awarded_by(&self) -> AwardCause {
        if self.0.definition.by_people { AwardCause::Person } else { AwardCause::Rule }
    }

    /// Whether it is hidden from those who have not earned it.
    async fn secret(&self) -> bool {
        self.0.definition.secret
    }

    /// How many people hold it.
    async fn earned_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(loaders(ctx)?.load_one(HoldersOf(self.0.id)).await?.unwrap_or(0))
    }

    /// When it was first published.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last published with a change.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// What can be earned, by category.
#[derive(SimpleObject)]
pub(crate) struct Catalog {
    /// The categories of this page's achievements, in the order of the packs.
    pub(crate) categories: Vec<Category>,
    /// How many achievements there are on all pages.
    pub(crate) total_count: i64,
}

/// Achievements of one kind.
#[derive(SimpleObject)]
pub(crate) struct Category {
    /// Its key, as arguments take it.
    pub(crate) key: String,
    /// Its name, for people.
    pub(crate) name: String,
    /// The achievements on this page, in the order of the packs.
    pub(crate) achievements: Vec<Achievement>,
}

/// How far somebody is on the way to an achievement.
#[derive(SimpleObject)]
pub(crate) struct Progress {
    /// What is being earned.
    pub(crate) achievement: Achievement,
    /// How much is done. A run or a streak shows its current length, and is earned by its longest.
    pub(crate) current: i64,
    /// How much is needed.
    pub(crate) target: i64,
    /// 0 to 100.
    pub(crate) percent: f64,
}

/// What somebody has earned, in numbers.
#[derive(SimpleObject)]
pub(crate) struct Summary {
    /// Different achievements held; of the pack, if one is named.
    pub(crate) total_earned: i64,
    /// XP that awards brought; of the pack, if one is named.
    #[graphql(name = "totalBonusXp")]
    pub(crate) total_bonus_xp: i64,
    /// The category with most achievements held; the first of the catalogue among equals.
    pub(crate) favorite_category: Option<String>,
    /// The rank reached; null where no pack has ranks.
    pub(crate) current_rank: Option<String>,
    /// The rank above it; null at the top.
    pub(crate) next_rank: Option<String>,
    /// How many achievements are missing to the next rank.
    pub(crate) remaining_to_next_rank: Option<i64>,
}
