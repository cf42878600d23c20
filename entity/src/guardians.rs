//! Links between guardians and children. Ended ones are kept.

use sea_orm::entity::prelude::*;

/// A row of `guardians`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "guardians")]
pub struct Model {
    /// The guardian, who may see the child's record.
    #[sea_orm(primary_key, auto_increment = false)]
    pub guardian_id: Uuid,
    /// The child.
    #[sea_orm(primary_key, auto_increment = false)]
    pub child_id: Uuid,
    /// When it started.
    pub linked_at: DateTimeUtc,
    /// When it ended; none while it is current.
    pub ended_at: Option<DateTimeUtc>,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The guardian.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::GuardianId",
        to = "super::people::Column::Id"
    )]
    Guardian,
    /// The child.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::ChildId",
        to = "super::people::Column::Id"
    )]
    Child,
}

impl ActiveModelBehavior for ActiveModel {}
