//! The root of all reading.

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use engine::catalog::achievement_id;
use uuid::Uuid;

use super::achievements::{Achievement, AwardCause, Catalog, Category, Progress, Summary};
use super::audit::{self, AuditPage};
use super::awards::{AwardPage, page as award_page};
use super::certificates::{self, Certificate, CertificatePage, StudentAchievements};
use super::comments::{self, CommentPage};
use super::context::{actor, app};
use super::courses::{self, CoursePage};
use super::fault::{Answer, Fault};
use super::feed;
use super::leaderboard::{self, Leaderboard};
use super::node::{self, Node};
use super::page;
use super::people::{Role, User, check_pack, in_progress, published};
use super::price;
use super::roster::{self, UserPage};
use super::scalars::uuid;
use crate::auth::policy;
use crate::catalogue::{Known, SCHOOL};
use crate::progress::Offer;
use crate::refusal::{Code, Refusal};

/// What can be read.
pub(crate) struct Query;

/// What can be read.
#[Object]
impl Query {
    /// The person who is asking. FORBIDDEN for a service, which is no person.
    async fn me(&self, ctx: &Context<'_>) -> Answer<User> {
        match actor(ctx)?.person() {
            Some(id) => User::of(ctx, id).await,
            None => Err(Refusal::new(Code::Forbidden, "A service is no person: ask for `user(id:)`.").into()),
        }
    }

    /// Anything that has an id; null for what is missing or out of scope.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id, as this API answered it.")] id: ID,
    ) -> Option<Answer<Node>> {
        node::find(ctx, &id).await.transpose()
    }

    /// A person within the caller's scope; null for all others.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id.")] id: ID,
    ) -> Option<Answer<User>> {
        named(ctx, "id", Some(&id)).await.transpose()
    }

    /// The people in the caller's sight, by name: everybody for admins and services, a teacher's students, a
    /// parent's children, and always the caller.
    async fn people(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this role.")] role: Option<Role>,
        #[graphql(desc = "Only who takes this course now.")] course_id: Option<ID>,
        #[graphql(desc = "Only with this text in their name, whatever the case.")] search: Option<String>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<UserPage> {
        roster::in_sight(ctx, role, course_id.as_ref(), search.as_deref(), first, after.as_deref()).await
    }

    /// Courses, newest first: all of them, or those of a teacher or of a student. A student who is missing or out of
    /// scope takes none.
    async fn courses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that this person teaches.")] teacher_id: Option<ID>,
        #[graphql(desc = "Only those that this person takes now.")] student_id: Option<ID>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<CoursePage> {
        courses::page(ctx, teacher_id.as_ref(), student_id.as_ref(), first, after.as_deref()).await
    }

    /// The comments on a lesson, newest first, for who teaches the course, who takes it now, whose child does, and for
    /// ADMIN and SUPER_ADMIN; null for all others. FORBIDDEN for a service.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lesson.")] lesson_id: ID,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<CommentPage>> {
        comments::page(ctx, &lesson_id, first, after.as_deref()).await.transpose()
    }

    /// What can be earned, by category: active achievements of the loaded packs and the school's badges, secret ones only
    /// once the caller has earned them. `first` counts achievements, not categories. The packs give the order.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the schema")]
    async fn catalog(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this pack, by its key.")] pack: Option<String>,
        #[graphql(desc = "Only of this category, by its key.")] category: Option<String>,
        #[graphql(desc = "RULE: what events earn. PERSON: the badges that people award.")] awarded_by: Option<
            AwardCause,
        >,
        #[graphql(desc = "Only with this text in name or description, whatever the case.")] search: Option<
            String,
        >,
        #[graphql(desc = "How many achievements, at most 500.", default = 200)] first: Option<i32>,
        #[graphql(desc = "Return achievements after the one with this key.")] after: Option<String>,
    ) -> Answer<Catalog> {
        let (rows, published) = (first.unwrap_or(price::USUAL_CATALOG), published(ctx)?);
        let rows = page::at_most("first", rows, price::MOST_CATALOG)?;
        check_pack(&published, pack.as_deref(), &[SCHOOL])?;
        let search = search.map(|search| search.to_lowercase());
        let wanted = visible(ctx, |known| {
            let definition = &known.definition;
            let cause = if definition.by_people { AwardCause::Person } else { AwardCause::Rule };
            let has = |text: &str, word: &String| text.to_lowercase().contains(word.as_str());
            published.offers(known)
                && pack.as_ref().is_none_or(|pack| known.pack == *pack)
                && category.as_ref().is_none_or(|category| definition.category == *category)
                && awarded_by.is_none_or(|wanted| wanted == cause)
                && search
                    .as_ref()
                    .is_none_or(|word| has(&definition.name, word) || has(&definition.description, word))
        });
        catalog(ctx, wanted.await?, rows, after.as_deref())
    }

    /// An achievement by its key; null for what is missing, or secret and not earned by the caller.
    async fn achievement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, such as aurora/first-steps.")] key: String,
    ) -> Option<Answer<Achievement>> {
        let found = visible_one(ctx, achievement_id(&key)).await;
        found.map(|found| found.map(Achievement)).transpose()
    }

    /// What somebody has earned, newest first: the caller, if no one is named.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the schema")]
    async fn earned(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; the caller's if omitted.")] user_id: Option<ID>,
        #[graphql(desc = "Only achievements of this category, by its key.")] category: Option<String>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
        #[graphql(desc = "Go back before this cursor.")] before: Option<String>,
    ) -> Option<Answer<AwardPage>> {
        let page = async {
            let cut = page::cut(first, after.as_deref(), last, before.as_deref())?;
            let user = named(ctx, "userId", user_id.as_ref()).await?;
            let Some(user) = user else { return Ok(None) };
            let Some(seen) = user.seen(ctx).await? else { return Ok(None) };
            award_page(ctx, seen, category.as_deref(), cut).await.map(Some)
        };
        page.await.transpose()
    }

    /// What somebody is on the way to, started or not, nearest to done first.
    async fn in_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; the caller's if omitted.")] user_id: Option<ID>,
        #[graphql(desc = "Only achievements of this category, by its key.")] category: Option<String>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
    ) -> Option<Answer<Vec<Progress>>> {
        let rows = async {
            let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
            in_progress(ctx, &user, category.as_deref(), first).await
        };
        rows.await.transpose()
    }

    /// The next achievement of every track, in the order of the packs; of the first 100 tracks, if there are more.
    async fn next_achievements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; the caller's if omitted.")] user_id: Option<ID>,
        #[graphql(desc = "Only the tracks of this pack, by its key.")] pack: Option<String>,
    ) -> Option<Answer<Vec<Progress>>> {
        let rows = async {
            let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
            let next = next_of_tracks(ctx, &user, pack.as_deref()).await?;
            let progress = user.progress(ctx, |achievement| next.contains(&achievement.id)).await?;
            let most = usize::try_from(price::MOST_TRACKS).unwrap_or(usize::MAX);
            Ok(progress.map(|progress| progress.into_iter().take(most).collect()))
        };
        rows.await.transpose()
    }

    /// What somebody has earned, in numbers. Ranks: of the pack named, else of the first loaded pack that has ranks.
    async fn summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; the caller's if omitted.")] user_id: Option<ID>,
        #[graphql(desc = "Count only what this pack has, by its key.")] pack: Option<String>,
    ) -> Option<Answer<Summary>> {
        let summary = async {
            let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
            user.summarize(ctx, pack.as_deref()).await
        };
        summary.await.transpose()
    }

    /// Who stands where, of everybody. Null for an achievement that is missing or not to be seen.
    async fn leaderboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is compared: xp.", default_with = "Some(\"xp\".to_owned())")] metric: Option<
            String,
        >,
        #[graphql(
            desc = "Ranks those who earned the achievement with this key, the earliest first, instead of comparing XP."
        )]
        achievement: Option<String>,
    ) -> Option<Answer<Leaderboard>> {
        let metric = metric.unwrap_or_else(|| "xp".to_owned());
        leaderboard::open(ctx, &metric, achievement.as_deref()).await.transpose()
    }

    /// The certificates within the caller's scope, newest first; null for a student who is not.
    async fn certificates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this student's.")] student_id: Option<ID>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<CertificatePage>> {
        certificates::page(ctx, student_id.as_ref(), first, after.as_deref()).await.transpose()
    }

    /// A certificate within the caller's scope; null for all others.
    async fn certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The certificate's id.")] id: ID,
    ) -> Option<Answer<Certificate>> {
        let certificate = async {
            actor(ctx)?;
            certificates::by_id(ctx, uuid("id", &id)?).await
        };
        certificate.await.transpose()
    }

    /// All certificates and badges that people have given a student; null for one out of scope.
    async fn student_achievements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose.")] student_id: ID,
    ) -> Option<Answer<StudentAchievements>> {
        StudentAchievements::of(ctx, &student_id).await.transpose()
    }

    /// Who did what on whose record, newest first: ADMIN, SUPER_ADMIN. Null for a person who is missing.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only acts on this person's record.")] user_id: Option<ID>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Option<Answer<AuditPage>> {
        audit::page(ctx, user_id.as_ref(), first, after.as_deref()).await.transpose()
    }

    /// Where the feed stands now: pass it as `after`, and nothing between page and stream is lost.
    async fn feed_cursor(&self, ctx: &Context<'_>) -> Answer<String> {
        actor(ctx)?;
        feed::cursor(app(ctx)?).await
    }
}

/// The person an argument names, the caller if it names nobody; none if out of scope or missing.
async fn named(ctx: &Context<'_>, argument: &str, id: Option<&ID>) -> Answer<Option<User>> {
    match id {
        Some(id) => {
            actor(ctx)?;
            User::visible(ctx, uuid(argument, id)?).await
        }
        None => match actor(ctx)?.person() {
            Some(id) => User::visible(ctx, id).await,
            None => Err(Fault::argument(
                argument,
                format!("A service has nothing of its own: name a person as `{argument}`."),
            )),
        },
    }
}

/// The achievements that `wanted` lets through and the caller may know of, in the order of the packs;
/// what is no longer loaded comes last.
async fn visible(ctx: &Context<'_>, wanted: impl Fn(&Known) -> bool) -> Answer<Vec<Arc<Known>>> {
    let found = published(ctx)?.listed.iter().filter(|known| wanted(known)).cloned().collect();
    without_secrets(ctx, found).await
}

/// The achievement of this id, if the caller may know of it.
pub(crate) async fn visible_one(ctx: &Context<'_>, id: Uuid) -> Answer<Option<Arc<Known>>> {
    let found = published(ctx)?.achievements.get(&id).cloned();
    Ok(without_secrets(ctx, found.into_iter().collect()).await?.pop())
}

/// Leaves out what the caller has to earn before it is shown.
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

/// A page of these achievements, by category.
fn catalog(ctx: &Context<'_>, mut found: Vec<Arc<Known>>, rows: u64, after: Option<&str>) -> Answer<Catalog> {
    let published = published(ctx)?;
    let total_count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    // Categories follow one another on all pages as they do on one, or the last key of a page would skip some.
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

/// The lowest step of every track that the person can earn.
async fn next_of_tracks(ctx: &Context<'_>, user: &User, pack: Option<&str>) -> Answer<HashSet<Uuid>> {
    let published = published(ctx)?;
    check_pack(&published, pack, &[])?;
    let held = user.held(ctx).await?.unwrap_or_default();
    let mut next: Vec<&engine::catalog::Achievement> = Vec::new();
    let is_over = |achievement: &engine::catalog::Achievement| {
        let mut of_it = held.iter().filter(|one| one.achievement_id == achievement.id);
        of_it.any(|one| one.revoked_at.is_none() || !achievement.repeatable)
    };
    let offer = Offer::of(app(ctx)?, &held);
    let open = published.catalog.achievements().iter().filter(|achievement| {
        achievement.track.is_some()
            && pack.is_none_or(|pack| achievement.pack == pack)
            && !is_over(achievement)
            && offer.includes(&published.catalog, achievement)
    });
    for achievement in open {
        let same = |other: &&mut &engine::catalog::Achievement| {
            other.pack == achievement.pack && other.track == achievement.track
        };
        match next.iter_mut().find(same) {
            Some(other) if achievement.tier < other.tier => *other = achievement,
            Some(_) => {}
            None => next.push(achievement),
        }
    }
    Ok(next.into_iter().map(|achievement| achievement.id).collect())
}
