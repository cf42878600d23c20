//! The people whose scores on leaderboards changed, in the order of the commits.

use sea_orm::entity::prelude::*;

/// A row of `board_log`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "board_log")]
pub struct Model {
    /// 1, 2, 3, … without gaps, in the order of the commits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The ids of the people, 16 bytes each; empty if the scores of everyone may have changed.
    pub people: Vec<u8>,
}

/// Empty: `store` writes joins where it needs them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
