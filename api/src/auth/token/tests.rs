//! Tokens, each with one variation or one fault, and the exact message.

mod keys;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::Keys;
use crate::auth::{Claims, Role, Scopes};
use crate::config::AuthConfig;
use crate::refusal::Code;

const ADA: &str = "3f2a0b1c-0000-4000-8000-00000000ada0";
const SECRET: &str = "a-secret-of-this-test-with-at-least-32-bytes";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn config() -> AuthConfig {
    AuthConfig { secret: Some(SECRET.to_owned()), ..AuthConfig::demo() }
}

fn keys() -> Keys {
    Keys::load(&config()).unwrap()
}

/// The claims of a valid token with these changes; `null` removes a claim.
fn claims(changes: Value) -> Value {
    let at = now().timestamp();
    let mut claims = json!({
        "sub": ADA, "role": "student", "name": "Ada", "iss": "plaudit", "aud": "plaudit",
        "nbf": at, "iat": at, "exp": at + 3_600,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn sign(head: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", part(head), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn ours(changes: Value) -> String {
    ours_with_head(&json!({"alg": "HS256", "typ": "JWT"}), changes)
}

fn ours_with_head(head: &Value, changes: Value) -> String {
    sign(head, &claims(changes), &EncodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS256)
}

#[track_caller]
fn check_accepted(keys: &Keys, token: &str) -> Claims {
    keys.verify(token, now()).unwrap_or_else(|refusal| panic!("{}", refusal.message))
}

#[track_caller]
fn check_refused(keys: &Keys, token: &str, message: &str) {
    let refusal = keys.verify(token, now()).expect_err(token);
    assert_eq!((refusal.code, refusal.message.as_str()), (Code::Unauthenticated, message), "{token}");
}

#[test]
fn a_valid_token_identifies_the_caller() {
    let expected = Claims {
        subject: ADA.to_owned(),
        role: Role::Student,
        name: Some("Ada".to_owned()),
        scopes: Scopes::ALL,
        id: None,
        key: None,
        expires_at: now() + TimeDelta::hours(1),
    };
    assert_eq!(check_accepted(&keys(), &ours(json!({}))), expected);
    let in_capitals = ours(json!({"sub": ADA.to_uppercase()}));
    assert_eq!(check_accepted(&keys(), &in_capitals), expected, "a UUID has one spelling from here on");
}

#[test]
fn optional_claims_may_be_absent_or_vary() {
    let at = now().timestamp();
    for changes in [
        json!({"name": null}),
        json!({"iat": null}),
        json!({"aud": ["other", "plaudit"]}),
        json!({"exp": at + 86_400}),
        json!({"exp": 1_767_225_660.5}),
        json!({"exp": at - 4, "nbf": at - 60, "iat": at - 60}),
        json!({"nbf": at + 5, "iat": at + 5}),
        json!({"jti": "1", "scope": ["anything"]}),
        json!({"sub": "lesson-player", "role": "service"}),
        json!({"sub": "Lernplattform Süd", "role": "service"}),
        json!({"sub": "x".repeat(128), "role": "service"}),
    ] {
        check_accepted(&keys(), &ours(changes));
    }
}

#[test]
fn every_wrong_claim_is_refused_with_its_remedy() {
    let at = now().timestamp();
    let no_exp = "The token has no exp; give it in seconds since 1970.";
    let exp = "The token's exp is not a valid time; give it in seconds since 1970.";
    let nbf = "The token's nbf is not a valid time; give it in seconds since 1970.";
    let iat = "The token's iat is not a valid time; give it in seconds since 1970.";
    let no_nbf = "The token has no nbf; give it in seconds since 1970.";
    let expired = "The token has expired; get a new one.";
    let early = "The token is not valid yet: its nbf is in the future; check the issuer's clock.";
    let long = "The token's lifetime is too long; set exp to at most 86400 seconds after nbf and iat.";
    let iss = "The token needs an iss of type string: the issuer this server trusts.";
    let other_iss = "The token's iss is not the issuer this server trusts; get one from that issuer.";
    let aud = "The token needs an aud that is a string or a list of strings, with the name of this server.";
    let other_aud = "The token's aud does not name this server; get one meant for it.";
    let person = "The token's sub is wrong: a person's sub must be a UUID that is not nil.";
    let service = "The token's sub is wrong: a service's sub must be 1 to 128 bytes of visible text.";
    let reserved = "The token's sub is wrong: the name plaudit is reserved; name the sending system.";
    let uuid = "The token's sub is wrong: a service's sub must not be a UUID; name the sending system.";
    let role = "The token's role must be one of super_admin, admin, teacher, student, parent, service.";
    let name = "The token's name must be a string, or absent.";
    let control = "The token's name is wrong: a name must not contain control characters.";
    for (changes, message) in [
        (json!({"exp": null}), no_exp),
        (json!({"exp": (at + 60).to_string()}), exp),
        (json!({"exp": 1e300}), exp),
        (json!({"exp": -1}), exp),
        (json!({"exp": i64::MAX}), exp),
        (json!({"exp": true}), exp),
        (json!({"exp": at - 5, "nbf": at - 60, "iat": at - 60}), expired),
        (json!({"nbf": null}), no_nbf),
        (json!({"nbf": "now"}), nbf),
        (json!({"nbf": at + 6}), early),
        (json!({"iat": "now"}), iat),
        (json!({"exp": at + 86_401}), long),
        (json!({"nbf": at - 3_600, "iat": at - 3_600, "exp": at + 82_801}), long),
        (json!({"nbf": at, "iat": at - 3_600, "exp": at + 82_801}), long),
        (json!({"nbf": at - 3_600, "iat": null, "exp": at + 82_801}), long),
        (json!({"iat": at + 86_400, "exp": at + 100_000}), long),
        (json!({"iss": null}), iss),
        (json!({"iss": ["plaudit"]}), iss),
        (json!({"iss": 1}), iss),
        (json!({"iss": "someone"}), other_iss),
        (json!({"iss": "Plaudit"}), other_iss),
        (json!({"aud": null}), aud),
        (json!({"aud": 1}), aud),
        (json!({"aud": {"plaudit": true}}), aud),
        (json!({"aud": ["plaudit", 1]}), aud),
        (json!({"aud": []}), other_aud),
        (json!({"aud": "other"}), other_aud),
        (json!({"aud": ["other"]}), other_aud),
        (json!({"sub": null}), person),
        (json!({"sub": 7}), person),
        (json!({"sub": ""}), person),
        (json!({"sub": "ada"}), person),
        (json!({"sub": ADA.replace('-', "")}), person),
        (json!({"sub": "00000000-0000-0000-0000-000000000000"}), person),
        (json!({"sub": null, "role": "service"}), service),
        (json!({"sub": "", "role": "service"}), service),
        (json!({"sub": " portal", "role": "service"}), service),
        (json!({"sub": "por\u{0}tal", "role": "service"}), service),
        (json!({"sub": "por\u{200b}tal", "role": "service"}), service),
        (json!({"sub": "x".repeat(129), "role": "service"}), service),
        (json!({"sub": "0198c0de-0000-7000-8000-00000000000a", "role": "service"}), uuid),
        (json!({"sub": "0198C0DE00007000800000000000000A", "role": "service"}), uuid),
        (json!({"sub": "{0198c0de-0000-7000-8000-00000000000a}", "role": "service"}), uuid),
        (json!({"sub": "urn:uuid:0198c0de-0000-7000-8000-00000000000a", "role": "service"}), uuid),
        (json!({"sub": "plaudit", "role": "service"}), reserved),
        (json!({"sub": "Plaudit", "role": "service"}), reserved),
        (json!({"role": null}), role),
        (json!({"role": ["admin"]}), role),
        (json!({"role": "ADMIN"}), role),
        (json!({"role": "root"}), role),
        (json!({"name": 7}), name),
        (json!({"name": "Ada\r\nBcc: all"}), control),
    ] {
        let shown = changes.to_string();
        let refusal = keys().verify(&ours(changes), now()).expect_err(&shown);
        assert_eq!((refusal.code, refusal.message.as_str()), (Code::Unauthenticated, message), "{shown}");
    }
}

#[test]
fn a_token_without_our_signature_is_refused_before_its_claims_are_read() {
    let malformed = "The token is not a JWT; send its three base64url parts, separated by dots.";
    let algorithm = "The token's algorithm differs from that of this server's key; sign it with the algorithm of the key.";
    let signature = "The token's signature does not match; sign it with a key that this server knows.";
    let good = ours(json!({}));
    let (message, last) = good.rsplit_once('.').unwrap();
    let head = part(&json!({"alg": "HS256"}));
    let rsa = EncodingKey::from_rsa_pem(include_bytes!("test_keys/rsa.pem")).unwrap();
    let other = EncodingKey::from_secret(b"another secret of more than 32 bytes, not ours");
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let forged = format!("{}.{}.{last}", head, part(&claims(json!({"role": "admin"}))));
    let padded = format!("{}=.{}.{last}", head, part(&claims(json!({}))));
    for (token, expected) in [
        (String::new(), malformed),
        ("abc".to_owned(), malformed),
        ("a.b".to_owned(), malformed),
        (format!("{good}.{last}"), malformed),
        (format!("x{good}"), malformed),
        (padded, malformed),
        (message.to_owned(), malformed),
        (format!("{message}."), signature),
        (format!("{message}.{}", "A".repeat(43)), signature),
        (forged, signature),
        (sign(&json!({"alg": "HS256"}), &claims(json!({})), &other, Algorithm::HS256), signature),
        (sign(&json!({"alg": "HS384"}), &claims(json!({})), &secret, Algorithm::HS384), algorithm),
        (sign(&json!({"alg": "RS256"}), &claims(json!({})), &rsa, Algorithm::RS256), algorithm),
        (ours_with_head(&json!({}), json!({})), algorithm),
        (ours_with_head(&json!({"alg": 256}), json!({})), algorithm),
        (ours_with_head(&json!({"alg": "hs256"}), json!({})), algorithm),
        (ours_with_head(&json!({"alg": "none"}), json!({})), algorithm),
        (format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims(json!({})))), algorithm),
        (format!("{}.{}.", part(&json!({"alg": "None"})), part(&claims(json!({})))), algorithm),
    ] {
        check_refused(&keys(), &token, expected);
    }
    check_refused(
        &keys(),
        &ours_with_head(&json!({"alg": "HS256", "crit": ["exp"], "exp": 1}), json!({})),
        "The token requires unsupported header extensions; remove crit.",
    );
    check_refused(
        &keys(),
        &ours(json!({"padding": "x".repeat(8_192)})),
        "The token is too long; send one of at most 8192 bytes.",
    );
}

#[test]
fn the_claim_of_the_role_is_a_setting() {
    let auth = AuthConfig { role_claim: "https://school.example/role".to_owned(), ..config() };
    let keys = Keys::load(&auth).unwrap();
    let token = ours(json!({"https://school.example/role": "teacher", "role": "student"}));
    assert_eq!(check_accepted(&keys, &token).role, Role::Teacher);
    let minted = keys.mint(ADA, Role::Parent, None, TimeDelta::hours(1), now()).unwrap();
    assert_eq!(check_accepted(&keys, &minted).role, Role::Parent);
}

#[test]
fn a_created_token_is_accepted_and_an_invalid_one_is_not_created() {
    let keys = keys();
    let minted = keys.mint(ADA, Role::Admin, Some("Ada"), TimeDelta::hours(24), now()).unwrap();
    let accepted = check_accepted(&keys, &minted);
    assert!(accepted.id.is_some(), "it can be revoked");
    let expected = Claims {
        subject: ADA.to_owned(),
        role: Role::Admin,
        name: Some("Ada".to_owned()),
        scopes: Scopes::ALL,
        id: accepted.id.clone(),
        key: None,
        expires_at: now() + TimeDelta::hours(24),
    };
    assert_eq!(accepted, expected);

    let refused = |subject, role, ttl| keys.mint(subject, role, None, ttl, now()).unwrap_err();
    let hour = TimeDelta::hours(1);
    assert_eq!(refused("ada", Role::Student, hour).message, "a person's sub must be a UUID that is not nil.");
    assert_eq!(
        refused("plaudit", Role::Service, hour).message,
        "the name plaudit is reserved; name the sending system."
    );
    assert_eq!(
        refused(ADA, Role::Student, hour * 25).message,
        "a token is valid for at most 86400 seconds (PLAUDIT_AUTH_MAX_TTL)."
    );
    let public = AuthConfig { secret: None, public_key: Some(keys::pairs()[2].2.to_owned()), ..config() };
    assert_eq!(
        Keys::load(&public).unwrap().mint(ADA, Role::Student, None, hour, now()).unwrap_err().message,
        "there is no secret to sign with; set PLAUDIT_AUTH_SECRET."
    );
}

#[test]
fn the_scope_of_a_service_is_read_and_minted() {
    let keys = keys();
    let hour = TimeDelta::hours(1);
    let minted = keys.mint_with("player", Role::Service, None, Some("events:write"), hour, now()).unwrap();
    assert_eq!(check_accepted(&keys, &minted).scopes, Scopes::parse("events:write"));
    let refused = keys.mint_with(ADA, Role::Student, None, Some("events:write"), hour, now()).unwrap_err();
    assert_eq!(
        (refused.field, refused.message.as_str()),
        (vec!["scope".to_owned()], "only the token of a service has scopes.")
    );
    let message = "The token's scope must be a string with names separated by spaces, or absent.";
    check_refused(&keys, &ours(json!({"scope": 7})), message);
    check_refused(&keys, &ours(json!({"jti": 7})), "The token's jti must be a string, or absent.");
}
