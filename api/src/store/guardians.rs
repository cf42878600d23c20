//! The links between guardians and children.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::guardians::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, Order, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::among;
use super::error::Error;
use super::scope::proven;
use super::txn::Txn;
use crate::auth::policy::{Action, Seen};

/// Links a guardian to a child, from now on.
pub(crate) async fn link(txn: &Txn, guardian: Seen, child: Seen, now: DateTime<Utc>) -> Result<(), Error> {
    let (guardian_id, child_id) = both(guardian, child)?;
    let row = Model { guardian_id, child_id, linked_at: now, ended_at: None };
    let row: ActiveModel = super::rows::every_column(row.into_active_model());
    let mut again = OnConflict::columns([Column::GuardianId, Column::ChildId]);
    again.update_column(Column::EndedAt);
    Entity::insert(row).on_conflict(again).exec_without_returning(txn.connection()).await?;
    Ok(())
}

/// Ends the link, if it exists.
pub(crate) async fn end(txn: &Txn, guardian: Seen, child: Seen, now: DateTime<Utc>) -> Result<(), Error> {
    let (guardian, child) = both(guardian, child)?;
    let update = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .filter(Column::GuardianId.eq(guardian))
        .filter(Column::ChildId.eq(child))
        .filter(Column::EndedAt.is_null());
    update.exec(txn.connection()).await?;
    Ok(())
}

fn both(guardian: Seen, child: Seen) -> Result<(Uuid, Uuid), Error> {
    let actions = [Action::LinkGuardian];
    Ok((proven(guardian, &actions)?, proven(child, &actions)?))
}

/// The current links of these guardians: (guardian, child).
pub(crate) async fn children_of(db: &impl Reads, guardians: &[Seen]) -> Result<Vec<(Uuid, Uuid)>, Error> {
    let query = Entity::find()
        .filter(Column::GuardianId.is_in(super::scope::readable(guardians)))
        .filter(Column::EndedAt.is_null());
    let rows = query.all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.guardian_id, row.child_id)).collect())
}

/// The current guardians of these children who want copies of their news: (guardian, child). For the relay.
pub(crate) async fn who_want_copies(
    db: &Txn,
    children: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<(Uuid, Uuid)>, Error> {
    use entity::mail_settings;
    let wanting = Query::select()
        .column(mail_settings::Column::PersonId)
        .from(mail_settings::Entity)
        .and_where(mail_settings::Column::Copies.into_expr())
        .and_where(mail_settings::Column::PersonId.into_expr().equals(Column::GuardianId.as_column_ref()))
        .to_owned();
    let query = Entity::find()
        .filter(among(db.connection(), Column::ChildId, children))
        .filter(Column::EndedAt.is_null())
        .filter(Expr::exists(wanting));
    let rows = query.all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.guardian_id, row.child_id)).collect())
}

/// At most `limit` children who are linked to this guardian now. For the guardian's mails.
pub(crate) async fn linked_to(db: &Txn, guardian: Uuid, limit: u64) -> Result<Vec<Uuid>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::ChildId)
        .filter(Column::GuardianId.eq(guardian))
        .filter(Column::EndedAt.is_null())
        .order_by(Column::LinkedAt, Order::Asc)
        .limit(limit);
    Ok(query.into_tuple().all(db.connection()).await?)
}

/// The children among these that are currently linked to this guardian.
pub(crate) async fn linked_among(
    db: &impl Reads,
    guardian: Uuid,
    children: &[Seen],
) -> Result<BTreeSet<Uuid>, Error> {
    let query = Entity::find()
        .filter(Column::GuardianId.eq(guardian))
        .filter(Column::ChildId.is_in(super::scope::readable(children)))
        .filter(Column::EndedAt.is_null());
    Ok(query.all(db.connection()).await?.into_iter().map(|row| row.child_id).collect())
}

/// Whether this guardian is currently linked to this child.
pub(crate) async fn are_linked(db: &impl Reads, guardian: Uuid, child: Uuid) -> Result<bool, Error> {
    let link = Entity::find_by_id((guardian, child)).one(db.connection()).await?;
    Ok(link.is_some_and(|link| link.ended_at.is_none()))
}
