//! Database errors, grouped by what the caller can do about them.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// The pool opens connections again and again until its deadline, so that the cause of each failure is not known.
const NO_CONNECTION: &str = "no connection could be opened in time: no server answers at this address, or all its connections are in use";

/// A database error. Its text is logged and never sent to a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transaction conflicted with another; a retry may succeed at once.
    #[error("the transaction conflicted with another")]
    Collision(#[source] DbErr),
    /// The database does not respond now.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// A stored value or a request is invalid: a defect of Plaudit, or a manual change of rows.
    #[error("invalid data or an invalid database request: {0}")]
    Impossible(String),
    /// The database did not respond to the transaction that this work belonged to.
    #[error("the database was not available")]
    Busy,
    /// The server is shutting down and accepts no more work.
    #[error("the server is stopping")]
    Stopping,
    /// Any other error: a defect of Plaudit.
    #[error("a database statement failed")]
    Broken(#[source] DbErr),
}

impl Error {
    /// The error and its causes, for the log and the operator. Never sent to a client.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Collision(cause) | Self::Unavailable(cause) | Self::Broken(cause) => {
                format!("{self}: {}", message(cause))
            }
            Self::Impossible(_) | Self::Busy | Self::Stopping => self.to_string(),
        }
    }

    /// Whether an open connection was lost or stopped responding, so that another connection may succeed.
    #[must_use]
    pub(crate) fn is_lost_connection(&self) -> bool {
        let Self::Unavailable(DbErr::Exec(runtime) | DbErr::Query(runtime)) = self else { return false };
        matches!(runtime, RuntimeErr::SqlxError(error) if is_lost(error))
    }

    /// Classifies a driver's error by its database code.
    pub(super) fn sort(error: DbErr) -> Self {
        match code(&error).as_deref().map(primary).as_deref() {
            // Serialization failure, deadlock, lock not available; SQLite's busy and locked.
            Some("40001" | "40P01" | "55P03" | "5" | "6") => Self::Collision(error),
            // Statement timeout, shutdown, idle for too long, too many connections; disk full, disk broken, read-only after
            // a failover; no such database or user, a wrong password, a database that accepts no connections; SQLite's
            // read-only, I/O error, full disk, and a file that cannot be opened.
            Some(
                "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" | "53100" | "58030"
                | "25006" | "3D000" | "55000" | "28000" | "28P01" | "8" | "10" | "13" | "14",
            ) => Self::Unavailable(error),
            Some(_) => Self::Broken(error),
            None if is_connection(&error) => Self::Unavailable(error),
            None => Self::Broken(error),
        }
    }
}

/// A driver's error without the names of its layers.
fn message(error: &DbErr) -> String {
    use sea_orm::sqlx::Error as Sqlx;
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return match error {
            DbErr::ConnectionAcquire(_) => NO_CONNECTION.to_owned(),
            _ => error.to_string(),
        };
    };
    match cause.as_ref() {
        Sqlx::Database(error) => error.message().to_owned(),
        Sqlx::PoolTimedOut => NO_CONNECTION.to_owned(),
        other => other.to_string(),
    }
}

fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(runtime) | DbErr::Query(runtime) | DbErr::Conn(runtime)) = error else { return None };
    let RuntimeErr::SqlxError(error) = runtime else { return None };
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// PostgreSQL's code unchanged; SQLite's primary code, without the upper bytes of the extended code.
fn primary(code: &str) -> String {
    match code.parse::<u32>() {
        // A SQLSTATE has five characters and may consist of digits. SQLite's codes are shorter.
        Ok(number) if code.len() < 5 => (number & 0xff).to_string(),
        _ => code.to_owned(),
    }
}

fn is_connection(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error as Sqlx;
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            is_lost(error) || matches!(error.as_ref(), Sqlx::PoolTimedOut | Sqlx::PoolClosed)
        }
        _ => false,
    }
}

/// Whether the connection was lost or stopped responding.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
    )
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error as StdError;
    use std::fmt;

    use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
    use sea_orm::{DbErr, RuntimeErr, sqlx};

    use super::Error;

    /// A database error with only a code.
    #[derive(Debug)]
    struct Said(&'static str);

    impl fmt::Display for Said {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl StdError for Said {}

    impl DatabaseError for Said {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn sorted(code: &'static str) -> &'static str {
        let error = sqlx::Error::Database(Box::new(Said(code)));
        match Error::sort(DbErr::Query(RuntimeErr::SqlxError(error.into()))) {
            Error::Collision(_) => "collision",
            Error::Unavailable(_) => "unavailable",
            Error::Broken(_) => "broken",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_is_sorted_by_what_the_caller_can_do_about_it() {
        for (codes, expected) in [
            // PostgreSQL: serialization, deadlock, lock; SQLite: busy, locked, and their extended codes.
            (&["40001", "40P01", "55P03", "5", "6", "261", "262", "517", "773"][..], "collision"),
            // PostgreSQL: timeout, shutdown, idle for too long, connections, full disk, broken disk, read-only;
            // no such database, no such user, wrong password.
            (
                &["57014", "57P01", "57P02", "57P03", "57P05", "25P03", "53300", "53100", "58030", "25006"],
                "unavailable",
            ),
            (&["3D000", "55000", "28000", "28P01"], "unavailable"),
            // SQLite: read-only, I/O (also while writing and syncing), full, not to be opened.
            (&["8", "1032", "10", "778", "1034", "13", "14", "270", "526"], "unavailable"),
            // Constraints of both, syntax; and SQLSTATEs whose low byte would equal SQLite's busy code.
            (&["23505", "23514", "42601", "1", "19", "2067", "275", "22021", "42757"], "broken"),
        ] {
            for code in codes {
                assert_eq!(sorted(code), expected, "{code}");
            }
        }
    }
}
