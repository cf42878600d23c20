//! Achievements, the catalogue grouped by category, progress and summaries.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::context::{app, loaders};
use super::fault::{Answer, Fault};
use super::loaders::HoldersOf;
use super::scalars::{DateTime, Json, Url};
use crate::catalogue::Known;
use crate::store::awards;

/// The intended rarity of an achievement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Rarity {
    /// Most people earn it.
    Common,
    /// Some people earn it.
    Rare,
    /// Few people earn it.
    Epic,
    /// Very few people earn it.
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

/// What causes an award.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AwardCause {
    /// Events met a rule of the catalogue.
    Rule,
    /// A person awarded a badge.
    Person,
    /// The award was imported from another system.
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

/// An achievement, which people earn by events, or a badge, which people award.
#[derive(Clone)]
pub(crate) struct Achievement(pub(crate) Arc<Known>);

/// An achievement, which people earn by events, or a badge, which people award.
#[Object]
impl Achievement {
    /// The achievement's id. It is computed from the key and never changes.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The unique key: the pack, a slash, and the achievement's own key or its name in kebab case, such as
    /// aurora/first-steps.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// The name.
    async fn name(&self) -> &str {
        &self.0.definition.name
    }

    /// The description.
    async fn description(&self) -> &str {
        &self.0.definition.description
    }

    /// The category's key.
    async fn category(&self) -> &str {
        &self.0.definition.category
    }

    /// The key of the track, such as lessons. A track is a series of achievements. Null if the achievement is in no
    /// track.
    async fn track(&self) -> Option<&str> {
        self.0.definition.track.as_deref()
    }

    /// The position in the track, starting at 1. Null if the achievement is in no track.
    async fn tier(&self) -> Option<i32> {
        self.0.definition.tier
    }

    /// The intended rarity.
    async fn rarity(&self) -> Rarity {
        self.0.definition.rarity.into()
    }

    /// XP that a person gains with the award.
    async fn xp_bonus(&self) -> i64 {
        self.0.definition.xp_bonus
    }

    /// The URL of the picture. It is the badge's `iconUrl`, or an SVG that this server draws. The host of drawn
    /// pictures is the setting `public_url`.
    async fn badge_url(&self, ctx: &Context<'_>) -> Answer<Url> {
        if let Some(url) = self.0.definition.icon_url.as_ref().and_then(|url| url::Url::parse(url).ok()) {
            return Ok(Url(url));
        }
        let path = format!("badges/{}.svg", self.0.picture());
        let url = app(ctx)?.config.public_url.join(&path);
        url.map(Url)
            .map_err(|_| Fault::argument("badgeUrl", "The picture of this achievement has no valid URL."))
    }

    /// What a person must do, in words, such as "Complete 100 grammar questions".
    async fn requirement(&self) -> &str {
        &self.0.definition.requirement
    }

    /// The rule as JSON, in the format of the pack.
    async fn rule(&self) -> Json<'_> {
        Json(Cow::Borrowed(&self.0.definition.rule))
    }

    /// RULE if events unlock the achievement, PERSON if people award it.
    async fn awarded_by(&self) -> AwardCause {
        if self.0.definition.by_people { AwardCause::Person } else { AwardCause::Rule }
    }

    /// Whether the achievement is hidden from people who have not earned it.
    async fn secret(&self) -> bool {
        self.0.definition.secret
    }

    /// The number of people who have earned it. Revoked awards do not count.
    async fn earned_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(loaders(ctx)?.load_one(HoldersOf(self.0.id)).await?.unwrap_or(0))
    }

    /// When the achievement was first published.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When the achievement last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// A page of achievements, grouped by category.
#[derive(SimpleObject)]
pub(crate) struct Catalog {
    /// The categories of the achievements on this page, in the order of the packs.
    pub(crate) categories: Vec<Category>,
    /// The number of achievements on all pages.
    pub(crate) total_count: i64,
}

/// A category of achievements.
#[derive(SimpleObject)]
pub(crate) struct Category {
    /// The category's key, for the argument `category`.
    pub(crate) key: String,
    /// The category's display name.
    pub(crate) name: String,
    /// The achievements on this page, in the order of the packs.
    pub(crate) achievements: Vec<Achievement>,
}

/// Totals of a person's awards. Revoked awards do not count.
#[derive(SimpleObject)]
pub(crate) struct Summary {
    /// The number of different achievements earned. If `pack` was sent, only of this pack.
    pub(crate) total_earned: i64,
    /// The total XP of the awards. If `pack` was sent, only of this pack.
    #[graphql(name = "totalBonusXp")]
    pub(crate) total_bonus_xp: i64,
    /// The key of the category with most earned achievements. If several have the same number, the first one in the
    /// catalogue. Null if the person has no achievement.
    pub(crate) favorite_category: Option<String>,
    /// The name of the current rank. Null if the pack has no ranks.
    pub(crate) current_rank: Option<String>,
    /// The name of the next rank. Null at the highest rank and if the pack has no ranks.
    pub(crate) next_rank: Option<String>,
    /// The number of achievements missing for the next rank. Null if there is no next rank.
    pub(crate) remaining_to_next_rank: Option<i64>,
}
