//! Tar archives, the form in which files go into and come out of containers.

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

/// A file, a folder or a whole tree to put into a container before it starts.
#[derive(Clone)]
pub struct Upload {
    path: String,
    content: Content,
    mode: u32,
    owner: (u64, u64),
}

#[derive(Clone)]
enum Content {
    File(Bytes),
    Folder,
    /// A tar archive, uncompressed.
    Tree(Bytes),
}

impl Upload {
    /// A file of root's with an absolute path and permission bits such as `0o600`.
    #[must_use]
    pub fn file(path: &str, bytes: impl Into<Bytes>, mode: u32) -> Self {
        Self { path: path.to_owned(), content: Content::File(bytes.into()), mode, owner: (0, 0) }
    }

    /// A folder of root's; one that is there already gets this mode and owner.
    #[must_use]
    pub fn folder(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), content: Content::Folder, mode, owner: (0, 0) }
    }

    /// What a tar archive holds, below a folder of root's; modes and owners within are the archive's.
    #[must_use]
    pub fn tree(path: &str, tar: impl Into<Bytes>) -> Self {
        Self { path: path.to_owned(), content: Content::Tree(tar.into()), mode: 0o755, owner: (0, 0) }
    }

    /// Where it is put.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same, under the same path below a folder.
    #[must_use]
    pub fn below(self, folder: &str) -> Self {
        Self { path: format!("{folder}{}", self.path), ..self }
    }

    /// The same, owned by another user and group, as numbers.
    #[must_use]
    pub fn owned(self, user: u64, group: u64) -> Self {
        Self { owner: (user, group), ..self }
    }
}

/// Says nothing of the content, which may be a secret.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({}, {:o})", self.path, self.mode)
    }
}

/// A regular file that was read from a container.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner's number.
    pub uid: u64,
    /// Group's number.
    pub gid: u64,
    /// Modification time, seconds since 1970.
    pub mtime: u64,
}

/// Says nothing of the content, which may be a secret.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} bytes, {:o}, {}:{})", self.bytes.len(), self.mode, self.uid, self.gid)
    }
}

/// Packs uploads; paths are taken from the container's root.
pub(crate) fn pack(uploads: &[Upload]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for upload in uploads {
        let path = Path::new(upload.path.trim_start_matches('/'));
        let (kind, bytes) = match &upload.content {
            Content::File(bytes) => (tar::EntryType::Regular, &bytes[..]),
            Content::Folder | Content::Tree(_) => (tar::EntryType::Directory, &[][..]),
        };
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(upload.mode);
        header.set_uid(upload.owner.0);
        header.set_gid(upload.owner.1);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)?;
        if let Content::Tree(tar) = &upload.content {
            plant(&mut archive, path, tar)?;
        }
    }
    archive.into_inner()
}

/// Adds what an archive holds, below a path.
fn plant(archive: &mut tar::Builder<Vec<u8>>, below: &Path, tar: &[u8]) -> io::Result<()> {
    for entry in tar::Archive::new(tar).entries()? {
        let entry = entry?;
        let path: PathBuf = entry.path()?.components().filter(|part| *part != Component::CurDir).collect();
        let mut header = entry.header().clone();
        archive.append_data(&mut header, below.join(path), entry)?;
    }
    Ok(())
}

/// Reads the regular files of an archive that the engine made of one path.
///
/// The engine puts the path's last part in front of each name: it is cut off, but for a single file it is the name.
pub(crate) fn unpack(tar: &[u8]) -> io::Result<BTreeMap<String, Entry>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.split_once('/').map_or(path.as_str(), |(_, rest)| rest).to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let header = entry.header();
        let (mode, uid, gid, mtime) = (header.mode()? & 0o7777, header.uid()?, header.gid()?, header.mtime()?);
        files.insert(name, Entry { bytes, mode, uid, gid, mtime });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_come_back_without_the_first_part() {
        let long = format!("/logs/{}/component.log", "x".repeat(150));
        let uploads = [
            Upload::folder("/logs", 0o700),
            Upload::file("/logs/core.log", "hello", 0o640).owned(998, 997),
            Upload::file(&long, "deep", 0o600),
        ];
        let files = unpack(&pack(&uploads).unwrap()).unwrap();
        let core = &files["core.log"];
        assert_eq!((core.bytes.as_slice(), core.mode, core.uid, core.gid), (b"hello".as_slice(), 0o640, 998, 997));
        assert!(files.contains_key(long.strip_prefix("/logs/").unwrap()));
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn a_single_file_keeps_its_name() {
        let files = unpack(&pack(&[Upload::file("/core.log", "hello", 0o600)]).unwrap()).unwrap();
        assert!(files.contains_key("core.log"));
    }

    #[test]
    fn a_tree_is_put_below_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let name = "x".repeat(120);
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        std::fs::write(folder.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(folder.path().join("objects").join(&name), "pack").unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all(".", folder.path()).unwrap();
        let tree = Upload::tree("/srv/git/own/name.git", archive.into_inner().unwrap());
        let files = unpack(&pack(&[Upload::file("/srv/world.json", "{}", 0o600), tree]).unwrap()).unwrap();
        assert_eq!(files["git/own/name.git/HEAD"].bytes, b"ref: refs/heads/main\n");
        assert_eq!(files[&format!("git/own/name.git/objects/{name}")].bytes, b"pack");
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn nothing_shows_content() {
        assert!(!format!("{:?}", Upload::file("/world.json", "ghp_secret", 0o600)).contains("ghp_secret"));
    }
}
