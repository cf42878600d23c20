//! Boards: who stands where. Everybody signed in may read them, so they take no proof.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use super::awards::FIRST_STANDING;
use super::connect::Reads;
use super::error::Error;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Board {
    /// All XP there is.
    Xp,
    /// Who earned this achievement: first come, first ranked.
    Achievement(Uuid),
}

/// One place on a board; its order is (score down, reached_at up, person up).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Who.
    pub(crate) person: Uuid,
    /// How much.
    pub(crate) score: i64,
    /// Since when: the earlier stands higher.
    pub(crate) reached_at: DateTime<Utc>,
}

/// Below or above a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Those who stand higher, nearest first.
    Above,
    /// Those who stand lower, nearest first.
    Below,
}

impl Board {
    /// The rows of the board, as a subquery with columns person, score and reached_at.
    fn rows(self) -> (String, Vec<Value>) {
        match self {
            Self::Xp => (
                "SELECT person_id AS person, xp AS score, xp_reached_at AS reached_at FROM totals WHERE xp > 0"
                    .to_owned(),
                Vec::new(),
            ),
            // In the order of an index, so that a page reads its own rows and no others.
            Self::Achievement(id) => (
                format!(
                    "SELECT awards.person_id AS person, CAST(1 AS bigint) AS score, awards.earned_at AS reached_at \
                     FROM awards WHERE awards.achievement_id = $1 AND awards.revoked_at IS NULL AND {FIRST_STANDING}"
                ),
                vec![id.into()],
            ),
        }
    }

    /// The order of the places that lie on this side, nearest first. On a board by achievement all scores are equal.
    fn order(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::Xp, Side::Below) => "score DESC, reached_at, person",
            (Self::Xp, Side::Above) => "score, reached_at DESC, person DESC",
            (Self::Achievement(_), Side::Below) => "reached_at, person",
            (Self::Achievement(_), Side::Above) => "reached_at DESC, person DESC",
        }
    }
}

/// How many stand on the board.
pub(crate) async fn count(db: &impl Reads, board: Board) -> Result<i64, Error> {
    let (rows, values) = board.rows();
    number(db, &format!("SELECT count(*) AS n FROM ({rows}) AS board"), values).await
}

/// How many stand above `place`; its rank is one more.
pub(crate) async fn count_above(db: &impl Reads, board: Board, place: &Place) -> Result<i64, Error> {
    let (rows, mut values) = board.rows();
    let above = comparison(board, Side::Above, place, &mut values);
    number(db, &format!("SELECT count(*) AS n FROM ({rows}) AS board WHERE {above}"), values).await
}

/// Where a person stands, if they do.
pub(crate) async fn place_of(db: &impl Reads, board: Board, person: Uuid) -> Result<Option<Place>, Error> {
    let (rows, mut values) = board.rows();
    values.push(person.into());
    let sql =
        format!("SELECT person, score, reached_at FROM ({rows}) AS board WHERE person = ${}", values.len());
    let connection = db.connection();
    let row = connection.query_one_raw(super::statement(connection, &sql, values)).await?;
    row.as_ref().map(place).transpose()
}

/// At most `limit` places beside `from`, nearest first; from the top if there is none.
pub(crate) async fn beside(
    db: &impl Reads,
    board: Board,
    from: Option<&Place>,
    side: Side,
    limit: u64,
) -> Result<Vec<Place>, Error> {
    let (rows, mut values) = board.rows();
    let condition =
        from.map_or_else(|| "1 = 1".to_owned(), |from| comparison(board, side, from, &mut values));
    let order = board.order(side);
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let sql = format!(
        "SELECT person, score, reached_at FROM ({rows}) AS board WHERE {condition} ORDER BY {order} LIMIT ${}",
        values.len()
    );
    let connection = db.connection();
    let rows = connection.query_all_raw(super::statement(connection, &sql, values)).await?;
    rows.iter().map(place).collect()
}

/// "Stands on that side of the place", with the place's values bound behind those that are there.
fn comparison(board: Board, side: Side, place: &Place, values: &mut Vec<Value>) -> String {
    let first = values.len() + 1;
    if matches!(board, Board::Achievement(_)) {
        values.extend([place.reached_at.into(), place.person.into()]);
        let (reached_at, person) = (first, first + 1);
        let less = match side {
            Side::Above => "<",
            Side::Below => ">",
        };
        // The first condition is the range of the index.
        return format!(
            "(reached_at {less}= ${reached_at} AND (reached_at {less} ${reached_at} OR person {less} ${person}))"
        );
    }
    values.extend([place.score.into(), place.reached_at.into(), place.person.into()]);
    let (score, reached_at, person) = (first, first + 1, first + 2);
    let (more, less) = match side {
        Side::Above => (">", "<"),
        Side::Below => ("<", ">"),
    };
    format!(
        "(score {more} ${score} OR (score = ${score} AND (reached_at {less} ${reached_at} \
         OR (reached_at = ${reached_at} AND person {less} ${person}))))"
    )
}

async fn number(db: &impl Reads, sql: &str, values: Vec<Value>) -> Result<i64, Error> {
    let connection = db.connection();
    let row = connection.query_one_raw(super::statement(connection, sql, values)).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "n"))?)
}

fn place(row: &QueryResult) -> Result<Place, Error> {
    Ok(Place {
        person: row.try_get("", "person")?,
        score: row.try_get("", "score")?,
        reached_at: row.try_get("", "reached_at")?,
    })
}
