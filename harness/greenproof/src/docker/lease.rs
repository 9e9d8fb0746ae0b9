//! Who owns an environment, and whether the owner still lives.
//!
//! A [`Lease`] is a locked file in the engine's part of the cache folder: it holds for the life of the process, `SIGKILL`
//! included. What it covers carries a label with the owner's name, so that processes with another cache folder leave it alone.

use super::{Engine, Kept, error::Error, labels, lock};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The right to have an environment. Dropping it lets [`super::sweep()`] remove what is left of the environment.
#[derive(Debug)]
#[must_use = "an environment without a lease is swept away"]
pub struct Lease {
    id: String,
    holder: String,
    path: PathBuf,
    _lock: File,
}

impl Lease {
    /// Takes the lease of a new environment, before anything of it is created.
    ///
    /// # Errors
    /// [`Error::Io`] if the lease file can't be written, or if a live process has a lease of that id.
    pub fn take(engine: &Engine, id: &str) -> Result<Self, Error> {
        let path = file(&engine.own, id);
        let lock = lock::try_exclusive(&path)?
            .ok_or_else(|| Error::io("leasing", &path)(std::io::ErrorKind::AlreadyExists.into()))?;
        Ok(Self { id: id.to_owned(), holder: Holder::me(&engine.owner).to_string(), path, _lock: lock })
    }

    /// The environment's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The labels for whatever is created under this lease; `role` is the part that it plays.
    #[must_use]
    pub fn labels(&self, role: &str) -> HashMap<String, String> {
        [
            (labels::OURS, labels::OURS_VALUE),
            (labels::ENVIRONMENT, &self.id),
            (labels::LEASE, &self.holder),
            (labels::ROLE, role),
        ]
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
    }

    /// Ends the lease but keeps the environment: only who removes it, or everything, removes it.
    ///
    /// # Errors
    /// [`Error::Io`] if the note can't be written.
    ///
    /// # Panics
    /// Never: a note always serialises.
    pub fn keep(self, note: &Kept) -> Result<(), Error> {
        let path = kept(&self.path);
        let json = serde_json::to_vec(note).expect("a note always serialises");
        // Whole or not at all, so that who reads it meanwhile does not take it for nothing.
        let folder = self.path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("writing", &path))?;
        file.write_all(&json).map_err(Error::io("writing", &path))?;
        file.persist(&path).map(drop).map_err(|error| Error::io("writing", &path)(error.error))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The file goes before its lock does, so nobody can take a lease on a file that is about to vanish.
        _ = fs::remove_file(&self.path);
    }
}

fn file(own: &Path, id: &str) -> PathBuf {
    own.join("leases").join(id)
}

fn kept(lease: &Path) -> PathBuf {
    lease.with_added_extension("kept")
}

/// Whether a process of ours holds the environment's lease.
pub(crate) fn is_held(own: &Path, id: &str) -> bool {
    lock::is_held(&file(own, id))
}

/// Whether the environment was kept on request.
pub(crate) fn is_kept(own: &Path, id: &str) -> bool {
    kept(&file(own, id)).exists()
}

/// Every kept environment. A note that can't be read still spares its environment, but claims nothing.
pub(crate) fn all_kept(own: &Path) -> Vec<Kept> {
    let notes = fs::read_dir(own.join("leases")).into_iter().flatten().flatten().map(|entry| entry.path());
    let notes = notes.filter(|path| path.extension().is_some_and(|extension| extension == "kept"));
    let read = |path: PathBuf| {
        let note: Kept = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some(Kept { id: path.file_stem()?.to_str()?.to_owned(), ..note })
    };
    notes.filter_map(read).collect()
}

/// Forgets an environment that is removed.
pub(crate) fn forget(own: &Path, id: &str) {
    _ = fs::remove_file(kept(&file(own, id)));
}

/// Removes lease files of dead processes.
pub(crate) fn prune(own: &Path) {
    for entry in fs::read_dir(own.join("leases")).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "kept")
            && let Ok(Some(_lock)) = lock::try_exclusive(&path)
        {
            _ = fs::remove_file(path);
        }
    }
}

/// The random name of a cache folder, made at its first use together with the folder.
pub(crate) fn owner(cache: &Path) -> Result<String, Error> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(cache).map_err(Error::io("creating", cache))?;
    let path = cache.join("owner");
    if let Ok(owner) = fs::read_to_string(&path) {
        return Ok(owner);
    }
    let fresh = format!("{:08x}", rand::random::<u32>());
    let mut file = tempfile::NamedTempFile::new_in(cache).map_err(Error::io("writing", &path))?;
    file.write_all(fresh.as_bytes()).map_err(Error::io("writing", &path))?;
    // Of two processes at their first use, the second takes the first one's name.
    _ = file.persist_noclobber(&path);
    fs::read_to_string(&path).map_err(Error::io("reading", path))
}

/// A process as the lease label names it: cache folder, boot, process namespace, process id and its start time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) owner: String,
    machine: String,
    pid: u32,
    started: u64,
}

impl Holder {
    /// This process.
    fn me(owner: &str) -> Self {
        let pid = std::process::id();
        Self { owner: owner.to_owned(), machine: machine(), pid, started: started(pid).unwrap_or_default() }
    }

    /// Reads a label.
    pub(crate) fn parse(label: &str) -> Option<Self> {
        let [owner, machine, pid, started] = label.split('/').collect::<Vec<_>>().try_into().ok()?;
        let (pid, started) = (pid.parse().ok()?, started.parse().ok()?);
        Some(Self { owner: owner.to_owned(), machine: machine.to_owned(), pid, started })
    }

    /// Whether it is of this boot of this machine and of our process namespace, so that we can see whether it runs.
    pub(crate) fn is_here(&self) -> bool {
        self.machine == machine()
    }

    /// Whether it is a running process that we can see; `false` also for one on another machine.
    pub(crate) fn is_running(&self) -> bool {
        self.is_here() && started(self.pid) == Some(self.started)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}", self.owner, self.machine, self.pid, self.started)
    }
}

/// Names the boot of this machine and our process namespace: where a process id means something.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    super::digest::key([boot.trim().as_bytes(), namespace.as_os_str().as_encoded_bytes()])
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, which proc(5) describes.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holder_survives_its_label() {
        let me = Holder::me("cafe");
        assert!(me.started > 0);
        assert!(me.is_running());
        assert_eq!(Holder::parse(&me.to_string()), Some(me));
        let other = Holder { started: 1, ..Holder::me("cafe") };
        assert!(!other.is_running(), "a process id that was used again");
    }

    #[test]
    fn owner_is_the_same_at_the_second_use() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        assert_eq!(owner(&cache).unwrap(), owner(&cache).unwrap());
    }

    #[test]
    fn prune_leaves_what_is_held_or_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "live");
        let _held = lock::try_exclusive(&path).unwrap().unwrap();
        let dead = file(folder.path(), "dead");
        fs::write(&dead, "").unwrap();
        fs::write(kept(&file(folder.path(), "old")), "").unwrap();
        prune(folder.path());
        assert!(path.exists() && !dead.exists());
        assert!(is_held(folder.path(), "live") && !is_held(folder.path(), "dead"));
        assert!(is_kept(folder.path(), "old"));
    }
}
