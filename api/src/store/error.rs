//! What can go wrong below us, sorted by what the caller can do about it.

use sea_orm::DbErr;

/// A database failure. Its text goes to the log, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way; the same work may succeed at once.
    #[error("the transaction collided with another")]
    Collision(#[source] DbErr),
    /// The database does not answer now.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// Anything else: a defect of ours.
    #[error("the database refused a statement")]
    Broken(#[source] DbErr),
}
