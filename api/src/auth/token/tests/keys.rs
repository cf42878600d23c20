//! Keys: in the token's header, of a key pair, unusable ones, and changing ones.

use std::path::PathBuf;

use chrono::TimeDelta;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::{check_accepted, check_refused, claims, config, keys, now, ours_with_head, sign};
use crate::auth::token::Keys;
use crate::config::AuthConfig;

#[test]
fn keys_in_the_header_of_a_token_are_ignored() {
    let own = EncodingKey::from_ed_pem(include_bytes!("../test_keys/ed25519.pem")).unwrap();
    let jwk = serde_json::to_value(Jwk::from_encoding_key(&own, Algorithm::EdDSA).unwrap()).unwrap();
    let head = json!({"alg": "EdDSA", "jwk": jwk, "jku": "https://attacker.example/keys", "x5u": "https://attacker.example"});
    check_refused(
        &keys(),
        &sign(&head, &claims(json!({})), &own, Algorithm::EdDSA),
        "The token's algorithm differs from that of this server's key; sign it with the algorithm of the key.",
    );
    let head =
        json!({"alg": "HS256", "jwk": {"kty": "nonsense"}, "jku": 7, "x5u": "https://attacker.example"});
    check_accepted(&keys(), &ours_with_head(&head, json!({})));
}

#[test]
fn a_public_key_verifies_with_its_own_algorithm_and_no_other() {
    for (algorithm, private, public) in pairs() {
        let auth = AuthConfig { secret: None, public_key: Some(public.to_owned()), ..config() };
        let keys = Keys::load(&auth).unwrap();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(private.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(private.as_bytes()),
            _ => EncodingKey::from_ed_pem(private.as_bytes()),
        }
        .unwrap();
        let head = json!({"alg": format!("{algorithm:?}")});
        check_accepted(&keys, &sign(&head, &claims(json!({"nbf": null})), &key, algorithm));
        // A known attack: the text of the public key used as a shared secret.
        let confused = EncodingKey::from_secret(public.as_bytes());
        check_refused(
            &keys,
            &sign(&json!({"alg": "HS256"}), &claims(json!({})), &confused, Algorithm::HS256),
            "The token's algorithm differs from that of this server's key; sign it with the algorithm of the key.",
        );
        check_refused(
            &keys,
            &sign(&head, &claims(json!({})), &confused, Algorithm::HS256),
            "The token's signature does not match; sign it with a key that this server knows.",
        );
        let early = claims(json!({"nbf": now().timestamp() + 60}));
        check_refused(
            &keys,
            &sign(&head, &early, &key, algorithm),
            "The token is not valid yet: its nbf is in the future; check the issuer's clock.",
        );
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_at_the_start() {
    let public =
        "is not a public key in PEM (RSA of 2048 to 4096 bits, P-256 or Ed25519), nor the path of one.";
    let private = "is a private key; set its public key instead, and keep the private key with the issuer.";
    for (given, message) in [
        ("nonsense", public),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", public),
        (include_str!("../test_keys/p384.pub.pem"), public),
        (include_str!("../test_keys/rsa1024.pub.pem"), public),
        (include_str!("../test_keys/rsa.pem"), private),
    ] {
        let auth = AuthConfig { public_key: Some(given.to_owned()), ..config() };
        let problems = Keys::load(&auth).err().unwrap().0;
        let told: Vec<_> = problems.iter().map(|p| (p.setting.as_str(), p.message.as_str())).collect();
        assert_eq!(told, [("auth.public_key", message)]);
    }
    let auth =
        AuthConfig { secret: Some("x".repeat(31)), jwks: Some("/nowhere/jwks.json".into()), ..config() };
    let problems = Keys::load(&auth).err().unwrap().0;
    let told: Vec<_> = problems.iter().map(|p| (p.setting.as_str(), p.message.as_str())).collect();
    assert_eq!(
        told,
        [
            ("auth.secret", "is too short; use at least 32 random bytes."),
            ("auth.jwks", "cannot be read (entity not found); name a JWKS file."),
        ]
    );
}

#[test]
fn a_key_set_is_read_again_when_it_changes_and_a_broken_one_keeps_the_old_keys() {
    let ed = EncodingKey::from_ed_pem(include_bytes!("../test_keys/ed25519.pem")).unwrap();
    let ec = EncodingKey::from_ec_pem(include_bytes!("../test_keys/p256.pem")).unwrap();
    let jwk = |key: &EncodingKey, algorithm, kid: &str| {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
        jwk["kid"] = kid.into();
        jwk
    };
    let old = jwk(&ed, Algorithm::EdDSA, "old");
    let new = jwk(&ec, Algorithm::ES256, "new");
    let by_old = sign(&json!({"alg": "EdDSA", "kid": "old"}), &claims(json!({})), &ed, Algorithm::EdDSA);
    let by_new = sign(&json!({"alg": "ES256", "kid": "new"}), &claims(json!({})), &ec, Algorithm::ES256);
    let nameless = sign(&json!({"alg": "EdDSA"}), &claims(json!({})), &ed, Algorithm::EdDSA);
    let unknown = "The token's kid matches no key of this server; sign it with a current key.";

    let folder = std::env::temp_dir().join(format!("plaudit-jwks-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path: PathBuf = folder.join("jwks.json");
    let write = |keys: Value| std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
    write(
        json!([old, {"kty": "oct", "k": "AAAA", "kid": "shared"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}]),
    );
    let keys = Keys::load(&AuthConfig { secret: None, jwks: Some(path.clone()), ..config() }).unwrap();
    let at = |seconds| now() + TimeDelta::seconds(seconds);

    let key_of = |token: &str| keys.verify(token, at(0)).unwrap().key;
    assert_eq!(key_of(&by_old), Some("old".to_owned()));
    // One key needs no name, and a token without it is revoked with the key that signed it.
    assert_eq!(key_of(&nameless), Some("old".to_owned()));
    assert_eq!(keys.ids(at(0)), ["old"]);
    assert_eq!(keys.verify(&by_new, at(0)).unwrap_err().message, unknown);

    write(json!([old, new]));
    assert_eq!(keys.verify(&by_new, at(0)).unwrap_err().message, unknown, "looked at once a second");
    assert!(keys.verify(&by_new, at(1)).is_ok());
    assert!(keys.verify(&by_old, at(1)).is_ok());
    assert_eq!(keys.verify(&nameless, at(1)).unwrap_err().message, unknown, "among several none is guessed");

    std::fs::write(&path, "{ half a file").unwrap();
    assert!(keys.verify(&by_new, at(2)).is_ok());
    std::fs::remove_file(&path).unwrap();
    assert!(keys.verify(&by_new, at(4)).is_ok());

    write(json!([new]));
    assert_eq!(keys.verify(&by_old, at(6)).unwrap_err().message, unknown);
    assert!(keys.verify(&by_new, at(6)).is_ok());
    std::fs::remove_dir_all(&folder).unwrap();
}

/// (algorithm, private key, public key) of each kind.
pub(super) fn pairs() -> [(Algorithm, &'static str, &'static str); 3] {
    [
        (Algorithm::RS256, include_str!("../test_keys/rsa.pem"), include_str!("../test_keys/rsa.pub.pem")),
        (Algorithm::ES256, include_str!("../test_keys/p256.pem"), include_str!("../test_keys/p256.pub.pem")),
        (
            Algorithm::EdDSA,
            include_str!("../test_keys/ed25519.pem"),
            include_str!("../test_keys/ed25519.pub.pem"),
        ),
    ]
}
