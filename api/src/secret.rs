//! Random secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// The beginning of a webhook's secret, by the convention of Standard Webhooks.
pub(crate) const WEBHOOK: &str = "whsec_";

/// 32 random bytes in base64. Two random ids have 244 random bits.
pub(crate) fn random() -> String {
    let bytes: Vec<u8> =
        [Uuid::new_v4(), Uuid::new_v4()].iter().flat_map(|id| id.as_bytes().to_vec()).collect();
    STANDARD.encode(bytes)
}

/// A new secret of a webhook.
pub(crate) fn of_webhook() -> String {
    format!("{WEBHOOK}{}", random())
}
