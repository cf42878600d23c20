//! Parses and verifies a token into `Claims`, or returns a refusal that says how to correct it.
//! All checks are here, and the current time is a parameter. The library does only the cryptography.

mod keys;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Claims, Role, Scopes, reads_as_uuid};
use crate::id;
use crate::refusal::{Code, Reason, Refusal};
use crate::text::hidden;

pub use keys::Keys;

/// Maximum length of a token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Maximum length of a service's name, in bytes.
pub const MAX_SERVICE_NAME_BYTES: usize = 128;
/// The source of events that Plaudit derives. No service may use this name.
pub const RESERVED_SERVICE_NAME: &str = "plaudit";

/// The accepted difference between two clocks.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

impl Keys {
    /// Verifies `token`: one of our keys signed it, and it is valid at `now`. Returns its claims.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, with the fault and how to correct it.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refuse(format!(
                "The token is too long; send one of at most {MAX_TOKEN_BYTES} bytes."
            )));
        }
        let malformed =
            || refuse("The token is not a JWT; send its three base64url parts, separated by dots.");
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (head, payload) =
            message.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or_else(malformed)?;
        let head = object(head).ok_or_else(malformed)?;
        if head.contains_key("crit") {
            return Err(refuse("The token requires unsupported header extensions; remove crit."));
        }
        let (algorithm, key) = self.check_signature(&head, message, signature, now)?;
        let claims = object(payload).ok_or_else(malformed)?;
        let expires_at = self.check_times(&claims, algorithm, now)?;
        Ok(Claims { key, ..self.read(&claims, expires_at)? })
    }

    /// Creates a token for `subject`, valid from `now` for `ttl`.
    ///
    /// # Errors
    /// `INVALID_INPUT` if there is no secret to sign with, or this server would not accept the token.
    pub fn mint(
        &self,
        subject: &str,
        role: Role,
        name: Option<&str>,
        ttl: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        self.mint_with(subject, role, name, None, ttl, now)
    }

    /// The same, for a service that may do only what these scopes allow: names separated by spaces.
    ///
    /// # Errors
    /// As [`Keys::mint`], and at `scope` for a person.
    pub fn mint_with(
        &self,
        subject: &str,
        role: Role,
        name: Option<&str>,
        scope: Option<&str>,
        ttl: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let invalid = |field: &str, message: String| Refusal::invalid([field], message);
        let key = self.signing_key().ok_or_else(|| {
            invalid("secret", "there is no secret to sign with; set PLAUDIT_AUTH_SECRET.".to_owned())
        })?;
        let subject = check_subject(subject, role).map_err(|message| invalid("sub", message.to_owned()))?;
        if ttl <= TimeDelta::zero() || ttl > self.max_ttl {
            let most = self.max_ttl.num_seconds();
            return Err(invalid(
                "ttl",
                format!("a token is valid for at most {most} seconds (PLAUDIT_AUTH_MAX_TTL)."),
            ));
        }
        let issued = now.timestamp();
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), subject.into());
        claims.insert(self.role_claim.clone(), role.as_str().into());
        if let Some(name) = name {
            check_name(name).map_err(|message| invalid("name", message.to_owned()))?;
            claims.insert("name".to_owned(), name.into());
        }
        if let Some(scope) = scope {
            if role != Role::Service {
                return Err(invalid("scope", "only the token of a service has scopes.".to_owned()));
            }
            claims.insert("scope".to_owned(), scope.into());
        }
        claims.insert("jti".to_owned(), id::new(now).to_string().into());
        claims.insert("iss".to_owned(), self.issuer.clone().into());
        claims.insert("aud".to_owned(), self.audience.clone().into());
        claims.insert("nbf".to_owned(), issued.into());
        claims.insert("iat".to_owned(), issued.into());
        claims.insert("exp".to_owned(), issued.saturating_add(ttl.num_seconds()).into());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key)
            .map_err(|_| Refusal::new(Code::Internal, "the token could not be signed."))
    }

    /// Checks the signature with our keys, each with its own algorithm. The header can only exclude keys. Returns the
    /// algorithm and the id of the key that has signed.
    fn check_signature(
        &self,
        head: &Map<String, Value>,
        message: &str,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<(Algorithm, Option<String>), Refusal> {
        let kid = head.get("kid").and_then(Value::as_str);
        let mut keys = self.candidates(kid, now);
        if keys.is_empty() {
            return Err(refuse("The token's kid matches no key of this server; sign it with a current key."));
        }
        let named = head.get("alg").and_then(Value::as_str).and_then(|name| name.parse::<Algorithm>().ok());
        keys.retain(|key| Some(key.algorithm) == named);
        if keys.is_empty() {
            return Err(refuse(
                "The token's algorithm differs from that of this server's key; sign it with the algorithm of the key.",
            ));
        }
        let signed = keys.into_iter().find(|key| key.signed(message, signature));
        signed.map(|key| (key.algorithm, key.kid)).ok_or_else(|| {
            refuse("The token's signature does not match; sign it with a key that this server knows.")
        })
    }

    /// Returns when the token expires, if it is already valid, not expired, and its lifetime is within the limit.
    fn check_times(
        &self,
        claims: &Map<String, Value>,
        algorithm: Algorithm,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Refusal> {
        let missing = |claim| refuse(format!("The token has no {claim}; {SECONDS}"));
        let expires_at = moment(claims, "exp")?.ok_or_else(|| missing("exp"))?;
        let begins_at = moment(claims, "nbf")?;
        if begins_at.is_none() && algorithm == Algorithm::HS256 {
            return Err(missing("nbf"));
        }
        let issued_at = moment(claims, "iat")?;
        if now >= expires_at + LEEWAY {
            return Err(refuse("The token has expired; get a new one.").because(Reason::TokenExpired));
        }
        if begins_at.is_some_and(|begins_at| begins_at > now + LEEWAY) {
            return Err(refuse(
                "The token is not valid yet: its nbf is in the future; check the issuer's clock.",
            ));
        }
        // The lifetime starts at the earliest start that the token claims. It ends at most `max_ttl` from now.
        let started = [begins_at, issued_at].into_iter().flatten().min().unwrap_or(now);
        if expires_at - started > self.max_ttl || expires_at - now > self.max_ttl + LEEWAY {
            let most = self.max_ttl.num_seconds();
            return Err(refuse(format!(
                "The token's lifetime is too long; set exp to at most {most} seconds after nbf and iat."
            )));
        }
        Ok(expires_at)
    }

    /// Reads the claims. Each must have the right type, and the token must be for this server.
    fn read(&self, claims: &Map<String, Value>, expires_at: DateTime<Utc>) -> Result<Claims, Refusal> {
        match claims.get("iss") {
            Some(Value::String(issuer)) if *issuer == self.issuer => {}
            Some(Value::String(_)) => {
                return Err(refuse(
                    "The token's iss is not the issuer this server trusts; get one from that issuer.",
                ));
            }
            _ => return Err(refuse("The token needs an iss of type string: the issuer this server trusts.")),
        }
        match audiences(claims.get("aud")) {
            Some(audiences) if audiences.contains(&self.audience.as_str()) => {}
            Some(_) => {
                return Err(refuse("The token's aud does not name this server; get one meant for it."));
            }
            None => {
                return Err(refuse(
                    "The token needs an aud that is a string or a list of strings, with the name of this server.",
                ));
            }
        }
        let role =
            claims.get(&self.role_claim).and_then(Value::as_str).and_then(Role::parse).ok_or_else(|| {
                let roles = Role::ALL.map(Role::as_str).join(", ");
                refuse(format!("The token's {} must be one of {roles}.", self.role_claim))
            })?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let subject = check_subject(subject, role)
            .map_err(|message| refuse(format!("The token's sub is wrong: {message}")))?;
        let name = match claims.get("name") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => {
                check_name(name)
                    .map_err(|message| refuse(format!("The token's name is wrong: {message}")))?;
                Some(name.clone())
            }
            Some(_) => return Err(refuse("The token's name must be a string, or absent.")),
        };
        let scopes = match claims.get("scope") {
            None => Scopes::ALL,
            Some(Value::String(names)) => Scopes::parse(names),
            // Some issuers send a list.
            Some(Value::Array(names)) => {
                Scopes::parse(&names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
            }
            Some(_) => {
                return Err(refuse(
                    "The token's scope must be a string with names separated by spaces, or absent.",
                ));
            }
        };
        let id = match claims.get("jti") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(refuse("The token's jti must be a string, or absent.")),
        };
        Ok(Claims { subject, role, name, scopes, id, key: None, expires_at })
    }
}

/// Explains the format of numeric dates.
const SECONDS: &str = "give it in seconds since 1970.";

/// Normalises a subject: a UUID for a person, visible text for a service.
fn check_subject(subject: &str, role: Role) -> Result<String, &'static str> {
    if role != Role::Service {
        let id = Some(subject).filter(|subject| subject.len() == 36).and_then(|s| Uuid::parse_str(s).ok());
        let id = id.filter(|id| !id.is_nil());
        return id.map(|id| id.to_string()).ok_or("a person's sub must be a UUID that is not nil.");
    }
    let is_visible = |text: &str| {
        !text.contains(|letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}'))
            && hidden::first(text, hidden::Kind::Name).is_none()
            && !hidden::is_blank(text)
    };
    if subject.is_empty()
        || subject.len() > MAX_SERVICE_NAME_BYTES
        || subject.trim() != subject
        || !is_visible(subject)
    {
        return Err("a service's sub must be 1 to 128 bytes of visible text.");
    }
    if reads_as_uuid(subject) {
        return Err("a service's sub must not be a UUID; name the sending system.");
    }
    if subject.eq_ignore_ascii_case(RESERVED_SERVICE_NAME) {
        return Err("the name plaudit is reserved; name the sending system.");
    }
    Ok(subject.to_owned())
}

/// Checks a name. Names appear in mails and logs, where a line break would allow an injection.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().any(char::is_control) {
        Err("a name must not contain control characters.")
    } else {
        Ok(())
    }
}

/// A numeric date, rounded down to whole seconds; `None` if the claim is absent.
fn moment(claims: &Map<String, Value>, claim: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
    let wrong = || refuse(format!("The token's {claim} is not a valid time; {SECONDS}"));
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let text = match value {
        Value::Number(number) => number.to_string(),
        _ => return Err(wrong()),
    };
    // A date with an exponent is refused.
    let seconds =
        text.split_once('.').map_or(text.as_str(), |(whole, _)| whole).parse().map_err(|_| wrong())?;
    // Years beyond 9999 would overflow the additions below, and are not a valid lifetime.
    let moment = DateTime::from_timestamp(seconds, 0).filter(|_| (0..=253_402_300_799).contains(&seconds));
    moment.map(Some).ok_or_else(wrong)
}

/// The audiences of a token; `None` if the claim is absent or of a wrong type.
fn audiences(claim: Option<&Value>) -> Option<Vec<&str>> {
    match claim? {
        Value::String(audience) => Some(vec![audience]),
        Value::Array(audiences) => audiences.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Decodes a base64url part that contains a JSON object.
fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn refuse(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Unauthenticated, message).because(Reason::TokenInvalid)
}

#[cfg(test)]
mod tests;
