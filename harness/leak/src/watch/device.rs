//! The container that is watched, as its files are reached from outside.

use super::{connector::Pid, process};
use crate::{Names, readers::Access};
use std::{
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// A container by its id, and a process of it through which its files are reached.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) container: String,
    pid: AtomicU32,
    names: Mutex<Names>,
}

impl Device {
    pub(crate) fn new(container: &str) -> Self {
        Self { container: container.to_owned(), pid: AtomicU32::new(0), names: Mutex::default() }
    }

    /// A process of the container that is there.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let pid = self.pid.load(Ordering::Relaxed);
        (pid != 0 && process::is_in(pid, &self.container) == Some(true) && process::has_own_root(pid)).then_some(pid)
    }

    /// A process of the container is known.
    pub(crate) fn is(&self, pid: Pid) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// The path of its root folder, as we reach it.
    pub(crate) fn root(&self) -> Option<String> {
        self.pid().map(|pid| format!("/proc/{pid}/root"))
    }

    /// The names of its users and groups, as they were last.
    pub(crate) fn names(&self) -> Names {
        let mut known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = self.pid() {
            *known = process::names(pid);
        }
        known.clone()
    }

    /// The folders above a file that are there, from the outermost.
    pub(crate) fn folders(&self, path: &str) -> Vec<Access> {
        let Some(root) = self.root() else { return Vec::new() };
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        let known = above.filter_map(|folder| fs::symlink_metadata(format!("{root}{folder}/")).ok());
        known.map(|metadata| process::access_of(&metadata)).collect()
    }
}
