//! A tar of a device's disk, as an engine exports it or `tar -c /` makes it: each entry with its mode and owner.

use super::Survey;
use crate::{found::Place, readers::Access};
use std::io::{self, BufReader, Read};

/// How many bytes are read at once.
const PIECE: usize = 64 * 1024;
/// How long a list of users, or of a package's files, may be.
const LIST: u64 = 4 << 20;

impl Survey<'_> {
    /// Searches a tar of a disk, uncompressed.
    ///
    /// # Errors
    /// When it can't be read, or is damaged.
    pub fn disk(&mut self, reader: &mut dyn Read) -> io::Result<()> {
        let (mut passwd, mut group) = (String::new(), String::new());
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = absolute(&entry.path_bytes());
            let access = access(entry.header())?;
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                self.folders.insert(path.clone(), access);
            }
            self.text(&Place::Name { path: String::new() }, path.as_bytes(), Some(access));
            if kind.is_hard_link() {
                let target = entry.link_name_bytes().map(|name| absolute(&name)).unwrap_or_default();
                self.again(&target, &path);
            }
            if kind.is_symlink() {
                let target = entry.link_name_bytes().unwrap_or_default();
                self.text(&Place::Name { path: format!("{path}, a link") }, &target, Some(access));
            }
            if !kind.is_file() {
                continue;
            }
            if !["/etc/passwd", "/etc/group"].contains(&path.as_str()) && !super::is_list(&path) {
                self.file(&path, Some(access), &mut BufReader::with_capacity(PIECE, entry))?;
                continue;
            }
            let mut bytes = Vec::new();
            entry.by_ref().take(LIST).read_to_end(&mut bytes)?;
            match path.as_str() {
                "/etc/passwd" => passwd = String::from_utf8_lossy(&bytes).into_owned(),
                "/etc/group" => group = String::from_utf8_lossy(&bytes).into_owned(),
                _ => self.package(&bytes),
            }
            self.file(&path, Some(access), &mut bytes.as_slice().chain(BufReader::new(entry)))?;
        }
        self.know(&passwd, &group);
        Ok(())
    }

    /// A file has another name, too.
    fn again(&mut self, path: &str, other: &str) {
        let of = |place: &Place| matches!(place, Place::File { path: of, .. } if of == path);
        let found: Vec<_> = self
            .raw
            .values()
            .filter(|raw| of(&raw.place))
            .map(|raw| (raw.hit.clone(), raw.place.clone(), raw.access))
            .collect();
        for (hit, place, access) in found {
            if let Place::File { inside, line, .. } = place {
                super::keep(&mut self.raw, Place::File { path: other.to_owned(), inside, line }, hit, access);
            }
        }
    }
}

/// An entry's name as the path that it is at the device.
fn absolute(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let name = name.strip_prefix("./").unwrap_or(&name).trim_matches('/');
    if name == "." { "/".to_owned() } else { format!("/{name}") }
}

fn access(header: &tar::Header) -> io::Result<Access> {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(Access::new(header.mode()?, number(header.uid()?), number(header.gid()?)))
}
