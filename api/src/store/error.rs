//! What can go wrong below us, sorted by what the caller can do about it.

use sea_orm::{DbErr, RuntimeErr};

/// A database failure. Its text goes to the log, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way; the same work may succeed at once.
    #[error("the transaction collided with another")]
    Collision(#[source] DbErr),
    /// The database does not answer now.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// What was read or asked for makes no sense: a defect of ours, or of a hand that edited rows.
    #[error("the database holds or was asked something impossible: {0}")]
    Impossible(String),
    /// The database did not answer the transaction this was to be part of.
    #[error("the database was not available")]
    Busy,
    /// The server is shutting down and takes no more.
    #[error("the server is stopping")]
    Stopping,
    /// Anything else: a defect of ours.
    #[error("the database refused a statement")]
    Broken(#[source] DbErr),
}

impl Error {
    /// The failure and its cause, for the log and the operator; never for a client.
    #[must_use]
    pub fn chain(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// Sorts a driver's error by the code the database gave it.
    pub(super) fn sort(error: DbErr) -> Self {
        match code(&error).as_deref() {
            // Serialization failure, deadlock, lock not available; SQLite's busy and locked families.
            Some("40001" | "40P01" | "55P03" | "5" | "6" | "261" | "262" | "517") => Self::Collision(error),
            // Statement timeout, shutdown, too many connections; SQLite's full disk and unreadable file.
            Some("57014" | "57P01" | "57P02" | "57P03" | "53300" | "10" | "13" | "14") => {
                Self::Unavailable(error)
            }
            Some(_) => Self::Broken(error),
            None if is_connection(&error) => Self::Unavailable(error),
            None => Self::Broken(error),
        }
    }
}

fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(runtime) | DbErr::Query(runtime) | DbErr::Conn(runtime)) = error else { return None };
    let RuntimeErr::SqlxError(error) = runtime else { return None };
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

fn is_connection(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error as Sqlx;
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => matches!(
            error.as_ref(),
            Sqlx::Io(_) | Sqlx::Tls(_) | Sqlx::PoolTimedOut | Sqlx::PoolClosed | Sqlx::WorkerCrashed
        ),
        _ => false,
    }
}
