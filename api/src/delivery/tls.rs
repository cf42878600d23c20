//! The certificates that connections to other machines accept: the well-known authorities, and one of the settings.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Config;

const WRONG: &str = "ca_file (PLAUDIT_CA_FILE) must be a readable file of certificates in PEM";

/// The certificates of the file in the settings; none without a file.
///
/// # Errors
/// If the file cannot be read or has no certificate.
fn own_authority(config: &Config) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(file) = &config.ca_file else { return Ok(Vec::new()) };
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|_| WRONG.to_owned())?.collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| WRONG.to_owned())
}

/// The TLS of clients.
///
/// # Errors
/// If the file of the settings cannot be used.
pub(crate) fn client(config: &Config) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in own_authority(config)? {
        roots.add(certificate).map_err(|_| WRONG.to_owned())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
