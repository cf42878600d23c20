//! A whole school, written by a few SQL statements in seconds: people, events, awards and all other data.
//! The ids are derived from numbers, so that a document in a file can contain them. Events and totals match the ledger.
//! Metrics are missing (see [`School::copy_metrics`]), so `plaudit check` reports differences.

mod rows;
mod sql;

use uuid::Uuid;

use crate::database::{Backend, Database};
use crate::process::Process;
use sql::Dialect;

/// The sizes of a school.
#[derive(Debug, Clone, Copy)]
pub struct School {
    /// People of all roles; at least 200.
    pub people: u64,
    /// Events. One fiftieth of them are those of the busiest student.
    pub events: u64,
    /// Awards, spread evenly over the students; each has a place in the feed.
    pub awards: u64,
    /// Courses of 500 lessons, the maximum of a course, with the longest titles.
    pub large_courses: u64,
    /// Courses of 20 lessons. Every student is enrolled in course 1 and two others.
    pub small_courses: u64,
    /// Comments, half of them on lesson 1. The newest 200 have the maximum length.
    pub comments: u64,
    /// Certificates. The first 300 belong to the busiest student and have the largest metadata.
    pub certificates: u64,
    /// Rows of the audit log.
    pub acts: u64,
}

/// The numbers of people by role, in this order; all others are students.
const TEACHER: u64 = 3;
const PARENT: u64 = 13;
const STUDENT: u64 = 113;

/// The kind of object of an id; it is the upper half of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    Person = 0,
    /// An event.
    Event = 1,
    /// An award.
    Award = 2,
    /// A course; the highest number is the newest.
    Course = 3,
    /// A lesson; those of a course follow each other.
    Lesson = 4,
    /// A comment.
    Comment = 5,
    /// A certificate.
    Certificate = 6,
    /// A row of the audit log.
    Act = 7,
    /// A ledger entry of an event.
    Base = 8,
    /// A ledger entry of an award.
    Bonus = 9,
    /// A message of the outbox.
    Message = 10,
}

impl Kind {
    /// The id with this number.
    #[must_use]
    pub fn id(self, number: u64) -> Uuid {
        Uuid::from_u64_pair(self.upper_half(), number)
    }

    fn upper_half(self) -> u64 {
        #[expect(clippy::as_conversions, reason = "the variants are numbered")]
        let number = self as u64;
        number
    }
}

impl School {
    /// The size for testing limits: 50,000 people and 500,000 events.
    pub const LARGE: Self = Self {
        people: 50_000,
        events: 500_000,
        awards: 200_000,
        large_courses: 100,
        small_courses: 400,
        comments: 60_000,
        certificates: 10_000,
        acts: 100_000,
    };
    /// The size for testing attacks: 50,000 awards.
    pub const CROWD: Self = Self {
        people: 10_000,
        events: 100_000,
        awards: 50_000,
        large_courses: 100,
        small_courses: 100,
        comments: 10_000,
        certificates: 2_000,
        acts: 10_000,
    };
    /// The same structure with few people, for a test.
    pub const SMALL: Self = Self {
        people: 300,
        events: 10_000,
        awards: 2_000,
        large_courses: 100,
        small_courses: 0,
        comments: 400,
        certificates: 400,
        acts: 400,
    };

    /// The super admin.
    #[must_use]
    pub fn super_admin() -> Uuid {
        Kind::Person.id(1)
    }

    /// The teacher of course 1 and of every large course.
    #[must_use]
    pub fn teacher() -> Uuid {
        Kind::Person.id(TEACHER)
    }

    /// The parent of a hundred students.
    #[must_use]
    pub fn parent() -> Uuid {
        Kind::Person.id(PARENT)
    }

    /// The student with the most events and certificates.
    #[must_use]
    pub fn busiest() -> Uuid {
        Kind::Person.id(STUDENT)
    }

    /// Another student; `number` counts from 0 and wraps around.
    #[must_use]
    pub fn student(&self, number: u64) -> Uuid {
        Kind::Person.id(STUDENT + 1 + number % (self.students() - 1))
    }

    /// The number of students.
    #[must_use]
    pub fn students(&self) -> u64 {
        self.people - (STUDENT - 1)
    }

    fn courses(&self) -> u64 {
        self.large_courses + self.small_courses
    }

    /// Starts a server process with these additional settings, on its own database with this school; `None` without
    /// PostgreSQL.
    pub async fn serve(&self, backend: Backend, settings: &[(&str, &str)]) -> Option<(Database, Process)> {
        let database = Database::migrated(backend).await?;
        let config = crate::settings(&database);
        self.fill(&database).await;
        let server = Process::serve_with(&config, settings).await;
        Some((database, server))
    }

    /// Writes the school into a database with current tables, a published catalogue and no people.
    pub async fn fill(&self, database: &Database) {
        let dialect = Dialect::of(database.backend);
        let mut statements = self.people_and_history(dialect);
        statements.extend(self.courses_and_documents(dialect));
        database.execute(&dialect.as_bulk(&statements)).await;
    }

    /// Copies the metrics of this person to every student. Only the server knows the ids of metrics, so one student records
    /// events and the others get copies.
    pub async fn copy_metrics(database: &Database, from: Uuid) {
        let dialect = Dialect::of(database.backend);
        let from = dialect.literal(from);
        let copy = |table: &str, columns: &str| {
            format!(
                "INSERT INTO {table} (person_id, {columns}) SELECT people.id, {columns}
                 FROM {table}, people WHERE {table}.person_id = {from} AND people.role = 'student'
                 AND people.id <> {from}"
            )
        };
        let statements = [copy("metrics", "metric_id, value"), copy("metric_members", "metric_id, member")];
        database.execute(&dialect.as_bulk(&statements)).await;
    }
}
