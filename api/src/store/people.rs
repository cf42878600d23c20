//! People: who they are. Pages, locks and inserts.

use std::collections::BTreeSet;

use entity::people::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, Order, QueryFilter, QueryOrder, QueryTrait,
};
use uuid::Uuid;

use super::connect::{Reads, Txn};
use super::error::Error;

/// A row of `people`.
pub(crate) type Row = entity::people::Model;

/// The person with this id.
pub(crate) async fn by_id(db: &impl Reads, id: Uuid) -> Result<Option<Row>, Error> {
    Ok(Entity::find_by_id(id).one(db.connection()).await?)
}

/// The people with these ids, in no order.
pub(crate) async fn by_ids(
    db: &impl Reads,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db.connection()).await?)
}

/// Everybody after `after` by id, at most `limit`: for walks over the whole school.
pub(crate) async fn walk(db: &impl Reads, after: Option<Uuid>, limit: u64) -> Result<Vec<Row>, Error> {
    use sea_orm::QuerySelect;
    let after = after.map(|id| Column::Id.gt(id));
    let query = Entity::find().order_by(Column::Id, Order::Asc).limit(limit);
    Ok(query.filter(after.unwrap_or_else(|| Expr::value(true))).all(db.connection()).await?)
}

/// Locks these people in the order of their ids and answers them as they are now.
pub(crate) async fn lock(txn: &Txn, ids: &BTreeSet<Uuid>) -> Result<Vec<Row>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query =
        Entity::find().filter(Column::Id.is_in(ids.iter().copied())).order_by(Column::Id, Order::Asc);
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    Ok(query.all(txn.connection()).await?)
}

/// Inserts the person unless the id is taken; says whether it was new.
pub(crate) async fn insert(txn: &Txn, row: Row) -> Result<bool, Error> {
    let row = super::every_column(row.into_active_model());
    let nothing = OnConflict::column(Column::Id).do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(nothing).exec_without_returning(txn.connection()).await? > 0)
}

/// Writes the person as they are now.
pub(crate) async fn update(txn: &Txn, row: Row) -> Result<(), Error> {
    let row: ActiveModel = super::every_column(row.into_active_model());
    row.update(txn.connection()).await?;
    Ok(())
}
