//! TLS and HTTP clients of the core.
//!
//! Their time-outs (`httpClient.*`) are the network's own and not those of the core's clock. Proxies aren't emulated.

mod connecting;

use crate::{config::Config, step::coerce, tree};
use connecting::{Names, Within};
use reqwest::Client;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The trust store of a Debian system.
pub(crate) const SYSTEM_TRUST: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How long a client waits: `httpClient` of the nucleus's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    connection: Duration,
    socket: Duration,
}

impl Timeouts {
    /// Reads the configuration; what isn't a positive number is the default.
    pub(crate) fn of(nucleus: &Value) -> Self {
        let given = |key, default| {
            let text = tree::get(nucleus, "httpClient").and_then(|section| tree::text(section, key));
            let milliseconds = text.and_then(|text| text.trim_end_matches(".0").parse().ok());
            Duration::from_millis(milliseconds.filter(|milliseconds| *milliseconds > 0).unwrap_or(default))
        };
        Self { connection: given("connectionTimeoutMs", 2_000), socket: given("socketTimeoutMs", 30_000) }
    }
}

/// What of the configuration isn't emulated here, if anything is.
pub(crate) fn unsupported(nucleus: &Value) -> Option<&'static str> {
    if tree::get(nucleus, "fipsMode").is_some_and(coerce::truth) {
        return Some("the endpoints of fipsMode are not emulated");
    }
    let proxy = tree::get(nucleus, "networkProxy").and_then(|section| tree::get(section, "proxy"));
    let url = proxy.and_then(|proxy| tree::text(proxy, "url"));
    url.is_some_and(|url| !url.is_empty()).then_some("network proxies are not emulated")
}

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
pub(crate) fn iot_client(config: &Config, timeouts: Timeouts) -> Result<Client, Error> {
    client(iot_tls(config)?, timeouts)
}

/// The HTTP client for S3: trust in the system's store and `rootCaPath`.
///
/// # Errors
/// If `rootCaPath` can't be read.
pub(crate) fn s3_client(config: &Config, timeouts: Timeouts) -> Result<Client, Error> {
    let mut roots = RootCertStore::empty();
    if let Err(error) = trust(&mut roots, Path::new(SYSTEM_TRUST)) {
        tracing::warn!(%error, "no system trust store");
    }
    trust(&mut roots, &config.root_ca)?;
    client(builder()?.with_root_certificates(roots).with_no_client_auth(), timeouts)
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()
}

fn client(tls: ClientConfig, timeouts: Timeouts) -> Result<Client, Error> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("aws-sdk-java/2.46 greengrass-nucleus-emulated/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Names)
        .connector_layer(Within(timeouts.connection))
        .read_timeout(timeouts.socket);
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

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use serde_json::json;

    #[test]
    fn time_outs_are_those_of_the_configuration() {
        fidelity!("core-http-1");
        let of = |section: Value| Timeouts::of(&json!({"httpClient": section}));
        let both = |connection, socket| Timeouts {
            connection: Duration::from_millis(connection),
            socket: Duration::from_millis(socket),
        };
        assert_eq!(Timeouts::of(&json!({})), both(2_000, 30_000));
        assert_eq!(of(json!({"connectionTimeoutMs": 5.0, "socketTimeoutMs": "7"})), both(5, 7));
        assert_eq!(of(json!({"connectionTimeoutMs": 0, "socketTimeoutMs": -1})), both(2_000, 30_000));
    }

    #[test]
    fn a_proxy_is_unsupported() {
        fidelity!("core-unsupported-1");
        let with = |url: &str| unsupported(&json!({"networkProxy": {"proxy": {"url": url}}}));
        assert_eq!(with("http://proxy:8080"), Some("network proxies are not emulated"));
        assert_eq!(with(""), None);
        assert_eq!(unsupported(&json!({"networkProxy": {"noProxyAddresses": "x"}})), None);
    }

    #[test]
    fn fips_endpoints_are_unsupported() {
        fidelity::fidelity!("core-unsupported-1", "core-exec-11");
        for on in [json!(true), json!("true")] {
            assert!(unsupported(&json!({"fipsMode": on})).is_some());
        }
        for off in [json!(false), json!("false"), json!("")] {
            assert_eq!(unsupported(&json!({"fipsMode": off})), None);
        }
    }
}
