//! The rollup of people's days.

use chrono::{DateTime, NaiveDate, Utc};
use entity::person_days::{Column, Entity};
use entity::{awards, events, xp_entries};
use sea_orm::sea_query::{Alias, CaseStatement, Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::rows;
use super::txn::Txn;

/// A row of `person_days`.
pub(crate) type Row = entity::person_days::Model;

/// An empty day.
pub(crate) fn none(person_id: Uuid, day: NaiveDate) -> Row {
    Row { person_id, day, events: 0, xp: 0, xp_at: None, awards: 0, awards_at: None }
}

/// Adds the numbers of these rows to the stored ones, and moves the times forward. The rows have different days.
pub(crate) async fn add(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    let mut sum = OnConflict::columns([Column::PersonId, Column::Day]);
    for column in [Column::Events, Column::Xp, Column::Awards] {
        sum.value(column, stored(column).add(added(column)));
    }
    for column in [Column::XpAt, Column::AwardsAt] {
        let is_later = stored(column).is_null().or(added(column).gt(stored(column)));
        sum.value(column, CaseStatement::new().case(is_later, added(column)).finally(stored(column)));
    }
    rows::insert_all(txn, rows, Some(sum)).await
}

fn stored(column: Column) -> Expr {
    Expr::col((Entity, column))
}

fn added(column: Column) -> Expr {
    Expr::col((Alias::new("excluded"), column))
}

/// Inserts or replaces these rows.
pub(crate) async fn put(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    let mut replace = OnConflict::columns([Column::PersonId, Column::Day]);
    replace.update_columns([Column::Events, Column::Xp, Column::XpAt, Column::Awards, Column::AwardsAt]);
    rows::insert_all(txn, rows, Some(replace)).await
}

/// Inserts these rows, or replaces the scores of the stored ones.
pub(crate) async fn put_scores(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    let mut replace = OnConflict::columns([Column::PersonId, Column::Day]);
    replace.update_columns([Column::Xp, Column::XpAt, Column::Awards, Column::AwardsAt]);
    rows::insert_all(txn, rows, Some(replace)).await
}

/// All rows of these people.
pub(crate) async fn of_people(
    db: &Txn,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    let query = Entity::find().filter(among(db.connection(), Column::PersonId, people));
    Ok(query.all(db.connection()).await?)
}

/// Deletes all rows of these people, which are calculated anew.
pub(crate) async fn forget(txn: &Txn, people: impl IntoIterator<Item = Uuid> + Send) -> Result<(), Error> {
    let of_people = among(txn.connection(), Column::PersonId, people);
    entity::person_days::Entity::delete_many().filter(of_people).exec(txn.connection()).await?;
    Ok(())
}

/// What happened to people at some times, to be counted by day.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    /// (person, time) of events.
    pub(crate) events: Vec<(Uuid, DateTime<Utc>)>,
    /// (person, time, XP) of the entries that count.
    pub(crate) entries: Vec<(Uuid, DateTime<Utc>, i64)>,
    /// (person, time) of awards that are not revoked.
    pub(crate) awards: Vec<(Uuid, DateTime<Utc>)>,
}

/// A person, and a span of time: its start, and its end, which is not part of it.
pub(crate) type Span = (Uuid, DateTime<Utc>, DateTime<Utc>);

/// The entries and awards within these spans.
pub(crate) async fn scored_within(db: &Txn, spans: &[Span]) -> Result<Happened, Error> {
    let mut happened = Happened::default();
    for some in spans.chunks(rows::ROWS_PER_STATEMENT) {
        let any = |person: Expr, at: Expr| {
            let one = |(id, from, until): &Span| {
                let within = at.clone().gte(*from).and(at.clone().lt(*until));
                Condition::all().add(person.clone().eq(*id)).add(within)
            };
            some.iter().map(one).fold(Condition::any(), Condition::add)
        };
        let of_entries =
            any(xp_entries::Column::PersonId.into_expr(), xp_entries::Column::OccurredAt.into_expr());
        let of_awards = any(awards::Column::PersonId.into_expr(), awards::Column::EarnedAt.into_expr());
        read_scored(db, of_entries, of_awards, &mut happened).await?;
    }
    Ok(happened)
}

/// Everything that happened to these people.
pub(crate) async fn ever(db: &Txn, people: &[Uuid]) -> Result<Happened, Error> {
    let of = |column: Expr| Condition::all().add(column.is_in(people.iter().copied()));
    let query = events::Entity::find()
        .select_only()
        .columns([events::Column::PersonId, events::Column::OccurredAt])
        .filter(of(events::Column::PersonId.into_expr()));
    let events = query.into_tuple::<(Uuid, DateTime<Utc>)>().all(db.connection()).await?;
    let mut happened = Happened { events, ..Happened::default() };
    let (entries, awards) =
        (of(xp_entries::Column::PersonId.into_expr()), of(awards::Column::PersonId.into_expr()));
    read_scored(db, entries, awards, &mut happened).await?;
    Ok(happened)
}

async fn read_scored(
    db: &Txn,
    of_entries: Condition,
    of_awards: Condition,
    happened: &mut Happened,
) -> Result<(), Error> {
    let counts = xp_entries::Column::AwardId.is_null().or(awards::Column::RevokedAt.is_null());
    let query = xp_entries::Entity::find()
        .select_only()
        .columns([xp_entries::Column::PersonId, xp_entries::Column::OccurredAt, xp_entries::Column::Amount])
        .join(JoinType::LeftJoin, xp_entries::Relation::Award.def())
        .filter(of_entries)
        .filter(xp_entries::Column::Kind.ne(xp_entries::Kind::Reversal))
        .filter(counts);
    happened.entries.extend(query.into_tuple::<(Uuid, DateTime<Utc>, i64)>().all(db.connection()).await?);
    let query = awards::Entity::find()
        .select_only()
        .columns([awards::Column::PersonId, awards::Column::EarnedAt])
        .filter(of_awards)
        .filter(awards::Column::RevokedAt.is_null());
    happened.awards.extend(query.into_tuple::<(Uuid, DateTime<Utc>)>().all(db.connection()).await?);
    Ok(())
}
