//! Metrics, and the sets from which metrics, streaks and caps are computed: members, active days, capped days.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use entity::{active_days, capped_days, metric_members, metrics};
use sea_orm::sea_query::{OnConflict, Value};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::rows;
use super::txn::Txn;
use crate::auth::policy::Seen;

/// A row of `metrics`.
pub(crate) type Row = metrics::Model;
/// A row of `metric_members`.
pub(crate) type Member = metric_members::Model;
/// A row of `active_days`.
pub(crate) type ActiveDay = active_days::Model;
/// A row of `capped_days`.
pub(crate) type CappedDay = capped_days::Model;

/// The metrics of these (person, metric) pairs. A pair without a row has the value 0.
pub(crate) async fn of_pairs(db: &Txn, pairs: &BTreeSet<(Uuid, Uuid)>) -> Result<Vec<Row>, Error> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let people: BTreeSet<Uuid> = pairs.iter().map(|(person, _)| *person).collect();
    let ids: BTreeSet<Uuid> = pairs.iter().map(|(_, metric)| *metric).collect();
    let query = metrics::Entity::find()
        .filter(among(db.connection(), metrics::Column::PersonId, people))
        .filter(among(db.connection(), metrics::Column::MetricId, ids));
    Ok(query.all(db.connection()).await?)
}

/// All metrics of these visible people.
pub(crate) async fn of_seen(db: &impl Reads, people: &[Seen]) -> Result<Vec<Row>, Error> {
    let people = super::scope::readable(people);
    let query = metrics::Entity::find().filter(metrics::Column::PersonId.is_in(people));
    Ok(query.all(db.connection()).await?)
}

/// All metrics of these people.
pub(crate) async fn of_people(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    let query = metrics::Entity::find().filter(among(db.connection(), metrics::Column::PersonId, people));
    Ok(query.all(db.connection()).await?)
}

/// Inserts or replaces these metrics.
pub(crate) async fn put(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    use metrics::Column;
    let mut replace = OnConflict::columns([Column::PersonId, Column::MetricId]);
    replace.update_columns([
        Column::Value,
        Column::RunCurrent,
        Column::RunAt,
        Column::RunPlace,
        Column::RunSource,
        Column::RunExternalId,
        Column::ResetAt,
        Column::ResetPlace,
        Column::ResetSource,
        Column::ResetExternalId,
    ]);
    rows::insert_all(txn, rows, Some(replace)).await
}

/// The members among these that already exist.
pub(crate) async fn members(db: &Txn, wanted: &BTreeSet<(Uuid, Uuid, String)>) -> Result<Vec<Member>, Error> {
    use metric_members::Column;
    let columns = [Column::PersonId, Column::MetricId, Column::Member];
    let key = |(person, metric, member): &(Uuid, Uuid, String)| {
        [(*person).into(), (*metric).into(), member.as_str().into()]
    };
    rows::find::<metric_members::Entity, _>(db, columns, wanted.iter().map(key).collect()).await
}

/// All members of a person's metrics.
pub(crate) async fn members_of(db: &Txn, person: Uuid) -> Result<Vec<Member>, Error> {
    let query = metric_members::Entity::find().filter(metric_members::Column::PersonId.eq(person));
    Ok(query.all(db.connection()).await?)
}

/// Adds members. Existing members stay.
pub(crate) async fn add_members(txn: &Txn, rows: Vec<Member>) -> Result<(), Error> {
    use metric_members::Column;
    let nothing =
        OnConflict::columns([Column::PersonId, Column::MetricId, Column::Member]).do_nothing().to_owned();
    rows::insert_all(txn, rows, Some(nothing)).await
}

/// Removes these members of a person, for which the person has no event.
pub(crate) async fn remove_members(txn: &Txn, person: Uuid, members: &[(Uuid, String)]) -> Result<(), Error> {
    use metric_members::Column;
    for (metric, member) in members {
        let row = metric_members::Entity::delete_many()
            .filter(Column::PersonId.eq(person))
            .filter(Column::MetricId.eq(*metric))
            .filter(Column::Member.eq(member.as_str()));
        row.exec(txn.connection()).await?;
    }
    Ok(())
}

/// All active days of these people.
pub(crate) async fn days(db: &Txn, people: &BTreeSet<Uuid>) -> Result<Vec<ActiveDay>, Error> {
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let of_people = active_days::Column::PersonId.is_in(people.iter().copied());
    Ok(active_days::Entity::find().filter(of_people).all(db.connection()).await?)
}

/// The days among these that are already active.
pub(crate) async fn days_among(db: &Txn, wanted: Vec<ActiveDay>) -> Result<Vec<ActiveDay>, Error> {
    rows::find::<active_days::Entity, _>(db, DAY, wanted.iter().map(day_key).collect()).await
}

/// Adds active days. Existing days stay.
pub(crate) async fn add_days(txn: &Txn, rows: Vec<ActiveDay>) -> Result<(), Error> {
    use active_days::Column;
    let nothing =
        OnConflict::columns([Column::PersonId, Column::Day, Column::Timezone]).do_nothing().to_owned();
    rows::insert_all(txn, rows, Some(nothing)).await
}

/// Removes these active days, on which their people have no event.
pub(crate) async fn remove_days(txn: &Txn, days: &[ActiveDay]) -> Result<(), Error> {
    for some in days.chunks(rows::ROWS_PER_STATEMENT) {
        let keys = some.iter().map(|day| day_key(day).to_vec()).collect();
        active_days::Entity::delete_many().filter(rows::among(txn, DAY, keys)).exec(txn.connection()).await?;
    }
    Ok(())
}

/// XP of these activities on these days, before their caps.
pub(crate) async fn capped(
    db: &Txn,
    wanted: &BTreeSet<(Uuid, String, NaiveDate)>,
) -> Result<Vec<CappedDay>, Error> {
    use capped_days::Column;
    let columns = [Column::PersonId, Column::Activity, Column::Day];
    let key = |(person, activity, day): &(Uuid, String, NaiveDate)| {
        [(*person).into(), activity.as_str().into(), (*day).into()]
    };
    rows::find::<capped_days::Entity, _>(db, columns, wanted.iter().map(key).collect()).await
}

/// All capped days of a person.
pub(crate) async fn capped_of(db: &Txn, person: Uuid) -> Result<Vec<CappedDay>, Error> {
    let query = capped_days::Entity::find().filter(capped_days::Column::PersonId.eq(person));
    Ok(query.all(db.connection()).await?)
}

/// Inserts or replaces these amounts.
pub(crate) async fn put_capped(txn: &Txn, rows: Vec<CappedDay>) -> Result<(), Error> {
    use capped_days::Column;
    let mut replace = OnConflict::columns([Column::PersonId, Column::Activity, Column::Day]);
    replace.update_column(Column::Amount);
    rows::insert_all(txn, rows, Some(replace)).await
}

/// Deletes these metrics of all people, so that they can be folded again.
pub(crate) async fn forget(txn: &Txn, ids: &BTreeSet<Uuid>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let of_metric = metric_members::Column::MetricId.is_in(ids.iter().copied());
    metric_members::Entity::delete_many().filter(of_metric).exec(txn.connection()).await?;
    let of_metric = metrics::Column::MetricId.is_in(ids.iter().copied());
    metrics::Entity::delete_many().filter(of_metric).exec(txn.connection()).await?;
    Ok(())
}

/// The primary key of `active_days`.
const DAY: [active_days::Column; 3] =
    [active_days::Column::PersonId, active_days::Column::Day, active_days::Column::Timezone];

fn day_key(day: &ActiveDay) -> [Value; 3] {
    [day.person_id.into(), day.day.into(), day.timezone.as_str().into()]
}
