//! The people for whom a mail is due by the calendar: a streak that ends tonight, a guardian's summary of the week.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use entity::deliveries;
use entity::delivery::Kind;
use entity::mail_settings::{self, Mode};
use entity::{awards, guardians, people, totals, xp_entries};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, Order, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait, Select,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;

/// Someone who wants a mail by the calendar, and their settings.
pub(crate) type Row = mail_settings::Model;

/// The time zones of the people who want a mail by the calendar.
pub(crate) async fn zones(db: &impl Reads) -> Result<Vec<String>, Error> {
    let either = mail_settings::Column::StreakReminder
        .into_expr()
        .or(mail_settings::Column::WeeklySummary.into_expr());
    let query = reachable().filter(either).select_only().column(people::Column::Timezone).distinct();
    Ok(query.into_tuple().all(db.connection()).await?)
}

/// At most `limit` people in this zone who want a reminder, were active on `yesterday` and not since, with a streak of at least
/// two days, and have got no reminder since `since`.
pub(crate) async fn streaks_ending(
    db: &Txn,
    zone: &str,
    yesterday: NaiveDate,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let person = || Expr::col(people::Column::Id.as_column_ref());
    let running = Query::select()
        .expr(Expr::value(1))
        .from(totals::Entity)
        .and_where(person().equals(totals::Column::PersonId.as_column_ref()))
        .and_where(totals::Column::LastActiveOn.eq(yesterday))
        .and_where(totals::Column::StreakRun.gte(2))
        .to_owned();
    let query = reachable()
        .filter(mail_settings::Column::StreakReminder.into_expr())
        .filter(people::Column::Timezone.eq(zone))
        .filter(Expr::exists(running))
        .filter(without(Kind::StreakReminder, since));
    Ok(query.order_by(people::Column::Id, Order::Asc).limit(limit).all(db.connection()).await?)
}

/// At most `limit` guardians in this zone who want a summary, have a child, and have got none since `since`.
pub(crate) async fn weekly_readers(
    db: &Txn,
    zone: &str,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let person = || Expr::col(people::Column::Id.as_column_ref());
    let linked = Query::select()
        .expr(Expr::value(1))
        .from(guardians::Entity)
        .and_where(person().equals(guardians::Column::GuardianId.as_column_ref()))
        .and_where(guardians::Column::EndedAt.is_null())
        .to_owned();
    let query = reachable()
        .filter(mail_settings::Column::WeeklySummary.into_expr())
        .filter(people::Column::Timezone.eq(zone))
        .filter(Expr::exists(linked))
        .filter(without(Kind::WeeklySummary, since));
    Ok(query.order_by(people::Column::Id, Order::Asc).limit(limit).all(db.connection()).await?)
}

/// The XP of these people since `since`, and the number of their awards earned since then: (XP, awards).
pub(crate) async fn gains_since(
    db: &Txn,
    people: &[Uuid],
    since: DateTime<Utc>,
) -> Result<HashMap<Uuid, (i64, i64)>, Error> {
    use xp_entries::Column as Entry;
    let mut gains: HashMap<Uuid, (i64, i64)> = people.iter().map(|id| (*id, (0, 0))).collect();
    let sum = Entry::Amount.sum().cast_as("bigint");
    let xp = xp_entries::Entity::find()
        .select_only()
        .column(Entry::PersonId)
        .expr_as(sum, "xp")
        .filter(among(db.connection(), Entry::PersonId, people.iter().copied()))
        .filter(Entry::OccurredAt.gte(since))
        .group_by(Entry::PersonId);
    for (person, xp) in xp.into_tuple::<(Uuid, i64)>().all(db.connection()).await? {
        gains.entry(person).or_default().0 = xp;
    }
    let earned = awards::Entity::find()
        .select_only()
        .column(awards::Column::PersonId)
        .column_as(awards::Column::Id.count(), "awards")
        .filter(among(db.connection(), awards::Column::PersonId, people.iter().copied()))
        .filter(awards::Column::EarnedAt.gte(since))
        .filter(awards::Column::RevokedAt.is_null())
        .group_by(awards::Column::PersonId);
    for (person, awards) in earned.into_tuple::<(Uuid, i64)>().all(db.connection()).await? {
        gains.entry(person).or_default().1 = awards;
    }
    Ok(gains)
}

/// The settings of people with an address who have not stopped their mails.
fn reachable() -> Select<mail_settings::Entity> {
    mail_settings::Entity::find()
        .join(JoinType::InnerJoin, mail_settings::Relation::Person.def())
        .filter(mail_settings::Column::Mode.ne(Mode::None))
        .filter(people::Column::Email.is_not_null())
        .filter(people::Column::ErasedAt.is_null())
}

/// No mail of this kind was planned since then.
fn without(kind: Kind, since: DateTime<Utc>) -> SimpleExpr {
    let person = Expr::col(people::Column::Id.as_column_ref());
    let planned = Query::select()
        .expr(Expr::value(1))
        .from(deliveries::Entity)
        .and_where(person.equals(deliveries::Column::PersonId.as_column_ref()))
        .and_where(deliveries::Column::CreatedAt.gt(since))
        .cond_where(Condition::all().add(deliveries::Column::Kind.eq(kind)))
        .to_owned();
    Expr::exists(planned).not()
}
