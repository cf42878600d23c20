//! Step 4: a counter that shows servers when the catalogue or a badge has changed.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The fourth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_revision"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE catalogue_revision (
        id smallint NOT NULL PRIMARY KEY CHECK (id = 1),
        revision bigint NOT NULL
    )",
    "INSERT INTO catalogue_revision (id, revision) VALUES (1, 0)",
];
