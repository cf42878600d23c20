//! `plaudit revoke`: a token or a signing key is no longer accepted.

use crate::clock::Clock;
use crate::config::Config;
use crate::registry::revocations;
use crate::start::{self, Refused};
use crate::store::revoked_tokens::Kind;

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// One token, by its `jti`.
    Token(String),
    /// All tokens that a key has signed, by its `kid`.
    Key(String),
}

/// Revokes a token or a key. Running servers know it within seconds.
///
/// # Errors
/// If the database cannot be written.
pub async fn run(config: &Config, clock: &Clock, revoked: &Revoked) -> Result<(), Refused> {
    let db = start::open_current(config).await?;
    let (kind, name) = match revoked {
        Revoked::Token(id) => (Kind::Token, id),
        Revoked::Key(id) => (Kind::Key, id),
    };
    Ok(revocations::revoke(&db, kind, name, clock.now()).await?)
}
