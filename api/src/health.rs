//! `plaudit health`: asks a running server whether it is ready, for the health check of a container.

use std::time::Duration;

use crate::config::{Config, address_of};
use crate::delivery::tls;

/// The time for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the operations listener of the settings, or the main listener if there is none.
///
/// # Errors
/// Why the server is not ready.
pub async fn run(config: &Config) -> Result<(), String> {
    let address = address_of(config.operations_listen.unwrap_or(config.listen));
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls::client(config)?);
    let client = client.no_proxy().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
    let asked = client.get(format!("http://{address}/health/ready")).send().await;
    let answer = asked.map_err(|_| format!("no server answers at {address}"))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    if status.is_success() { Ok(()) } else { Err(format!("the server at {address} is not ready: {text}")) }
}
