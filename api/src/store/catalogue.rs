//! The published catalogue. Every replica uses the latest publication.

use entity::{achievements, catalogue_revision, publications};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::txn::Txn;

/// A row of `publications`.
pub(crate) type Publication = publications::Model;
/// A row of `achievements`.
pub(crate) type Achievement = achievements::Model;

/// The version of the latest publication; 0 before the first.
pub(crate) async fn version(db: &impl Reads) -> Result<i64, Error> {
    let query = publications::Entity::find()
        .select_only()
        .column_as(publications::Column::Version.into_expr().max(), "version");
    let version: Option<Option<i64>> = query.into_tuple().one(db.connection()).await?;
    Ok(version.flatten().unwrap_or(0))
}

/// The latest publication with all its data.
pub(crate) async fn latest(db: &impl Reads) -> Result<Option<Publication>, Error> {
    let query = publications::Entity::find().order_by(publications::Column::Version, Order::Desc);
    Ok(query.one(db.connection()).await?)
}

/// Every achievement ever published.
pub(crate) async fn achievements(db: &impl Reads) -> Result<Vec<Achievement>, Error> {
    Ok(achievements::Entity::find().all(db.connection()).await?)
}

/// Stores a publication and its achievements. A known achievement keeps its creation date.
pub(crate) async fn publish(
    txn: &Txn,
    publication: Publication,
    achievements: Vec<Achievement>,
) -> Result<(), Error> {
    use achievements::Column;
    super::rows::insert_all(txn, vec![publication], None).await?;
    let mut replace = OnConflict::column(Column::Id);
    replace.update_columns([Column::Pack, Column::Definition, Column::UpdatedAt]);
    super::rows::insert_all(txn, achievements, Some(replace)).await
}

/// The achievement with this id, locked against changes until the transaction ends.
pub(crate) async fn hold_achievement(txn: &Txn, id: Uuid) -> Result<Option<Achievement>, Error> {
    let mut query = achievements::Entity::find_by_id(id);
    txn.dialect.hold_rows(QueryTrait::query(&mut query));
    Ok(query.one(txn.connection()).await?)
}

/// The achievement with this id, locked.
pub(crate) async fn lock_achievement(txn: &Txn, id: Uuid) -> Result<Option<Achievement>, Error> {
    let mut query = achievements::Entity::find_by_id(id);
    txn.dialect.lock_rows(QueryTrait::query(&mut query));
    Ok(query.one(txn.connection()).await?)
}

/// Adds a badge unless its key exists; returns whether it was new.
pub(crate) async fn insert_badge(txn: &Txn, row: Achievement) -> Result<bool, Error> {
    let row: achievements::ActiveModel = super::rows::every_column(row.into_active_model());
    let nothing = OnConflict::new().do_nothing().to_owned();
    let insert = achievements::Entity::insert(row).on_conflict(nothing);
    Ok(insert.exec_without_returning(txn.connection()).await? > 0)
}

/// Stores the new state of a badge.
pub(crate) async fn update_badge(txn: &Txn, row: Achievement) -> Result<(), Error> {
    let row: achievements::ActiveModel = super::rows::every_column(row.into_active_model());
    row.update(txn.connection()).await?;
    Ok(())
}

/// How often the catalogue has changed. Read it before the catalogue: the catalogue is then at least that new.
pub(crate) async fn revision(db: &impl Reads) -> Result<i64, Error> {
    let row = catalogue_revision::Entity::find_by_id(1_i16).one(db.connection()).await?;
    row.map(|row| row.revision).ok_or_else(lost)
}

/// Raises the revision, so that other processes read the catalogue again. Must be the last statement before the commit:
/// its row is locked until then, so revisions rise in the order of the commits.
pub(crate) async fn raise_revision(txn: &Txn) -> Result<(), Error> {
    use catalogue_revision::{Column, Entity};
    let next = Expr::col(Column::Revision).add(1_i64);
    let update = Entity::update_many().col_expr(Column::Revision, next).filter(Column::Id.eq(1_i16));
    let updated = update.exec(txn.connection()).await?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(lost()) }
}

fn lost() -> Error {
    Error::Impossible("the catalogue has lost its revision".into())
}
