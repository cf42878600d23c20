//! Events: each is appended once, and read as history.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use entity::events::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Alias, Asterisk, Expr, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;

/// A row of `events`.
pub(crate) type Row = entity::events::Model;

/// Rows per page of a history: enough for speed, few enough for memory.
const PAGE: u64 = 10_000;

/// Appends these events; returns the ids of the new ones. The order is (source, external id), so that two batches
/// cannot deadlock.
pub(crate) async fn append(txn: &Txn, mut rows: Vec<Row>) -> Result<HashSet<Uuid>, Error> {
    rows.sort_by(|a, b| (&a.source, &a.external_id).cmp(&(&b.source, &b.external_id)));
    let unique = [Column::Source, Column::ExternalId];
    let fresh = super::rows::insert_new::<_, ActiveModel>(txn, rows, unique, Column::Id).await?;
    Ok(fresh.into_iter().collect())
}

/// The events with these (source, external id) keys, in no order.
pub(crate) async fn by_external_ids(db: &Txn, keys: &BTreeSet<(String, String)>) -> Result<Vec<Row>, Error> {
    let keys = keys.iter().map(|(source, id)| [source.as_str().into(), id.as_str().into()]);
    super::rows::find::<Entity, _>(db, [Column::Source, Column::ExternalId], keys.collect()).await
}

/// All events of these (person, activity) pairs, to be folded again.
pub(crate) async fn history(db: &Txn, wanted: &BTreeSet<(Uuid, String)>) -> Result<Vec<Row>, Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let people: BTreeSet<Uuid> = wanted.iter().map(|(person, _)| *person).collect();
    let activities: BTreeSet<&str> = wanted.iter().map(|(_, activity)| activity.as_str()).collect();
    let query = Entity::find()
        .filter(Column::PersonId.is_in(people))
        .filter(Column::Activity.is_in(activities))
        .order_by(Column::OccurredAt, Order::Asc);
    let mut rows = query.all(db.connection()).await?;
    rows.retain(|row| wanted.contains(&(row.person_id, row.activity.clone())));
    Ok(rows)
}

/// The people among these with an event of one of these activities.
pub(crate) async fn people_with(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
    activities: &BTreeSet<String>,
) -> Result<HashSet<Uuid>, Error> {
    if activities.is_empty() {
        return Ok(HashSet::new());
    }
    let query = Entity::find()
        .select_only()
        .column(Column::PersonId)
        .distinct()
        .filter(among(db.connection(), Column::PersonId, people))
        .filter(Column::Activity.is_in(activities.iter().map(String::as_str)));
    let found: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(found.into_iter().collect())
}

/// One page of a person's events, after `after` by id.
pub(crate) async fn walk(db: &Txn, person: Uuid, after: Option<Uuid>) -> Result<Vec<Row>, Error> {
    page_of(db, person, after, PAGE).await
}

/// One page of all events of an activity, after `after` by id.
pub(crate) async fn of_activity(db: &Txn, activity: &str, after: Option<Uuid>) -> Result<Vec<Row>, Error> {
    let mut of = Condition::all().add(Column::Activity.eq(activity));
    if let Some(after) = after {
        of = of.add(Column::Id.gt(after));
    }
    let query = Entity::find().filter(of).order_by(Column::Id, Order::Asc).limit(PAGE);
    Ok(query.all(db.connection()).await?)
}

/// Replaces the activity of these events, with their attributes and whether they make their days active.
pub(crate) async fn assign(txn: &Txn, rows: &[Row]) -> Result<(), Error> {
    let sql = "UPDATE events SET activity = heard.column2, attributes = heard.column3, makes_active = heard.column4 \
               FROM {rows} AS heard WHERE events.id = heard.column1";
    super::rows::update_from(txn, sql, rows, |row| {
        vec![
            row.id.into(),
            row.activity.clone().into(),
            row.attributes.clone().into(),
            row.makes_active.into(),
        ]
    })
    .await
}

/// At most `limit` events of a person, after `after` by id.
pub(crate) async fn page_of(
    db: &Txn,
    person: Uuid,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut of_person = Condition::all().add(Column::PersonId.eq(person));
    if let Some(after) = after {
        of_person = of_person.add(Column::Id.gt(after));
    }
    let query = Entity::find().filter(of_person).order_by(Column::Id, Order::Asc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// All events of a person, in the order of recording.
pub(crate) async fn of_person(db: &Txn, person: Uuid) -> Result<Vec<Row>, Error> {
    let mut all = Vec::new();
    loop {
        let page = walk(db, person, all.last().map(|row: &Row| row.id)).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// All events of these people, in no order. None if there are more than `limit` events.
pub(crate) async fn of_people(db: &Txn, people: &[Uuid], limit: u64) -> Result<Option<Vec<Row>>, Error> {
    let query = Entity::find().filter(among(db.connection(), Column::PersonId, people.iter().copied()));
    let rows = query.limit(limit.saturating_add(1)).all(db.connection()).await?;
    let is_more = u64::try_from(rows.len()).unwrap_or(u64::MAX) > limit;
    Ok((!is_more).then_some(rows))
}

/// A person's events of some activities, on one side of a time.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// The person.
    pub(crate) person: Uuid,
    /// The activities' keys.
    pub(crate) activities: Vec<String>,
    /// The time.
    pub(crate) at: DateTime<Utc>,
    /// If true, the events at or after the time; otherwise the events before it.
    pub(crate) is_after: bool,
}

/// The maximum number of sides that one statement reads.
const SIDES: usize = 32;

/// The `limit` events nearest to each side's time, nearest first.
pub(crate) async fn beside(db: &Txn, sides: &[Side], limit: u64) -> Result<Vec<Vec<Row>>, Error> {
    let mut found: Vec<Vec<Row>> = sides.iter().map(|_| Vec::new()).collect();
    for (chunk, some) in sides.chunks(SIDES).enumerate() {
        let mut parts = (chunk * SIDES..).zip(some).map(|(number, side)| nearest(number, side, limit));
        let Some(mut query) = parts.next() else { continue };
        for part in parts {
            query.union(UnionType::All, part);
        }
        for row in db.connection().query_all(&query).await? {
            let side: i64 = row.try_get("", "side")?;
            let place = usize::try_from(side).ok().and_then(|side| found.get_mut(side));
            if let Some(rows) = place {
                rows.push(Row::from_query_result(&row, "")?);
            }
        }
    }
    Ok(found)
}

fn nearest(number: usize, side: &Side, limit: u64) -> SelectStatement {
    let (reached, order) = match side.is_after {
        true => (Column::OccurredAt.gte(side.at), Order::Asc),
        false => (Column::OccurredAt.lt(side.at), Order::Desc),
    };
    let mut of = Entity::find()
        .filter(Column::PersonId.eq(side.person))
        .filter(Column::Activity.is_in(&side.activities))
        .filter(reached)
        .order_by(Column::OccurredAt, order)
        .limit(limit)
        .into_query();
    of.expr_as(Expr::value(i64::try_from(number).unwrap_or(i64::MAX)), Alias::new("side"));
    // A member of a UNION cannot have an order and a limit unless it is a subquery.
    Query::select().column(Asterisk).from_subquery(of, Alias::new("nearest")).to_owned()
}
