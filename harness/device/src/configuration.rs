//! The nucleus's configuration: one tree with times of modification, kept in `config/config.tlog`.
//!
//! Components, deployments' bookkeeping and sequence numbers live in it, so a core that starts again goes on from it.
//! Every change is on disk, whole, before it is told of.

mod node;
mod tlog;

pub(crate) use node::Node;

use serde_json::Value;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// The services of the nucleus itself, which no deployment adds or removes.
pub(crate) const BUILT_IN: [&str; 6] = [
    "main",
    crate::config::NUCLEUS,
    "DeploymentService",
    "FleetStatusService",
    "TelemetryAgent",
    "UpdateSystemPolicyService",
];

/// The configuration and where it is kept.
#[derive(Debug)]
pub(crate) struct Configuration {
    folder: PathBuf,
    root: Mutex<Node>,
}

impl Configuration {
    /// Takes up what is kept in `folder`, or starts with what `initial` gives.
    ///
    /// # Errors
    /// If nothing is kept and there is no initial one, or it can't be kept.
    pub(crate) fn open<E: From<io::Error>>(
        folder: &Path,
        initial: impl FnOnce() -> Result<Value, E>,
    ) -> Result<Self, E> {
        fs::create_dir_all(folder)?;
        let file = folder.join("config.tlog");
        _ = fs::remove_file(tlog::beside(&file, '+'));
        let bootstrap = folder.join("bootstrap.tlog");
        let fallbacks = [&file, &tlog::beside(&file, '~'), &bootstrap, &tlog::beside(&bootstrap, '~')];
        let kept = fallbacks.into_iter().find_map(|file| tlog::read(file).ok());
        let root = if let Some(root) = kept {
            root
        } else {
            let mut root = Node::empty();
            root.merge(&[], &initial()?, now());
            root
        };
        let configuration = Self { folder: folder.into(), root: Mutex::new(root) };
        configuration.keep(&configuration.root())?;
        if !bootstrap.exists() {
            configuration.snapshot(&bootstrap)?;
        }
        Ok(configuration)
    }

    /// Looks at the tree.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Node) -> T) -> T {
        look(&self.root())
    }

    /// Changes the tree; the change is on disk when this returns.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Node) -> T) -> T {
        let mut root = self.root();
        let result = change(&mut root);
        if let Err(error) = self.keep(&root) {
            tracing::error!(%error, "keeping the configuration");
        }
        result
    }

    /// Writes the tree to `file`, as a log that [`Configuration::restore`] reads.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn snapshot(&self, file: &Path) -> io::Result<()> {
        tlog::write(file, &self.root())
    }

    /// Writes the tree as a change would make it, without changing it.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn draft(&self, file: &Path, change: impl FnOnce(&mut Node)) -> io::Result<()> {
        let mut root = self.root().clone();
        change(&mut root);
        tlog::write(file, &root)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn peek(file: &Path) -> io::Result<Node> {
        tlog::read(file)
    }

    /// Brings every service back to what it was at the snapshot in `file`, with its times; the nucleus's own go on.
    ///
    /// # Errors
    /// If the snapshot can't be read.
    pub(crate) fn restore(&self, file: &Path) -> io::Result<()> {
        let snapshot = tlog::read(file)?;
        self.change(|root| {
            let names = |of: &Node| {
                let entries = of.find(&["services"]).map(Node::entries).unwrap_or_default();
                entries.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
            };
            let own = |name: &String| is_built_in(name) && name != "main" && name != crate::config::NUCLEUS;
            for name in names(root).iter().filter(|name| !own(name)) {
                root.remove(&["services", name]);
            }
            for name in names(&snapshot).iter().filter(|name| !own(name)) {
                if let Some(node) = snapshot.find(&["services", name]) {
                    root.put(&["services", name], node.clone());
                }
            }
        });
        Ok(())
    }

    /// Writes `effectiveConfig.yaml` for a person to read.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn dump(&self) -> io::Result<PathBuf> {
        let file = self.folder.join("effectiveConfig.yaml");
        let text = serde_yaml_ng::to_string(&self.read(Node::value)).map_err(io::Error::other)?;
        let new = tlog::beside(&file, '+');
        fs::write(&new, format!("---\n{text}"))?;
        fs::rename(new, &file)?;
        Ok(file)
    }

    fn keep(&self, root: &Node) -> io::Result<()> {
        tlog::write(&self.folder.join("config.tlog"), root)
    }

    fn root(&self) -> MutexGuard<'_, Node> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a service is the nucleus's own.
pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The present time as nodes have it, in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(folder: &Path, initial: &Value) -> Configuration {
        Configuration::open(folder, || Ok::<_, io::Error>(initial.clone())).unwrap()
    }

    #[test]
    fn the_initial_one_is_used_once() {
        fidelity::fidelity!("core-config-3");
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), &json!({"system": {"thingName": "A"}}));
        first.change(|root| root.merge(&["services", "x"], &json!({"version": "1.0.0"}), 7));
        let again = open(folder.path(), &json!({"system": {"thingName": "B"}}));
        assert_eq!(again.read(Clone::clone), first.read(Clone::clone));
        assert_eq!(again.read(|root| root.text(&["system", "thingname"])), Some("A".into()));
    }

    #[test]
    fn a_torn_log_gives_way_to_the_one_before() {
        fidelity::fidelity!("core-config-3");
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), &json!({"a": 1}));
        first.change(|root| root.merge(&["a"], &json!(2), now()));
        first.change(|root| root.merge(&["a"], &json!(3), now()));
        fs::write(folder.path().join("config.tlog"), "{\"TS\":1,\"TP\":[\"a\"],\"W\":\"cha").unwrap();
        assert_eq!(open(folder.path(), &json!({})).read(Node::value), json!({"a": 2}));
        fs::write(folder.path().join("config.tlog"), "").unwrap();
        fs::remove_file(folder.path().join("config.tlog~")).unwrap();
        assert_eq!(open(folder.path(), &json!({})).read(Node::value), json!({"a": 1}), "the first one of all");
    }

    #[test]
    fn restoring_spares_the_nucleus_own_services() {
        fidelity::fidelity!("core-deploy-7");
        let folder = tempfile::tempdir().unwrap();
        let initial = json!({"services": {"a": {"version": "1.0.0"}, "FleetStatusService": {"runtime": {"n": 1}}}});
        let configuration = open(folder.path(), &initial);
        let before = configuration.read(|root| root.find(&["services", "a"]).cloned());
        let snapshot = folder.path().join("rollback_snapshot.tlog");
        configuration.snapshot(&snapshot).unwrap();
        let update = json!({"a": {"version": "2.0.0"}, "b": {}, "FleetStatusService": {"runtime": {"n": 2}}});
        configuration.change(|root| root.merge(&["services"], &update, now() + 1));
        configuration.restore(&snapshot).unwrap();
        assert_eq!(configuration.read(|root| root.find(&["services", "a"]).cloned()), before, "times too");
        let services = configuration.read(|root| root.get(&["services"])).unwrap();
        assert_eq!(services, json!({"FleetStatusService": {"runtime": {"n": 2}}, "a": {"version": "1.0.0"}}));
    }
}
