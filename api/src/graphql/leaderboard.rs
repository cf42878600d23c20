//! Leaderboards. Every signed-in caller can read them. They show names and scores, and no other part of a record.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{TimeDelta, Utc};
use engine::catalog::achievement_id;
use uuid::Uuid;

use super::context::{actor, app};
use super::fault::{Answer, Fault};
use super::page::{self, Cut, StandingCursor};
use super::people::{User, published};
use super::scalars::{DateTime, uuid};
use crate::delivery::boards::{Period, Ranked, Shared, Span};
use crate::refusal::{Reason, Refusal};
use crate::store::boards::{self, Place, Scope, Score};
use crate::store::courses;

/// The most students of a course that can be ranked.
const MEMBERS: u64 = 100_000;

/// The period of a leaderboard, in the school's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum LeaderboardPeriod {
    /// All time.
    AllTime,
    /// A calendar year.
    Year,
    /// A calendar month.
    Month,
    /// A week. The school chooses the day with which it begins.
    Week,
    /// A day.
    Day,
}

/// A ranking of students with everything that was recorded before the request. Its fields are read one after the other, so they
/// can differ by what is recorded meanwhile.
pub(crate) struct Leaderboard {
    board: Shared,
    score: Score,
    period: LeaderboardPeriod,
    /// The days of the period; none of all time.
    span: Option<Span>,
}

/// Additional fields of a page of a leaderboard.
#[derive(SimpleObject)]
pub(crate) struct StandingCount {
    /// The number of people on the leaderboard.
    total_count: i64,
}

/// A page of a leaderboard, best first.
pub(crate) type StandingPage = Connection<StandingCursor, Standing, StandingCount>;

/// A person's place on a leaderboard.
#[derive(SimpleObject)]
pub(crate) struct Standing {
    /// The rank, starting at 1 for the best. Equal scores share a rank, and the next score has the number of its place: 1, 1, 3.
    /// On the leaderboard of an achievement, people who earned it at the same time share a rank.
    rank: i64,
    /// The score: XP or the number of awards within the period; 1 on the leaderboard of an achievement.
    score: i64,
    /// The person.
    user: User,
    /// When the person reached the score: the time of the latest event or award that counts. Of equal scores, the earlier one
    /// is listed first.
    reached_at: DateTime,
}

/// What a leaderboard ranks.
pub(crate) struct Wanted<'a> {
    pub(crate) metric: &'a str,
    pub(crate) achievement: Option<&'a str>,
    pub(crate) period: LeaderboardPeriod,
    pub(crate) at: Option<chrono::DateTime<Utc>>,
    pub(crate) course: Option<&'a ID>,
}

/// Returns a leaderboard. `None` for an achievement that the caller may not see.
pub(crate) async fn open(ctx: &Context<'_>, wanted: Wanted<'_>) -> Answer<Option<Leaderboard>> {
    actor(ctx)?;
    let (app, period) = (app(ctx)?, wanted.period);
    let score = match (wanted.achievement, wanted.metric) {
        (Some(_), _) if period != LeaderboardPeriod::AllTime => {
            let message = "The leaderboard of an achievement is of all time: omit `period`.";
            return Err(Fault::argument("period", message));
        }
        (Some(key), _) => match super::catalog::visible_one(ctx, achievement_id(key)).await? {
            Some(known) => Score::Achievement(known.id),
            None => return Ok(None),
        },
        (None, "xp") => Score::Xp,
        (None, "awards") => Score::Awards,
        (None, _) => {
            return Err(Fault::argument("metric", "Unknown metric: send xp or awards, or omit `metric`."));
        }
    };
    let course = match wanted.course {
        Some(id) => {
            let id = uuid("courseId", id)?;
            let known = courses::by_id(&app.db, id).await?;
            Some(known.ok_or_else(missing_course)?.id)
        }
        None => None,
    };
    let span = span(ctx, period, wanted.at)?;
    let board = app.boards.current(Scope { score, days: span.map(|span| (span.first, span.last)) }).await?;
    let board = match course {
        Some(course) => {
            let members = boards::members(&app.db, course, MEMBERS + 1).await?;
            if u64::try_from(members.len()).unwrap_or(u64::MAX) > MEMBERS {
                let message = format!(
                    "This course has more than {MEMBERS} students, too many to rank: omit `courseId`."
                );
                return Err(Fault::argument("courseId", message));
            }
            board.of(&members)
        }
        None => board,
    };
    Ok(Some(Leaderboard { board, score, period, span }))
}

/// The days of the period; none of all time.
fn span(
    ctx: &Context<'_>,
    period: LeaderboardPeriod,
    at: Option<chrono::DateTime<Utc>>,
) -> Answer<Option<Span>> {
    let app = app(ctx)?;
    let now = app.clock.now();
    let period = match period {
        LeaderboardPeriod::AllTime if at.is_some() => {
            return Err(Fault::argument("at", "`at` chooses a period: send `period` too, or omit `at`."));
        }
        LeaderboardPeriod::AllTime => return Ok(None),
        LeaderboardPeriod::Year => Period::Year,
        LeaderboardPeriod::Month => Period::Month,
        LeaderboardPeriod::Week => Period::Week,
        LeaderboardPeriod::Day => Period::Day,
    };
    // The current day may have begun in the school's zone although it has not here.
    if at.is_some_and(|at| at > now + TimeDelta::days(1)) {
        return Err(Fault::argument("at", "`at` is in the future. Send a time up to now."));
    }
    let (zone, first_weekday) = (published(ctx)?.zone(), app.config.first_weekday);
    Ok(Some(Span::of(period, at.unwrap_or(now), zone, first_weekday)))
}

fn missing_course() -> Fault {
    let message = "No course has this id: `courses` lists all courses.";
    Refusal::not_found("courseId", Reason::CourseNotFound, message).into()
}

/// A ranking of students with everything that was recorded before the request. Its fields are read one after the other, so they
/// can differ by what is recorded meanwhile.
#[Object]
impl Leaderboard {
    /// The metric: xp, awards, or the key of the achievement.
    async fn metric(&self, ctx: &Context<'_>) -> Answer<String> {
        Ok(match self.score {
            Score::Xp => "xp".to_owned(),
            Score::Awards => "awards".to_owned(),
            Score::Achievement(id) => {
                published(ctx)?.achievements.get(&id).map_or_else(String::new, |known| known.key.clone())
            }
        })
    }

    /// The period.
    async fn period(&self) -> LeaderboardPeriod {
        self.period
    }

    /// The first moment of the period. Null for all time.
    async fn opens_at(&self) -> Option<DateTime> {
        self.span.map(|span| DateTime(span.opens_at()))
    }

    /// The first moment after the period. Null for all time.
    async fn closes_at(&self) -> Option<DateTime> {
        self.span.map(|span| DateTime(span.closes_at()))
    }

    /// The number of people on the leaderboard.
    async fn total_count(&self) -> i64 {
        to_i64(self.board.read().len())
    }

    /// The places of people, best first.
    async fn standings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
        #[graphql(
            desc = "The maximum number of items, 0 to 100, from the end of the list or before `before`."
        )]
        last: Option<i32>,
        #[graphql(desc = "Return items before this cursor. Only with `last`.")] before: Option<String>,
        #[graphql(
            desc = "Return a page with this person in the middle. Empty if they are not on the leaderboard."
        )]
        around: Option<ID>,
    ) -> Answer<StandingPage> {
        let person = match &around {
            Some(_) if after.is_some() || last.is_some() || before.is_some() => {
                let message =
                    "`around` cannot be combined with `after`, `last` or `before`: send one of them.";
                return Err(Fault::argument("around", message));
            }
            Some(id) => Some(uuid("around", id)?),
            None => None,
        };
        let cut = page::cut::<StandingCursor>(first, after.as_deref(), last, before.as_deref())?;
        let (from, total, places) = self.page(person, &cut);
        let more = from + places.len() < total && !(person.is_some() && places.is_empty());
        let mut page =
            Connection::with_additional_fields(from > 0, more, StandingCount { total_count: to_i64(total) });
        // Resolved concurrently, so that the loader reads all people in one statement.
        let standings = places.into_iter().map(async |one| {
            let cursor = StandingCursor(one.place.score, one.place.reached_at, one.place.person);
            Ok::<_, Fault>(Edge::new(cursor, self.standing_of(ctx, one).await?))
        });
        page.edges = futures_util::future::try_join_all(standings).await?;
        Ok(page)
    }

    /// The place of one person. Null if the person is not on the leaderboard, and for a service that sends no `userId`.
    async fn standing(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id. Default: the caller.")] user_id: Option<ID>,
    ) -> Option<Answer<Standing>> {
        let standing = async {
            let person = match user_id {
                Some(id) => Some(uuid("userId", &id)?),
                None => actor(ctx)?.person(),
            };
            let ranked = person.and_then(|person| self.board.read().standing(person));
            match ranked {
                Some(ranked) => self.standing_of(ctx, ranked).await.map(Some),
                None => Ok(None),
            }
        };
        standing.await.transpose()
    }
}

impl Leaderboard {
    /// The places of a page, with the index of the first, and the number of all.
    fn page(&self, around: Option<Uuid>, cut: &Cut<StandingCursor>) -> (usize, usize, Vec<Ranked>) {
        let board = self.board.read();
        let (total, most) = (board.len(), usize::try_from(cut.rows).unwrap_or_default());
        if let Some(person) = around {
            let Some(place) = board.place(person) else { return (0, total, Vec::new()) };
            let from = board.before(&place).saturating_sub(most / 2);
            return (from, total, board.page(from, most));
        }
        let place =
            |cursor: &StandingCursor| Place { score: cursor.0, reached_at: cursor.1, person: cursor.2 };
        let place = cut.from.as_ref().map(place);
        if cut.backwards {
            let until = place.map_or(total, |place| board.before(&place));
            let from = until.saturating_sub(most);
            return (from, total, board.page(from, until - from));
        }
        // The place itself may have left the board since.
        let passed =
            |place: Place| board.before(&place) + usize::from(board.place(place.person) == Some(place));
        let from = place.map_or(0, passed);
        (from, total, board.page(from, most))
    }

    async fn standing_of(&self, ctx: &Context<'_>, ranked: Ranked) -> Answer<Standing> {
        let Ranked { rank, place } = ranked;
        let score = if matches!(self.score, Score::Achievement(_)) { 1 } else { place.score };
        let user = User::of(ctx, place.person).await?;
        Ok(Standing { rank: to_i64(rank), score, user, reached_at: DateTime(place.reached_at) })
    }
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
