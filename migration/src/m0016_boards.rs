//! Step 16: leaderboards in memory follow a log of the people whose scores changed, in the order of the commits.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The sixteenth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0016_boards"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE feed_counter ADD COLUMN board_position bigint NOT NULL DEFAULT 0",
    // The ids of people, 16 bytes each; no bytes stand for everyone.
    "CREATE TABLE board_log (
        position bigint NOT NULL PRIMARY KEY,
        people {bytes} NOT NULL
    )",
    "DROP INDEX totals_by_xp",
];
