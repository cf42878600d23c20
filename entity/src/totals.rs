//! What a person has gathered, as numbers. Rebuilt from events, awards and ledger by `plaudit check`.

use sea_orm::entity::prelude::*;

/// A row of `totals`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "totals")]
pub struct Model {
    /// Whose numbers.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// Sum of the person's XP entries, 0 to 2,147,483,647.
    pub xp: i64,
    /// When the total last changed: who reached a score first ranks first.
    pub xp_reached_at: DateTimeUtc,
    /// Awards held and not revoked.
    pub awards: i64,
    /// Active days in a row, up to and including `last_active_on`.
    pub streak_run: i64,
    /// The longest such run ever.
    pub streak_longest: i64,
    /// The latest active local day.
    pub last_active_on: Option<Date>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
