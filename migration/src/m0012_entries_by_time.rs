//! Step 12: a person's entries since a time. A late event reads them to update the times of the awards after it.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The twelfth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0012_entries_by_time"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "DROP INDEX xp_entries_of_person",
    "CREATE INDEX xp_entries_of_person ON xp_entries (person_id, occurred_at)",
];
