//! The feed: awards in the order of their commits, without a gap.

use std::collections::VecDeque;

use entity::{awards, feed};
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::scope::{self, Lookup};
use super::txn::Txn;
use crate::auth::policy::{Action, Reach};

/// A row of `feed`: a position, which is the resume cursor, and whose award stands there.
pub(crate) type Place = feed::Model;

/// Gives these awards, (id, person), the next positions in the order given; answers the last one.
/// The last statements before the commit: the counter's row is what all writers wait for.
pub(crate) async fn append(txn: &Txn, awards: &[(Uuid, Uuid)]) -> Result<i64, Error> {
    let connection = txn.connection();
    let count = i64::try_from(awards.len()).unwrap_or(i64::MAX);
    let take = super::statement(
        connection,
        "UPDATE feed_counter SET position = position + $1 WHERE id = 1 RETURNING position",
        [count.into()],
    );
    let row = connection.query_one_raw(take).await?;
    let head: i64 = match row {
        Some(row) => row.try_get("", "position")?,
        None => return Err(Error::Impossible("the feed has lost its counter".into())),
    };
    let rows = (head - count + 1..).zip(awards).map(|(position, &(award_id, person_id))| Place {
        position,
        award_id,
        person_id,
    });
    super::insert_all(txn, rows.collect(), None).await?;
    Ok(head)
}

/// The last position given out.
pub(crate) async fn head(db: &impl Reads) -> Result<i64, Error> {
    let counter = entity::feed_counter::Entity::find_by_id(1_i16).one(db.connection()).await?;
    counter.map(|row| row.position).ok_or_else(|| Error::Impossible("the feed has lost its counter".into()))
}

/// The place at this position.
pub(crate) async fn at(db: &impl Reads, position: i64) -> Result<Option<Place>, Error> {
    Ok(feed::Entity::find_by_id(position).one(db.connection()).await?)
}

/// The last place.
pub(crate) async fn last(db: &impl Reads) -> Result<Option<Place>, Error> {
    Ok(feed::Entity::find().order_by(feed::Column::Position, Order::Desc).one(db.connection()).await?)
}

/// At most `limit` places behind `position`, in order; of one person, or of all.
pub(crate) async fn after(
    db: &impl Reads,
    position: i64,
    person: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Place>, Error> {
    let mut query = feed::Entity::find().filter(feed::Column::Position.gt(position));
    if let Some(person) = person {
        query = query.filter(feed::Column::PersonId.eq(person));
    }
    Ok(query.order_by(feed::Column::Position, Order::Asc).limit(limit).all(db.connection()).await?)
}

/// The award at this place as it stands, if it is of somebody who exists within the reach.
pub(crate) async fn award(
    db: &impl Reads,
    reach: &Reach,
    place: &Place,
) -> Result<Option<super::awards::Row>, Error> {
    let query = awards::Entity::find_by_id(place.award_id)
        .filter(scope::within(reach, &[Action::SeeRecord], awards::Column::PersonId, Lookup::EachRow))
        .filter(scope::remains(awards::Column::PersonId));
    Ok(query.one(db.connection()).await?)
}

/// The positions of these awards.
pub(crate) async fn positions(
    db: &impl Reads,
    awards: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<(Uuid, i64)>, Error> {
    let awards: Vec<Uuid> = awards.into_iter().collect();
    let mut positions = Vec::with_capacity(awards.len());
    for some in awards.chunks(super::ROWS_A_STATEMENT) {
        let query = feed::Entity::find()
            .select_only()
            .columns([feed::Column::AwardId, feed::Column::Position])
            .filter(feed::Column::AwardId.is_in(some.iter().copied()));
        positions.extend(query.into_tuple::<(Uuid, i64)>().all(db.connection()).await?);
    }
    Ok(positions)
}

/// Gives every award one position from 1 on, without a gap, and sets the counter to the last; returns how many awards
/// got another position than they had. An award with a right position keeps it. The counter's row is locked first, so
/// that no other transaction gives a position meanwhile.
pub(crate) async fn renumber(txn: &Txn) -> Result<usize, Error> {
    let connection = txn.connection();
    let lock = "UPDATE feed_counter SET position = position WHERE id = 1 RETURNING position";
    let counter: i64 = match connection.query_one_raw(super::statement(connection, lock, [])).await? {
        Some(row) => row.try_get("", "position")?,
        None => return Err(Error::Impossible("the feed has lost its counter".into())),
    };
    let held = awards::Entity::find().count(connection).await?;
    let last = i64::try_from(held).unwrap_or(i64::MAX);
    let unplaced = super::statement(
        connection,
        "SELECT a.id, a.person_id FROM awards a LEFT JOIN feed f ON f.award_id = a.id \
         WHERE f.position IS NULL OR f.position > $1 OR f.position < 1 \
         ORDER BY coalesce(f.position, $1), a.recorded_at, a.id",
        [last.into()],
    );
    let mut unplaced: VecDeque<(Uuid, Uuid)> = connection
        .query_all_raw(unplaced)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "person_id")?)))
        .collect::<Result<_, sea_orm::DbErr>>()?;
    let gaps = super::statement(
        connection,
        "SELECT taken.position, taken.behind FROM (SELECT position, lead(position, 1, $1 + 1) OVER (ORDER BY position) \
         AS behind FROM (SELECT position FROM feed WHERE position BETWEEN 1 AND $1 UNION ALL SELECT 0) AS places) \
         AS taken WHERE taken.behind > taken.position + 1 ORDER BY taken.position",
        [last.into()],
    );
    let mut moved = 0;
    for row in connection.query_all_raw(gaps).await? {
        let (before, behind): (i64, i64) = (row.try_get("", "position")?, row.try_get("", "behind")?);
        for position in before + 1..behind {
            let Some((award_id, person_id)) = unplaced.pop_front() else { break };
            let mut replace = OnConflict::column(feed::Column::AwardId);
            replace.update_columns([feed::Column::Position, feed::Column::PersonId]);
            super::insert_all(txn, vec![Place { position, award_id, person_id }], Some(replace)).await?;
            moved += 1;
        }
    }
    if counter != last {
        let set = "UPDATE feed_counter SET position = $1 WHERE id = 1";
        connection.execute_raw(super::statement(connection, set, [last.into()])).await?;
    }
    Ok(moved)
}

/// How many places the feed has, and the last one taken: equal, or there is a gap.
pub(crate) async fn extent(db: &impl Reads) -> Result<(i64, i64), Error> {
    let query = feed::Entity::find()
        .select_only()
        .column_as(feed::Column::Position.count(), "places")
        .column_as(feed::Column::Position.into_expr().max(), "last");
    let extent: Option<(i64, Option<i64>)> = query.into_tuple().one(db.connection()).await?;
    Ok(extent.map_or((0, 0), |(places, last)| (places, last.unwrap_or(0))))
}
