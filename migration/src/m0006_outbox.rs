//! Step 6: delivered messages are deleted after some days. The time limit is stored, so that a message missing for
//! another reason is detected.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The sixth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_outbox"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE INDEX outbox_settled ON outbox (settled_at, id) WHERE settled_at IS NOT NULL",
    "CREATE TABLE outbox_trims (
        id smallint NOT NULL PRIMARY KEY CHECK (id = 1),
        before {time} NOT NULL
    )",
];
