//! `achievementEarned`: awards as they happen, and everything missed before. Live and resumed are
//! the same code: read behind the cursor, wait for a hint, repeat.

use std::collections::{BTreeSet, HashMap, VecDeque};

use async_graphql::connection::CursorType;
use async_graphql::{Context, ID, SimpleObject, Subscription};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use uuid::Uuid;

use super::awards::Award;
use super::context::{actor, app, pacer};
use super::fault::{Answer, Fault};
use super::page::{Position, place};
use super::scalars::uuid;
use crate::app::App;
use crate::auth::Actor;
use crate::auth::policy::{self, Extent, Relation, Seen};
use crate::budget::turns::Pacer;
use crate::refusal::{Code, Refusal};
use crate::store::feed::Item;
use crate::store::{self, awards, enrollments, feed, people};

/// Somebody has earned something.
#[derive(SimpleObject)]
pub(crate) struct AchievementEarned {
    /// Where the feed stands with this award: pass the last one seen as `after` to resume.
    cursor: String,
    /// It happened before the subscription began.
    is_replay: bool,
    /// What was earned, and by whom.
    award: Award,
}

/// What is told as it happens.
pub(crate) struct Subscriptions;

/// What is told as it happens.
#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// Awards as they happen: the caller's own, a linked child's, a teacher's students', everyone's for admins and
    /// services. With `after`, the last
    /// cursor seen, everything missed comes first, in order, once. A cursor that is not ours, or ahead of the
    /// feed, is INVALID_INPUT. An award is told as it stands; that it is revoked later is not told.
    async fn achievement_earned(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this person's awards.")] user_id: Option<ID>,
        #[graphql(desc = "Only awards of those who take this course now.")] course_id: Option<ID>,
        #[graphql(desc = "The last cursor seen: everything behind it comes first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Answer<AchievementEarned>>, Fault> {
        let app = app(ctx)?.clone();
        let actor = actor(ctx)?.clone();
        let pacer = pacer(ctx)?.clone();
        pacer.take().await;
        let (person, chosen) = scope(&app, &actor, user_id.as_ref()).await?;
        let course = course(&app, course_id.as_ref()).await?;
        let head = feed::head(&app.db).await?;
        let position = match after {
            Some(after) => known(&app, place("after", &after)?).await?,
            None => head,
        };
        // Last of all: whoever is counted as listening misses nothing from here on.
        let hints = app.hub.listen();
        let follower = Follower {
            app,
            actor,
            pacer,
            person,
            chosen,
            course,
            position,
            head,
            hints,
            waiting: VecDeque::new(),
            over: false,
        };
        Ok(unfold(follower, Follower::next))
    }
}

/// Where the feed stands.
pub(crate) async fn cursor(app: &App) -> Answer<String> {
    let last = feed::last(&app.db).await?;
    Ok(last.as_ref().map_or(Position::START, Position::of).encode_cursor())
}

/// The position of a cursor that this database has answered.
async fn known(app: &App, cursor: Position) -> Answer<i64> {
    let here = match cursor.at {
        0 => Some(Position::START),
        at => feed::at(&app.db, at).await?.as_ref().map(Position::of),
    };
    if here != Some(cursor) {
        let message = "`after` is not of this feed, which may have been restored from a backup since: load what is shown \
                       anew, and send the cursor that `feedCursor` answers.";
        return Err(Fault::argument("after", message));
    }
    Ok(cursor.at)
}

/// The one person whose entries have to be read, if it is one; and whether the caller named them.
async fn scope(app: &App, actor: &Actor, user_id: Option<&ID>) -> Answer<(Option<Uuid>, bool)> {
    let sight = policy::sight(actor);
    match user_id {
        Some(id) => {
            let person = uuid("userId", id)?;
            let seen = store::scope::see(&app.db, &sight, person).await?.ok_or_else(missing)?;
            Ok((Some(seen.person()), true))
        }
        // Whoever can see nobody but themselves need not look through everyone's.
        None => match sight.extent() {
            Extent::Related { me, relations: [Relation::Themselves] } => Ok((Some(me), false)),
            _ => Ok((None, false)),
        },
    }
}

/// The course whose students alone are followed.
async fn course(app: &App, course_id: Option<&ID>) -> Answer<Option<Uuid>> {
    let Some(id) = course_id else { return Ok(None) };
    let id = uuid("courseId", id)?;
    if store::courses::by_id(&app.db, id).await?.is_some() {
        return Ok(Some(id));
    }
    let message = "No course has this id: `courses` lists what there is.";
    Err(Refusal::new(Code::NotFound, message).at(["courseId"]).into())
}

/// Out of scope reads like missing.
fn missing() -> Fault {
    Refusal::new(Code::NotFound, "User not found.").at(["userId"]).into()
}

/// One subscription: how far it is, and what it has read and not told yet.
struct Follower {
    app: App,
    actor: Actor,
    /// Held while the database is read and the answer is resolved. The transport gives it back after each answer.
    pacer: Pacer,
    person: Option<Uuid>,
    /// The caller named that person.
    chosen: bool,
    /// Only the students of this course are followed.
    course: Option<Uuid>,
    position: i64,
    /// The head of the feed when the subscription began.
    head: i64,
    hints: watch::Receiver<i64>,
    waiting: VecDeque<Item>,
    over: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(Answer<AchievementEarned>, Self)> {
        if self.over {
            return None;
        }
        match self.wait().await {
            Ok((place, award)) => {
                let told = AchievementEarned {
                    cursor: Position::of(&place).encode_cursor(),
                    is_replay: place.position <= self.head,
                    award: Award(award),
                };
                Some((Ok(told), self))
            }
            Err(fault) => {
                self.over = true;
                Some((Err(fault), self))
            }
        }
    }

    /// The next place and its award, whenever it comes; rights are judged anew for each.
    async fn wait(&mut self) -> Answer<(Item, awards::Row)> {
        loop {
            self.pacer.take().await;
            while let Some(place) = self.waiting.pop_front() {
                if let Some(award) = self.judge(&place).await? {
                    return Ok((place, award));
                }
            }
            // Seen before reading, so that a hint during the read is not missed.
            self.hints.borrow_and_update();
            let stretch = self.app.hub.read(&self.app, self.position, self.person).await?;
            if self.position < stretch.reached {
                self.position = stretch.reached;
                let mut earned = stretch.places;
                earned.retain(|place| place.kind == feed::Kind::AwardEarned);
                if !earned.is_empty() {
                    // One statement passes over what is none of the caller's business; what is left is
                    // judged once more, each when it is told.
                    let seen = self.within_sight(&earned).await?;
                    let told = earned.into_iter().filter(|place| seen.contains_key(&place.person_id));
                    self.waiting.extend(told);
                }
                // Others of this caller, and other callers, read before the next page.
                self.pacer.release();
            } else {
                self.pacer.release();
                if self.hints.changed().await.is_err() {
                    return Err(crate::store::Error::Stopping.into());
                }
            }
        }
    }

    /// Whom of these the caller may see now. If the person they asked for is no longer among them, the
    /// subscription ends as one of a missing person does.
    async fn within_sight(&self, places: &[Item]) -> Answer<HashMap<Uuid, Seen>> {
        let me = self.actor.person();
        let people: BTreeSet<Uuid> = places.iter().map(|place| place.person_id).chain(me).collect();
        let mut seen = store::scope::seen(&self.app.db, &policy::sight(&self.actor), people).await?;
        // Everybody sees themselves: whoever does not is not there any more.
        if me.is_some_and(|me| !seen.contains_key(&me)) {
            self.check_caller().await?;
        }
        if self.chosen && self.person.is_some_and(|person| !seen.contains_key(&person)) {
            return Err(missing());
        }
        if let Some(course) = self.course {
            let people: Vec<Uuid> = seen.keys().copied().collect();
            let taking = enrollments::enrolled_among(&self.app.db, course, people).await?;
            seen.retain(|person, _| taking.contains(person));
        }
        Ok(seen)
    }

    /// The award at this place as it stands, if the caller may see it now: both may have changed since the
    /// place was read.
    async fn judge(&self, place: &Item) -> Answer<Option<awards::Row>> {
        self.check_caller().await?;
        if let Some(course) = self.course
            && enrollments::enrolled_among(&self.app.db, course, [place.person_id]).await?.is_empty()
        {
            return Ok(None);
        }
        let award = feed::award(&self.app.db, &policy::sight(&self.actor), place).await?;
        if self.chosen && award.is_none() { Err(missing()) } else { Ok(award) }
    }

    /// Whether the caller is still who they were.
    async fn check_caller(&self) -> Answer<()> {
        let Some(id) = self.actor.person() else { return Ok(()) };
        let message = match people::by_id(&self.app.db, id).await? {
            Some(row) if row.erased_at.is_some() => {
                "The person of this token has been erased: nobody signs in as them."
            }
            Some(row) if row.role == self.actor.role().as_str() => return Ok(()),
            _ => "Your role has changed since you subscribed: ask for a new token and subscribe again.",
        };
        Err(Refusal::new(Code::Unauthenticated, message).into())
    }
}
