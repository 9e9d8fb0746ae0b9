//! TLS and HTTP clients of the core.

use crate::config::Config;
use reqwest::Client;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The trust store of a Debian system.
pub(crate) const SYSTEM_TRUST: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Connect and socket time-outs of the nucleus's HTTP clients (`httpClient.*`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const SOCKET_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("reading certificates or the key in `{path}`: {message}")]
    Pem { path: PathBuf, message: String },
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
    #[error("setting up an HTTP client")]
    Http(#[from] reqwest::Error),
}

/// TLS to the IoT hosts: the device certificate, and trust in `rootCaPath` alone.
///
/// # Errors
/// If a file can't be read.
pub(crate) fn iot_tls(config: &Config) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    trust(&mut roots, &config.root_ca)?;
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| Error::Pem { path: config.key.clone(), message: error.to_string() })?;
    Ok(builder()?.with_root_certificates(roots).with_client_auth_cert(chain, key)?)
}

/// The HTTP client for the IoT hosts.
///
/// # Errors
/// If a file can't be read.
pub(crate) fn iot_client(config: &Config) -> Result<Client, Error> {
    client(iot_tls(config)?)
}

/// The HTTP client for S3: trust in the system's store and `rootCaPath`.
///
/// # Errors
/// If `rootCaPath` can't be read.
pub(crate) fn s3_client(config: &Config) -> Result<Client, Error> {
    let mut roots = RootCertStore::empty();
    if let Err(error) = trust(&mut roots, Path::new(SYSTEM_TRUST)) {
        tracing::warn!(%error, "no system trust store");
    }
    trust(&mut roots, &config.root_ca)?;
    client(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()
}

fn client(tls: ClientConfig) -> Result<Client, Error> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("aws-sdk-java/2.46 greengrass-nucleus-emulated/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SOCKET_TIMEOUT);
    Ok(client.build()?)
}

fn trust(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    roots.add_parsable_certificates(certificates(path)?);
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| Error::Pem { path: path.into(), message: error.to_string() })
}
