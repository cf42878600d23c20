//! Awards in the order of their commits, without gaps. Subscribers follow this table.

use sea_orm::entity::prelude::*;

/// A row of `feed`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feed")]
pub struct Model {
    /// 1, 2, 3, …: the resume cursor.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The award.
    pub award_id: Uuid,
    /// The person who holds it.
    pub person_id: Uuid,
}

/// Empty: `store` writes joins where it needs them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
