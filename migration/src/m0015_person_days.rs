//! Step 15: a rollup of each person's days, for leaderboards of periods and for dashboards. The first publication after this
//! step fills it, because only the settings know the school's time zone.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The fifteenth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0015_person_days"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE person_days (
        person_id {uuid} NOT NULL REFERENCES people (id),
        day {date} NOT NULL,
        events bigint NOT NULL,
        xp bigint NOT NULL,
        xp_at {time},
        awards bigint NOT NULL,
        awards_at {time},
        PRIMARY KEY (person_id, day)
    )",
    "CREATE INDEX person_days_by_day ON person_days (day)",
];
