//! Key pairs in the forms that GitHub gives and takes: RSA for Apps, Ed25519 for SSH.

use base64::{Engine, engine::general_purpose::STANDARD};
use cloud::world::Sensitive;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey, LineEnding};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Bits of an App's key, as GitHub makes them.
const BITS: usize = 2048;
/// The algorithm's name in SSH.
const ALGORITHM: &str = "ssh-ed25519";
/// What stands before the 32 bytes of the private key in PKCS#8 (RFC 8410): an octet string within one.
const SEED: [u8; 4] = [0x04, 0x22, 0x04, 0x20];

/// The key of a GitHub App.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::plan) struct AppKey {
    /// PEM of PKCS#1, as GitHub lets it be downloaded.
    pub(in crate::plan) private: Sensitive,
    /// Base64 of PKCS#1's DER form.
    pub(in crate::plan) public: String,
}

impl AppKey {
    /// A new key. Takes about a tenth of a second.
    pub(super) fn new() -> Result<Self, String> {
        let key = rsa::PrivateKey::new(&mut rand::rng(), BITS).map_err(|error| error.to_string())?;
        let private = key.to_pkcs1_pem(LineEnding::LF).map_err(|error| error.to_string())?;
        let public = key.to_public_key().to_pkcs1_der().map_err(|error| error.to_string())?;
        Ok(Self { private: Sensitive(private.to_string()), public: STANDARD.encode(public.as_bytes()) })
    }
}

/// A key of SSH.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::plan) struct SshKey {
    /// In OpenSSH's format.
    pub(in crate::plan) private: Sensitive,
    /// `ssh-ed25519 AAAA…`, without a comment.
    pub(in crate::plan) public: String,
}

impl SshKey {
    /// A new key with a comment in its private half.
    pub(super) fn new(comment: &str) -> Result<Self, String> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(|error| error.to_string())?;
        let der = pair.serialize_der();
        let at = der.windows(SEED.len()).position(|window| window == SEED).ok_or("it has no private half")?;
        let seed = der.get(at + SEED.len()..at + SEED.len() + 32).ok_or("its private half is short")?;
        let public = pair.der_bytes();
        let blob = [string(ALGORITHM.as_bytes()), string(public)].concat();
        Ok(Self {
            private: Sensitive(openssh(seed, public, &blob, comment)),
            public: format!("{ALGORITHM} {}", STANDARD.encode(&blob)),
        })
    }
}

/// The private key in OpenSSH's own format (its `PROTOCOL.key`), without a passphrase.
fn openssh(seed: &[u8], public: &[u8], blob: &[u8], comment: &str) -> String {
    let check: [u8; 4] = rand::random();
    let private =
        [check.to_vec(), check.to_vec(), blob.to_vec(), string(&[seed, public].concat()), string(comment.as_bytes())];
    let mut private = private.concat();
    // It ends at a whole block of eight bytes: 1, 2, 3, …
    for byte in (1..).take((8 - private.len() % 8) % 8) {
        private.push(byte);
    }
    let head = [b"openssh-key-v1\0".to_vec(), string(b"none"), string(b"none"), string(b""), vec![0, 0, 0, 1]];
    let all = [head.concat(), string(blob), string(&private)].concat();
    let mut text = "-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned();
    let encoded = STANDARD.encode(all);
    for line in encoded.as_bytes().chunks(70) {
        _ = writeln!(text, "{}", String::from_utf8_lossy(line));
    }
    text + "-----END OPENSSH PRIVATE KEY-----\n"
}

/// A string of SSH: its length, then its bytes (RFC 4251).
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

    fn said(folder: &Path, private: &Sensitive, program: &str, words: &[&str]) -> String {
        let path = folder.join("key");
        std::fs::write(&path, &private.0).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let output = Command::new(program).args(words).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn tools_of_others_read_the_keys() {
        fidelity::fidelity!("github-12", "github-19");
        let folder = tempfile::tempdir().unwrap();
        for comment in ["", "a", "seven77", "a longer comment"] {
            let key = SshKey::new(comment).unwrap();
            let public = said(folder.path(), &key.private, "ssh-keygen", &["-y", "-f"]);
            assert_eq!(public.trim(), format!("{} {comment}", key.public).trim());
        }
        let key = AppKey::new().unwrap();
        assert!(key.private.0.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        assert_eq!(
            said(folder.path(), &key.private, "openssl", &["rsa", "-check", "-noout", "-in"]).trim(),
            "RSA key ok"
        );
    }
}
