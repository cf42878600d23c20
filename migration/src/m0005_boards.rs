//! Step 5: an index of the people who earned an achievement, in the order of its leaderboard.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The fifth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_boards"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "DROP INDEX awards_of_achievement",
    "CREATE INDEX awards_of_achievement ON awards (achievement_id, earned_at, person_id, occurrence) \
     WHERE revoked_at IS NULL",
];
