//! The root type of all queries.

use std::collections::HashSet;

use async_graphql::{Context, ID, Object};
use engine::catalog::achievement_id;
use uuid::Uuid;

use super::achievements::{Achievement, AwardCause, Catalog, Rarity, Summary};
use super::audit::{self, AuditPage};
use super::awards::{AwardOrder, AwardPage, Filter, page as award_page};
use super::catalog::{self, visible, visible_one};
use super::certificates::{self, Certificate, CertificatePage, StudentAchievements};
use super::comments::{self, CommentPage};
use super::context::{actor, app};
use super::courses::{self, CoursePage};
use super::deliveries::{self, DeliveryFilter, DeliveryPage};
use super::fault::{Answer, Fault};
use super::feed;
use super::leaderboard::{self, Leaderboard, LeaderboardPeriod, Wanted};
use super::mail_settings::{self, MailSettings};
use super::node::{self, Node};
use super::page;
use super::people::{Role, User, check_pack, published};
use super::price;
use super::progress::{self, Progress, ProgressPage};
use super::roster::{self, UserPage};
use super::scalars::{DateTime, uuid};
use super::webhooks::{self, WebhookPage};
use crate::catalogue::SCHOOL;
use crate::progress::Offer;
use crate::refusal::{Code, Refusal};
use crate::store::awards::Brief;

/// The root type of all queries.
pub(crate) struct Query;

/// Reads data. An object is not visible to a caller if it does not exist or if the caller may not read it. The result
/// is the same in both cases. A service is not a person, so it must send `userId` where the default is the caller.
#[Object]
impl Query {
    /// The caller. FORBIDDEN for a service, because a service is not a person.
    async fn me(&self, ctx: &Context<'_>) -> Answer<User> {
        match actor(ctx)?.person() {
            Some(id) => User::of(ctx, id).await,
            None => Err(Refusal::new(Code::Forbidden, "A service is not a person: query `user`.").into()),
        }
    }

    /// The object with this id. Null if it is not visible to the caller.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An id that this API returned.")] id: ID,
    ) -> Answer<Option<Node>> {
        node::find(ctx, &id).await
    }

    /// The person with this id. Null if their record is not visible to the caller.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id.")] id: ID,
    ) -> Answer<Option<User>> {
        named(ctx, "id", Some(&id)).await
    }

    /// The people whose record the caller may see, ordered by name. Admins and services see everyone, a teacher their
    /// students, a parent their children. The caller is always included.
    async fn people(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only people with this role.")] role: Option<Role>,
        #[graphql(desc = "Only people who are enrolled in this course.")] course_id: Option<ID>,
        #[graphql(desc = "Only names with this text, ignoring case and accents.")] search: Option<String>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<UserPage> {
        roster::in_sight(ctx, role, course_id.as_ref(), search.as_deref(), first, after.as_deref()).await
    }

    /// All courses, newest first. Empty if `studentId` names a person whose record is not visible to the caller.
    async fn courses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only courses that this person teaches.")] teacher_id: Option<ID>,
        #[graphql(desc = "Only courses in which this person is enrolled.")] student_id: Option<ID>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<CoursePage> {
        courses::page(ctx, teacher_id.as_ref(), student_id.as_ref(), first, after.as_deref()).await
    }

    /// The comments on a lesson, newest first. Visible to the teacher of the course, its enrolled students, their
    /// linked parents, ADMIN and SUPER_ADMIN. Null for other callers, FORBIDDEN for a service.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lesson's id.")] lesson_id: ID,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<Option<CommentPage>> {
        comments::page(ctx, &lesson_id, first, after.as_deref()).await
    }

    /// The achievements that people can earn, grouped by category: active achievements of the loaded packs, and the
    /// school's badges. A secret achievement is included only after the caller has earned it; admins and services see
    /// all. `first` counts achievements, not categories. The order is that of the packs.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the schema")]
    async fn catalog(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only the pack with this key; `school` for badges.")] pack: Option<String>,
        #[graphql(desc = "Only achievements of the category with this key.")] category: Option<String>,
        #[graphql(desc = "RULE: only achievements that events unlock. PERSON: only badges.")]
        awarded_by: Option<AwardCause>,
        #[graphql(desc = "Text in names or descriptions, ignoring case and accents.")] search: Option<String>,
        #[graphql(desc = "The maximum number of achievements, 0 to 500.", default = 200)] first: Option<i32>,
        #[graphql(desc = "Return achievements after the achievement with this key.")] after: Option<String>,
    ) -> Answer<Catalog> {
        let (rows, published) = (first.unwrap_or(price::USUAL_CATALOG), published(ctx)?);
        let rows = page::at_most("first", rows, price::MOST_CATALOG)?;
        check_pack(&published, pack.as_deref(), &[SCHOOL])?;
        let search = search.map(|search| crate::text::search_key(&search));
        let wanted = visible(ctx, |known| {
            let definition = &known.definition;
            let cause = if definition.by_people { AwardCause::Person } else { AwardCause::Rule };
            published.offers(known)
                && pack.as_ref().is_none_or(|pack| known.pack == *pack)
                && category.as_ref().is_none_or(|category| definition.category == *category)
                && awarded_by.is_none_or(|wanted| wanted == cause)
                && search.as_ref().is_none_or(|search| known.has_text(search))
        });
        catalog::page(ctx, wanted.await?, rows, after.as_deref())
    }

    /// The achievement with this key. Null if it does not exist, or if it is secret and the caller has not earned it.
    async fn achievement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The achievement's key, such as aurora/first-steps.")] key: String,
    ) -> Answer<Option<Achievement>> {
        Ok(visible_one(ctx, achievement_id(&key)).await?.map(Achievement))
    }

    /// A person's awards without revoked ones, newest first unless `order` is sent. Null if their record is not visible
    /// to the caller. A cursor is a position in time, so it stays valid with other filters and in the other order.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the schema")]
    async fn earned(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id. Default: the caller.")] user_id: Option<ID>,
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
        #[graphql(desc = "The maximum number of items from the end, 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Return items before this cursor. Use it with `last`.")] before: Option<String>,
    ) -> Answer<Option<AwardPage>> {
        let cut = page::cut(first, after.as_deref(), last, before.as_deref())?;
        let filter = Filter { category, pack, rarity, since };
        let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
        let Some(seen) = user.seen(ctx).await? else { return Ok(None) };
        award_page(ctx, seen, filter, order, cut).await.map(Some)
    }

    /// A person's progress in every achievement that they can still earn, started or not, highest `percent` first.
    /// Secret achievements are left out. Null if the person's record is not visible to the caller.
    async fn in_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id. Default: the caller.")] user_id: Option<ID>,
        #[graphql(desc = "Only achievements of the category with this key.")] category: Option<String>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<Option<ProgressPage>> {
        let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
        progress::page(ctx, &user, category.as_deref(), first, after.as_deref()).await
    }

    /// A person's progress in the next achievement of each track, in the order of the packs, for at most 100 tracks.
    /// Null if the person's record is not visible to the caller.
    async fn next_achievements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id. Default: the caller.")] user_id: Option<ID>,
        #[graphql(desc = "Only tracks of the pack with this key.")] pack: Option<String>,
    ) -> Answer<Option<Vec<Progress>>> {
        let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
        let Some(record) = user.record(ctx).await? else { return Ok(None) };
        let next = next_of_tracks(ctx, &record.held, pack.as_deref())?;
        let progress = record.progress(ctx, |achievement| next.contains(&achievement.id))?;
        let most = usize::try_from(price::MOST_TRACKS).unwrap_or(usize::MAX);
        Ok(Some(progress.into_iter().take(most).collect()))
    }

    /// Totals of a person's awards. The ranks are those of `pack`, or of the first loaded pack that has ranks. Null if
    /// the person's record is not visible to the caller.
    async fn summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id. Default: the caller.")] user_id: Option<ID>,
        #[graphql(desc = "Count only achievements of the pack with this key.")] pack: Option<String>,
    ) -> Answer<Option<Summary>> {
        let Some(user) = named(ctx, "userId", user_id.as_ref()).await? else { return Ok(None) };
        user.summarize(ctx, pack.as_deref()).await
    }

    /// A ranking of students by XP or by the number of awards, of all time or of a period; or of the students who have an
    /// achievement. Null if the achievement is not visible to the caller. A `courseId` that does not exist is NOT_FOUND.
    async fn leaderboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "What to rank by: xp, or awards (their number).",
            default_with = "Some(\"xp\".to_owned())"
        )]
        metric: Option<String>,
        #[graphql(
            desc = "Rank the people who earned the achievement with this key, earliest first. Instead of `metric`, and of all time."
        )]
        achievement: Option<String>,
        #[graphql(
            desc = "The period, in the school's time zone.",
            default_with = "Some(LeaderboardPeriod::AllTime)"
        )]
        period: Option<LeaderboardPeriod>,
        #[graphql(desc = "A time within the period. Default: now.")] at: Option<DateTime>,
        #[graphql(desc = "Rank only the students who are enrolled in this course.")] course_id: Option<ID>,
    ) -> Answer<Option<Leaderboard>> {
        let period = period.unwrap_or(LeaderboardPeriod::AllTime);
        let wanted = Wanted {
            metric: metric.as_deref().unwrap_or("xp"),
            achievement: achievement.as_deref(),
            period,
            at: at.map(|at| at.0),
            course: course_id.as_ref(),
        };
        leaderboard::open(ctx, wanted).await
    }

    /// The certificates visible to the caller, newest first. Null if the student's record is not visible to the caller.
    async fn certificates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only certificates of this student.")] student_id: Option<ID>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<Option<CertificatePage>> {
        certificates::page(ctx, student_id.as_ref(), first, after.as_deref()).await
    }

    /// The certificate with this id. Null if it is not visible to the caller.
    async fn certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The certificate's id.")] id: ID,
    ) -> Answer<Option<Certificate>> {
        actor(ctx)?;
        certificates::by_id(ctx, uuid("id", &id)?).await
    }

    /// A student's certificates and awarded badges. Null if the student's record is not visible to the caller.
    async fn student_achievements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The student's id.")] student_id: ID,
    ) -> Answer<Option<StudentAchievements>> {
        StudentAchievements::of(ctx, &student_id).await
    }

    /// The audit log, newest first. Allowed for ADMIN and SUPER_ADMIN. Null if the person does not exist.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only actions on this person's record.")] user_id: Option<ID>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<Option<AuditPage>> {
        audit::page(ctx, user_id.as_ref(), first, after.as_deref()).await
    }

    /// Mails to people and requests to webhooks, newest first. Allowed for ADMIN and SUPER_ADMIN.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these deliveries.")] filter: Option<DeliveryFilter>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<DeliveryPage> {
        deliveries::page(ctx, filter, first, after.as_deref()).await
    }

    /// The webhooks, newest first. Allowed for ADMIN and SUPER_ADMIN.
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
    ) -> Answer<WebhookPage> {
        webhooks::page(ctx, first, after.as_deref()).await
    }

    /// The mails that the caller gets. Not for services.
    async fn mail_settings(&self, ctx: &Context<'_>) -> Answer<MailSettings> {
        mail_settings::own(ctx).await
    }

    /// The cursor of the latest award. Query it before the data of a page, and pass it as `after` of `achievementEarned`:
    /// the subscription then misses no award.
    async fn feed_cursor(&self, ctx: &Context<'_>) -> Answer<String> {
        actor(ctx)?;
        feed::cursor(app(ctx)?).await
    }
}

/// The person with this id, or the caller if there is no id. `None` if the person is not visible to the caller.
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
                format!("A service is not a person: send a person's id as `{argument}`."),
            )),
        },
    }
}

/// The ids of the lowest achievement of each track that the person has not earned and can earn.
fn next_of_tracks(ctx: &Context<'_>, held: &[Brief], pack: Option<&str>) -> Answer<HashSet<Uuid>> {
    let published = published(ctx)?;
    check_pack(&published, pack, &[])?;
    let mut next: Vec<&engine::catalog::Achievement> = Vec::new();
    let is_over = |achievement: &engine::catalog::Achievement| {
        let mut of_it = held.iter().filter(|one| one.achievement_id == achievement.id);
        of_it.any(|one| one.revoked_at.is_none() || !achievement.repeatable)
    };
    let offer = Offer::of(app(ctx)?, held);
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
