//! The archive of a bundle: files by name, in order and without times, so that equal content is an equal file.

use crate::gzip;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{File, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Component, Path},
};
use tar::{Archive, Builder, EntryType, Header};

/// Files and folders to be.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<String, Content>);

#[derive(Debug)]
enum Content {
    Folder,
    File { bytes: Vec<u8>, executable: bool },
}

impl Files {
    /// Adds a file below the bundle's root.
    pub(crate) fn add(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.0.insert(name.to_owned(), Content::File { bytes: content.into(), executable: false });
    }

    /// Adds a file that may be a program.
    pub(crate) fn add_as(&mut self, name: &str, content: Vec<u8>, executable: bool) {
        self.0.insert(name.to_owned(), Content::File { bytes: content, executable });
    }

    /// Adds a folder, which may stay empty.
    pub(crate) fn add_folder(&mut self, name: &str) {
        self.0.insert(format!("{name}/"), Content::Folder);
    }

    /// What the files come to by name and content, in hex. Who may run them, and empty folders, get lost on many ways.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, content) in &self.0 {
            if let Content::File { bytes, .. } = content {
                hash.update(format!("{name}\0{} ", bytes.len()));
                hash.update(bytes);
            }
        }
        hex::encode(hash.finalize())
    }

    /// Writes what stands below a name into a folder.
    pub(crate) fn write_out(&self, below: &str, folder: &Path) -> io::Result<()> {
        for (name, content) in &self.0 {
            let Some(path) = name.strip_prefix(below).map(|name| folder.join(name)) else { continue };
            match content {
                Content::Folder => std::fs::create_dir_all(&path)?,
                Content::File { bytes, executable } => put(&path, &mut bytes.as_slice(), *executable)?,
            }
        }
        Ok(())
    }

    /// Writes the archive, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut archive = Builder::new(GzBuilder::new().mtime(0).write(&mut file, Compression::default()));
        for (name, content) in &self.0 {
            let (kind, bytes, mode) = match content {
                Content::Folder => (EntryType::Directory, &[][..], 0o755),
                Content::File { bytes, executable } => {
                    (EntryType::Regular, bytes.as_slice(), if *executable { 0o755 } else { 0o644 })
                }
            };
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(mode);
            header.set_cksum();
            archive.append_data(&mut header, name, bytes)?;
        }
        archive.into_inner()?.finish()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn put(path: &Path, content: &mut dyn Read, executable: bool) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    io::copy(content, &mut File::create(path)?)?;
    let mode = if executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The archive in a file, gzipped or not.
fn open(path: &Path) -> io::Result<Archive<Box<dyn Read>>> {
    let (reader, _) = gzip::unpacked(io::BufReader::new(File::open(path)?))?;
    Ok(Archive::new(reader))
}

/// The names of the files in an archive, without the `./` that `tar` begins them with.
pub(crate) fn names(path: &Path) -> io::Result<Vec<String>> {
    let name = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_string_lossy().into_owned();
    let mut archive = open(path)?;
    let names = archive.entries()?.map(|entry| Ok(name(&entry?.path()?)));
    names.collect()
}

/// Unpacks the regular files and folders of a tar archive, gzipped or not. It may come from anybody: a name that leads out
/// of the folder is refused, and a link is no file.
///
/// # Errors
/// When it can't be read, or a file not be written.
pub fn unpack(path: &Path, into: &Path) -> io::Result<()> {
    std::fs::create_dir_all(into)?;
    for entry in open(path)?.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        if name.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(io::Error::other(format!("`{}` leads out of the archive", name.display())));
        }
        let place = into.join(&name);
        match entry.header().entry_type() {
            EntryType::Directory => std::fs::create_dir_all(&place)?,
            EntryType::Regular => {
                let executable = entry.header().mode()? & 0o100 != 0;
                put(&place, &mut entry, executable)?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        let mut files = Files::default();
        let long = format!("{}/file", "long".repeat(40));
        files.add("one", "1");
        files.add_as(&long, b"2".to_vec(), true);
        files.add_folder("empty");
        files.write(&path).unwrap();
        assert_eq!(names(&path).unwrap(), ["empty/", long.as_str(), "one"]);
        let into = folder.path().join("into");
        unpack(&path, &into).unwrap();
        assert_eq!(std::fs::read_to_string(into.join(&long)).unwrap(), "2");
        assert_eq!(into.join(&long).metadata().unwrap().permissions().mode() & 0o777, 0o755);
        assert!(into.join("empty").is_dir());
        let again = folder.path().join("b.tar.gz");
        files.write(&again).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap(), "equal content is an equal file");
    }

    #[test]
    fn the_names_are_those_of_the_files_however_tar_was_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut archive = Builder::new(File::create(&path).unwrap());
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..15].copy_from_slice(b"./manifest.json");
        header.set_size(0);
        header.set_cksum();
        archive.append(&header, &b""[..]).unwrap();
        archive.into_inner().unwrap();
        assert_eq!(names(&path).unwrap(), ["manifest.json"]);
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (path, into) = (folder.path().join("a.tar"), folder.path().join("into"));
        let mut archive = Builder::new(File::create(&path).unwrap());
        let mut link = Header::new_gnu();
        link.set_entry_type(EntryType::Symlink);
        link.set_size(0);
        archive.append_link(&mut link, "link", "/etc").unwrap();
        let mut bytes = Header::new_gnu();
        bytes.as_mut_bytes()[..9].copy_from_slice(b"../escape");
        bytes.set_size(1);
        bytes.set_mode(0o644);
        bytes.set_cksum();
        archive.append(&bytes, &b"x"[..]).unwrap();
        archive.into_inner().unwrap();
        let error = unpack(&path, &into).unwrap_err().to_string();
        assert!(error.contains("leads out of the archive"), "{error}");
        assert!(!into.join("link").exists() && !folder.path().join("escape").exists());
    }
}
