//! All that a run could leave on a machine, whoever made it: looked at before and after, and not by our labels.

use crate::docker;
use anyhow::{Result, ensure};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What stands and lies on the machine. The shared LocalStack is meant to stay, and is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    things: BTreeSet<String>,
}

impl Machine {
    /// What there is now: containers, networks, volumes, images, mounts, processes of greenproof's, and folders of its own in
    /// the folder for temporary files and in `cache`.
    ///
    /// # Errors
    /// When Docker does not answer, or `/proc` can't be read.
    pub fn now(cache: &Path) -> Result<Self> {
        Self::with(&[], cache)
    }

    /// The same with what another engine has.
    ///
    /// # Errors
    /// As [`Machine::now`].
    pub fn beside(engine: &str, cache: &Path) -> Result<Self> {
        Self::with(&["--host", engine], cache)
    }

    fn with(engine: &[&str], cache: &Path) -> Result<Self> {
        let lines = |words: &[&str]| lines(&[engine, words].concat());
        let localstack = lines(&["ps", "-aq", "--no-trunc", "--filter", LOCALSTACK])?;
        let mut things = BTreeSet::new();
        for (kind, words) in LISTS {
            let shared =
                if kind == "image" { Vec::new() } else { lines(&[words, &["--filter", LOCALSTACK]].concat())? };
            let all = lines(words)?.into_iter().filter(|id| !shared.contains(id));
            things.extend(all.map(|id| format!("{kind} {id}")));
        }
        let mounts = mounts(&localstack, lines)?.into_iter().map(|mount| format!("mount {mount}"));
        let folders = folders(cache).into_iter().map(|folder| format!("folder {}", folder.display()));
        things.extend(mounts.chain(folders).chain(processes()?));
        Ok(Self { things })
    }

    /// Whether it is as it was before: nothing was left, and nothing of others is gone.
    ///
    /// # Errors
    /// When it is not, with what differs.
    pub fn is_as(&self, before: &Self) -> Result<()> {
        let left: Vec<_> = self.things.difference(&before.things).map(String::as_str).collect();
        let gone: Vec<_> = before.things.difference(&self.things).map(String::as_str).collect();
        ensure!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        ensure!(gone.is_empty(), "somebody else's, and gone:\n{}", gone.join("\n"));
        Ok(())
    }
}

const LOCALSTACK: &str = "label=greenproof.role=localstack";

const LISTS: [(&str, &[&str]); 4] = [
    ("container", &["ps", "-aq", "--no-trunc"]),
    // Those that every engine has are other ones after each of its starts.
    ("network", &["network", "ls", "-q", "--no-trunc", "--filter", "type=custom"]),
    ("volume", &["volume", "ls", "-q"]),
    ("image", &["images", "-aq", "--no-trunc"]),
];

/// The lines that `docker` prints.
fn lines(words: &[&str]) -> Result<Vec<String>> {
    Ok(docker(words)?.lines().map(str::to_owned).collect())
}

/// Mount points, but for those that LocalStack's containers account for: the engine names their folders as it likes, so
/// that as many as there are containers are left out by what they are.
fn mounts(localstack: &[String], lines: impl Fn(&[&str]) -> Result<Vec<String>>) -> Result<Vec<String>> {
    let mut left_out: Vec<String> = localstack.to_vec();
    for id in localstack {
        let format = "{{.GraphDriver.Data.MergedDir}}\n{{.NetworkSettings.SandboxKey}}";
        let paths = lines(&["inspect", "--format", format, id])?.into_iter().filter(|path| !path.is_empty());
        // What the engine calls `/var/run` is mounted in `/run`.
        left_out.extend(paths.map(|path| path.trim_start_matches("/var").to_owned()));
    }
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.filter(|point| !left_out.iter().any(|path| point.contains(path.as_str()))).map(str::to_owned).collect())
}

/// The processes of greenproof's programs, by number; this one and its tests are none.
fn processes() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let program = words.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = Path::new(std::str::from_utf8(program).unwrap_or_default()).file_name().unwrap_or_default();
        if name == "greenproof" || name == "greenproof-inside" {
            found.push(format!("process {} {}", entry.file_name().display(), name.display()));
        }
    }
    Ok(found)
}

/// Folders of greenproof's for temporary files.
fn folders(cache: &Path) -> Vec<PathBuf> {
    let within = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("greenproof-"));
    within(&std::env::temp_dir()).chain(within(cache)).filter(ours).collect()
}

/// What may grow although nothing is left: memory, open files, files of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Memory of the largest LocalStack container's process, in KiB.
    pub localstack: u64,
    /// Files that the engine holds open.
    pub descriptors: usize,
    /// Files below the cache folder.
    pub files: usize,
}

impl Size {
    /// What there is now.
    ///
    /// # Errors
    /// When Docker does not answer, or `/proc` can't be read.
    pub fn now(cache: &Path) -> Result<Self> {
        let mut localstack = 0;
        for id in lines(&["ps", "-q", "--filter", LOCALSTACK])? {
            for pid in lines(&["inspect", "--format", "{{.State.Pid}}", &id])? {
                let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
                let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
                localstack = resident.trim().trim_end_matches(" kB").parse::<u64>()?.max(localstack);
            }
        }
        let engine = fs::read_dir("/proc")?.flatten().map(|entry| entry.path());
        let mut engine =
            engine.filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "dockerd"));
        let descriptors = engine.next().map_or(0, |path| fs::read_dir(path.join("fd")).map_or(0, Iterator::count));
        Ok(Self { localstack, descriptors, files: count(cache) })
    }

    /// What has grown beyond a bound: 20 descriptors; and what a LocalStack takes and leaves until it is replaced, 384 MiB and,
    /// for each of four, 64 files.
    #[must_use]
    pub fn grown(&self, before: &Self) -> Vec<String> {
        let mut grown = Vec::new();
        if self.localstack > before.localstack + 384 * 1024 {
            grown.push(format!("LocalStack's memory by {} KiB", self.localstack - before.localstack));
        }
        for (what, now, then, bound) in [
            ("the engine's open files", self.descriptors, before.descriptors, 20),
            ("files in the cache folder", self.files, before.files, 4 * 64),
        ] {
            if now > then + bound {
                grown.push(format!("{what} by {}", now - then));
            }
        }
        grown
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { localstack, descriptors, files } = self;
        write!(
            to,
            "LocalStack {localstack} KiB, the engine's open files {descriptors}, files in the cache folder {files}"
        )
    }
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}
