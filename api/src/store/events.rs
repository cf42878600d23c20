//! Events: each is appended once, and read as history.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use entity::events::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Expr, Value};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::{Dialect, among};
use super::error::Error;
use super::metrics::ActiveDay;
use super::rows::ROWS_PER_STATEMENT;
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

/// When the events with these ids happened. Other ids are ignored.
pub(crate) async fn moments(
    db: &Txn,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<(Uuid, DateTime<Utc>)>, Error> {
    let query = Entity::find().select_only().columns([Column::Id, Column::OccurredAt]).filter(among(
        db.connection(),
        Column::Id,
        ids,
    ));
    Ok(query.into_tuple().all(db.connection()).await?)
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
    let query = of_activities(db, people, activities).column(Column::PersonId).distinct();
    let found: Vec<Uuid> = query.into_tuple().all(db.connection()).await?;
    Ok(found.into_iter().collect())
}

/// These people's events of these activities, without columns.
fn of_activities(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid>,
    activities: &BTreeSet<String>,
) -> Select<Entity> {
    Entity::find()
        .select_only()
        .filter(among(db.connection(), Column::PersonId, people))
        .filter(Column::Activity.is_in(activities.iter().map(String::as_str)))
}

/// One page of a person's events, after `after` by id.
pub(crate) async fn walk(db: &Txn, person: Uuid, after: Option<Uuid>) -> Result<Vec<Row>, Error> {
    page_of(db, person, after, PAGE).await
}

/// One page of a source's events whose external ids begin with `prefix`, after `after` by id.
pub(crate) async fn of_prefix(
    db: &Txn,
    source: &str,
    prefix: &str,
    after: Option<Uuid>,
) -> Result<Vec<Row>, Error> {
    let mut of = Condition::all().add(Column::Source.eq(source)).add(Column::ExternalId.starts_with(prefix));
    if let Some(after) = after {
        of = of.add(Column::Id.gt(after));
    }
    let query = Entity::find().filter(of).order_by(Column::Id, Order::Asc).limit(PAGE);
    Ok(query.all(db.connection()).await?)
}

/// The active days of these people's events of these activities.
pub(crate) async fn active_days(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
    activities: &BTreeSet<String>,
) -> Result<Vec<ActiveDay>, Error> {
    if activities.is_empty() {
        return Ok(Vec::new());
    }
    let query = of_activities(db, people, activities)
        .column(Column::PersonId)
        .column_as(Column::LocalDate, "day")
        .column(Column::Timezone)
        .distinct()
        .filter(Column::MakesActive.eq(true));
    Ok(query.into_model::<ActiveDay>().all(db.connection()).await?)
}

/// Makes the days of all events of these activities active.
pub(crate) async fn activate(txn: &Txn, activities: &BTreeSet<String>) -> Result<(), Error> {
    let update = Entity::update_many()
        .col_expr(Column::MakesActive, Expr::value(true))
        .filter(Column::Activity.is_in(activities.iter().map(String::as_str)))
        .filter(Column::MakesActive.eq(false));
    update.exec(txn.connection()).await?;
    Ok(())
}

/// Replaces the activity of these events, with their attributes and whether they make their days active.
pub(crate) async fn assign(txn: &Txn, rows: &[Row]) -> Result<(), Error> {
    let sql = "UPDATE events SET activity = assigned.column2, attributes = assigned.column3, makes_active = assigned.column4 \
               FROM {rows} AS assigned WHERE events.id = assigned.column1";
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

/// The maximum number of sides of a statement on PostgreSQL, so that it fits into one TLS record.
const SIDES_PER_STATEMENT: usize = 256;

/// The `limit` events nearest to each side's time, in no order. One statement for all sides with the same direction and
/// activities, up to a number that depends on the database. The index has the events of one activity in the order of time,
/// so that `limit` events of each activity are read, whatever the number of earlier events. The query builder has no such
/// joins.
pub(crate) async fn beside(db: &Txn, sides: &[Side], limit: u64) -> Result<Vec<Vec<Row>>, Error> {
    let mut groups: BTreeMap<(bool, &[String]), Vec<usize>> = BTreeMap::new();
    for (number, side) in sides.iter().enumerate() {
        groups.entry((side.is_after, &side.activities)).or_default().push(number);
    }
    let mut found: Vec<Vec<Row>> = sides.iter().map(|_| Vec::new()).collect();
    for ((is_after, activities), numbers) in groups.into_iter().filter(|((_, of), _)| !of.is_empty()) {
        let most = if db.dialect == Dialect::Sqlite { ROWS_PER_STATEMENT } else { SIDES_PER_STATEMENT };
        for some in numbers.chunks(most) {
            let of: Vec<(i64, &Side)> = some
                .iter()
                .filter_map(|number| Some((i64::try_from(*number).ok()?, sides.get(*number)?)))
                .collect();
            let (sql, values) = match db.dialect {
                Dialect::Sqlite => nearest_on_sqlite(&of, is_after, activities, limit),
                Dialect::Postgres => nearest_on_postgres(&of, is_after, activities, limit),
            };
            let connection = db.connection();
            for row in connection.query_all_raw(super::statement(connection, &sql, values)).await? {
                let number: i64 = row.try_get("", "number")?;
                if let Some(rows) = usize::try_from(number).ok().and_then(|number| found.get_mut(number)) {
                    rows.push(Row::from_query_result(&row, "")?);
                }
            }
        }
    }
    Ok(found)
}

/// The comparison with a side's time, and the order of the events on that side.
fn direction(is_after: bool) -> (&'static str, &'static str) {
    if is_after { (">=", "ASC") } else { ("<", "DESC") }
}

fn nearest_on_sqlite(
    sides: &[(i64, &Side)],
    is_after: bool,
    activities: &[String],
    limit: u64,
) -> (String, Vec<Value>) {
    let (reached, order) = direction(is_after);
    let list = vec!["(?, ?, ?)"; sides.len()].join(", ");
    let of = |activity: &str| {
        format!(
            "SELECT rowid FROM events WHERE person_id = side.column2 AND activity = {activity} \
             AND occurred_at {reached} side.column3 ORDER BY occurred_at {order} LIMIT ?"
        )
    };
    let (found, limits) = match activities {
        [_] => (of("?"), 1),
        _ => {
            let keys = vec!["(?)"; activities.len()].join(", ");
            let of_each = of("each.column1");
            let found = format!(
                "SELECT found.rowid FROM (VALUES {keys}) AS each CROSS JOIN events AS found ON found.rowid IN ({of_each}) \
                 ORDER BY found.occurred_at {order} LIMIT ?"
            );
            (found, 2)
        }
    };
    let sql = format!(
        "SELECT side.column1 AS number, nearest.* FROM (VALUES {list}) AS side JOIN events AS nearest \
         ON nearest.rowid IN ({found})"
    );
    let side = |(number, side): &(i64, &Side)| [(*number).into(), side.person.into(), side.at.into()];
    let mut values: Vec<Value> = sides.iter().flat_map(side).collect();
    values.extend(activities.iter().map(|key| key.as_str().into()));
    values.extend(std::iter::repeat_n(Value::from(limit), limits));
    (sql, values)
}

fn nearest_on_postgres(
    sides: &[(i64, &Side)],
    is_after: bool,
    activities: &[String],
    limit: u64,
) -> (String, Vec<Value>) {
    let (reached, order) = direction(is_after);
    let sql = format!(
        "SELECT side.number, nearest.* FROM UNNEST($1, $2, $3) AS side(number, person, at) CROSS JOIN LATERAL (\
         SELECT of_one.* FROM UNNEST($4) AS each(activity) CROSS JOIN LATERAL (\
         SELECT * FROM events WHERE person_id = side.person AND activity = each.activity \
         AND occurred_at {reached} side.at ORDER BY occurred_at {order} LIMIT $5) AS of_one \
         ORDER BY of_one.occurred_at {order} LIMIT $5) AS nearest"
    );
    let numbers: Vec<i64> = sides.iter().map(|(number, _)| *number).collect();
    let people: Vec<Uuid> = sides.iter().map(|(_, side)| side.person).collect();
    let times: Vec<DateTime<Utc>> = sides.iter().map(|(_, side)| side.at).collect();
    (sql, vec![numbers.into(), people.into(), times.into(), activities.to_vec().into(), limit.into()])
}
