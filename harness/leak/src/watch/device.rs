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
    /// Its users and groups as they were read last.
    names: Mutex<Option<Names>>,
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

    /// The names of its users and groups as they are now; once it does not run, as they were last.
    pub(crate) fn names(&self) -> Names {
        if let Some(pid) = self.pid() {
            self.read(pid);
        }
        self.known_names().unwrap_or_default()
    }

    /// The names as they were read last: to read its disk may take as long as a process lives.
    pub(crate) fn known_names(&self) -> Option<Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the names through a process of it, if they were never read.
    pub(crate) fn know(&self, pid: Pid) {
        if self.known_names().is_none() && process::has_own_root(pid) {
            self.read(pid);
        }
    }

    fn read(&self, pid: Pid) {
        let names = process::names(pid);
        // Whoever asks meanwhile need not wait.
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
    }

    /// The folders above a file that are there, from the outermost.
    pub(crate) fn folders(&self, path: &str) -> Vec<Access> {
        let Some(root) = self.root() else { return Vec::new() };
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        let known = above.filter_map(|folder| fs::symlink_metadata(format!("{root}{folder}/")).ok());
        known.map(|metadata| process::access_of(&metadata)).collect()
    }
}
