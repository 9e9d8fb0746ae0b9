//! Temporary folders that a sweep finds, should the process that made them be killed.
//!
//! A file in the folder is locked for as long as the process lives; the kernel lets go of it, however the process ends.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// What the name of each begins with.
const PREFIX: &str = "greenproof-";

/// The locked file in it. A folder without one is somebody else's.
const LOCK: &str = ".greenproof-lock";

/// A temporary folder of this process's own. Dropping it removes it with its content.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes `greenproof-WHAT-…` in the system's folder for temporary files, closed to other users.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new(what: &str) -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir(), what)
    }

    /// Makes one in another folder.
    pub(crate) fn new_in(place: &Path, what: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("{PREFIX}{what}-")).tempdir_in(place)?;
        // Under its name it is locked already, so that nobody takes it for a dead process's.
        let unnamed = tempfile::NamedTempFile::new_in(folder.path())?;
        unnamed.as_file().lock()?;
        let lock = unnamed.persist(folder.path().join(LOCK)).map_err(|error| error.error)?;
        Ok(Self { path: folder.keep(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "a temporary folder stays behind");
        }
    }
}

/// Those in a folder whose processes are gone.
///
/// # Errors
/// When the folder can't be read.
pub(crate) fn left(place: &Path) -> io::Result<Vec<PathBuf>> {
    let is_left = |path: &PathBuf| {
        let lock = File::options().write(true).open(path.join(LOCK));
        lock.is_ok_and(|lock| lock.try_lock().is_ok())
    };
    let entries = fs::read_dir(place)?.flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    Ok(ours.map(|entry| entry.path()).filter(is_left).collect())
}

/// Removes one, and first lets go of what is mounted in it: an interrupted debootstrap leaves the host's `/proc` there.
///
/// # Errors
/// When something can't be unmounted, or removed.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let inside: Vec<_> = points.filter(|mount| Path::new(mount).starts_with(folder)).collect();
    for mount in inside.iter().rev() {
        let status = std::process::Command::new("umount").arg("--lazy").arg(mount).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("`umount {mount}` ended with {status}")));
        }
    }
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_what_a_dead_process_left_is_found() {
        fidelity::fidelity!("docker-11");
        let place = tempfile::tempdir().unwrap();
        let held = Scratch::new_in(place.path(), "one").unwrap();
        fs::write(held.path().join("file"), "content").unwrap();
        let dead = place.path().join("greenproof-two-a1b2c3");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        // Somebody else's: with another name, or without our lock.
        for (folder, file) in [("other", LOCK), ("greenproof-source", "lock"), ("greenproof-evidence", "run.jsonl")] {
            fs::create_dir(place.path().join(folder)).unwrap();
            fs::write(place.path().join(folder).join(file), "").unwrap();
        }
        assert_eq!(left(place.path()).unwrap(), [dead.as_path()]);
        remove(&dead).unwrap();
        drop(held);
        let names: BTreeSet<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["greenproof-evidence", "greenproof-source", "other"].map(Into::into).into());
    }
}
