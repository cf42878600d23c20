//! Tokens and signing keys that are no longer accepted.

use chrono::{DateTime, Utc};
pub(crate) use entity::revoked_tokens::Kind;
use entity::revoked_tokens::{Column, Entity, Model};
use sea_orm::EntityTrait;
use sea_orm::sea_query::OnConflict;

use super::connect::Reads;
use super::error::Error;
use super::txn::Txn;

/// Revokes a token or a key. One that is revoked already stays as it is.
pub(crate) async fn insert(txn: &Txn, kind: Kind, name: &str, now: DateTime<Utc>) -> Result<(), Error> {
    let known = OnConflict::columns([Column::Kind, Column::Name]).do_nothing().to_owned();
    let row = Model { kind, name: name.to_owned(), revoked_at: now };
    super::rows::insert_all(txn, vec![row], Some(known)).await
}

/// All revocations. They are few: each is an accident.
pub(crate) async fn all(db: &impl Reads) -> Result<Vec<(Kind, String)>, Error> {
    let rows = Entity::find().all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.name)).collect())
}
