//! Which mails people want.

use chrono::DateTime;
pub(crate) use entity::mail_settings::Mode;
use entity::mail_settings::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel, Iterable, QueryFilter};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::txn::Txn;

/// A row of `mail_settings`.
pub(crate) type Row = entity::mail_settings::Model;

/// The local hour of the daily mail, unless a person chooses another one.
const DIGEST_HOUR: i16 = 17;

/// The settings of a person who has not chosen any.
pub(crate) fn usual(person_id: Uuid) -> Row {
    Row {
        person_id,
        mode: Mode::Each,
        digest_hour: DIGEST_HOUR,
        quiet_from: None,
        quiet_until: None,
        copies: false,
        weekly_summary: false,
        streak_reminder: false,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

/// The settings that these people have chosen.
pub(crate) async fn of_people(
    db: &impl Reads,
    people: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Row>, Error> {
    Ok(Entity::find().filter(among(db.connection(), Column::PersonId, people)).all(db.connection()).await?)
}

/// Stores a person's settings.
pub(crate) async fn put(txn: &Txn, row: Row) -> Result<(), Error> {
    let row: ActiveModel = super::rows::every_column(row.into_active_model());
    let mut replace = OnConflict::column(Column::PersonId);
    replace.update_columns(Column::iter().filter(|column| !matches!(column, Column::PersonId)));
    Entity::insert(row).on_conflict(replace).exec_without_returning(txn.connection()).await?;
    Ok(())
}
