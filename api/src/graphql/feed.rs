//! The subscription `achievementEarned`. Replay and live delivery use the same loop: read the feed after the position,
//! wait until the feed grows, repeat.

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
use crate::auth::policy::{self, Extent, Relation, Seen};
use crate::auth::{Actor, Role};
use crate::budget::turns::Pacer;
use crate::refusal::{Code, Reason, Refusal};
use crate::store::feed::Item;
use crate::store::{self, awards, enrollments, feed, people};

/// A message of the feed: a person earned an award.
#[derive(SimpleObject)]
pub(crate) struct AchievementEarned {
    /// The position of this award in the feed. Store the last cursor that you received, and pass it as `after` to
    /// resume.
    cursor: String,
    /// True if the award was recorded before the subscription started.
    is_replay: bool,
    /// The award.
    award: Award,
}

/// Live updates over a WebSocket.
pub(crate) struct Subscriptions;

/// Live updates over a WebSocket.
#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// Sends each award when it is recorded. A caller gets their own awards, those of linked children and, as a
    /// teacher, those of their students. Admins and services get all awards. With `after`, the awards after that
    /// cursor are sent first, in order and each once. A malformed cursor, a cursor of another database and a cursor
    /// beyond the end of the feed are INVALID_INPUT. A `userId` or `courseId` that does not exist, or a person whose
    /// record the caller may not see, is NOT_FOUND. Each message has the award's state at the time of sending. A
    /// later revocation sends no message.
    async fn achievement_earned(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Send only awards of this person.")] user_id: Option<ID>,
        #[graphql(desc = "Send only awards of students who are enrolled in this course.")] course_id: Option<
            ID,
        >,
        #[graphql(desc = "The last cursor received. The awards after it are sent first.")] after: Option<
            String,
        >,
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
        // Listens last: a subscription that is counted as a listener has passed all checks and misses no award.
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

/// The cursor of the latest award; [`Position::START`] before the first award.
pub(crate) async fn cursor(app: &App) -> Answer<String> {
    let last = feed::last(&app.db).await?;
    Ok(last.as_ref().map_or(Position::START, Position::of).encode_cursor())
}

/// Checks that the cursor belongs to this database, and returns its position.
async fn known(app: &App, cursor: Position) -> Answer<i64> {
    let here = match cursor.at {
        0 => Some(Position::START),
        at => feed::at(&app.db, at).await?.as_ref().map(Position::of),
    };
    if here != Some(cursor) {
        let message = "`after` is not a cursor of this feed. The database may have been restored from a backup: reload \
                       the data, then send the cursor that `feedCursor` returns.";
        return Err(Fault::argument("after", message));
    }
    Ok(cursor.at)
}

/// The person whose entries are read, `None` for all people; and whether the caller sent `userId`.
async fn scope(app: &App, actor: &Actor, user_id: Option<&ID>) -> Answer<(Option<Uuid>, bool)> {
    let sight = policy::sight(actor);
    match user_id {
        Some(id) => {
            let person = uuid("userId", id)?;
            let seen = store::scope::see(&app.db, &sight, person).await?.ok_or_else(missing)?;
            Ok((Some(seen.person()), true))
        }
        // A caller who can only see their own record reads only their own entries.
        None => match sight.extent() {
            Extent::Related { me, relations: [Relation::Themselves] } => Ok((Some(me), false)),
            _ => Ok((None, false)),
        },
    }
}

/// Parses `courseId` and checks that the course exists.
async fn course(app: &App, course_id: Option<&ID>) -> Answer<Option<Uuid>> {
    let Some(id) = course_id else { return Ok(None) };
    let id = uuid("courseId", id)?;
    if store::courses::by_id(&app.db, id).await?.is_some() {
        return Ok(Some(id));
    }
    let message = "No course has this id: `courses` lists all courses.";
    Err(Refusal::not_found("courseId", Reason::CourseNotFound, message).into())
}

/// The same error for a person who does not exist and for a person whose record the caller may not see.
fn missing() -> Fault {
    Refusal::not_found("userId", Reason::PersonNotFound, "No person that you may see has this id.").into()
}

/// One subscription, with its position and the entries that it has read and not sent yet.
struct Follower {
    app: App,
    actor: Actor,
    /// Taken while the subscription reads the database and resolves a message. The transport releases it after each
    /// message.
    pacer: Pacer,
    person: Option<Uuid>,
    /// Whether the caller sent `userId`.
    chosen: bool,
    /// If set, only awards of this course's students are sent.
    course: Option<Uuid>,
    position: i64,
    /// The end of the feed when the subscription started.
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
                let message = AchievementEarned {
                    cursor: Position::of(&place).encode_cursor(),
                    is_replay: place.position <= self.head,
                    award: Award(award),
                };
                Some((Ok(message), self))
            }
            Err(fault) => {
                self.over = true;
                Some((Err(fault), self))
            }
        }
    }

    /// Waits for the next entry and returns it with its award. It checks the caller's rights again for each entry.
    async fn wait(&mut self) -> Answer<(Item, awards::Row)> {
        loop {
            self.pacer.take().await;
            while let Some(place) = self.waiting.pop_front() {
                if let Some(award) = self.judge(&place).await? {
                    return Ok((place, award));
                }
            }
            // Marks the hint as seen before it reads, so that a hint during the read wakes the loop again.
            self.hints.borrow_and_update();
            let stretch = self.app.hub.read(&self.app, self.position, self.person).await?;
            if self.position < stretch.reached {
                self.position = stretch.reached;
                let mut earned = stretch.places;
                earned.retain(|place| place.kind == feed::Kind::AwardEarned);
                if !earned.is_empty() {
                    // One statement removes the entries that the caller may not see. `judge` checks each remaining
                    // entry again before it is sent.
                    let seen = self.within_sight(&earned).await?;
                    let visible = earned.into_iter().filter(|place| seen.contains_key(&place.person_id));
                    self.waiting.extend(visible);
                }
                // Releases the turn, so that other operations can run before the next page.
                self.pacer.release();
            } else {
                self.pacer.release();
                if self.hints.changed().await.is_err() {
                    return Err(crate::store::Error::Stopping.into());
                }
            }
        }
    }

    /// The people of these entries whose record the caller may see now. If the caller sent `userId` and may no longer
    /// see that person, the result is NOT_FOUND, which ends the subscription.
    async fn within_sight(&self, places: &[Item]) -> Answer<HashMap<Uuid, Seen>> {
        let me = self.actor.person();
        let people: BTreeSet<Uuid> = places.iter().map(|place| place.person_id).chain(me).collect();
        let mut seen = store::scope::seen(&self.app.db, &policy::sight(&self.actor), people).await?;
        // Every person can see their own record. If the caller cannot, their account or role may have changed.
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

    /// The current state of the award at this entry, if the caller may see it now. The award and the caller's rights
    /// may have changed since the entry was read.
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

    /// Fails with UNAUTHENTICATED if the caller was erased or has another role than when they subscribed.
    async fn check_caller(&self) -> Answer<()> {
        let Some(id) = self.actor.person() else { return Ok(()) };
        let (message, reason) = match people::by_id(&self.app.db, id).await? {
            Some(row) if row.erased_at.is_some() => (
                "The person of this token has been erased and cannot sign in. Use another account.",
                Reason::PersonErased,
            ),
            Some(row) if Role::from(row.role) == self.actor.role() => return Ok(()),
            _ => (
                "Your role has changed since you subscribed: get a new token and subscribe again.",
                Reason::RoleChanged,
            ),
        };
        Err(Refusal::new(Code::Unauthenticated, message).because(reason).into())
    }
}
