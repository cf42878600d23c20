//! Scores for leaderboards, and the log of the people whose scores changed.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use entity::board_log::{Column, Entity};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Value,
};
use uuid::Uuid;

use super::awards::FIRST_STANDING;
use super::connect::Reads;
use super::dialect::Dialect;
use super::error::Error;
use super::txn::Txn;

/// Positions of the log that are deleted at a time.
const TRIM: i64 = 10_000;
/// People of one query.
const SOME: usize = 500;

/// The value that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Score {
    /// XP.
    Xp,
    /// The number of awards.
    Awards,
    /// Who earned this achievement first. A score is the time before 1970, so that the earlier one is higher.
    Achievement(Uuid),
}

/// What a board counts: a score, of all time or of these days of the school, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The value that is compared.
    pub(crate) score: Score,
    /// The first and the last day; none for all time.
    pub(crate) days: Option<(NaiveDate, NaiveDate)>,
}

/// A place on a board. Places are ordered by (score descending, reached_at, person).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The person.
    pub(crate) person: Uuid,
    /// The score.
    pub(crate) score: i64,
    /// When the score was reached: the latest event or award that counts.
    pub(crate) reached_at: DateTime<Utc>,
}

/// Adds these people to the log, or everyone if the set is empty. It must be one of the last statements before the commit,
/// because all writers wait for the counter's row.
pub(crate) async fn log(txn: &Txn, people: &BTreeSet<Uuid>) -> Result<(), Error> {
    let connection = txn.connection();
    let take =
        "UPDATE feed_counter SET board_position = board_position + 1 WHERE id = 1 RETURNING board_position";
    let row = connection.query_one_raw(super::statement(connection, take, [])).await?;
    let row = row.ok_or_else(|| Error::Impossible("the feed has lost its counter".into()))?;
    let position: i64 = row.try_get("", "board_position")?;
    let people: Vec<u8> = people.iter().flat_map(Uuid::as_bytes).copied().collect();
    let insert = "INSERT INTO board_log (position, people) VALUES ($1, $2)";
    let row = super::statement(connection, insert, [position.into(), people.into()]);
    connection.execute_raw(row).await?;
    Ok(())
}

/// The last position of the log.
pub(crate) async fn head(db: &impl Reads) -> Result<i64, Error> {
    let counter = entity::feed_counter::Entity::find_by_id(1_i16).one(db.connection()).await?;
    counter
        .map(|row| row.board_position)
        .ok_or_else(|| Error::Impossible("the feed has lost its counter".into()))
}

/// The people who changed after `position`; `None` if there are more than `most`, if everyone may have changed, or if the log
/// does not reach back so far.
pub(crate) async fn changed_since(
    db: &Txn,
    position: i64,
    head: i64,
    most: usize,
) -> Result<Option<BTreeSet<Uuid>>, Error> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    if !(0..=most).contains(&(head - position)) || bytes_since(db, position, head).await? > most * 16 {
        return Ok(None);
    }
    let rows = Entity::find()
        .filter(Column::Position.gt(position))
        .filter(Column::Position.lte(head))
        .order_by(Column::Position, Order::Asc);
    let rows = rows.all(db.connection()).await?;
    let is_whole = i64::try_from(rows.len()).ok() == Some(head - position);
    if !is_whole || rows.iter().any(|row| row.people.is_empty()) {
        return Ok(None);
    }
    let ids = rows.iter().flat_map(|row| row.people.chunks_exact(16));
    Ok(Some(ids.filter_map(|bytes| Uuid::from_slice(bytes).ok()).collect()))
}

/// The bytes of the people after `position`.
async fn bytes_since(db: &Txn, position: i64, head: i64) -> Result<i64, Error> {
    let connection = db.connection();
    let sql = "SELECT CAST(COALESCE(SUM(LENGTH(people)), 0) AS bigint) AS bytes FROM board_log \
               WHERE position > $1 AND position <= $2";
    let row =
        connection.query_one_raw(super::statement(connection, sql, [position.into(), head.into()])).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "bytes"))?)
}

/// The first position of the log; none if it is empty.
pub(crate) async fn first(db: &impl Reads) -> Result<Option<i64>, Error> {
    let query = Entity::find().select_only().column_as(Column::Position.min(), "first");
    let first: Option<Option<i64>> = query.into_tuple().one(db.connection()).await?;
    Ok(first.flatten())
}

/// Deletes the positions up to `until`, at most [`TRIM`] of them.
pub(crate) async fn trim(txn: &Txn, until: i64) -> Result<(), Error> {
    let Some(first) = first(txn).await? else { return Ok(()) };
    let last = until.min(first.saturating_add(TRIM));
    let gone = entity::board_log::Entity::delete_many().filter(Column::Position.lte(last));
    gone.exec(txn.connection()).await?;
    Ok(())
}

/// The places of everyone.
pub(crate) async fn places(db: &Txn, scope: Scope) -> Result<Vec<Place>, Error> {
    let (sql, values) = query(scope, None);
    read(db, scope, &sql, values).await
}

/// The places of these people; those without one are missing.
pub(crate) async fn places_of(db: &Txn, scope: Scope, people: &BTreeSet<Uuid>) -> Result<Vec<Place>, Error> {
    let people: Vec<Uuid> = people.iter().copied().collect();
    let mut places = Vec::with_capacity(people.len());
    for some in people.chunks(SOME) {
        let (sql, values) = query(scope, Some((db.dialect, some)));
        places.extend(read(db, scope, &sql, values).await?);
    }
    Ok(places)
}

/// The students who are enrolled in a course, at most `most`, in no order.
pub(crate) async fn members(db: &impl Reads, course: Uuid, most: u64) -> Result<Vec<Uuid>, Error> {
    use entity::enrollments::{Column, Entity};
    let query = Entity::find()
        .select_only()
        .column(Column::StudentId)
        .filter(Column::CourseId.eq(course))
        .filter(Column::EndedAt.is_null())
        .limit(most);
    Ok(query.into_tuple().all(db.connection()).await?)
}

/// Learners with a score who did not choose to be left out. Others keep what they earned, without a rank.
fn query(scope: Scope, people: Option<(Dialect, &[Uuid])>) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut next = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let of_people = |table: &str, next: &mut dyn FnMut(Value) -> String| match people {
        Some((Dialect::Postgres, people)) => {
            format!(" AND {table}.person_id = ANY({})", next(people.to_vec().into()))
        }
        Some((Dialect::Sqlite, people)) => {
            let ids: Vec<String> = people.iter().map(|id| next((*id).into())).collect();
            format!(" AND {table}.person_id IN ({})", ids.join(", "))
        }
        None => String::new(),
    };
    let learners = "people.role = 'student' AND people.erased_at IS NULL AND people.ranked";
    let sql = match scope {
        Scope { score: Score::Xp, days: None } => format!(
            "SELECT totals.person_id AS person, totals.xp AS score, totals.xp_reached_at AS reached_at FROM totals \
             JOIN people ON people.id = totals.person_id WHERE totals.xp > 0 AND {learners}{}",
            of_people("totals", &mut next)
        ),
        Scope { score: Score::Achievement(id), .. } => format!(
            "SELECT awards.person_id AS person, CAST(0 AS bigint) AS score, awards.earned_at AS reached_at FROM awards \
             JOIN people ON people.id = awards.person_id WHERE awards.achievement_id = {} AND awards.revoked_at IS NULL \
             AND {FIRST_STANDING} AND {learners}{}",
            next(id.into()),
            of_people("awards", &mut next)
        ),
        Scope { score, days } => {
            let (score, at) = match score {
                Score::Awards => ("awards", "awards_at"),
                _ => ("xp", "xp_at"),
            };
            let within = match days {
                Some((first, last)) => {
                    let (first, last) = (next(first.into()), next(last.into()));
                    format!(" AND person_days.day >= {first} AND person_days.day <= {last}")
                }
                None => String::new(),
            };
            format!(
                "SELECT person_days.person_id AS person, CAST(SUM(person_days.{score}) AS bigint) AS score, \
                 MAX(person_days.{at}) AS reached_at FROM person_days JOIN people ON people.id = person_days.person_id \
                 WHERE {learners}{within}{} GROUP BY person_days.person_id HAVING SUM(person_days.{score}) > 0",
                of_people("person_days", &mut next)
            )
        }
    };
    (sql, values)
}

async fn read(db: &Txn, scope: Scope, sql: &str, values: Vec<Value>) -> Result<Vec<Place>, Error> {
    let connection = db.connection();
    let rows = connection.query_all_raw(super::statement(connection, sql, values)).await?;
    let place = |row: &sea_orm::QueryResult| {
        let reached_at: DateTime<Utc> = row.try_get("", "reached_at")?;
        let score = match scope.score {
            Score::Achievement(_) => -reached_at.timestamp_micros(),
            Score::Xp | Score::Awards => row.try_get("", "score")?,
        };
        Ok(Place { person: row.try_get("", "person")?, score, reached_at })
    };
    rows.iter().map(place).collect()
}
