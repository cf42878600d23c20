//! Step 13: deliveries. A message of the outbox is what happened; a delivery is one letter to one person or one request to
//! one webhook, with its attempts and its lease. The attempts leave the outbox.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The thirteenth step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0013_deliveries"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // Old messages count as planned: those that were delivered to the log, and those that were buried.
    "DROP INDEX outbox_due",
    "DROP INDEX outbox_settled",
    "UPDATE outbox SET settled_at = buried_at WHERE settled_at IS NULL AND buried_at IS NOT NULL",
    "ALTER TABLE outbox RENAME COLUMN settled_at TO planned_at",
    "ALTER TABLE outbox RENAME COLUMN buried_because TO silent_because",
    "ALTER TABLE outbox DROP COLUMN available_at",
    "ALTER TABLE outbox DROP COLUMN attempts",
    "ALTER TABLE outbox DROP COLUMN leased_until",
    "ALTER TABLE outbox DROP COLUMN buried_at",
    "CREATE INDEX outbox_due ON outbox (created_at, id) WHERE planned_at IS NULL",
    "CREATE INDEX outbox_due_of_group ON outbox (group_id) WHERE planned_at IS NULL",
    "CREATE INDEX outbox_planned ON outbox (planned_at, id) WHERE planned_at IS NOT NULL",
    "CREATE TABLE webhooks (
        id {uuid} NOT NULL PRIMARY KEY,
        url text NOT NULL,
        description text NOT NULL,
        types {json} NOT NULL,
        secret text NOT NULL,
        old_secret text,
        old_secret_until {time},
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        disabled_at {time},
        disabled_because text,
        replay_after {uuid},
        replay_since {time},
        replay_until {time},
        CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
        CHECK ((replay_since IS NULL) = (replay_until IS NULL))
    )",
    "CREATE TABLE deliveries (
        id {uuid} NOT NULL PRIMARY KEY,
        channel text NOT NULL CHECK (channel IN ('MAIL', 'WEBHOOK')),
        kind text NOT NULL,
        person_id {uuid} NOT NULL REFERENCES people (id),
        created_at {time} NOT NULL,
        available_at {time} NOT NULL,
        attempts integer NOT NULL,
        doubts integer NOT NULL,
        fence bigint NOT NULL,
        leased_until {time},
        settled_at {time},
        buried_at {time},
        reason text,
        webhook_id {uuid} REFERENCES webhooks (id),
        status smallint,
        answer text,
        CHECK (channel = 'MAIL' OR webhook_id IS NOT NULL)
    )",
    "CREATE INDEX deliveries_due_of_webhook ON deliveries (webhook_id, channel, available_at, id)
        WHERE webhook_id IS NOT NULL AND settled_at IS NULL AND buried_at IS NULL",
    "CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, created_at, id) WHERE webhook_id IS NOT NULL",
    "CREATE INDEX deliveries_accepted ON deliveries (webhook_id, settled_at)
        WHERE webhook_id IS NOT NULL AND settled_at IS NOT NULL",
    "CREATE INDEX deliveries_due ON deliveries (channel, available_at, id) WHERE settled_at IS NULL AND buried_at IS NULL",
    "CREATE INDEX deliveries_of_person ON deliveries (person_id, created_at)",
    "CREATE INDEX deliveries_by_time ON deliveries (created_at, id)",
    "CREATE INDEX deliveries_open ON deliveries (created_at, id) WHERE settled_at IS NULL AND buried_at IS NULL",
    "CREATE INDEX deliveries_buried ON deliveries (created_at, id) WHERE buried_at IS NOT NULL",
    "CREATE INDEX deliveries_settled ON deliveries (settled_at, id) WHERE settled_at IS NOT NULL",
    "CREATE TABLE delivery_messages (
        delivery_id {uuid} NOT NULL REFERENCES deliveries (id),
        message_id {uuid} NOT NULL REFERENCES outbox (id),
        PRIMARY KEY (delivery_id, message_id)
    )",
    "CREATE INDEX delivery_messages_of_message ON delivery_messages (message_id)",
    "CREATE TABLE mail_settings (
        person_id {uuid} NOT NULL PRIMARY KEY REFERENCES people (id),
        mode text NOT NULL CHECK (mode IN ('EACH', 'DAILY', 'NONE')),
        digest_hour smallint NOT NULL CHECK (digest_hour BETWEEN 0 AND 23),
        quiet_from smallint CHECK (quiet_from BETWEEN 0 AND 23),
        quiet_until smallint CHECK (quiet_until BETWEEN 0 AND 23),
        copies boolean NOT NULL,
        weekly_summary boolean NOT NULL,
        streak_reminder boolean NOT NULL,
        updated_at {time} NOT NULL,
        CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
    )",
    "CREATE INDEX mail_settings_by_calendar ON mail_settings (person_id) WHERE streak_reminder OR weekly_summary",
    // Tokens and signing keys that are no longer accepted.
    "CREATE TABLE revoked_tokens (
        kind text NOT NULL CHECK (kind IN ('TOKEN', 'KEY')),
        name text NOT NULL,
        revoked_at {time} NOT NULL,
        PRIMARY KEY (kind, name)
    )",
    // Keys that the servers of an installation share, such as the one that signs unsubscribe links.
    "CREATE TABLE installation_keys (
        name text NOT NULL PRIMARY KEY,
        value text NOT NULL
    )",
];
