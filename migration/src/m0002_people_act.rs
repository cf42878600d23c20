//! Step 2: actions of people on other people's records: links, courses, badges, certificates, and the audit log.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

/// The second step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_people_act"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE people ADD COLUMN erased_at {time}",
    "ALTER TABLE awards ADD COLUMN awarded_by {uuid} REFERENCES people (id)",
    "ALTER TABLE awards ADD COLUMN notes text",
    "ALTER TABLE awards ADD COLUMN revoked_by {uuid} REFERENCES people (id)",
    "CREATE INDEX awards_by_giver ON awards (awarded_by) WHERE awarded_by IS NOT NULL",
    "CREATE INDEX awards_by_revoker ON awards (revoked_by) WHERE revoked_by IS NOT NULL",
    "CREATE INDEX outbox_of_person ON outbox (person_id)",
    "CREATE TABLE guardians (
        guardian_id {uuid} NOT NULL REFERENCES people (id),
        child_id {uuid} NOT NULL REFERENCES people (id),
        linked_at {time} NOT NULL,
        ended_at {time},
        PRIMARY KEY (guardian_id, child_id),
        CHECK (guardian_id <> child_id)
    )",
    "CREATE INDEX guardians_of_child ON guardians (child_id)",
    "CREATE TABLE courses (
        id {uuid} NOT NULL PRIMARY KEY,
        title text NOT NULL,
        teacher_id {uuid} REFERENCES people (id),
        certificate_title text,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE INDEX courses_by_age ON courses (created_at, id)",
    "CREATE INDEX courses_of_teacher ON courses (teacher_id)",
    "CREATE TABLE lessons (
        id {uuid} NOT NULL PRIMARY KEY,
        course_id {uuid} NOT NULL REFERENCES courses (id),
        title text NOT NULL,
        position integer NOT NULL CHECK (position >= 1),
        UNIQUE (course_id, position)
    )",
    "CREATE TABLE enrollments (
        course_id {uuid} NOT NULL REFERENCES courses (id),
        student_id {uuid} NOT NULL REFERENCES people (id),
        enrolled_at {time} NOT NULL,
        ended_at {time},
        PRIMARY KEY (course_id, student_id)
    )",
    "CREATE INDEX enrollments_of_student ON enrollments (student_id)",
    "CREATE TABLE completions (
        lesson_id {uuid} NOT NULL REFERENCES lessons (id),
        student_id {uuid} NOT NULL REFERENCES people (id),
        completed_at {time} NOT NULL,
        PRIMARY KEY (lesson_id, student_id)
    )",
    "CREATE INDEX completions_of_student ON completions (student_id)",
    "CREATE TABLE comments (
        id {uuid} NOT NULL PRIMARY KEY,
        lesson_id {uuid} NOT NULL REFERENCES lessons (id),
        author_id {uuid} NOT NULL REFERENCES people (id),
        body text NOT NULL,
        written_at {time} NOT NULL
    )",
    "CREATE INDEX comments_of_lesson ON comments (lesson_id, written_at, id)",
    "CREATE INDEX comments_of_author ON comments (author_id)",
    "CREATE TABLE certificates (
        id {uuid} NOT NULL PRIMARY KEY,
        number text NOT NULL UNIQUE,
        student_id {uuid} NOT NULL REFERENCES people (id),
        title text NOT NULL,
        issued_by text NOT NULL,
        issued_date {date} NOT NULL,
        description text,
        document_url text,
        metadata {json},
        course_id {uuid} REFERENCES courses (id),
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        deleted_at {time}
    )",
    "CREATE UNIQUE INDEX certificates_once ON certificates (course_id, student_id) WHERE course_id IS NOT NULL",
    "CREATE INDEX certificates_of_student ON certificates (student_id, created_at, id)",
    "CREATE INDEX certificates_by_age ON certificates (created_at, id)",
    "CREATE TABLE acts (
        id {uuid} NOT NULL PRIMARY KEY,
        actor text NOT NULL,
        role text NOT NULL,
        act text NOT NULL,
        person_id {uuid} REFERENCES people (id),
        object_id {uuid},
        at {time} NOT NULL,
        request_id text NOT NULL
    )",
    "CREATE INDEX acts_by_age ON acts (at, id)",
    "CREATE INDEX acts_by_actor ON acts (actor)",
    "CREATE INDEX acts_on_person ON acts (person_id, at, id)",
];
