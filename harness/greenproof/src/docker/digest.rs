//! Content addresses: what an image is made of, as 12 hex digits of a SHA-256.

use super::error::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Digest of a list of parts; each is preceded by its length, so that no two lists run together.
pub(crate) fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..6])
}

/// What was known of a file when it was hashed.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    sha256: String,
}

/// SHA-256 of a file in hex, read again only if path, size or modification time changed since the last time.
pub(crate) fn file(cache: &Path, path: &Path) -> Result<String, Error> {
    let metadata = fs::metadata(path).map_err(Error::io("reading", path))?;
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    let note = cache.join(format!("binary-{}.json", key([path.as_os_str().as_encoded_bytes()])));
    let seen = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Seen>(&bytes).ok());
    if let Some(seen) = seen
        && (seen.path.as_path(), seen.size, seen.modified) == (path, metadata.size(), modified)
    {
        return Ok(seen.sha256);
    }
    let sha256 = hash(path).map_err(Error::io("reading", path))?;
    let seen = Seen { path: path.to_owned(), size: metadata.size(), modified, sha256 };
    let json = serde_json::to_vec(&seen).expect("a note always serialises");
    // A note that another process reads half-written doesn't parse, and then the file is hashed again.
    fs::write(&note, json).map_err(Error::io("writing", note))?;
    Ok(seen.sha256)
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_tells_where_a_part_ends() {
        assert_ne!(key([b"ab".as_slice(), b"c"]), key([b"a".as_slice(), b"bc"]));
        assert_eq!(key([b"ab".as_slice()]).len(), 12);
    }

    #[test]
    fn file_is_hashed_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("binary");
        fs::write(&path, "one").unwrap();
        let one = file(folder.path(), &path).unwrap();
        assert_eq!(file(folder.path(), &path).unwrap(), one);
        fs::write(&path, "other").unwrap();
        assert_ne!(file(folder.path(), &path).unwrap(), one);
    }
}
