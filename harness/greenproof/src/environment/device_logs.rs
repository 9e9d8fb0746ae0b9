//! The device's log files as they grow.
//!
//! One `tail` on the device follows them, for as long as its container runs. Whoever starts the container again starts
//! a new one; what is known already is left out. A device of a fleet says its logs on its own standard output instead,
//! since a process for each would be too many.

mod whole;

use super::ROOT;
use crate::{
    core::{
        Core,
        journald::{self, Reader},
    },
    docker::{Container, Engine, LogLines},
    evidence::log::{self, Millis},
    scenario::Scenario,
};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// Follows files that may not be there yet, with a header before the lines of each; not before their folder is made,
/// since then it would have to look at them again and again instead of being told.
const TAIL: &str =
    "until [ -d \"$0\" ]; do sleep 0.02; done; cd \"$0\" && exec tail --bytes=+0 --verbose -s 0.05 -F -- \"$@\"";

/// The log files of one device, by their names without `.log`; clones share them.
#[derive(Clone, Debug)]
pub struct DeviceLogs {
    core: Core,
    /// Whether the device says them itself.
    pub(super) are_told: bool,
    names: Vec<String>,
    reader: Reader,
    files: Arc<Mutex<BTreeMap<String, Grown>>>,
    changed: watch::Sender<()>,
}

/// What a file has so far.
#[derive(Debug, Default)]
struct Grown {
    text: String,
    last: Millis,
    /// Whether the file is read from its beginning once more.
    again: bool,
}

impl DeviceLogs {
    /// The log files of the nucleus and of the components that a scenario names.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let recipes = scenario.components.iter().map(|component| (component.name.as_str(), component.recipe.as_str()));
        let reader = Reader::of(recipes);
        let (core, are_told) = (scenario.device.core, scenario.fleet.is_some());
        Self { core, are_told, reader, ..Self::named(scenario.named_components()) }
    }

    fn named(components: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<_> = components.into_iter().chain(["greengrass".to_owned()]).collect();
        names.sort();
        names.dedup();
        let (core, reader) = (Core::default(), Reader::default());
        Self { core, are_told: false, names, reader, files: Arc::default(), changed: watch::channel(()).0 }
    }

    /// Reads the journal of a device that has no log files.
    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Follows the files until the container ends.
    pub(crate) async fn follow(&self, engine: &Engine, container: &Container) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).values_mut().for_each(|file| file.again = true);
        if self.core == Core::Lite {
            return self.follow_journal(engine, container).await;
        }
        if self.are_told {
            return self.read(engine.follow_logs(container)).await;
        }
        let (folder, files) = (format!("{ROOT}/logs"), self.names.iter().map(|name| format!("{name}.log")));
        let files: Vec<_> = files.collect();
        let command: Vec<_> = ["sh", "-c", TAIL, &folder].into_iter().chain(files.iter().map(String::as_str)).collect();
        match engine.follow_command(container, &command).await {
            Ok(lines) => self.read(lines).await,
            // It may have ended already, which its supervisor sees.
            Err(error) => tracing::warn!(%error, "can't follow the device's logs"),
        }
    }

    /// Reads lines below the names of their files.
    async fn read(&self, mut lines: LogLines) {
        let (mut file, mut blank) = (String::new(), false);
        while let Some(Ok(line)) = lines.next().await {
            let header = line.strip_prefix("==> ").and_then(|line| line.strip_suffix(".log <=="));
            if let Some(name) = header.filter(|name| self.are_told || self.names.iter().any(|known| known == name)) {
                name.clone_into(&mut file);
                blank = false;
                continue;
            }
            // An empty line stands before a header, and may be one of the file's own.
            if std::mem::replace(&mut blank, line.is_empty()) {
                self.take(&file, "");
            }
            if !line.is_empty() {
                self.take(&file, &line);
            }
        }
    }

    async fn follow_journal(&self, engine: &Engine, container: &Container) {
        let mut lines = match engine.follow_command(container, &journald::FOLLOW).await {
            Ok(lines) => lines,
            Err(error) => return tracing::warn!(%error, "can't follow the device's journal"),
        };
        while let Some(Ok(line)) = lines.next().await {
            if let Some((file, line)) = self.reader.line(&line) {
                self.take(&file, &line);
            }
        }
    }

    fn take(&self, file: &str, line: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(file.to_owned()).or_default();
        let time = log::time_of(line);
        if file.again {
            let is_new = |time: Millis| time > file.last || (time == file.last && !file.text.contains(line));
            if !time.is_some_and(is_new) {
                return;
            }
            file.again = false;
        }
        file.last = time.unwrap_or(file.last);
        file.text.push_str(line);
        file.text.push('\n');
        drop(files);
        self.changed.send_replace(());
    }

    /// A file as far as it is known.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(name).map(|file| file.text.clone()).unwrap_or_default()
    }

    /// Every file as far as it is known.
    pub(super) fn all(&self) -> BTreeMap<String, String> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().map(|(name, file)| (name.clone(), file.text.clone())).collect()
    }

    /// Tells of each change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_left_out_when_a_file_is_read_again() {
        let logs = DeviceLogs::named(["A".to_owned()]);
        let lines =
            ["2022-03-23T10:53:24Z [INFO] (a) b: one. {}", "trace", "2022-03-23T10:53:25Z [INFO] (a) b: two. {}"];
        let more =
            ["2022-03-23T10:53:25Z [INFO] (a) b: three. {}", "trace", "2022-03-23T10:53:26Z [INFO] (a) b: four. {}"];
        for line in &lines {
            logs.take("A", line);
        }
        logs.files.lock().unwrap().values_mut().for_each(|file| file.again = true);
        let all = [&lines[..], &more].concat();
        for line in &all {
            logs.take("A", line);
        }
        assert_eq!(logs.text("A"), all.join("\n") + "\n");
        assert_eq!(logs.names, ["A", "greengrass"]);
    }
}
