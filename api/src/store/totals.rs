//! People's totals: XP, awards and streak.

use chrono::{DateTime, Utc};
use entity::totals::{Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;
use crate::auth::policy::Seen;

/// A row of `totals`.
pub(crate) type Row = entity::totals::Model;

/// The totals of a person without a row.
pub(crate) fn none(person_id: Uuid, since: DateTime<Utc>) -> Row {
    Row {
        person_id,
        xp: 0,
        xp_reached_at: since,
        awards: 0,
        streak_run: 0,
        streak_longest: 0,
        last_active_on: None,
        last_active_in: None,
        last_event_at: None,
    }
}

/// The totals of these visible people. A person without a row has zeros.
pub(crate) async fn of_seen(db: &impl Reads, people: &[Seen]) -> Result<Vec<Row>, Error> {
    let people = super::scope::readable(people);
    Ok(Entity::find().filter(Column::PersonId.is_in(people)).all(db.connection()).await?)
}

/// The totals of these people. A person without a row has zeros.
pub(crate) async fn of_people(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(among(db.connection(), Column::PersonId, people)).all(db.connection()).await?)
}

/// Inserts or replaces these totals.
pub(crate) async fn put(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    let mut replace = OnConflict::column(Column::PersonId);
    replace.update_columns([
        Column::Xp,
        Column::XpReachedAt,
        Column::Awards,
        Column::StreakRun,
        Column::StreakLongest,
        Column::LastActiveOn,
        Column::LastActiveIn,
        Column::LastEventAt,
    ]);
    super::rows::insert_all(txn, rows, Some(replace)).await
}
