//! `plaudit revoke`: a token or a signing key is no longer accepted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::auth::token::Keys;
use crate::clock::Clock;
use crate::config::Config;
use crate::registry::revocations;
use crate::start::{self, Refused};
use crate::store::revoked_tokens::Kind;

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// One token: itself, or its `jti`.
    Token(String),
    /// All tokens that a key has signed, by its `kid`.
    Key(String),
}

/// Revokes a token or a key. Running servers know it within seconds.
///
/// # Errors
/// If the token has no `jti`, the key set of the settings has no such key, or the database cannot be written.
pub async fn run(config: &Config, clock: &Clock, revoked: &Revoked) -> Result<(), Refused> {
    if let Revoked::Key(id) = revoked {
        let keys = Keys::load(&config.auth).map_err(|problems| Refused::Keys(problems.to_string()))?;
        let known = keys.ids(clock.now());
        if !known.contains(id) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Refused::Keys(format!(
                "no key of the key set (PLAUDIT_AUTH_JWKS) has the id {id}; its ids: {known}. A key that is not in the set is \
                 not accepted anyway"
            )));
        }
    }
    let db = start::open_current(config).await?;
    let (kind, name) = match revoked {
        Revoked::Token(token) => (Kind::Token, token_id(token).ok_or_else(without_id)?),
        Revoked::Key(id) => (Kind::Key, id.clone()),
    };
    Ok(revocations::revoke(&db, kind, &name, clock.now()).await?)
}

/// The `jti` in a token, or the text itself if it is no token.
fn token_id(text: &str) -> Option<String> {
    let mut parts = text.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(text.to_owned());
    };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.get("jti")?.as_str().map(str::to_owned)
}

fn without_id() -> Refused {
    let why =
        "this token has no jti, so it cannot be revoked alone: revoke its key, or wait until it expires";
    Refused::Keys(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_named_by_itself_or_by_its_id() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(token_id("01a22d33"), Some("01a22d33".to_owned()));
        assert_eq!(token_id(&token(r#"{"jti":"01a22d33","sub":"x"}"#)), Some("01a22d33".to_owned()));
        assert_eq!(token_id(&token(r#"{"sub":"x"}"#)), None);
        assert_eq!(token_id("a.b.c"), None);
    }
}
