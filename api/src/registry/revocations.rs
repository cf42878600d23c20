//! Tokens and signing keys that are no longer accepted: the set in memory, and `plaudit revoke`.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};

use crate::auth::Claims;
use crate::store::revoked_tokens::{self, Kind};
use crate::store::{self, Database};

/// The revocations that this server knows. [`Revocations::refresh`] reads them again.
#[derive(Default)]
pub(crate) struct Revocations {
    known: ArcSwap<HashSet<(Kind, String)>>,
}

impl Revocations {
    /// Reads all revocations.
    ///
    /// # Errors
    /// If the database fails; the known ones stay.
    pub(crate) async fn refresh(&self, db: &Database) -> Result<(), store::Error> {
        let all: HashSet<(Kind, String)> = revoked_tokens::all(db).await?.into_iter().collect();
        if **self.known.load() != all {
            self.known.store(all.into());
        }
        Ok(())
    }

    /// Whether the token of these claims, or the key that signed it, is revoked.
    pub(crate) fn has(&self, claims: &Claims) -> bool {
        let known = self.known.load();
        let names = [(Kind::Token, &claims.id), (Kind::Key, &claims.key)];
        // Usually nothing is revoked, and each request asks.
        !known.is_empty()
            && names
                .into_iter()
                .any(|(kind, name)| name.clone().is_some_and(|name| known.contains(&(kind, name))))
    }
}

/// Revokes a token by its `jti`, or a key by its `kid`.
///
/// # Errors
/// If the database fails.
pub(crate) async fn revoke(
    db: &Database,
    kind: Kind,
    name: &str,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let txn = db.begin().await?;
    revoked_tokens::insert(&txn, kind, name, now).await?;
    txn.commit().await
}
