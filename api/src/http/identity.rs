//! From an authorization text to the caller: verifies the token and looks up the person.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chrono::{DateTime, Utc};

use crate::app::App;
use crate::auth::{Actor, Claims};
use crate::budget::Subject;
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::people;

/// The caller, and when its token expires.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// `None` if the request has no token.
    pub(super) actor: Option<Actor>,
    /// The claims of the token.
    claims: Option<Claims>,
}

impl Identity {
    /// When the token expires.
    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.claims.as_ref().map(|claims| claims.expires_at)
    }

    /// Whether the token, or the key that signed it, has been revoked since.
    pub(super) fn is_revoked(&self, app: &App) -> bool {
        self.claims.as_ref().is_some_and(|claims| app.revocations.has(claims))
    }

    /// Checks the person again: the role may have changed since.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if the role in the token differs from the stored one. An error if no turn becomes free
    /// within `patience`, or the database fails.
    pub(super) async fn confirm(&self, app: &App, patience: Duration) -> Result<(), Failure> {
        if let Some(claims) = &self.claims {
            sign_in(app, claims, patience).await?;
        }
        Ok(())
    }
}

/// The claims of the token in these headers, verified by the signature alone; `None` without a token.
///
/// # Errors
/// `UNAUTHENTICATED` if the token is not valid, or there is more than one header.
pub(super) fn verify(app: &App, headers: &HeaderMap) -> Result<Option<Claims>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => claims(app, value.to_str().unwrap_or_default()).map(Some),
        (Some(_), Some(_)) => Err(refuse("Send one Authorization header.")),
    }
}

/// The bearer of a verified token, and the row of the person as it was just read.
///
/// # Errors
/// `UNAUTHENTICATED` if the role in the token differs from the stored one. An error if no turn becomes free within
/// `patience`, or the database fails.
pub(super) async fn of_claims(
    app: &App,
    claims: Option<Claims>,
    patience: Duration,
) -> Result<(Identity, Option<people::Row>), Failure> {
    let Some(claims) = claims else { return Ok((Identity::default(), None)) };
    let (actor, row) = sign_in(app, &claims, patience).await?;
    Ok((Identity { actor: Some(actor), claims: Some(claims) }, row))
}

/// The identity for the authorization text `Bearer …`.
///
/// # Errors
/// `UNAUTHENTICATED` if the token is not valid. An error if no turn becomes free within `patience`, or the database
/// fails.
pub(super) async fn of_authorization(
    app: &App,
    authorization: &str,
    patience: Duration,
) -> Result<Identity, Failure> {
    Ok(of_claims(app, Some(claims(app, authorization)?), patience).await?.0)
}

fn claims(app: &App, authorization: &str) -> Result<Claims, Refusal> {
    let token =
        bearer(authorization).ok_or_else(|| refuse("The authorization must read `Bearer <token>`."))?;
    app.keys.verify(token, app.clock.now())
}

/// Looks up the person of a verified token; each person has only a few look-ups at once. Services are not looked up.
async fn sign_in(
    app: &App,
    claims: &Claims,
    patience: Duration,
) -> Result<(Actor, Option<people::Row>), Failure> {
    let _turn = match Subject::of_claims(claims) {
        Some(person @ Subject::Person { .. }) => Some(app.turns.sign_in(&person, patience).await?),
        _ => None,
    };
    crate::registry::people::sign_in(app, claims.clone()).await
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, message).because(Reason::TokenInvalid)
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn an_authorization_is_the_word_bearer_and_a_token() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer("bearer  a.b.c "), Some("a.b.c"));
        assert_eq!(bearer("Bearer"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("Basic a.b.c"), None);
        assert_eq!(bearer("a.b.c"), None);
        assert_eq!(bearer(""), None);
    }
}
