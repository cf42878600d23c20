//! Step 7: the position of an event in its request, which orders events of the same moment, and a hash of its attributes
//! as sent, which identifies a repeat after a change of the catalogue. XP counts as reached when the last counting event
//! or award happened, and no longer when it was recorded.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The seventh step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_history"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE events ADD COLUMN place integer NOT NULL DEFAULT 0",
    "ALTER TABLE events ADD COLUMN sent_hash {uuid}",
    "ALTER TABLE metrics ADD COLUMN run_place integer",
    "UPDATE metrics SET run_place = 0 WHERE run_at IS NOT NULL",
    "UPDATE totals SET xp_reached_at = coalesce((SELECT max(e.occurred_at) FROM xp_entries e \
     LEFT JOIN awards a ON a.id = e.award_id WHERE e.person_id = totals.person_id AND e.kind <> 'REVERSAL' \
     AND a.revoked_at IS NULL), xp_reached_at)",
];
