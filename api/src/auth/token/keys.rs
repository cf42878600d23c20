//! The verification keys, each bound to one algorithm: a shared secret, a public key, and a key set in a file.
//! The file is read again when it changes. If the new file is invalid, the old keys remain in use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::Value;

use crate::config::{AuthConfig, Problem, Problems};

/// Minimum length of a secret, in bytes, as HS256 requires.
const MIN_SECRET_BYTES: usize = 32;
/// Minimum length of an RSA modulus in bytes (2048 bits), and the maximum that is still fast enough (4096 bits).
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The keys that verify tokens, and the required claims.
pub struct Keys {
    secret: Option<(Key, EncodingKey)>,
    public: Option<Key>,
    jwks: Option<JwksFile>,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) role_claim: String,
    pub(super) max_ttl: TimeDelta,
}

/// One key and its only allowed algorithm.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    /// Its id in a key set.
    pub(super) kid: Option<String>,
    decoding: DecodingKey,
}

impl Key {
    /// Whether this key signed `message`.
    pub(super) fn signed(&self, message: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.decoding, self.algorithm)
            .unwrap_or(false)
    }
}

impl Keys {
    /// Loads the keys that the settings name.
    ///
    /// # Errors
    /// Every key that cannot be used, by its setting, with how to correct it.
    pub fn load(config: &AuthConfig) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut note = |setting: &str, message: String| problems.push(Problem::new(setting, message));
        let secret = config.secret.as_ref().map(|secret| {
            if secret.len() < MIN_SECRET_BYTES {
                note("auth.secret", format!("is too short; use at least {MIN_SECRET_BYTES} random bytes."));
            }
            let decoding = DecodingKey::from_secret(secret.as_bytes());
            (
                Key { algorithm: Algorithm::HS256, kid: None, decoding },
                EncodingKey::from_secret(secret.as_bytes()),
            )
        });
        let public = config.public_key.as_ref().and_then(|given| {
            read_public_key(given).map_err(|message| note("auth.public_key", message.to_owned())).ok()
        });
        let jwks = config
            .jwks
            .as_ref()
            .and_then(|path| JwksFile::open(path).map_err(|message| note("auth.jwks", message)).ok());
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Self {
            secret,
            public,
            jwks,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            role_claim: config.role_claim.clone(),
            max_ttl: config.max_ttl,
        })
    }

    /// The maximum lifetime of a token.
    #[must_use]
    pub fn max_ttl(&self) -> TimeDelta {
        self.max_ttl
    }

    /// The key that signs our own tokens, if a secret is set.
    pub(super) fn signing_key(&self) -> Option<&EncodingKey> {
        self.secret.as_ref().map(|(_, encoding)| encoding)
    }

    /// The ids of the keys of the key set; none without a key set.
    #[must_use]
    pub fn ids(&self, now: DateTime<Utc>) -> Vec<String> {
        let set = self.jwks.as_ref().map(|file| file.keys(now)).unwrap_or_default();
        set.iter().filter_map(|key| key.kid.clone()).collect()
    }

    /// The keys that may have signed a token with this `kid`.
    pub(super) fn candidates(&self, kid: Option<&str>, now: DateTime<Utc>) -> Vec<Key> {
        let set = self.jwks.as_ref().map(|file| file.keys(now)).unwrap_or_default();
        if let Some(named) = set.iter().find(|named| kid.is_some() && named.kid.as_deref() == kid) {
            return vec![named.clone()];
        }
        // Without a `kid`, a set of one key is unambiguous. With several keys the token is refused.
        let only = match (kid, set.as_slice()) {
            (None, [only]) => Some(only),
            _ => None,
        };
        self.secret.iter().map(|(key, _)| key).chain(&self.public).chain(only).cloned().collect()
    }
}

/// A key set in a file.
struct JwksFile {
    path: PathBuf,
    read: Mutex<LastRead>,
}

/// The content of the file when it was last read.
struct LastRead {
    keys: Arc<Vec<Key>>,
    /// The file's modification time and length at that time.
    stamp: Option<(SystemTime, u64)>,
    /// When the file was last checked; `None` before the first token.
    looked_at: Option<DateTime<Utc>>,
}

impl JwksFile {
    fn open(path: &Path) -> Result<Self, String> {
        let stamp = stamp(path);
        let keys = read_jwks(path)?;
        let read = Mutex::new(LastRead { keys: Arc::new(keys), stamp, looked_at: None });
        Ok(Self { path: path.to_owned(), read })
    }

    /// The keys in use. Checks the file at most once a second.
    fn keys(&self, now: DateTime<Utc>) -> Arc<Vec<Key>> {
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let second = TimeDelta::seconds(1);
        if last.looked_at.is_some_and(|looked_at| (now - looked_at).abs() < second) {
            return Arc::clone(&last.keys);
        }
        last.looked_at = Some(now);
        let stamp = stamp(&self.path);
        if stamp != last.stamp {
            last.stamp = stamp;
            match read_jwks(&self.path) {
                Ok(keys) => {
                    tracing::info!(keys = keys.len(), "the key set changed and was read again");
                    last.keys = Arc::new(keys);
                }
                Err(message) => {
                    tracing::error!("PLAUDIT_AUTH_JWKS {message} The previous keys remain in use.");
                }
            }
        }
        Arc::clone(&last.keys)
    }
}

/// The modification time and length of the file; `None` if they cannot be read.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let seen = std::fs::metadata(path).ok()?;
    Some((seen.modified().ok()?, seen.len()))
}

/// The usable keys of a key set. Encryption keys and unsupported algorithms are skipped.
fn read_jwks(path: &Path) -> Result<Vec<Key>, String> {
    let text = std::fs::read(path)
        .map_err(|error| format!("cannot be read ({}); name a JWKS file.", error.kind()))?;
    let set: Value =
        serde_json::from_slice(&text).map_err(|_| "is not JSON; name a JWKS file.".to_owned())?;
    let listed = set.get("keys").and_then(Value::as_array);
    let listed = listed.ok_or("is not a key set; name a file with an object that has a list named keys.")?;
    let usable: Vec<Key> = listed.iter().filter_map(read_jwk).collect();
    if usable.is_empty() {
        return Err("has no usable key; add an RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA) key.".to_owned());
    }
    Ok(usable)
}

/// Reads one key of a set. Shared secrets do not belong in a file of public keys and are skipped.
fn read_jwk(jwk: &Value) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (algorithm, decoding) = match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let modulus = bytes("n").filter(|n| RSA_BYTES.contains(&n.len()))?;
            (Algorithm::RS256, DecodingKey::from_rsa_raw_components(&modulus, &bytes("e")?))
        }
        ("EC", Some("P-256")) => {
            let [x, y] = ["x", "y"].map(|name| bytes(name).filter(|part| part.len() == 32));
            (Algorithm::ES256, DecodingKey::from_ec_der(&[vec![4], x?, y?].concat()))
        }
        // The library would panic on a shorter key.
        ("OKP", Some("Ed25519")) => {
            (Algorithm::EdDSA, DecodingKey::from_ed_der(&bytes("x").filter(|x| x.len() == 32)?))
        }
        _ => return None,
    };
    let named = text("alg").is_none_or(|name| name.parse() == Ok(algorithm));
    let signs = text("use").is_none_or(|usage| usage == "sig");
    (named && signs).then(|| Key { algorithm, kid: text("kid").map(str::to_owned), decoding })
}

/// Reads a public key in PEM, given as text or as the path of a file.
fn read_public_key(given: &str) -> Result<Key, &'static str> {
    const WRONG: &str =
        "is not a public key in PEM (RSA of 2048 to 4096 bits, P-256 or Ed25519), nor the path of one.";
    let pem = if given.contains("-----BEGIN") {
        given.to_owned()
    } else {
        std::fs::read_to_string(given).map_err(|_| WRONG)?
    };
    if pem.contains("PRIVATE KEY-----") {
        return Err(
            "is a private key; set its public key instead, and keep the private key with the issuer.",
        );
    }
    if !pem.contains("PUBLIC KEY-----") {
        return Err(WRONG);
    }
    let pem = pem.as_bytes();
    let length = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
    let (algorithm, decoding) = if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        (Algorithm::EdDSA, Some(key).filter(|key| length(key) == 32))
    } else if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        // A P-256 point, uncompressed or compressed. Points of other curves are longer.
        (Algorithm::ES256, Some(key).filter(|key| matches!(length(key), 33 | 65)))
    } else {
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| WRONG)?;
        (Algorithm::RS256, Some(key).filter(|key| modulus_bytes(key).is_some_and(|n| RSA_BYTES.contains(&n))))
    };
    decoding.map(|decoding| Key { algorithm, kid: None, decoding }).ok_or(WRONG)
}

/// The length of an RSA key's modulus.
fn modulus_bytes(key: &DecodingKey) -> Option<usize> {
    match Jwk::from_decoding_key(key, Some(Algorithm::RS256)).ok()?.algorithm {
        AlgorithmParameters::RSA(parts) => URL_SAFE_NO_PAD.decode(parts.n).ok().map(|n| n.len()),
        _ => None,
    }
}
