//! The audit log: every action of a person or service on another person's record.

use chrono::{DateTime, Utc};
use entity::audit_log::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveEnum, ColumnTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;
use crate::auth;

/// A row of `audit_log`.
pub(crate) type Row = entity::audit_log::Model;
pub(crate) use entity::audit_log::{Action, ActorKind};

impl From<auth::ActorKind> for ActorKind {
    fn from(kind: auth::ActorKind) -> Self {
        match kind {
            auth::ActorKind::Person => Self::Person,
            auth::ActorKind::Service => Self::Service,
        }
    }
}

/// An action's name in the database and in answers.
pub(crate) fn name(action: Action) -> String {
    action.to_value()
}

/// Adds entries.
pub(crate) async fn insert(txn: &Txn, rows: Vec<Row>) -> Result<(), Error> {
    super::rows::insert_all(txn, rows, None).await
}

/// At most `limit` entries before `from`, newest first; of one person's record, or of all.
pub(crate) async fn page_of(
    db: &impl Reads,
    person: Option<Uuid>,
    from: Option<(DateTime<Utc>, Uuid)>,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let mut query = Entity::find();
    if let Some(person) = person {
        query = query.filter(Column::PersonId.eq(person));
    }
    if let Some((at, id)) = from {
        let here = Expr::tuple([Expr::col(Column::At), Expr::col(Column::Id)]);
        query = query.filter(here.lt(Expr::tuple([Expr::value(at), Expr::value(id)])));
    }
    let query = query.order_by(Column::At, Order::Desc).order_by(Column::Id, Order::Desc).limit(limit);
    Ok(query.all(db.connection()).await?)
}

/// The entries with these ids.
pub(crate) async fn by_ids(
    db: &impl Reads,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(among(db.connection(), Column::Id, ids)).all(db.connection()).await?)
}

/// The number of entries, of one person's record or of all.
pub(crate) async fn count(db: &impl Reads, person: Option<Uuid>) -> Result<u64, Error> {
    let mut query = Entity::find();
    if let Some(person) = person {
        query = query.filter(Column::PersonId.eq(person));
    }
    Ok(query.count(db.connection()).await?)
}
