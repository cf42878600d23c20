//! People: what everybody may see of them, and what those may who see their record.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::NaiveDate;
use uuid::Uuid;

use super::achievements::{Achievement, Progress, Summary};
use super::awards::{AwardPage, page as award_page};
use super::context::{actor, app, loaders};
use super::fault::{Answer, Fault};
use super::loaders::{HeldBy, MetricsOf, PersonOf, SightOf, TotalsOf};
use super::scalars::Date;
use super::{page, roster};
use crate::auth;
use crate::auth::policy::Seen;
use crate::catalogue::Published;
use crate::progress::Offer;
use crate::store::{awards, people, totals};

/// What somebody is in the school.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Role {
    /// Runs the installation.
    SuperAdmin,
    /// Runs the school.
    Admin,
    /// Teaches courses.
    Teacher,
    /// Learns.
    Student,
    /// Is linked to children.
    Parent,
    /// A backend that sends events: no person.
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

/// A person. What lies outside what you may see is null.
#[derive(Clone)]
pub(crate) struct User {
    row: people::Row,
}

impl User {
    /// This person.
    pub(crate) fn new(row: people::Row) -> Self {
        Self { row }
    }

    /// The person with this id, who is known to exist.
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
        if loaders(ctx)?.load_one(SightOf(id)).await?.is_none() {
            return Ok(None);
        }
        Self::of(ctx, id).await.map(Some)
    }

    /// The proof that the caller may see the record; none if they may not.
    pub(crate) async fn seen(&self, ctx: &Context<'_>) -> Answer<Option<Seen>> {
        loaders(ctx)?.load_one(SightOf(self.row.id)).await
    }

    /// Where the person stands in a list of people, which is sorted by name.
    pub(crate) fn place(&self) -> (String, Uuid) {
        (self.row.search_name.clone(), self.row.id)
    }

    /// Something of the register that is not open to everybody, for those who may see the record.
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

    fn today(&self, ctx: &Context<'_>) -> Answer<NaiveDate> {
        let zone: chrono_tz::Tz = self.row.timezone.parse().unwrap_or_default();
        Ok(engine::local(app(ctx)?.clock.now(), zone).date)
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

    /// How far the person is with everything that `wanted` lets through and that is not earned yet.
    pub(crate) async fn progress(
        &self,
        ctx: &Context<'_>,
        wanted: impl Fn(&engine::catalog::Achievement) -> bool,
    ) -> Answer<Option<Vec<Progress>>> {
        // Asked once: whoever is out of sight goes no further, and the others go on together.
        let Some(seen) = self.seen(ctx).await? else { return Ok(None) };
        let totals = self.totals_of(ctx, seen).await?;
        let held = loaders(ctx)?.load_one(HeldBy(seen)).await?.unwrap_or_default();
        let metrics = loaders(ctx)?.load_one(MetricsOf(seen)).await?.unwrap_or_default();
        let published = app(ctx)?.catalogue.current();
        let state = crate::progress::state(&self.row, &totals, &held, &metrics);
        let today = self.today(ctx)?;
        let offer = Offer::of(app(ctx)?, &held);
        let open = published.catalog.achievements().iter().filter(|achievement| {
            // What was taken back is not earned again, unless it is for its next time.
            let earned =
                !achievement.repeatable && held.iter().any(|one| one.achievement_id == achievement.id);
            !earned && wanted(achievement) && offer.includes(&published.catalog, achievement)
        });
        let rows = open.filter_map(|achievement| {
            let known = published.achievements.get(&achievement.id)?;
            let engine::Progress { current, target, percent } =
                engine::progress(&published.catalog, achievement, &state, today);
            Some(Progress { achievement: Achievement(Arc::clone(known)), current, target, percent })
        });
        Ok(Some(rows.collect()))
    }

    /// What the person has earned, in numbers; of one pack if it is named.
    pub(crate) async fn summarize(&self, ctx: &Context<'_>, pack: Option<&str>) -> Answer<Option<Summary>> {
        let Some(held) = self.held(ctx).await? else { return Ok(None) };
        let published = app(ctx)?.catalogue.current();
        check_pack(&published, pack, &[])?;
        Ok(Some(crate::progress::summary(&published, &held, pack).into()))
    }
}

/// A person. What lies outside what you may see is null.
#[Object]
impl User {
    /// The id the person signs in with.
    pub(crate) async fn id(&self) -> ID {
        self.row.id.into()
    }

    /// The name others see.
    async fn display_name(&self) -> &str {
        &self.row.display_name
    }

    /// What they are in the school.
    async fn role(&self) -> Answer<Role> {
        let role = auth::Role::parse(&self.row.role);
        let unknown = || crate::store::Error::Impossible(format!("person {} has no role", self.row.id));
        Ok(role.ok_or_else(unknown)?.into())
    }

    /// Where mail reaches them; null also where no address is known.
    async fn email(&self, ctx: &Context<'_>) -> Option<Answer<String>> {
        self.of_record(ctx, |row| row.email.clone()).await
    }

    /// The IANA time zone that their days are counted in, such as Europe/Oslo.
    async fn timezone(&self, ctx: &Context<'_>) -> Option<Answer<String>> {
        self.of_record(ctx, |row| Some(row.timezone.clone())).await
    }

    /// The language they read; null also where none is known.
    async fn locale(&self, ctx: &Context<'_>) -> Option<Answer<String>> {
        self.of_record(ctx, |row| row.locale.clone()).await
    }

    /// Who brought them; null also where nobody did.
    async fn referred_by(&self, ctx: &Context<'_>) -> Option<Answer<Self>> {
        match self.of_record(ctx, |row| row.referred_by).await? {
            Ok(referrer) => Some(Self::of(ctx, referrer).await),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// All XP gathered, 0 to 2,147,483,647.
    async fn xp(&self, ctx: &Context<'_>) -> Option<Answer<i64>> {
        self.totals(ctx).await.map(|totals| totals.map(|totals| totals.xp)).transpose()
    }

    /// The level that follows from the XP.
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

    /// Active days in a row.
    async fn streak(&self, ctx: &Context<'_>) -> Option<Answer<Streak>> {
        let streak = async {
            let Some(totals) = self.totals(ctx).await? else { return Ok(None) };
            let today = self.today(ctx)?;
            let streak = crate::pipeline::load::streak(&totals);
            Ok(Some(Streak {
                current: streak.current(today),
                longest: streak.longest,
                last_active_on: streak.last_active_on.map(Date),
                active_today: streak.is_active_on(today),
            }))
        };
        streak.await.transpose()
    }

    /// What they have earned, newest first.
    async fn earned(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only achievements of this category, by its key.")] category: Option<String>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<AwardPage>> {
        let page = async {
            let Some(seen) = self.seen(ctx).await? else { return Ok(None) };
            let cut = page::cut(first, after.as_deref(), None, None)?;
            award_page(ctx, seen, category.as_deref(), cut).await.map(Some)
        };
        page.await.transpose()
    }

    /// What they are on the way to, nearest to done first.
    async fn in_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only achievements of this category, by its key.")] category: Option<String>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
    ) -> Option<Answer<Vec<Progress>>> {
        in_progress(ctx, self, category.as_deref(), first).await.transpose()
    }

    /// What they have earned, in numbers.
    async fn summary(&self, ctx: &Context<'_>) -> Option<Answer<Summary>> {
        self.summarize(ctx, None).await.transpose()
    }

    /// The children they are linked to, by name, by pages.
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return children after the one with this id.")] after: Option<String>,
    ) -> Option<Answer<Vec<Self>>> {
        roster::children(ctx, self, first, after.as_deref()).await.transpose()
    }
}

/// What a person is on the way to, nearest to done first.
pub(crate) async fn in_progress(
    ctx: &Context<'_>,
    user: &User,
    category: Option<&str>,
    first: Option<i32>,
) -> Answer<Option<Vec<Progress>>> {
    let rows = usize::try_from(page::first(first)?).unwrap_or(usize::MAX);
    let of_category = |achievement: &engine::catalog::Achievement| {
        category.is_none_or(|category| achievement.category == category)
    };
    let Some(mut progress) = user.progress(ctx, of_category).await? else { return Ok(None) };
    // Stable: equals stay in the order of the catalogue.
    progress.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    progress.truncate(rows);
    Ok(Some(progress))
}

/// A person's level; level n begins where the catalogue's curve says.
#[derive(SimpleObject)]
pub(crate) struct Level {
    /// 1 is the first.
    number: i64,
    /// XP gathered since the level began.
    xp_into_level: i64,
    /// The whole width of this level; null for the last that can be reached.
    xp_for_next: Option<i64>,
}

/// Active days in a row, in the person's own calendar.
#[derive(SimpleObject)]
pub(crate) struct Streak {
    /// Counts if the last active day is today or yesterday in the person's zone, as of now.
    current: i64,
    /// The longest ever.
    longest: i64,
    /// The last active day.
    last_active_on: Option<Date>,
    /// Whether today is one.
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

/// Refuses the key of a pack that is not loaded. `more` are keys that are none of a pack and yet name something.
pub(crate) fn check_pack(published: &Published, pack: Option<&str>, more: &[&str]) -> Answer<()> {
    let Some(pack) = pack.filter(|pack| published.catalog.pack(pack).is_none() && !more.contains(pack))
    else {
        return Ok(());
    };
    let known = published.catalog.packs().iter().map(|pack| pack.key.as_str()).chain(more.iter().copied());
    let known: Vec<_> = known.collect();
    let shown: String = pack.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Err(Fault::argument("pack", format!("No pack has the key `{shown}`: send one of {}.", known.join(", "))))
}

/// The catalogue in force.
pub(crate) fn published(ctx: &Context<'_>) -> Answer<Arc<Published>> {
    Ok(app(ctx)?.catalogue.current())
}
