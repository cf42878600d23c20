//! Awards: each is inserted once, and read by page, by person and by event.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use entity::awards::{ActiveModel, Column, Entity, Relation};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, JoinType, Order, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::scope::Lookup;
use super::txn::Txn;
use crate::auth::policy::{Action, Reach, Seen};

/// A row of `awards`.
pub(crate) type Row = entity::awards::Model;
pub(crate) use entity::awards::Cause;

/// The filter, start, direction and length of a page of a person's awards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slice {
    /// Only awards of these achievements; all if `None`.
    pub(crate) achievements: Option<Vec<Uuid>>,
    /// Only awards earned at this time or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Begin after this award, in the direction of `oldest_first`.
    pub(crate) from: Option<(DateTime<Utc>, Uuid)>,
    /// Oldest first, or newest first.
    pub(crate) oldest_first: bool,
    /// The maximum number of awards per person.
    pub(crate) limit: u64,
}

/// Inserts these awards; returns the ids of the inserted ones. Existing awards are skipped.
pub(crate) async fn insert(txn: &Txn, rows: Vec<Row>) -> Result<BTreeSet<Uuid>, Error> {
    let unique = [Column::PersonId, Column::AchievementId, Column::Occurrence];
    let fresh = super::rows::insert_new::<_, ActiveModel>(txn, rows, unique, Column::Id).await?;
    Ok(fresh.into_iter().collect())
}

/// Marks these awards as revoked, with the time, the revoking person and the reason.
pub(crate) async fn revoke(txn: &Txn, revoked: &[(Uuid, &engine::Revoked)]) -> Result<(), Error> {
    let sql = "UPDATE awards SET revoked_at = taken.column2, revoked_by = taken.column3, \
               revocation_reason = taken.column4, flagged = FALSE FROM {rows} AS taken \
               WHERE awards.id = taken.column1";
    super::rows::update_from(txn, sql, revoked, |(award, revoked)| {
        vec![(*award).into(), revoked.at.into(), revoked.by.into(), revoked.reason.as_str().into()]
    })
    .await
}

/// Sets the times at which these awards were earned: (award, time, local date).
pub(crate) async fn redate(txn: &Txn, moments: &[(Uuid, DateTime<Utc>, NaiveDate)]) -> Result<(), Error> {
    let sql = "UPDATE awards SET earned_at = moved.column2 FROM {rows} AS moved \
               WHERE awards.id = moved.column1";
    super::rows::update_from(txn, sql, moments, |(award, at, _)| vec![(*award).into(), (*at).into()]).await
}

/// Sets or clears the flag of these awards.
pub(crate) async fn flag(txn: &Txn, ids: &BTreeSet<Uuid>, flagged: bool) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let update = Entity::update_many()
        .col_expr(Column::Flagged, Expr::value(flagged))
        .filter(Column::Id.is_in(ids.iter().copied()));
    update.exec(txn.connection()).await?;
    Ok(())
}

/// The awards of these (person, achievement) pairs, including revoked ones.
pub(crate) async fn of_pairs(db: &Txn, pairs: &BTreeSet<(Uuid, Uuid)>) -> Result<Vec<Row>, Error> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let people: BTreeSet<Uuid> = pairs.iter().map(|(person, _)| *person).collect();
    let achievements: BTreeSet<Uuid> = pairs.iter().map(|(_, achievement)| *achievement).collect();
    let query = Entity::find().filter(among(db.connection(), Column::PersonId, people)).filter(among(
        db.connection(),
        Column::AchievementId,
        achievements,
    ));
    Ok(query.all(db.connection()).await?)
}

/// The number of a pack's different achievements that a person holds, by (person, pack); 0 if absent.
pub(crate) async fn held_of_packs(
    db: &Txn,
    pairs: &BTreeSet<(Uuid, String)>,
) -> Result<BTreeMap<(Uuid, String), i64>, Error> {
    use entity::achievements;
    let people: BTreeSet<Uuid> = pairs.iter().map(|(person, _)| *person).collect();
    let packs: BTreeSet<&str> = pairs.iter().map(|(_, pack)| pack.as_str()).collect();
    let query = Entity::find()
        .select_only()
        .column(Column::PersonId)
        .column(achievements::Column::Pack)
        .column_as(Column::AchievementId.into_expr().count_distinct(), "held")
        .join(JoinType::InnerJoin, Relation::Achievement.def())
        .filter(among(db.connection(), Column::PersonId, people))
        .filter(achievements::Column::Pack.is_in(packs))
        .filter(Column::RevokedAt.is_null())
        .group_by(Column::PersonId)
        .group_by(achievements::Column::Pack);
    let rows: Vec<(Uuid, String, i64)> = query.into_tuple().all(db.connection()).await?;
    Ok(rows.into_iter().map(|(person, pack, held)| ((person, pack), held)).collect())
}

/// All awards of these people, including revoked ones.
pub(crate) async fn of_people(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    let query = Entity::find()
        .filter(among(db.connection(), Column::PersonId, people))
        .order_by(Column::Id, Order::Asc);
    Ok(query.all(db.connection()).await?)
}

/// At most `limit` awards of a person, including revoked ones, after `after` by id.
pub(crate) async fn page_of(
    db: &Txn,
    person: Uuid,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find().filter(Column::PersonId.eq(person));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    Ok(query.order_by(Column::Id, Order::Asc).limit(limit).all(db.connection()).await?)
}

/// The flagged awards of these people, oldest first.
pub(crate) async fn flagged_of(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    let query = Entity::find()
        .filter(among(db.connection(), Column::PersonId, people))
        .filter(Column::Flagged.into_expr())
        .order_by(Column::Id, Order::Asc);
    Ok(query.all(db.connection()).await?)
}

/// The latest time of any award of these people. People without awards are absent.
pub(crate) async fn last_earned(
    db: &Txn,
    people: &BTreeSet<Uuid>,
) -> Result<Vec<(Uuid, DateTime<Utc>)>, Error> {
    use entity::people;
    if people.is_empty() {
        return Ok(Vec::new());
    }
    // One look into the index for each person; a GROUP BY would read all of their awards.
    let own = Expr::col((Entity, Column::PersonId)).equals((people::Entity, people::Column::Id));
    let last = Query::select().expr(Column::EarnedAt.max()).from(Entity).and_where(own).to_owned();
    let query = people::Entity::find()
        .select_only()
        .column(people::Column::Id)
        .column_as(Expr::from(last), "last")
        .filter(among(db.connection(), people::Column::Id, people.iter().copied()));
    let rows: Vec<(Uuid, Option<DateTime<Utc>>)> = query.into_tuple().all(db.connection()).await?;
    Ok(rows.into_iter().filter_map(|(person, at)| Some((person, at?))).collect())
}

/// The awards earned with these events, oldest first.
pub(crate) async fn of_events(
    db: &Txn,
    events: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    let query = Entity::find().filter(Column::EventId.is_in(events)).order_by(Column::Id, Order::Asc);
    Ok(query.all(db.connection()).await?)
}

/// The awards with these ids, for messages about them.
pub(crate) async fn by_ids(db: &Txn, ids: impl IntoIterator<Item = Uuid> + Send) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(among(db.connection(), Column::Id, ids)).all(db.connection()).await?)
}

/// The award with this id, if its holder is within the reach and not erased.
pub(crate) async fn by_id(db: &impl Reads, reach: &Reach, id: Uuid) -> Result<Option<Row>, Error> {
    let query = Entity::find_by_id(id)
        .filter(super::scope::within(
            reach,
            &[Action::SeeRecord, Action::RevokeAward],
            Column::PersonId,
            Lookup::EachRow,
        ))
        .filter(super::scope::remains(Column::PersonId));
    Ok(query.one(db.connection()).await?)
}

/// The number of holders of each of these achievements. Each person is counted by their first unrevoked award.
pub(crate) async fn holders(
    db: &impl Reads,
    achievements: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashMap<Uuid, i64>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::AchievementId)
        .column_as(Column::PersonId.count(), "holders")
        .filter(Column::AchievementId.is_in(achievements))
        .filter(Column::RevokedAt.is_null())
        .filter(Expr::cust(FIRST_STANDING))
        .group_by(Column::AchievementId);
    let rows: Vec<(Uuid, i64)> = query.into_tuple().all(db.connection()).await?;
    Ok(rows.into_iter().collect())
}

/// The condition that the person has no earlier unrevoked award of the same achievement. Occurrence 1 needs no lookup,
/// so that achievements that are earned once are counted from the index alone.
pub(super) const FIRST_STANDING: &str = "(awards.occurrence = 1 OR NOT EXISTS (SELECT 1 FROM awards AS earlier \
     WHERE earlier.person_id = awards.person_id AND earlier.achievement_id = awards.achievement_id \
     AND earlier.occurrence < awards.occurrence AND earlier.revoked_at IS NULL))";

/// This slice of each person's unrevoked awards, in one statement.
pub(crate) async fn pages_of(db: &impl Reads, people: &[Seen], slice: &Slice) -> Result<Vec<Row>, Error> {
    let order = if slice.oldest_first { Order::Asc } else { Order::Desc };
    let mut of = Entity::find().filter(within(db, people, slice));
    if let Some((earned_at, id)) = slice.from {
        let here = Expr::tuple([Expr::col(Column::EarnedAt), Expr::col(Column::Id)]);
        let there = Expr::tuple([Expr::value(earned_at), Expr::value(id)]);
        of = of.filter(if slice.oldest_first { here.gt(there) } else { here.lt(there) });
    }
    if people.len() == 1 {
        // Reads the index of the person's awards in its order, and stops after the page. A window would read all.
        let page =
            of.order_by(Column::EarnedAt, order.clone()).order_by(Column::Id, order).limit(slice.limit);
        return Ok(page.all(db.connection()).await?);
    }
    let nearest = [(Column::EarnedAt, order.clone()), (Column::Id, order)];
    super::first_of_each(db, of, Column::PersonId, &nearest, slice.limit).await
}

/// The number of unrevoked awards of each person in the slice's achievements.
pub(crate) async fn counts_of(
    db: &impl Reads,
    people: &[Seen],
    slice: &Slice,
) -> Result<HashMap<Uuid, i64>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::PersonId)
        .column_as(Column::Id.count(), "awards")
        .filter(within(db, people, slice))
        .group_by(Column::PersonId);
    let rows: Vec<(Uuid, i64)> = query.into_tuple().all(db.connection()).await?;
    Ok(rows.into_iter().collect())
}

/// The newest unrevoked granted awards of these people, at most `limit` per person.
pub(crate) async fn given_to(db: &impl Reads, people: &[Seen], limit: u64) -> Result<Vec<Row>, Error> {
    let of = Entity::find()
        .filter(Column::PersonId.is_in(super::scope::readable(people)))
        .filter(Column::Cause.eq(Cause::Person))
        .filter(Column::RevokedAt.is_null());
    let newest = [(Column::EarnedAt, Order::Desc), (Column::Id, Order::Desc)];
    super::first_of_each(db, of, Column::PersonId, &newest, limit).await
}

/// An award with few columns, revoked or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Brief {
    /// The holder.
    pub(crate) person_id: Uuid,
    /// The achievement's id.
    pub(crate) achievement_id: Uuid,
    /// Occurrence number, starting at 1.
    pub(crate) occurrence: i64,
    /// XP of the award.
    pub(crate) xp_bonus: i64,
    /// When it was earned.
    pub(crate) earned_at: DateTime<Utc>,
    /// When it was revoked.
    pub(crate) revoked_at: Option<DateTime<Utc>>,
}

impl From<&Row> for Brief {
    fn from(row: &Row) -> Self {
        Self {
            person_id: row.person_id,
            achievement_id: row.achievement_id,
            occurrence: row.occurrence,
            xp_bonus: row.xp_bonus,
            earned_at: row.earned_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// All awards of these people, including revoked ones.
pub(crate) async fn held_by(db: &impl Reads, people: &[Seen]) -> Result<Vec<Brief>, Error> {
    use Column::{AchievementId, EarnedAt, Occurrence, PersonId, RevokedAt, XpBonus};
    let query = Entity::find()
        .select_only()
        .columns([PersonId, AchievementId, Occurrence, XpBonus, EarnedAt, RevokedAt])
        .filter(PersonId.is_in(super::scope::readable(people)));
    Ok(query.into_model().all(db.connection()).await?)
}

fn within(db: &impl Reads, people: &[Seen], slice: &Slice) -> Condition {
    let achievements = slice.achievements.as_ref();
    Condition::all()
        .add(Column::PersonId.is_in(super::scope::readable(people)))
        .add(Column::RevokedAt.is_null())
        .add_option(slice.since.map(|since| Column::EarnedAt.gte(since)))
        .add_option(
            achievements.map(|ids| among(db.connection(), Column::AchievementId, ids.iter().copied())),
        )
}
