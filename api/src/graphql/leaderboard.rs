//! Leaderboards. Every signed-in caller can read them. They show names and scores, and no other part of a record.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use engine::catalog::achievement_id;
use uuid::Uuid;

use super::context::{actor, app};
use super::fault::{Answer, Fault};
use super::page::{self, StandingCursor};
use super::people::{User, published};
use super::scalars::{DateTime, uuid};
use crate::store::leaderboard::{self as board, Board, Place, Side};

/// The period of a leaderboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum LeaderboardPeriod {
    /// All time.
    AllTime,
}

/// A ranking of students by XP, or by the time when they earned an achievement.
pub(crate) struct Leaderboard {
    board: Board,
}

/// Additional fields of a page of a leaderboard.
pub(crate) struct StandingCount {
    board: Board,
}

#[Object]
impl StandingCount {
    /// The number of people on the leaderboard.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(board::count(&app(ctx)?.db, self.board).await?)
    }
}

/// A page of a leaderboard, best first.
pub(crate) type StandingPage = Connection<StandingCursor, Standing, StandingCount>;

/// A person's place on a leaderboard.
#[derive(SimpleObject)]
pub(crate) struct Standing {
    /// The rank, starting at 1 for the best. With equal scores, the person who reached the score first ranks higher.
    rank: i64,
    /// The score: XP, or 1 on a leaderboard of an achievement.
    score: i64,
    /// The person.
    user: User,
    /// When the person reached the score.
    reached_at: DateTime,
}

/// Returns the leaderboard of XP or of an achievement. `None` for an achievement that the caller may not see.
pub(crate) async fn open(
    ctx: &Context<'_>,
    metric: &str,
    achievement: Option<&str>,
) -> Answer<Option<Leaderboard>> {
    actor(ctx)?;
    if metric != "xp" {
        return Err(Fault::argument("metric", "Unknown metric: omit `metric`, or send xp."));
    }
    let Some(key) = achievement else { return Ok(Some(Leaderboard { board: Board::Xp })) };
    let known = super::catalog::visible_one(ctx, achievement_id(key)).await?;
    Ok(known.map(|known| Leaderboard { board: Board::Achievement(known.id) }))
}

/// A ranking of students by XP, or by the time when they earned an achievement.
#[Object]
impl Leaderboard {
    /// The metric: xp, or the key of the achievement.
    async fn metric(&self, ctx: &Context<'_>) -> Answer<String> {
        Ok(match self.board {
            Board::Xp => "xp".to_owned(),
            Board::Achievement(id) => {
                published(ctx)?.achievements.get(&id).map_or_else(String::new, |known| known.key.clone())
            }
        })
    }

    /// The period.
    async fn period(&self) -> LeaderboardPeriod {
        LeaderboardPeriod::AllTime
    }

    /// The number of people on the leaderboard.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(board::count(&app(ctx)?.db, self.board).await?)
    }

    /// The places of people, best first.
    async fn standings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
        #[graphql(
            desc = "Return a page with this person in the middle. Empty if they are not on the leaderboard."
        )]
        around: Option<ID>,
    ) -> Answer<StandingPage> {
        let rows = page::first(first)?;
        let after: Option<StandingCursor> = after.map(|text| page::place("after", &text)).transpose()?;
        let places = match around {
            Some(_) if after.is_some() => {
                return Err(Fault::argument(
                    "around",
                    "`around` and `after` cannot be combined: send one of them.",
                ));
            }
            Some(id) => self.around(ctx, uuid("around", &id)?, rows).await?,
            None => {
                let from = after.map(|StandingCursor(score, reached_at, person)| Place {
                    person,
                    score,
                    reached_at,
                });
                board::beside(&app(ctx)?.db, self.board, from.as_ref(), Side::Below, rows + 1).await?
            }
        };
        self.page(ctx, places, rows).await
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
            let Some(person) = person else { return Ok(None) };
            let Some(place) = board::place_of(&app(ctx)?.db, self.board, person).await? else {
                return Ok(None);
            };
            let above = board::count_above(&app(ctx)?.db, self.board, &place).await?;
            standing(ctx, above + 1, place).await.map(Some)
        };
        standing.await.transpose()
    }
}

impl Leaderboard {
    /// The places of a page with this person in the middle, and one more place if the list continues.
    async fn around(&self, ctx: &Context<'_>, person: Uuid, rows: u64) -> Answer<Vec<Place>> {
        let db = &app(ctx)?.db;
        let Some(place) = board::place_of(db, self.board, person).await? else { return Ok(Vec::new()) };
        let mut places = board::beside(db, self.board, Some(&place), Side::Above, rows / 2).await?;
        places.reverse();
        places.push(place);
        let left = rows.saturating_sub(u64::try_from(places.len()).unwrap_or(u64::MAX));
        places.extend(board::beside(db, self.board, Some(&place), Side::Below, left + 1).await?);
        Ok(places)
    }

    async fn page(&self, ctx: &Context<'_>, places: Vec<Place>, rows: u64) -> Answer<StandingPage> {
        let asked = usize::try_from(rows).unwrap_or(usize::MAX);
        let more = places.len() > asked;
        let above = match places.first() {
            Some(first) => board::count_above(&app(ctx)?.db, self.board, first).await?,
            None => 0,
        };
        let mut page =
            Connection::with_additional_fields(above > 0, more, StandingCount { board: self.board });
        // Resolved concurrently, so that the loader reads all people in one statement.
        let standings = (above + 1..).zip(places.into_iter().take(asked)).map(async |(rank, place)| {
            let cursor = StandingCursor(place.score, place.reached_at, place.person);
            Ok::<_, Fault>(Edge::new(cursor, standing(ctx, rank, place).await?))
        });
        page.edges = futures_util::future::try_join_all(standings).await?;
        Ok(page)
    }
}

async fn standing(ctx: &Context<'_>, rank: i64, place: Place) -> Answer<Standing> {
    Ok(Standing {
        rank,
        score: place.score,
        user: User::of(ctx, place.person).await?,
        reached_at: DateTime(place.reached_at),
    })
}
