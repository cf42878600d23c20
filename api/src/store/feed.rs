//! The feed: published consequences, in the order of the commits, without gaps.

use std::collections::{BTreeSet, VecDeque};

pub(crate) use entity::consequence::Kind;
use entity::{awards, feed};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Iterable, JoinType,
    Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::scope::{self, Lookup};
use super::txn::Txn;
use crate::auth::policy::{Action, Reach};

/// A row of `feed`: a position, which is the resume cursor, and a consequence.
pub(crate) type Item = feed::Model;

/// Assigns these items the next positions, in order, and inserts them; returns the last position. These must be the
/// last statements before the commit, because all writers wait for the counter's row.
pub(crate) async fn append(txn: &Txn, mut items: Vec<Item>) -> Result<i64, Error> {
    let connection = txn.connection();
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
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
    for (position, item) in (head - count + 1..).zip(&mut items) {
        item.position = position;
    }
    super::rows::insert_all(txn, items, None).await?;
    Ok(head)
}

/// The item of an earned award, from the award's row alone. Its position is not set.
pub(crate) fn earned(award: &super::awards::Row) -> Item {
    Item {
        position: 0,
        kind: Kind::AwardEarned,
        person_id: award.person_id,
        group_id: award.event_id.unwrap_or(award.id),
        award_id: Some(award.id),
        certificate_id: None,
        detail: None,
    }
}

/// The last assigned position.
pub(crate) async fn head(db: &impl Reads) -> Result<i64, Error> {
    let counter = entity::feed_counter::Entity::find_by_id(1_i16).one(db.connection()).await?;
    counter.map(|row| row.position).ok_or_else(|| Error::Impossible("the feed has lost its counter".into()))
}

/// The item at this position.
pub(crate) async fn at(db: &impl Reads, position: i64) -> Result<Option<Item>, Error> {
    Ok(feed::Entity::find_by_id(position).one(db.connection()).await?)
}

/// The last item.
pub(crate) async fn last(db: &impl Reads) -> Result<Option<Item>, Error> {
    Ok(feed::Entity::find().order_by(feed::Column::Position, Order::Desc).one(db.connection()).await?)
}

/// At most `limit` items after `position`, in order; of one person, or of all.
pub(crate) async fn after(
    db: &impl Reads,
    position: i64,
    person: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Item>, Error> {
    let mut query = feed::Entity::find().filter(feed::Column::Position.gt(position));
    if let Some(person) = person {
        query = query.filter(feed::Column::PersonId.eq(person));
    }
    Ok(query.order_by(feed::Column::Position, Order::Asc).limit(limit).all(db.connection()).await?)
}

/// The current award of this item, if its person exists within the reach. None for an item without an award.
pub(crate) async fn award(
    db: &impl Reads,
    reach: &Reach,
    item: &Item,
) -> Result<Option<super::awards::Row>, Error> {
    let Some(award) = item.award_id else { return Ok(None) };
    let query = awards::Entity::find_by_id(award)
        .filter(scope::within(reach, &[Action::SeeRecord], awards::Column::PersonId, Lookup::EachRow))
        .filter(scope::remains(awards::Column::PersonId));
    Ok(query.one(db.connection()).await?)
}

/// For each of these awards, the awards that its cause earned (or revoked, by `kind`) for the same person, itself
/// first: (one of `awards`, an award of its cause), in the order of the feed. None for an award without an item.
pub(crate) async fn of_same_cause(
    db: &Txn,
    kind: Kind,
    awards: &BTreeSet<Uuid>,
) -> Result<Vec<(Uuid, awards::Model)>, Error> {
    use feed::Column::{AwardId, GroupId, Kind, PersonId, Position};
    if awards.is_empty() {
        return Ok(Vec::new());
    }
    let [own, item] = ["own", "item"].map(Alias::new);
    let same = |column: feed::Column| Expr::col((item.clone(), column)).eq(Expr::col((own.clone(), column)));
    // An item has a position after those of earlier items, so the index of the person's items serves.
    let later = Expr::col((item.clone(), Position)).gte(Expr::col((own.clone(), Position)));
    let award = Expr::col((awards::Entity, awards::Column::Id)).eq(Expr::col((item.clone(), AwardId)));
    let mut query = Query::select();
    query
        .columns(awards::Column::iter().map(|column| (awards::Entity, column)))
        .expr_as(Expr::col((own.clone(), AwardId)), Alias::new("of"))
        .from_as(feed::Entity, own.clone())
        .join_as(
            JoinType::InnerJoin,
            feed::Entity,
            item.clone(),
            Condition::all().add(same(PersonId)).add(same(GroupId)).add(same(Kind)).add(later),
        )
        .join(JoinType::InnerJoin, awards::Entity, award)
        .and_where(Expr::col((own.clone(), Kind)).eq(kind.to_value()))
        .and_where(Expr::col((own, AwardId)).is_in(awards.iter().copied()))
        .order_by((item, Position), Order::Asc);
    let rows = db.connection().query_all(&query).await?;
    rows.iter().map(|row| Ok((row.try_get("", "of")?, awards::Model::from_query_result(row, "")?))).collect()
}

/// The positions of the items of these earned awards.
pub(crate) async fn positions(
    db: &impl Reads,
    awards: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<(Uuid, i64)>, Error> {
    let awards: Vec<Uuid> = awards.into_iter().collect();
    let mut positions = Vec::with_capacity(awards.len());
    for some in awards.chunks(super::rows::ROWS_PER_STATEMENT) {
        let query = feed::Entity::find()
            .select_only()
            .columns([feed::Column::AwardId, feed::Column::Position])
            .filter(feed::Column::Kind.eq(Kind::AwardEarned))
            .filter(feed::Column::AwardId.is_in(some.iter().copied()));
        positions.extend(query.into_tuple::<(Uuid, i64)>().all(db.connection()).await?);
    }
    Ok(positions)
}

/// Adds an item for every award without one, moves items into the gaps, and sets the counter to the last position.
/// Returns the number of added or moved items. Locks the counter's row first, so that no other transaction takes a
/// position meanwhile.
pub(crate) async fn renumber(txn: &Txn) -> Result<usize, Error> {
    let connection = txn.connection();
    let lock = "UPDATE feed_counter SET position = position WHERE id = 1 RETURNING position";
    let counter: i64 = match connection.query_one_raw(super::statement(connection, lock, [])).await? {
        Some(row) => row.try_get("", "position")?,
        None => return Err(Error::Impossible("the feed has lost its counter".into())),
    };
    let missing = awards::Entity::find()
        .filter(Expr::exists(places()).not())
        .order_by(awards::Column::RecordedAt, Order::Asc)
        .order_by(awards::Column::Id, Order::Asc)
        .all(connection)
        .await?;
    let mut missing: VecDeque<Item> = missing.iter().map(earned).collect();
    let placed = feed::Entity::find().count(connection).await?;
    let last = i64::try_from(placed).unwrap_or(i64::MAX).saturating_add(count_of(&missing));
    let outside = super::statement(
        connection,
        "SELECT position FROM feed WHERE position > $1 OR position < 1 ORDER BY position",
        [last.into()],
    );
    let mut outside: VecDeque<i64> = connection
        .query_all_raw(outside)
        .await?
        .iter()
        .map(|row| row.try_get("", "position"))
        .collect::<Result<_, _>>()?;
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
            if let Some(from) = outside.pop_front() {
                let update = "UPDATE feed SET position = $1 WHERE position = $2";
                let values = [position.into(), from.into()];
                connection.execute_raw(super::statement(connection, update, values)).await?;
            } else if let Some(item) = missing.pop_front() {
                super::rows::insert_all(txn, vec![Item { position, ..item }], None).await?;
            } else {
                break;
            }
            moved += 1;
        }
    }
    if counter != last {
        let set = "UPDATE feed_counter SET position = $1 WHERE id = 1";
        connection.execute_raw(super::statement(connection, set, [last.into()])).await?;
    }
    Ok(moved)
}

fn count_of(items: &VecDeque<Item>) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// A subquery for the position of an award's item, for a statement that selects awards.
fn places() -> SelectStatement {
    let same =
        Expr::col((feed::Entity, feed::Column::AwardId)).eq(Expr::col((awards::Entity, awards::Column::Id)));
    Query::select()
        .column(feed::Column::Position)
        .from(feed::Entity)
        .and_where(same)
        .and_where(feed::Column::Kind.eq(Kind::AwardEarned))
        .to_owned()
}

/// The number of items and the last position. They are equal if there is no gap.
pub(crate) async fn extent(db: &impl Reads) -> Result<(i64, i64), Error> {
    let query = feed::Entity::find()
        .select_only()
        .column_as(feed::Column::Position.count(), "places")
        .column_as(feed::Column::Position.into_expr().max(), "last");
    let extent: Option<(i64, Option<i64>)> = query.into_tuple().one(db.connection()).await?;
    Ok(extent.map_or((0, 0), |(places, last)| (places, last.unwrap_or(0))))
}
