//! Step 3: the kind of each actor in the audit log, and self-reported events.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The third step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_actors"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE acts ADD COLUMN actor_kind text NOT NULL DEFAULT 'person'
        CHECK (actor_kind IN ('person', 'service'))",
    // The role determines the kind of actor: no person has the role of a service.
    "UPDATE acts SET actor_kind = 'service' WHERE role = 'service'",
    "ALTER TABLE acts ADD COLUMN activity text",
    "ALTER TABLE acts ADD COLUMN events bigint CHECK (events >= 1)",
    "ALTER TABLE events ADD COLUMN reported_on {date}",
];
