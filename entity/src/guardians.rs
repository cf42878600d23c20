//! Who is linked to whose child. A link that has ended is kept as such.

use sea_orm::entity::prelude::*;

/// A row of `guardians`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "guardians")]
pub struct Model {
    /// Who may see.
    #[sea_orm(primary_key, auto_increment = false)]
    pub guardian_id: Uuid,
    /// Whose record.
    #[sea_orm(primary_key, auto_increment = false)]
    pub child_id: Uuid,
    /// Since when.
    pub linked_at: DateTimeUtc,
    /// Until when; none while it holds.
    pub ended_at: Option<DateTimeUtc>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
