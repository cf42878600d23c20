//! Step 8: the feed and the outbox record every consequence, with the id of its cause; until now they recorded earned
//! awards alone. The table of the audit log gets its name.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The eighth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_consequences"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE feed_items (
        position bigint NOT NULL PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('AWARD_EARNED', 'AWARD_REVOKED', 'LEVEL_REACHED', 'RANK_REACHED',
            'STREAK_REACHED', 'CERTIFICATE_ISSUED')),
        person_id {uuid} NOT NULL REFERENCES people (id),
        group_id {uuid} NOT NULL,
        award_id {uuid} REFERENCES awards (id),
        certificate_id {uuid} REFERENCES certificates (id),
        detail {json},
        CHECK ((award_id IS NOT NULL) = (kind IN ('AWARD_EARNED', 'AWARD_REVOKED'))),
        CHECK ((certificate_id IS NOT NULL) = (kind = 'CERTIFICATE_ISSUED'))
    )",
    "INSERT INTO feed_items (position, kind, person_id, group_id, award_id)
        SELECT f.position, 'AWARD_EARNED', f.person_id, coalesce(a.event_id, a.id), a.id
        FROM feed f JOIN awards a ON a.id = f.award_id",
    "DROP TABLE feed",
    "ALTER TABLE feed_items RENAME TO feed",
    "CREATE UNIQUE INDEX feed_of_award ON feed (award_id, kind) WHERE award_id IS NOT NULL",
    "CREATE INDEX feed_of_person ON feed (person_id, position)",
    "CREATE TABLE messages (
        id {uuid} NOT NULL PRIMARY KEY,
        kind text NOT NULL,
        person_id {uuid} NOT NULL REFERENCES people (id),
        group_id {uuid} NOT NULL,
        award_id {uuid} REFERENCES awards (id),
        certificate_id {uuid} REFERENCES certificates (id),
        detail {json},
        created_at {time} NOT NULL,
        available_at {time} NOT NULL,
        attempts integer NOT NULL,
        leased_until {time},
        settled_at {time},
        buried_at {time},
        buried_because text
    )",
    "INSERT INTO messages (id, kind, person_id, group_id, award_id, created_at, available_at, attempts, leased_until,
            settled_at, buried_at, buried_because)
        SELECT o.id, 'AWARD_EARNED', o.person_id, coalesce(a.event_id, a.id, o.id), o.award_id, o.created_at,
            o.available_at, o.attempts, o.leased_until, o.settled_at, o.buried_at, o.buried_because
        FROM outbox o LEFT JOIN awards a ON a.id = o.award_id",
    "DROP TABLE outbox",
    "ALTER TABLE messages RENAME TO outbox",
    "CREATE INDEX outbox_due ON outbox (available_at, id) WHERE settled_at IS NULL AND buried_at IS NULL",
    "CREATE INDEX outbox_of_person ON outbox (person_id)",
    "CREATE UNIQUE INDEX outbox_once ON outbox (award_id, kind)",
    "CREATE INDEX outbox_settled ON outbox (settled_at, id) WHERE settled_at IS NOT NULL",
    "ALTER TABLE acts RENAME TO audit_log",
];
