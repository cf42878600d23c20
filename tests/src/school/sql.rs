//! The expressions that differ between SQLite and PostgreSQL.

use uuid::Uuid;

use super::Kind;
use crate::database::Backend;

/// Midnight of 2025-06-01 in UTC: the first moment of a school, in seconds since 1970.
const EPOCH: u64 = 1_748_736_000;

/// The syntax of one of the databases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    backend: Backend,
}

impl Dialect {
    pub(super) fn of(backend: Backend) -> Self {
        Self { backend }
    }

    /// The id of this kind with the number from an expression.
    pub(super) fn id(self, kind: Kind, number: &str) -> String {
        let upper = format!("{:016x}", kind.upper_half());
        match self.backend {
            Backend::Sqlite => format!("unhex(printf('{upper}%016x', {number}))"),
            Backend::Postgres => format!("CAST('{upper}' || lpad(to_hex({number}), 16, '0') AS uuid)"),
        }
    }

    /// One id.
    pub(super) fn literal(self, id: Uuid) -> String {
        match self.backend {
            Backend::Sqlite => format!("x'{}'", id.simple()),
            Backend::Postgres => format!("CAST('{id}' AS uuid)"),
        }
    }

    /// The moment `seconds` after the first one.
    pub(super) fn time(self, seconds: &str) -> String {
        match self.backend {
            Backend::Sqlite => {
                format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', {EPOCH} + {seconds}, 'unixepoch')")
            }
            Backend::Postgres => format!("to_timestamp({EPOCH} + {seconds})"),
        }
    }

    /// The UTC day of that moment.
    pub(super) fn date(self, seconds: &str) -> String {
        match self.backend {
            Backend::Sqlite => format!("date({EPOCH} + {seconds}, 'unixepoch')"),
            Backend::Postgres => {
                format!("CAST(to_timestamp({EPOCH} + {seconds}) AT TIME ZONE 'UTC' AS date)")
            }
        }
    }

    /// A JSON text in the type of the column.
    pub(super) fn json(self, text: &str) -> String {
        match self.backend {
            Backend::Sqlite => text.to_owned(),
            Backend::Postgres => format!("CAST({text} AS jsonb)"),
        }
    }

    /// Rows `n` from 1 to `count`.
    pub(super) fn series(self, count: u64) -> String {
        match self.backend {
            Backend::Sqlite => format!(
                "(WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
                  SELECT n FROM numbers WHERE n <= {count}) AS numbers"
            ),
            Backend::Postgres => format!("generate_series(CAST(1 AS bigint), {count}) AS numbers(n)"),
        }
    }

    /// All statements as one transaction that does not check references and does not wait for the disk.
    pub(super) fn as_bulk(self, statements: &[String]) -> String {
        let (before, after) = match self.backend {
            Backend::Sqlite => (
                "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN",
                "COMMIT; ANALYZE",
            ),
            Backend::Postgres => (
                "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off",
                "ANALYZE; COMMIT",
            ),
        };
        format!("{before};\n{};\n{after};", statements.join(";\n"))
    }
}
