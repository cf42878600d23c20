//! Step 10: the time zone of each event and active day. A streak breaks only when a whole local day passes, so it depends on
//! the zones. Rows that exist get the zone that their person has now.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The tenth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0010_zones"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE events ADD COLUMN timezone text NOT NULL DEFAULT 'UTC'",
    "UPDATE events SET timezone = (SELECT p.timezone FROM people p WHERE p.id = events.person_id)",
    "CREATE TABLE days (
        person_id {uuid} NOT NULL REFERENCES people (id),
        day {date} NOT NULL,
        timezone text NOT NULL,
        PRIMARY KEY (person_id, day, timezone)
    )",
    "INSERT INTO days (person_id, day, timezone)
        SELECT d.person_id, d.day, p.timezone FROM active_days d JOIN people p ON p.id = d.person_id",
    "DROP TABLE active_days",
    "ALTER TABLE days RENAME TO active_days",
    "ALTER TABLE totals ADD COLUMN last_active_in text",
    "UPDATE totals SET last_active_in = (SELECT p.timezone FROM people p WHERE p.id = totals.person_id)
        WHERE last_active_on IS NOT NULL",
];
