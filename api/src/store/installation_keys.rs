//! Keys that the servers of an installation share.

use entity::installation_keys::{Column, Entity, Model};
use sea_orm::EntityTrait;
use sea_orm::sea_query::OnConflict;

use super::connect::Database;
use super::error::Error;

/// The key with this name; created if it does not exist.
pub(crate) async fn find_or_create(db: &Database, name: &str) -> Result<String, Error> {
    use super::connect::Reads;
    if let Some(row) = Entity::find_by_id(name.to_owned()).one(db.connection()).await? {
        return Ok(row.value);
    }
    let txn = db.begin().await?;
    let value = crate::secret::random();
    let kept = OnConflict::column(Column::Name).do_nothing().to_owned();
    super::rows::insert_all(&txn, vec![Model { name: name.to_owned(), value }], Some(kept)).await?;
    let row = Entity::find_by_id(name.to_owned()).one(txn.connection()).await?;
    txn.commit().await?;
    row.map(|row| row.value).ok_or_else(|| Error::Impossible("a key that was just stored is missing".into()))
}
