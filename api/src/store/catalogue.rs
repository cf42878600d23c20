//! The published catalogue: every replica works by the latest publication.

use entity::{achievements, publications};
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryOrder, QuerySelect};

use super::connect::{Reads, Txn};
use super::error::Error;

/// A row of `publications`.
pub(crate) type Publication = publications::Model;
/// A row of `achievements`.
pub(crate) type Achievement = achievements::Model;

/// The number of the latest publication; 0 before the first.
pub(crate) async fn version(db: &impl Reads) -> Result<i64, Error> {
    let query = publications::Entity::find()
        .select_only()
        .column_as(publications::Column::Version.into_expr().max(), "version");
    let version: Option<Option<i64>> = query.into_tuple().one(db.connection()).await?;
    Ok(version.flatten().unwrap_or(0))
}

/// The latest publication, whole.
pub(crate) async fn latest(db: &impl Reads) -> Result<Option<Publication>, Error> {
    let query = publications::Entity::find().order_by(publications::Column::Version, Order::Desc);
    Ok(query.one(db.connection()).await?)
}

/// Every achievement ever published.
pub(crate) async fn achievements(db: &impl Reads) -> Result<Vec<Achievement>, Error> {
    Ok(achievements::Entity::find().all(db.connection()).await?)
}

/// Writes a publication and its achievements; a known achievement keeps its first date.
pub(crate) async fn publish(
    txn: &Txn,
    publication: Publication,
    achievements: Vec<Achievement>,
) -> Result<(), Error> {
    use achievements::Column;
    super::insert_all(txn, vec![publication], None).await?;
    let mut replace = OnConflict::column(Column::Id);
    replace.update_columns([Column::Pack, Column::Definition, Column::UpdatedAt]);
    super::insert_all(txn, achievements, Some(replace)).await
}
