//! Signatures of requests, by the convention of Standard Webhooks: HMAC-SHA256 of id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret;

/// The value of the header `webhook-signature`: one signature for each secret.
pub(super) fn signatures(secrets: &[&str], id: &str, seconds: i64, body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let one = |text: &&str| {
        let key = STANDARD.decode(text.strip_prefix(secret::WEBHOOK)?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(signed.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    secrets.iter().filter_map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the specification of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed =
            signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_twice_and_a_broken_one_not_at_all() {
        let (old, new) = (secret::of_webhook(), secret::of_webhook());
        assert_ne!(old, new);
        assert_eq!(new.len(), secret::WEBHOOK.len() + 44);
        let both = signatures(&[&new, &old], "msg_1", 1, "{}");
        assert_eq!(both.split(' ').count(), 2);
        assert_eq!(both.split(' ').next(), Some(signatures(&[&new], "msg_1", 1, "{}").as_str()));
        assert_eq!(signatures(&["no secret"], "msg_1", 1, "{}"), "");
    }
}
