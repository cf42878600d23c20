//! Boards: who stands where. Open to everybody signed in; they show names, not records.

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

/// The span of time a board looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum LeaderboardPeriod {
    /// Everything there ever was.
    AllTime,
}

/// A comparison of people.
pub(crate) struct Leaderboard {
    board: Board,
}

/// What a page of standings says beside its rows.
pub(crate) struct StandingCount {
    board: Board,
}

#[Object]
impl StandingCount {
    /// How many stand on the board.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(board::count(&app(ctx)?.db, self.board).await?)
    }
}

/// A page of a board, best first.
pub(crate) type StandingPage = Connection<StandingCursor, Standing, StandingCount>;

/// Where somebody stands.
#[derive(SimpleObject)]
pub(crate) struct Standing {
    /// 1 is the best; among equal scores who reached it first stands higher.
    rank: i64,
    /// What is compared: XP, or 1 for having earned the achievement.
    score: i64,
    /// Who.
    user: User,
    /// When the score was reached.
    reached_at: DateTime,
}

/// Opens a board: XP, or who earned an achievement. Null for an achievement that is not to be seen.
pub(crate) async fn open(
    ctx: &Context<'_>,
    metric: &str,
    achievement: Option<&str>,
) -> Answer<Option<Leaderboard>> {
    actor(ctx)?;
    if metric != "xp" {
        return Err(Fault::argument("metric", "No board compares this: leave `metric` out, or send xp."));
    }
    let Some(key) = achievement else { return Ok(Some(Leaderboard { board: Board::Xp })) };
    let known = super::query::visible_one(ctx, achievement_id(key)).await?;
    Ok(known.map(|known| Leaderboard { board: Board::Achievement(known.id) }))
}

/// A comparison of people.
#[Object]
impl Leaderboard {
    /// What is compared: xp, or the key of the achievement.
    async fn metric(&self, ctx: &Context<'_>) -> Answer<String> {
        Ok(match self.board {
            Board::Xp => "xp".to_owned(),
            Board::Achievement(id) => {
                published(ctx)?.achievements.get(&id).map_or_else(String::new, |known| known.key.clone())
            }
        })
    }

    /// The span of time it looks at.
    async fn period(&self) -> LeaderboardPeriod {
        LeaderboardPeriod::AllTime
    }

    /// How many stand on it.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(board::count(&app(ctx)?.db, self.board).await?)
    }

    /// The places, best first.
    async fn standings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100.", default = 20)] first: Option<i32>,
        #[graphql(desc = "Return items after this cursor.")] after: Option<String>,
        #[graphql(
            desc = "This person's place in the middle of the page, instead of the top; an empty page if they are not on the board."
        )]
        around: Option<ID>,
    ) -> Answer<StandingPage> {
        let rows = page::first(first)?;
        let after: Option<StandingCursor> = after.map(|text| page::place("after", &text)).transpose()?;
        let places = match around {
            Some(_) if after.is_some() => {
                return Err(Fault::argument(
                    "around",
                    "`around` begins a page and `after` goes on: send one of them.",
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

    /// One person's place; the caller's if no one is named. Null if they are not on the board.
    async fn standing(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; the caller's if omitted.")] user_id: Option<ID>,
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
    /// A page's places, and one more if there are more, with this person in the middle.
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
        // Asked for together, so that the loader reads all the names in one statement.
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
