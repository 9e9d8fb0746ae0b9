//! Digests of artifacts by the name of their algorithm, over files of any size.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Sha224, Sha256, Sha384, Sha512, digest::DynDigest};
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// A digest in the making.
pub(super) struct Hasher(Box<dyn DynDigest + Send + Sync>);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// The algorithms of the SHA-2 family by their Java names; the cloud only ever writes `SHA-256`.
    pub(super) fn named(algorithm: &str) -> Option<Self> {
        Some(Self(match algorithm.to_ascii_uppercase().as_str() {
            "SHA-224" => Box::<Sha224>::default(),
            "SHA-256" => Box::<Sha256>::default(),
            "SHA-384" => Box::<Sha384>::default(),
            "SHA-512" => Box::<Sha512>::default(),
            _ => return None,
        }))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes in a whole file.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn update_from(&mut self, file: &Path) -> io::Result<()> {
        let mut file = File::open(file)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                length => self.update(&buffer[..length]),
            }
        }
    }

    /// The digest in base64; the next one begins anew.
    pub(super) fn finish(&mut self) -> String {
        STANDARD.encode(self.0.finalize_reset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_pieces_have_one_digest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, vec![7; 200_000]).unwrap();
        let mut hasher = Hasher::named("sha-256").unwrap();
        hasher.update_from(&file).unwrap();
        let whole = hasher.finish();
        hasher.update(&vec![7; 150_000]);
        hasher.update(&vec![7; 50_000]);
        assert_eq!(hasher.finish(), whole);
        assert_eq!(hasher.finish(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert!(Hasher::named("CRC32").is_none());
    }
}
