//! Leaderboards rank learners. Everyone who is signed in may read them, so they require no proof.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use super::awards::FIRST_STANDING;
use super::connect::Reads;
use super::error::Error;

/// The value that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Board {
    /// Total XP.
    Xp,
    /// The people who earned this achievement: the earliest has the first rank.
    Achievement(Uuid),
}

/// A place on a board. Places are ordered by (score descending, reached_at, person).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The person.
    pub(crate) person: Uuid,
    /// The score.
    pub(crate) score: i64,
    /// When the score was reached: the earlier place ranks higher.
    pub(crate) reached_at: DateTime<Utc>,
}

/// A direction from a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Places that rank higher, nearest first.
    Above,
    /// Places that rank lower, nearest first.
    Below,
}

impl Board {
    /// The rows of the board, as a subquery with columns person, score and reached_at.
    fn rows(self) -> (String, Vec<Value>) {
        match self {
            Self::Xp => (
                format!(
                    "SELECT person_id AS person, xp AS score, xp_reached_at AS reached_at FROM totals \
                     WHERE xp > 0 AND {}",
                    is_learner("totals")
                ),
                Vec::new(),
            ),
            // In the order of an index, so that a page reads only its own rows.
            Self::Achievement(id) => (
                format!(
                    "SELECT awards.person_id AS person, CAST(1 AS bigint) AS score, awards.earned_at AS reached_at \
                     FROM awards WHERE awards.achievement_id = $1 AND awards.revoked_at IS NULL AND {FIRST_STANDING} \
                     AND {}",
                    is_learner("awards")
                ),
                vec![id.into()],
            ),
        }
    }

    /// The order of the places in this direction, nearest first. On an achievement's board all scores are equal.
    fn order(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::Xp, Side::Below) => "score DESC, reached_at, person",
            (Self::Xp, Side::Above) => "score, reached_at DESC, person DESC",
            (Self::Achievement(_), Side::Below) => "reached_at, person",
            (Self::Achievement(_), Side::Above) => "reached_at DESC, person DESC",
        }
    }
}

/// The condition that the row's person is a learner now. Others keep what they earned in an earlier role, without a rank.
fn is_learner(table: &str) -> String {
    format!("EXISTS (SELECT 1 FROM people WHERE people.id = {table}.person_id AND people.role = 'student')")
}

/// The number of people on the board.
pub(crate) async fn count(db: &impl Reads, board: Board) -> Result<i64, Error> {
    let (rows, values) = board.rows();
    number(db, &format!("SELECT count(*) AS n FROM ({rows}) AS board"), values).await
}

/// The number of places above `place`; its rank is one more.
pub(crate) async fn count_above(db: &impl Reads, board: Board, place: &Place) -> Result<i64, Error> {
    let (rows, mut values) = board.rows();
    let above = comparison(board, Side::Above, place, &mut values);
    number(db, &format!("SELECT count(*) AS n FROM ({rows}) AS board WHERE {above}"), values).await
}

/// The place of a person, if the person is on the board.
pub(crate) async fn place_of(db: &impl Reads, board: Board, person: Uuid) -> Result<Option<Place>, Error> {
    let (rows, mut values) = board.rows();
    values.push(person.into());
    let sql =
        format!("SELECT person, score, reached_at FROM ({rows}) AS board WHERE person = ${}", values.len());
    let connection = db.connection();
    let row = connection.query_one_raw(super::statement(connection, &sql, values)).await?;
    row.as_ref().map(place).transpose()
}

/// At most `limit` places next to `from`, nearest first; from the top if `from` is `None`.
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

/// Condition: a row is in this direction from the place. Appends the place's values to `values`.
fn comparison(board: Board, side: Side, place: &Place, values: &mut Vec<Value>) -> String {
    let first = values.len() + 1;
    if matches!(board, Board::Achievement(_)) {
        values.extend([place.reached_at.into(), place.person.into()]);
        let (reached_at, person) = (first, first + 1);
        let less = match side {
            Side::Above => "<",
            Side::Below => ">",
        };
        // The first comparison is the range of the index.
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
