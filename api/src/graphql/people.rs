//! People: public fields, and fields that only callers with access to the person's record can read.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use engine::LocalDay;
use futures_util::future::{try_join, try_join3};
use uuid::Uuid;

use super::achievements::{Achievement, Rarity, Summary};
use super::awards::{AwardOrder, AwardPage, Filter, page as award_page};
use super::context::{actor, app, loaders};
use super::fault::{Answer, Fault};
use super::loaders::{HeldBy, MetricsOf, PersonOf, SightOf, TotalsOf};
use super::progress::{self, Progress, ProgressPage};
use super::scalars::{Date, DateTime};
use super::{page, roster};
use crate::auth;
use crate::auth::policy::Seen;
use crate::catalogue::Published;
use crate::pipeline::load;
use crate::progress::Offer;
use crate::store::{awards, people, totals};

/// The role of a person or a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Role {
    /// Manages the installation.
    SuperAdmin,
    /// Manages the school.
    Admin,
    /// Teaches courses. A teacher's students are the students who are enrolled in these courses.
    Teacher,
    /// Takes courses.
    Student,
    /// Sees the records of linked children.
    Parent,
    /// A backend that sends events. It is not a person.
    Service,
}

impl From<Role> for auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::SuperAdmin => Self::SuperAdmin,
            Role::Admin => Self::Admin,
            Role::Teacher => Self::Teacher,
            Role::Student => Self::Student,
            Role::Parent => Self::Parent,
            Role::Service => Self::Service,
        }
    }
}

impl From<auth::Role> for Role {
    fn from(role: auth::Role) -> Self {
        match role {
            auth::Role::SuperAdmin => Self::SuperAdmin,
            auth::Role::Admin => Self::Admin,
            auth::Role::Teacher => Self::Teacher,
            auth::Role::Student => Self::Student,
            auth::Role::Parent => Self::Parent,
            auth::Role::Service => Self::Service,
        }
    }
}

/// A person. Every signed-in caller can read `id`, `displayName` and `role`. The other fields are null if the caller
/// may not see the person's record.
#[derive(Clone)]
pub(crate) struct User {
    row: people::Row,
}

impl User {
    /// The person of this row.
    pub(crate) fn new(row: people::Row) -> Self {
        Self { row }
    }

    /// The person with this id, who must exist.
    pub(crate) async fn of(ctx: &Context<'_>, id: Uuid) -> Answer<Self> {
        let row = loaders(ctx)?.load_one(PersonOf(id)).await?;
        let gone = || {
            Fault::from(crate::store::Error::Impossible(format!("person {id} is referred to and missing")))
        };
        Ok(Self { row: row.ok_or_else(gone)? })
    }

    /// The person with this id, if they exist and the caller may see their record.
    pub(crate) async fn visible(ctx: &Context<'_>, id: Uuid) -> Answer<Option<Self>> {
        actor(ctx)?;
        let loaders = loaders(ctx)?;
        let (seen, row) = try_join(loaders.load_one(SightOf(id)), loaders.load_one(PersonOf(id))).await?;
        Ok(seen.and(row).map(Self::new))
    }

    /// Proof that the caller may see the person's record; `None` if they may not.
    pub(crate) async fn seen(&self, ctx: &Context<'_>) -> Answer<Option<Seen>> {
        loaders(ctx)?.load_one(SightOf(self.row.id)).await
    }

    /// The person's position in a list ordered by name.
    pub(crate) fn place(&self) -> (String, Uuid) {
        (self.row.search_name.clone(), self.row.id)
    }

    /// A private column of the person; null if the caller may not see the record.
    async fn of_record<T>(
        &self,
        ctx: &Context<'_>,
        field: impl Fn(&people::Row) -> Option<T>,
    ) -> Option<Answer<T>> {
        match self.seen(ctx).await {
            Ok(seen) => seen.and_then(|_| field(&self.row)).map(Ok),
            Err(fault) => Some(Err(fault)),
        }
    }

    fn today(&self, ctx: &Context<'_>) -> Answer<LocalDay> {
        Ok(crate::progress::today(&self.row, app(ctx)?.clock.now())?)
    }

    async fn totals(&self, ctx: &Context<'_>) -> Answer<Option<totals::Row>> {
        let Some(seen) = self.seen(ctx).await? else { return Ok(None) };
        self.totals_of(ctx, seen).await.map(Some)
    }

    async fn totals_of(&self, ctx: &Context<'_>, seen: Seen) -> Answer<totals::Row> {
        let row = loaders(ctx)?.load_one(TotalsOf(seen)).await?;
        Ok(row.unwrap_or(totals::none(self.row.id, self.row.created_at)))
    }

    /// Every award, revoked or not.
    pub(crate) async fn held(&self, ctx: &Context<'_>) -> Answer<Option<Arc<[awards::Brief]>>> {
        let Some(seen) = self.seen(ctx).await? else { return Ok(None) };
        Ok(Some(loaders(ctx)?.load_one(HeldBy(seen)).await?.unwrap_or_default()))
    }

    /// The data from which progress is computed. The loads run at once, and together with those of other people.
    pub(crate) async fn record(&self, ctx: &Context<'_>) -> Answer<Option<Record>> {
        let Some(seen) = self.seen(ctx).await? else { return Ok(None) };
        let loaders = loaders(ctx)?;
        let held = loaders.load_one(HeldBy(seen));
        let metrics = loaders.load_one(MetricsOf(seen));
        let (totals, held, metrics) = try_join3(self.totals_of(ctx, seen), held, metrics).await?;
        let held = held.unwrap_or_default();
        let state = crate::progress::state(&self.row, &totals, &held, &metrics.unwrap_or_default())?;
        Ok(Some(Record { held, state, today: self.today(ctx)? }))
    }

    /// Totals of the person's awards, of all packs or of `pack`.
    pub(crate) async fn summarize(&self, ctx: &Context<'_>, pack: Option<&str>) -> Answer<Option<Summary>> {
        let Some(held) = self.held(ctx).await? else { return Ok(None) };
        let published = app(ctx)?.catalogue.current();
        check_pack(&published, pack, &[])?;
        Ok(Some(crate::progress::summary(&published, &held, pack).into()))
    }
}

/// A person's awards, metrics and totals.
pub(crate) struct Record {
    /// Every award, revoked or not.
    pub(crate) held: Arc<[awards::Brief]>,
    state: engine::PersonState,
    today: LocalDay,
}

impl Record {
    /// The person's progress in each achievement that `wanted` accepts and that they can still earn.
    pub(crate) fn progress(
        &self,
        ctx: &Context<'_>,
        wanted: impl Fn(&engine::catalog::Achievement) -> bool,
    ) -> Answer<Vec<Progress>> {
        let Self { held, state, today } = self;
        let offer = Offer::of(app(ctx)?, held);
        let open = crate::progress::open(&app(ctx)?.catalogue.current(), &offer, held, state, *today, wanted);
        let row = |(known, engine::Progress { current, target, percent })| Progress {
            achievement: Achievement(known),
            current,
            target,
            percent,
        };
        Ok(open.into_iter().map(row).collect())
    }
}

/// A person. Every signed-in caller can read `id`, `displayName` and `role`. The other fields are null if the caller
/// may not see the person's record.
#[Object]
impl User {
    /// The person's id. It is the `sub` of their token.
    pub(crate) async fn id(&self) -> ID {
        self.row.id.into()
    }

    /// The name that other people see.
    async fn display_name(&self) -> &str {
        &self.row.display_name
    }

    /// The person's role.
    async fn role(&self) -> Role {
        auth::Role::from(self.row.role).into()
    }

    /// The email address. Null if none is stored, or if the caller may not see it.
    async fn email(&self, ctx: &Context<'_>) -> Option<Answer<String>> {
        self.of_record(ctx, |row| row.email.clone()).await
    }

    /// The IANA time zone, such as Europe/Oslo. It decides when a day of a streak begins.
    async fn timezone(&self, ctx: &Context<'_>) -> Option<Answer<String>> {
        self.of_record(ctx, |row| Some(row.timezone.clone())).await
    }

    /// The language as a tag, such as pt-BR. Null if none is stored, or if the caller may not see it.
    async fn locale(&self, ctx: &Context<'_>) -> Option<Answer<String>> {
        self.of_record(ctx, |row| row.locale.clone()).await
    }

    /// Whether leaderboards rank the person. Null if the caller may not see the person's record.
    async fn on_leaderboards(&self, ctx: &Context<'_>) -> Option<Answer<bool>> {
        self.of_record(ctx, |row| Some(row.ranked)).await
    }

    /// The person who referred this person. Null also if there is none.
    async fn referred_by(&self, ctx: &Context<'_>) -> Option<Answer<Self>> {
        match self.of_record(ctx, |row| row.referred_by).await? {
            Ok(referrer) => Some(Self::of(ctx, referrer).await),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Total XP, 0 to 2,147,483,647.
    async fn xp(&self, ctx: &Context<'_>) -> Option<Answer<i64>> {
        self.totals(ctx).await.map(|totals| totals.map(|totals| totals.xp)).transpose()
    }

    /// The level, computed from the XP.
    async fn level(&self, ctx: &Context<'_>) -> Option<Answer<Level>> {
        let level = async {
            let Some(totals) = self.totals(ctx).await? else { return Ok(None) };
            let level = app(ctx)?.catalogue.current().catalog.level(totals.xp);
            let next_begins_at = totals.xp - level.xp_into_level + level.xp_for_next;
            Ok(Some(Level {
                number: level.number,
                xp_into_level: level.xp_into_level,
                xp_for_next: (next_begins_at <= engine::MAX_XP).then_some(level.xp_for_next),
            }))
        };
        level.await.transpose()
    }

    /// The streak: active days in a row.
    async fn streak(&self, ctx: &Context<'_>) -> Option<Answer<Streak>> {
        let streak = async {
            let Some(totals) = self.totals(ctx).await? else { return Ok(None) };
            let today = self.today(ctx)?;
            let streak = load::streak(&totals)?;
            Ok(Some(Streak {
                current: streak.current(today),
                longest: streak.longest,
                last_active_on: streak.last_active_on().map(Date),
                active_today: streak.is_active_on(today.date),
            }))
        };
        streak.await.transpose()
    }

    /// The person's awards without revoked ones, newest first unless `order` is sent.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the schema")]
    async fn earned(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only achievements of the category with this key.")] category: Option<String>,
        #[graphql(desc = "Only achievements of the pack with this key; `school` for badges.")] pack: Option<
            String,
        >,
        #[graphql(desc = "Only achievements of this rarity.")] rarity: Option<Rarity>,
        #[graphql(desc = "Only awards earned at this time or later.")] since: Option<DateTime>,
        #[graphql(desc = "The order of the awards.", default_with = "Some(AwardOrder::EarnedAtDesc)")]
        order: Option<AwardOrder>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<AwardPage>> {
        let page = async {
            let Some(seen) = self.seen(ctx).await? else { return Ok(None) };
            let cut = page::cut(first, after.as_deref(), None, None)?;
            let filter = Filter { category, pack, rarity, since };
            award_page(ctx, seen, filter, order, cut).await.map(Some)
        };
        page.await.transpose()
    }

    /// The progress in every achievement that the person can still earn, started or not, highest `percent` first.
    async fn in_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only achievements of the category with this key.")] category: Option<String>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<ProgressPage>> {
        progress::page(ctx, self, category.as_deref(), first, after.as_deref()).await.transpose()
    }

    /// Totals of the person's awards in all packs.
    async fn summary(&self, ctx: &Context<'_>) -> Option<Answer<Summary>> {
        self.summarize(ctx, None).await.transpose()
    }

    /// The children linked to this person whose record the caller may see, ordered by name.
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return children after the child with this id.")] after: Option<String>,
    ) -> Option<Answer<Vec<Self>>> {
        roster::children(ctx, self, first, after.as_deref()).await.transpose()
    }
}

/// A person's level. The catalogue defines at which XP each level begins.
#[derive(SimpleObject)]
pub(crate) struct Level {
    /// The level's number, starting at 1.
    number: i64,
    /// XP gained since the level began.
    xp_into_level: i64,
    /// XP from the start of this level to the start of the next level. Null for the highest level that can be reached.
    xp_for_next: Option<i64>,
}

/// Active days in a row. A streak breaks only when a whole local day passes without activity.
#[derive(SimpleObject)]
pub(crate) struct Streak {
    /// The length of the current streak in days. 0 if an activity now would begin a new one.
    current: i64,
    /// The length of the longest streak in days.
    longest: i64,
    /// The last active day. Null if there is none.
    last_active_on: Option<Date>,
    /// Whether today is an active day.
    active_today: bool,
}

impl From<crate::progress::Summed> for Summary {
    fn from(summed: crate::progress::Summed) -> Self {
        Self {
            total_earned: summed.earned,
            total_bonus_xp: summed.bonus_xp,
            favorite_category: summed.favorite_category,
            current_rank: summed.current_rank,
            next_rank: summed.next_rank,
            remaining_to_next_rank: summed.remaining,
        }
    }
}

/// Refuses the key of a pack that is not loaded. `more` lists further accepted keys.
pub(crate) fn check_pack(published: &Published, pack: Option<&str>, more: &[&str]) -> Answer<()> {
    let Some(pack) = pack.filter(|pack| published.catalog.pack(pack).is_none() && !more.contains(pack))
    else {
        return Ok(());
    };
    let known = published.catalog.packs().iter().map(|pack| pack.key.as_str()).chain(more.iter().copied());
    let known: Vec<_> = known.collect::<BTreeSet<_>>().into_iter().collect();
    let shown: String = pack.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Err(Fault::argument("pack", format!("No pack has the key `{shown}`: send one of {}.", known.join(", "))))
}

/// The current catalogue.
pub(crate) fn published(ctx: &Context<'_>) -> Answer<Arc<Published>> {
    Ok(app(ctx)?.catalogue.current())
}
