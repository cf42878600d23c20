//! Step 1: people, events and their consequences.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The first step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_main_flow"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE people (
        id {uuid} NOT NULL PRIMARY KEY,
        display_name text NOT NULL,
        search_name {letters} NOT NULL,
        role text NOT NULL CHECK (role IN ('super_admin', 'admin', 'teacher', 'student', 'parent')),
        email text,
        timezone text NOT NULL,
        locale text,
        referred_by {uuid} REFERENCES people (id),
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        CHECK (referred_by <> id)
    )",
    "CREATE INDEX people_by_name ON people (search_name, id)",
    "CREATE INDEX people_referred_by ON people (referred_by) WHERE referred_by IS NOT NULL",
    "CREATE TABLE totals (
        person_id {uuid} NOT NULL PRIMARY KEY REFERENCES people (id),
        xp bigint NOT NULL CHECK (xp BETWEEN 0 AND 2147483647),
        xp_reached_at {time} NOT NULL,
        awards bigint NOT NULL CHECK (awards >= 0),
        streak_run bigint NOT NULL CHECK (streak_run >= 0),
        streak_longest bigint NOT NULL CHECK (streak_longest >= streak_run),
        last_active_on {date}
    )",
    "CREATE INDEX totals_by_xp ON totals (xp DESC, xp_reached_at, person_id)",
    "CREATE TABLE events (
        id {uuid} NOT NULL PRIMARY KEY,
        source text NOT NULL,
        external_id text NOT NULL,
        person_id {uuid} NOT NULL REFERENCES people (id),
        activity text NOT NULL,
        occurred_at {time} NOT NULL,
        local_date {date} NOT NULL,
        local_hour smallint NOT NULL CHECK (local_hour BETWEEN 0 AND 23),
        makes_active boolean NOT NULL,
        attributes {json} NOT NULL,
        recorded_at {time} NOT NULL,
        catalogue_version bigint NOT NULL,
        UNIQUE (source, external_id)
    )",
    "CREATE INDEX events_of_person ON events (person_id, activity, occurred_at)",
    "CREATE TABLE metrics (
        person_id {uuid} NOT NULL REFERENCES people (id),
        metric_id {uuid} NOT NULL,
        value bigint NOT NULL CHECK (value >= 0),
        run_current bigint,
        run_at {time},
        run_source text,
        run_external_id text,
        PRIMARY KEY (person_id, metric_id)
    )",
    "CREATE TABLE metric_members (
        person_id {uuid} NOT NULL REFERENCES people (id),
        metric_id {uuid} NOT NULL,
        member text NOT NULL,
        PRIMARY KEY (person_id, metric_id, member)
    )",
    "CREATE TABLE active_days (
        person_id {uuid} NOT NULL REFERENCES people (id),
        day {date} NOT NULL,
        PRIMARY KEY (person_id, day)
    )",
    "CREATE TABLE capped_days (
        person_id {uuid} NOT NULL REFERENCES people (id),
        activity text NOT NULL,
        day {date} NOT NULL,
        amount bigint NOT NULL,
        PRIMARY KEY (person_id, activity, day)
    )",
    "CREATE TABLE achievements (
        id {uuid} NOT NULL PRIMARY KEY,
        key text NOT NULL UNIQUE,
        pack text NOT NULL,
        definition {json} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE TABLE awards (
        id {uuid} NOT NULL PRIMARY KEY,
        person_id {uuid} NOT NULL REFERENCES people (id),
        achievement_id {uuid} NOT NULL REFERENCES achievements (id),
        occurrence bigint NOT NULL CHECK (occurrence >= 1),
        cause text NOT NULL CHECK (cause IN ('RULE', 'PERSON', 'IMPORT')),
        earned_at {time} NOT NULL,
        recorded_at {time} NOT NULL,
        xp_bonus bigint NOT NULL CHECK (xp_bonus >= 0),
        event_id {uuid} REFERENCES events (id),
        flagged boolean NOT NULL,
        revoked_at {time},
        revocation_reason text,
        UNIQUE (person_id, achievement_id, occurrence)
    )",
    "CREATE INDEX awards_of_person ON awards (person_id, earned_at, id)",
    "CREATE INDEX awards_of_achievement ON awards (achievement_id, earned_at, id)",
    "CREATE INDEX awards_of_event ON awards (event_id)",
    "CREATE INDEX awards_flagged ON awards (person_id) WHERE flagged",
    "CREATE TABLE xp_entries (
        id {uuid} NOT NULL PRIMARY KEY,
        person_id {uuid} NOT NULL REFERENCES people (id),
        amount bigint NOT NULL CHECK (amount <> 0),
        kind text NOT NULL CHECK (kind IN ('BASE', 'BONUS', 'REVERSAL')),
        event_id {uuid} REFERENCES events (id),
        award_id {uuid} REFERENCES awards (id),
        occurred_at {time} NOT NULL,
        local_date {date} NOT NULL,
        recorded_at {time} NOT NULL
    )",
    "CREATE INDEX xp_entries_of_person ON xp_entries (person_id)",
    "CREATE INDEX xp_entries_of_event ON xp_entries (event_id)",
    "CREATE UNIQUE INDEX xp_entries_base_once ON xp_entries (event_id) WHERE kind = 'BASE'",
    "CREATE UNIQUE INDEX xp_entries_bonus_once ON xp_entries (award_id, kind) WHERE kind <> 'BASE'",
    "CREATE TABLE feed (
        position bigint NOT NULL PRIMARY KEY,
        award_id {uuid} NOT NULL UNIQUE REFERENCES awards (id),
        person_id {uuid} NOT NULL REFERENCES people (id)
    )",
    "CREATE INDEX feed_of_person ON feed (person_id, position)",
    "CREATE TABLE feed_counter (
        id smallint NOT NULL PRIMARY KEY CHECK (id = 1),
        position bigint NOT NULL
    )",
    "INSERT INTO feed_counter (id, position) VALUES (1, 0)",
    "CREATE TABLE outbox (
        id {uuid} NOT NULL PRIMARY KEY,
        kind text NOT NULL,
        person_id {uuid} NOT NULL REFERENCES people (id),
        award_id {uuid} REFERENCES awards (id),
        created_at {time} NOT NULL,
        available_at {time} NOT NULL,
        attempts integer NOT NULL,
        leased_until {time},
        settled_at {time},
        buried_at {time},
        buried_because text
    )",
    "CREATE INDEX outbox_due ON outbox (available_at, id) WHERE settled_at IS NULL AND buried_at IS NULL",
    "CREATE UNIQUE INDEX outbox_once ON outbox (award_id, kind)",
    "CREATE TABLE publications (
        version bigint NOT NULL PRIMARY KEY,
        published_at {time} NOT NULL,
        packs {json} NOT NULL
    )",
];
