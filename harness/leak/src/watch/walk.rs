//! What is left in a container at the end: each file that was made or changed since the container began, and files without a
//! name that a process still has open.

use super::{
    connector::Pid,
    content,
    device::Device,
    files::{Files, Subject},
    process,
    sighting::{Millis, Table, now},
    wanted::{Match, Wanted},
};
use crate::{Found, Place, readers::Access};
use std::{
    fs::{self, File, Metadata},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Folders that hold no files of a disk.
const NO_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Of those, the one that holds files in memory.
const IN_MEMORY: &str = "/dev/shm";

/// What a walk comes to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    /// How many files were looked at, and how many of them were searched.
    pub(crate) files: u64,
    pub(crate) searched: u64,
    /// How many could not be read.
    pub(crate) unread: u64,
}

/// A walk through a container.
pub(crate) struct Walk<'a, 'b> {
    pub(crate) device: &'a Device,
    pub(crate) wanted: &'a Wanted,
    pub(crate) table: &'a Mutex<Table>,
    pub(crate) files: &'b mut Files<'a>,
    /// What is older is the image's.
    pub(crate) since: Millis,
    pub(crate) walked: Walked,
}

impl Walk<'_, '_> {
    /// Walks through the container that a process reaches.
    pub(crate) fn through(&mut self, pid: Pid) {
        let root = format!("/proc/{pid}/root");
        let Ok(metadata) = fs::metadata(format!("{root}/")) else { return };
        self.folder(&root, "", &mut vec![process::access_of(&metadata)]);
        if let Ok(metadata) = fs::symlink_metadata(format!("{root}{IN_MEMORY}"))
            && metadata.is_dir()
        {
            let above = fs::symlink_metadata(format!("{root}/dev")).map(|it| process::access_of(&it));
            let mut folders = vec![process::access_of(&metadata)];
            folders.extend(above);
            self.folder(&root, IN_MEMORY, &mut folders);
        }
    }

    fn folder(&mut self, root: &str, folder: &str, above: &mut Vec<Access>) {
        let Ok(entries) = fs::read_dir(format!("{root}{folder}/")) else {
            self.walked.unread += 1;
            return;
        };
        for entry in entries.flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && NO_FILES.contains(&path.as_str()) {
                continue;
            }
            // It is asked of the entry, so that no link is followed.
            let Ok(metadata) = entry.metadata() else { continue };
            self.walked.files += 1;
            let changed = millis(&metadata) >= self.since;
            if changed {
                self.name(&path, &metadata, above);
            }
            if kind.is_dir() {
                above.push(process::access_of(&metadata));
                self.folder(root, &path, above);
                above.pop();
            } else if changed && kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                self.bytes(&path, &metadata, above, target.as_os_str().as_bytes());
            } else if changed && kind.is_file() && !kind.is_fifo() {
                self.file(&entry.path(), &path, &metadata, above);
            }
        }
    }

    fn file(&mut self, at: &Path, path: &str, metadata: &Metadata, above: &[Access]) {
        let searched = File::open(at).and_then(|mut file| content::search(self.wanted, &mut file));
        match searched {
            Ok((matches, _)) => {
                self.walked.searched += 1;
                if !matches.is_empty() || self.files.knows(path) {
                    let (access, folders) = (process::access_of(metadata), above.to_vec());
                    self.files.found(&Subject { path: path.to_owned(), access, folders }, matches, None, 0);
                }
            }
            Err(_) => self.walked.unread += 1,
        }
    }

    fn bytes(&mut self, path: &str, metadata: &Metadata, above: &[Access], bytes: &[u8]) {
        if let Ok((matches, _)) = content::search(self.wanted, &mut &*bytes)
            && !matches.is_empty()
        {
            let (access, folders) = (process::access_of(metadata), above.to_vec());
            self.files.found(&Subject { path: path.to_owned(), access, folders }, matches, None, 0);
        }
    }

    /// A secret may be in the name of a file.
    fn name(&self, path: &str, metadata: &Metadata, above: &[Access]) {
        let name = path.rsplit('/').next().unwrap_or_default();
        for found in self.wanted.matches(name.as_bytes()) {
            let place = Place::Name { path: self.wanted.masked(path) };
            // Who may list the folder reads the name.
            let folder = above.last().copied().unwrap_or_else(|| process::access_of(metadata));
            self.tell(found, place, folder, &above[..above.len().saturating_sub(1)]);
        }
    }

    /// Files without a name that these processes have open.
    pub(crate) fn deleted(&mut self, members: &[Pid]) {
        for pid in members {
            let entries = fs::read_dir(process::path(*pid, "fd")).into_iter().flatten().flatten();
            for entry in entries {
                let Ok(target) = fs::read_link(entry.path()) else { continue };
                let target = target.to_string_lossy().into_owned();
                let Some(path) = target.strip_suffix(" (deleted)") else { continue };
                let Ok(metadata) = fs::metadata(entry.path()) else { continue };
                if metadata.is_file() {
                    self.open_file(*pid, &entry.path(), path, &metadata);
                }
            }
        }
    }

    fn open_file(&mut self, pid: Pid, at: &Path, path: &str, metadata: &Metadata) {
        let Ok((matches, _)) = File::open(at).and_then(|mut file| content::search(self.wanted, &mut file)) else {
            self.walked.unread += 1;
            return;
        };
        self.walked.searched += 1;
        let program = self.wanted.masked(&process::name(pid, &[]));
        for (found, _) in matches {
            let place = Place::Deleted { path: self.wanted.masked(path), program: program.clone() };
            // It is read through the process, as its environment is.
            let environment = fs::symlink_metadata(process::path(pid, "environ"));
            let owner = environment.map_or_else(|_| process::access_of(metadata), |it| process::access_of(&it));
            self.tell(found, place, owner, &[]);
        }
    }

    fn tell(&self, found: Match, place: Place, access: Access, folders: &[Access]) {
        let names = self.device.names();
        let mut found = Found::new(found.secret, found.hit, place);
        found.guard(access, access.readers(folders, &names), &names);
        self.table.lock().unwrap_or_else(PoisonError::into_inner).seen(found, Vec::new, now());
    }
}

/// When a file was changed last, or its name or permissions.
fn millis(metadata: &Metadata) -> Millis {
    u64::try_from(metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000).unwrap_or_default()
}
