//! What operators do with deliveries: list them, make them due again, and give them up.

use chrono::{DateTime, Utc};
use entity::deliveries::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Channel, Kind, Row, free, open};
use crate::store::connect::Reads;
use crate::store::dialect::among;
use crate::store::error::Error;
use crate::store::txn::Txn;

/// Gives up a delivery that is open and not under way, and not a digest that still collects news; returns whether it was.
pub(crate) async fn bury(txn: &Txn, id: Uuid, now: DateTime<Utc>, because: &str) -> Result<bool, Error> {
    let update = Entity::update_many()
        .col_expr(Column::BuriedAt, Expr::value(now))
        .col_expr(Column::Reason, Expr::value(because))
        .filter(Column::Id.eq(id))
        .filter(Column::SettledAt.is_null())
        .filter(Column::BuriedAt.is_null())
        .filter(collects(now).not())
        .filter(free(now));
    Ok(update.exec(txn.connection()).await?.rows_affected > 0)
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It waits for its first or next attempt, or an attempt is under way.
    Open,
    /// It was delivered.
    Delivered,
    /// There was nothing to deliver any more. The reason says why.
    Skipped,
    /// It was given up.
    GivenUp,
}

impl State {
    /// The state of this row.
    pub(crate) fn of(row: &Row) -> Self {
        match (row.settled_at, row.buried_at) {
            (Some(_), _) if row.reason.is_some() => Self::Skipped,
            (Some(_), _) => Self::Delivered,
            (None, Some(_)) => Self::GivenUp,
            (None, None) => Self::Open,
        }
    }
}

/// A filter of deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Only of this channel.
    pub(crate) channel: Option<Channel>,
    /// Only in this state.
    pub(crate) state: Option<State>,
    /// Only to this person, or about this person.
    pub(crate) person: Option<Uuid>,
    /// Only of this webhook.
    pub(crate) webhook: Option<Uuid>,
    /// Only planned at this time or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only what failed: given up, but not by an operator, or waiting for the next attempt.
    pub(crate) failed: bool,
}

/// At most `limit` deliveries before `from`, newest first. For operators.
pub(crate) async fn page_of(
    db: &impl Reads,
    wanted: &Wanted,
    from: Option<(DateTime<Utc>, Uuid)>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find().filter(are(wanted));
    if let Some((at, id)) = from {
        let here = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(here.lt(Expr::tuple([Expr::value(at), Expr::value(id)])));
    }
    let query = query.order_by(Column::CreatedAt, Order::Desc).order_by(Column::Id, Order::Desc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// The delivery with this id.
pub(crate) async fn by_id(db: &impl Reads, id: Uuid) -> Result<Option<Row>, Error> {
    Ok(Entity::find_by_id(id).one(db.connection()).await?)
}

fn are(wanted: &Wanted) -> Condition {
    let of_state = wanted.state.map(|state| match state {
        State::Open => Column::SettledAt.is_null().and(Column::BuriedAt.is_null()),
        State::Delivered => Column::SettledAt.is_not_null().and(Column::Reason.is_null()),
        State::Skipped => Column::SettledAt.is_not_null().and(Column::Reason.is_not_null()),
        State::GivenUp => Column::BuriedAt.is_not_null(),
    });
    Condition::all()
        .add_option(wanted.channel.map(|channel| Column::Channel.eq(channel)))
        .add_option(wanted.person.map(|person| Column::PersonId.eq(person)))
        .add_option(wanted.webhook.map(|webhook| Column::WebhookId.eq(webhook)))
        .add_option(wanted.since.map(|since| Column::CreatedAt.gte(since)))
        .add_option(of_state)
        .add_option(wanted.failed.then(failed))
}

fn failed() -> SimpleExpr {
    let given_up = Column::BuriedAt.is_not_null().and(Column::Reason.ne(super::BY_OPERATOR));
    let waits = Column::Attempts.gt(0).and(Column::SettledAt.is_null()).and(Column::BuriedAt.is_null());
    given_up.or(waits)
}

/// Makes these deliveries due again, as if they had never been tried; returns their number. Left out: a delivery under way,
/// a digest that still collects news, and those of disabled webhooks.
pub(crate) async fn renew(
    txn: &Txn,
    ids: impl IntoIterator<Item = Uuid> + Send,
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let update = Entity::update_many()
        .col_expr(Column::AvailableAt, Expr::value(now))
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::Doubts, Expr::value(0))
        .col_expr(Column::SettledAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::BuriedAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::LeasedUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::Reason, Expr::value(None::<String>))
        .col_expr(Column::Status, Expr::value(None::<i16>))
        .col_expr(Column::Answer, Expr::value(None::<String>))
        .filter(among(txn.connection(), Column::Id, ids))
        .filter(Column::Channel.eq(Channel::Mail).or(Column::WebhookId.in_subquery(enabled_webhooks())))
        .filter(collects(now).not())
        .filter(free(now));
    Ok(update.exec(txn.connection()).await?.rows_affected)
}

fn enabled_webhooks() -> SelectStatement {
    use entity::webhooks::{Column, Entity};
    Query::select().column(Column::Id).from(Entity).and_where(Column::DisabledAt.is_null()).to_owned()
}

/// The delivery is a digest that takes further news until it is due.
fn collects(now: DateTime<Utc>) -> Condition {
    open(Channel::Mail)
        .add(Column::Kind.eq(Kind::Digest))
        .add(Column::Attempts.eq(0))
        .add(Column::AvailableAt.gt(now))
}
