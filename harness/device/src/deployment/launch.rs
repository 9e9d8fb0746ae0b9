//! The nucleus's launch folders in `alts`, whose links say how far a deployment that restarts the nucleus has come.
//!
//! `current` is what runs; beside it `old` is what an activation came from, and `broken` what a rollback left. A core
//! that isn't made of files has nothing in these folders.

use super::directory::safe;
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// The launch folders.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    folder: PathBuf,
}

impl Launch {
    pub(crate) fn new(root: &Path) -> Self {
        Self { folder: root.join("alts") }
    }

    /// Makes the first launch folder if there is none.
    pub(crate) fn set_up(&self) -> io::Result<()> {
        if self.target("current").is_some() {
            return Ok(());
        }
        // A core that was killed between two links is on the side that the other one names.
        let side = self.target("old").or_else(|| self.target("broken"));
        let init = self.folder.join("init");
        fs::create_dir_all(&init)?;
        symlink(side.filter(|side| side.exists()).unwrap_or(init), self.folder.join("current"))
    }

    /// Whether an activation is under way.
    pub(crate) fn is_activating(&self) -> bool {
        self.target("old").is_some()
    }

    /// Whether a rollback is under way.
    pub(crate) fn is_rolling_back(&self) -> bool {
        !self.is_activating() && self.target("broken").is_some()
    }

    /// Forgets what an earlier deployment left.
    pub(super) fn forget(&self) -> io::Result<()> {
        ["broken", "old", "new"].into_iter().try_for_each(|link| self.unlink(link))
    }

    /// From now on the deployment's launch folder is the current one.
    pub(super) fn activate(&self, id: &str) -> io::Result<()> {
        let new = self.folder.join(safe(id));
        fs::create_dir_all(&new)?;
        let current = self.current()?;
        self.forget()?;
        self.relink("current", &new)?;
        // This one counts: a core that starts again goes on with the activation.
        symlink(current, self.folder.join("old"))
    }

    /// The activation has come to its end.
    pub(super) fn activated(&self) -> io::Result<()> {
        let Some(old) = self.target("old") else { return Ok(()) };
        self.unlink("old")?;
        if old == self.current()? { Ok(()) } else { remove(&old) }
    }

    /// Goes back to the launch folder from before the activation.
    pub(super) fn roll_back(&self) -> io::Result<()> {
        let Some(old) = self.target("old") else { return Ok(()) };
        self.unlink("broken")?;
        symlink(self.current()?, self.folder.join("broken"))?;
        self.relink("current", &old)?;
        self.unlink("old")
    }

    /// The rollback has come to its end.
    pub(super) fn rolled_back(&self) -> io::Result<()> {
        let Some(broken) = self.target("broken") else { return Ok(()) };
        if broken != self.current()? {
            remove(&broken)?;
        }
        self.unlink("broken")
    }

    fn current(&self) -> io::Result<PathBuf> {
        fs::read_link(self.folder.join("current"))
    }

    fn target(&self, link: &str) -> Option<PathBuf> {
        fs::read_link(self.folder.join(link)).ok()
    }

    /// Changes a link at once.
    fn relink(&self, link: &str, target: &Path) -> io::Result<()> {
        self.unlink("new")?;
        symlink(target, self.folder.join("new"))?;
        fs::rename(self.folder.join("new"), self.folder.join(link))
    }

    fn unlink(&self, link: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(link)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        fidelity::fidelity!("core-bootstrap-4");
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("alts")).unwrap();
        let launch = Launch::new(root.path());
        let names = || {
            let entries = fs::read_dir(root.path().join("alts")).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        launch.set_up().unwrap();
        assert_eq!(names(), ["current", "init"]);
        launch.activate("a/b").unwrap();
        assert!(launch.is_activating());
        assert_eq!(names(), ["a+b", "current", "init", "old"]);
        launch.roll_back().unwrap();
        assert!(launch.is_rolling_back());
        assert_eq!(launch.current().unwrap(), root.path().join("alts/init"));
        launch.rolled_back().unwrap();
        assert_eq!(names(), ["current", "init"]);
        launch.activate("c").unwrap();
        launch.activated().unwrap();
        assert_eq!(names(), ["c", "current"]);
        assert!(!launch.is_activating() && !launch.is_rolling_back());
    }
}
