//! Whether this machine can make a run, and what to do where it can't.
//!
//! Each check tries the thing itself: it asks the engine, writes to the folders, and has a network, a device and a watcher
//! raised if there are images for them.

mod engine;
mod host;
mod images;
mod kernel;

use crate::{
    docker::{self, Build, Engine},
    stage::Options,
};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// What was looked at, in order.
#[derive(Debug, Default, Serialize)]
pub struct Examination {
    /// Whether a run can be made.
    pub ready: bool,
    /// Each check.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// What to do about it: a command to copy where there is one.
    pub fix: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Good,
    /// A run can be made, but not every one, or not well.
    Lacking,
    /// No run can be made.
    Missing,
}

impl Check {
    fn good(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, state: State::Good, seen: seen.into(), fix: None }
    }

    fn lacking(name: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, state: State::Lacking, seen: seen.into(), fix: Some(fix.into()) }
    }

    fn missing(name: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, state: State::Missing, seen: seen.into(), fix: Some(fix.into()) }
    }
}

/// A machine to look at.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What runs are configured with.
    pub options: Options,
    /// Where temporary files go.
    pub temporary: PathBuf,
}

/// Looks at everything.
pub async fn examine(machine: &Machine) -> Examination {
    let options = &machine.options;
    let mut checks = vec![host::temporary(&machine.temporary), host::cache(&options.cache)];
    match options.connect().await {
        // What is wrong with the folder is told already.
        Err(docker::Error::Io { .. }) => {}
        Err(error) => checks.insert(0, engine::unreachable(&error, options.endpoint.said())),
        Ok(engine) => {
            let found = of_engine(&engine, options).await;
            checks.splice(0..0, found);
        }
    }
    checks.extend(host::nuclei(options));
    let ready = checks.iter().all(|check| check.state != State::Missing);
    Examination { ready, checks }
}

async fn of_engine(engine: &Engine, options: &Options) -> Vec<Check> {
    let build = Build::of(options);
    let (about, due, left) =
        tokio::join!(engine.about(), Box::pin(docker::due(engine, &build)), docker::leftovers(engine));
    let mut checks = match &about {
        Ok(about) => engine::about(about),
        Err(error) => vec![engine::refused("docker", error)],
    };
    let images = match &due {
        Ok((due, _)) => due.iter().all(|due| due.way == docker::Way::Present),
        Err(_) => false,
    };
    if let Ok(about) = &about {
        checks.extend(host::storage(&about.root, images));
    }
    match due {
        Ok((due, registry)) => checks.extend(images::checks(&due, &registry, options)),
        Err(error) => checks.push(engine::refused("images", &error)),
    }
    checks.extend(kernel::checks(engine, options, &build, images).await);
    checks.push(match left {
        Ok(left) if left.is_empty() => Check::good("leftovers", "none of dead runs"),
        Ok(left) => Check::lacking("leftovers", format!("{left} of dead runs"), "greenproof sweep"),
        Err(error) => engine::refused("leftovers", &error),
    });
    checks
}

impl fmt::Display for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, state, seen, fix } in &self.checks {
            let mark = match state {
                State::Good => '✓',
                State::Lacking => '!',
                State::Missing => '✗',
            };
            writeln!(f, "{mark} {name:<14} {seen}")?;
            if let Some(fix) = fix {
                writeln!(f, "    fix: {fix}")?;
            }
        }
        f.write_str(if self.ready { "a run can be made\n" } else { "no run can be made here yet\n" })
    }
}

/// Bytes as a person reads them.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(unit, name)| format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
    )
}
