//! The XP ledger: entries are only added. The time of a bonus entry is updated with its award's.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use entity::xp_entries::{Column, Entity};
use sea_orm::{ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::txn::Txn;

/// A row of `xp_entries`.
pub(crate) type Row = entity::xp_entries::Model;

pub(crate) use entity::xp_entries::Kind;

/// Adds entries.
pub(crate) async fn insert(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    super::rows::insert_all(txn, rows, None).await
}

/// The time of the latest of these entries that counts. Reversals and entries of revoked awards do not count.
pub(crate) fn reached_at<'a>(
    entries: impl IntoIterator<Item = &'a Row>,
    is_revoked: impl Fn(Uuid) -> bool,
) -> Option<DateTime<Utc>> {
    let counts = |entry: &&Row| entry.kind != Kind::Reversal && !entry.award_id.is_some_and(&is_revoked);
    entries.into_iter().filter(counts).map(|entry| entry.occurred_at).max()
}

/// The time of the latest entry of a person's events.
pub(crate) async fn base_reached_at(db: &Txn, person: Uuid) -> Result<Option<DateTime<Utc>>, Error> {
    let query = Entity::find()
        .select_only()
        .column_as(Column::OccurredAt.max(), "reached_at")
        .filter(Column::PersonId.eq(person))
        .filter(Column::Kind.eq(Kind::Base));
    let reached: Option<Option<DateTime<Utc>>> = query.into_tuple().one(db.connection()).await?;
    Ok(reached.flatten())
}

/// Amount and time of the entries of a person's events, by the event's id.
pub(crate) type Base = HashMap<Uuid, (i64, DateTime<Utc>)>;

/// The entries of these people's events, by person.
pub(crate) async fn base_of(db: &Txn, people: &[Uuid]) -> Result<HashMap<Uuid, Base>, Error> {
    base(db, Condition::all().add(Column::PersonId.is_in(people.iter().copied()))).await
}

/// As [`base_of`], since a time of each person.
pub(crate) async fn base_since(
    db: &Txn,
    since: &[(Uuid, DateTime<Utc>)],
) -> Result<HashMap<Uuid, Base>, Error> {
    let of = |(person, at): &(Uuid, DateTime<Utc>)| {
        Condition::all().add(Column::PersonId.eq(*person)).add(Column::OccurredAt.gte(*at))
    };
    base(db, since.iter().map(of).fold(Condition::any(), Condition::add)).await
}

async fn base(db: &Txn, of_people: Condition) -> Result<HashMap<Uuid, Base>, Error> {
    let query = Entity::find()
        .select_only()
        .columns([Column::PersonId, Column::EventId, Column::Amount, Column::OccurredAt])
        .filter(of_people)
        .filter(Column::Kind.eq(Kind::Base));
    let rows: Vec<(Uuid, Option<Uuid>, i64, DateTime<Utc>)> = query.into_tuple().all(db.connection()).await?;
    let mut base: HashMap<Uuid, Base> = HashMap::new();
    for (person, event, xp, at) in rows {
        base.entry(person).or_default().extend(event.map(|event| (event, (xp, at))));
    }
    Ok(base)
}

/// Sets the times of these awards' bonuses: (award, time, local date).
pub(crate) async fn redate(txn: &Txn, moments: &[(Uuid, DateTime<Utc>, NaiveDate)]) -> Result<(), Error> {
    let sql = "UPDATE xp_entries SET occurred_at = moved.column2, local_date = moved.column3 \
               FROM {rows} AS moved WHERE xp_entries.award_id = moved.column1 AND xp_entries.kind = 'BONUS'";
    super::rows::update_from(txn, sql, moments, |(award, at, day)| {
        vec![(*award).into(), (*at).into(), (*day).into()]
    })
    .await
}

/// All XP of each event for its person, including bonuses.
pub(crate) async fn gained(
    db: &Txn,
    events: impl IntoIterator<Item = Uuid> + Send,
) -> Result<HashMap<(Uuid, Uuid), i64>, Error> {
    let query = Entity::find().filter(Column::EventId.is_in(events));
    let mut gained = HashMap::new();
    for row in query.all(db.connection()).await? {
        if let Some(event) = row.event_id {
            *gained.entry((event, row.person_id)).or_insert(0) += row.amount;
        }
    }
    Ok(gained)
}

/// At most `limit` entries of a person, after `after` by id.
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

/// All entries of a person.
pub(crate) async fn of_person(db: &Txn, person: Uuid) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(Column::PersonId.eq(person)).all(db.connection()).await?)
}
