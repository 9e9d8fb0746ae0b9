//! File locks between greenproof processes. The kernel releases them with the process, however it ends.

use super::error::Error;
use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

/// How often a taken lock is tried again. The kernel can't wake us: a blocking lock would keep a thread that an
/// interrupt could not end.
const RETRY: Duration = Duration::from_millis(25);

/// Opens a lock file, with its folder.
fn open(path: &Path) -> Result<File, Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
    }
    let options = File::options().create(true).truncate(false).read(true).write(true).open(path);
    options.map_err(Error::io("opening", path))
}

/// Whether the path still names the file that was locked, and not a newer one.
fn current(file: &File, path: &Path) -> bool {
    matches!((file.metadata(), fs::metadata(path)), (Ok(held), Ok(named)) if held.ino() == named.ino())
}

/// Takes an exclusive lock; nothing if another process has the file locked.
pub(crate) fn try_exclusive(path: &Path) -> Result<Option<File>, Error> {
    loop {
        let file = open(path)?;
        match file.try_lock() {
            // Somebody removed the file between our opening and locking it: what we hold guards nothing.
            Ok(()) if !current(&file, path) => {}
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(cause)) => return Err(Error::io("locking", path)(cause)),
        }
    }
}

/// Waits for an exclusive lock; `busy` is called once if there is a wait.
pub(crate) async fn exclusive(path: &Path, busy: impl Fn()) -> Result<File, Error> {
    let mut ticks = tokio::time::interval(RETRY);
    let mut said = false;
    loop {
        ticks.tick().await;
        if let Some(file) = try_exclusive(path)? {
            return Ok(file);
        }
        if !std::mem::replace(&mut said, true) {
            busy();
        }
    }
}

/// Waits for a shared lock.
pub(crate) async fn shared(path: &Path) -> Result<File, Error> {
    let mut ticks = tokio::time::interval(RETRY);
    loop {
        ticks.tick().await;
        let file = open(path)?;
        match file.try_lock_shared() {
            Ok(()) if current(&file, path) => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(cause)) => return Err(Error::io("locking", path)(cause)),
        }
    }
}

/// Whether a process holds an exclusive lock on the file. Asking takes a shared lock for a moment, so that two who ask
/// don't mistake each other for a holder.
pub(crate) fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lock_is_held_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some/lock");
        assert!(!is_held(&path));
        let held = exclusive(&path, || ()).await.unwrap();
        assert!(is_held(&path));
        assert!(try_exclusive(&path).unwrap().is_none());
        drop(held);
        assert!(!is_held(&path));
        let _one = shared(&path).await.unwrap();
        let _two = shared(&path).await.unwrap();
        assert!(try_exclusive(&path).unwrap().is_none());
    }
}
