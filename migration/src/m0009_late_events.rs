//! Step 9: what a late event needs without the person's history: the last event that broke a run, by which the open run is
//! known, and the moment of the person's last event, by which lateness is known.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The ninth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_late_events"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // Of metrics that exist already the last reset is not known; their next late event finds it.
    "ALTER TABLE metrics ADD COLUMN reset_at {time}",
    "ALTER TABLE metrics ADD COLUMN reset_place integer",
    "ALTER TABLE metrics ADD COLUMN reset_source text",
    "ALTER TABLE metrics ADD COLUMN reset_external_id text",
    "ALTER TABLE totals ADD COLUMN last_event_at {time}",
    "UPDATE totals SET last_event_at = (SELECT max(e.occurred_at) FROM events e WHERE e.person_id = totals.person_id)",
    "INSERT INTO totals (person_id, xp, xp_reached_at, awards, streak_run, streak_longest, last_event_at)
        SELECT e.person_id, 0, min(e.recorded_at), 0, 0, 0, max(e.occurred_at) FROM events e
        WHERE NOT EXISTS (SELECT 1 FROM totals t WHERE t.person_id = e.person_id) GROUP BY e.person_id",
];
