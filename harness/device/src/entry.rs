//! What the container's first process does before the core starts: resolver, route and trust.

use crate::{Error, Surroundings, http::SYSTEM_TRUST, stray};
use std::{fs, io, path::Path};
use tokio::process::Command;

const RESOLVER: &str = "/etc/resolv.conf";
/// The bundle that OpenSSL, and with it Python, reads on newer systems.
const OPENSSL_BUNDLE: &str = "/usr/lib/ssl/cert.pem";
const TRUST_SOURCE: &str = "/usr/local/share/ca-certificates/greenproof.crt";

/// Prepares the container.
///
/// # Errors
/// If a file can't be written or the route can't be set.
pub(crate) async fn prepare(surroundings: &Surroundings) -> Result<(), Error> {
    let failed = |doing: &'static str| move |source: io::Error| Error::Entry { doing, source };
    if let Some(nameserver) = surroundings.nameserver {
        fs::write(RESOLVER, format!("nameserver {nameserver}\n")).map_err(failed("writing the resolver"))?;
    }
    if let Some(gateway) = surroundings.gateway {
        let output = Command::new("ip").args(["route", "replace", "default", "via", &gateway.to_string()]).output();
        let output = output.await.map_err(failed("setting the default route"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(failed("setting the default route")(io::Error::other(message)));
        }
        stray::catch(gateway).await.map_err(failed("catching stray connections with iptables"))?;
    }
    if let Some(authority) = &surroundings.trust {
        trust(authority).map_err(failed("adding the authority to the trust store"))?;
    }
    Ok(())
}

/// Adds the authority once; a restarted container already has it.
fn trust(authority: &Path) -> io::Result<()> {
    let certificate = fs::read_to_string(authority)?;
    let store = fs::read_to_string(SYSTEM_TRUST).unwrap_or_default();
    if !store.contains(certificate.trim()) {
        if let Some(folder) = Path::new(SYSTEM_TRUST).parent() {
            fs::create_dir_all(folder)?;
        }
        let separator = if store.is_empty() || store.ends_with('\n') { "" } else { "\n" };
        fs::write(SYSTEM_TRUST, format!("{store}{separator}{}\n", certificate.trim()))?;
    }
    if let Some(folder) = Path::new(TRUST_SOURCE).parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(TRUST_SOURCE, certificate)?;
    if !Path::new(OPENSSL_BUNDLE).exists() {
        link_by_hash();
    }
    Ok(())
}

/// Links the authority as `update-ca-certificates` does: where OpenSSL has no bundle, it looks for the hash of the name.
fn link_by_hash() {
    let words = ["x509", "-noout", "-subject_hash", "-in", TRUST_SOURCE];
    // A system without the tool has nobody who looks.
    let Ok(output) = std::process::Command::new("openssl").args(words).output() else { return };
    let hash = String::from_utf8_lossy(&output.stdout);
    let link = Path::new(SYSTEM_TRUST).with_file_name(format!("{}.0", hash.trim()));
    if output.status.success() {
        // A container that was started again has it.
        _ = std::os::unix::fs::symlink(TRUST_SOURCE, link);
    }
}
