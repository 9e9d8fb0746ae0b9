//! `greenproof replay`, `judge` and `merge`: runs that are over.

use super::{
    command::Failure,
    config,
    shown::{Format, Shown},
};
use clap::Args;
use greenproof::{
    config::Key,
    exit, merge,
    past::{self, Past},
    report::{Reader, Told},
};
use std::{path::PathBuf, time::Instant};

const REPLAY: &str = "Examples:
  greenproof replay greenproof-evidence/private-package
  greenproof replay bundle.tar.gz --format junit > report.xml";

const JUDGE: &str = "Examples:
  greenproof judge greenproof-evidence/private-package
  greenproof judge greenproof-evidence/private-package private-package.toml

Exit codes: those of `greenproof run`, and 2 where the run is damaged or did something else than the scenario says";

const MERGE: &str = "Examples:
  greenproof merge --out all part-1 part-2 part-3
  greenproof merge --out all --junit report.xml parts/*

Exit codes: those of `greenproof run`; 2 where the folders are not parts of one selection, and 3 where a scenario of it did
not come to an end";

#[derive(Args)]
#[command(after_help = MERGE)]
pub(crate) struct Merge {
    /// Evidence folders of runs, each of a part of one selection: what `run --partition` wrote.
    #[arg(value_name = "FOLDER", required = true)]
    runs: Vec<PathBuf>,
    /// Where the evidence of all goes, with one stream, one matrix and one report.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// What goes to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Write a JUnit XML report.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = REPLAY)]
pub(crate) struct Replay {
    /// The evidence folder of a run, or its bundle; or the folder with those of several.
    run: PathBuf,
    /// What goes to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Args)]
#[command(after_help = JUDGE)]
pub(crate) struct Judge {
    /// The evidence folder of a run, or its bundle.
    run: PathBuf,
    /// A scenario that has the same world, does the same and may expect something else; without it, the run's own.
    scenario: Option<PathBuf>,
    /// What goes to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

impl From<past::Error> for Failure {
    fn from(error: past::Error) -> Self {
        Self::new(exit::USAGE, error.message, error.hint)
    }
}

impl From<merge::Error> for Failure {
    fn from(error: merge::Error) -> Self {
        Self::new(exit::USAGE, error.message, error.hint)
    }
}

pub(crate) fn merge(arguments: Merge) -> Result<u8, Failure> {
    let config = config::read()?;
    let junit = arguments.junit.or_else(|| config.path(Key::Junit));
    let shown = Shown::of_run(arguments.format, junit)?;
    let merged = match merge::merge(&arguments.runs, &arguments.out) {
        Ok(merged) => merged,
        Err(error) => {
            shown.tell(Told::Stopped { error: error.message.clone(), hint: error.hint.clone() });
            shown.finish()?;
            return Err(error.into());
        }
    };
    for event in &merged.events {
        shown.take(event);
    }
    shown.finish()?;
    let stopped = merged.events.into_iter().rev().find_map(|event| match event.told {
        Told::Stopped { error, hint } => Some(Failure::new(merged.code, error, hint)),
        _ => None,
    });
    stopped.filter(|_| merged.code == exit::ENVIRONMENT).map_or(Ok(merged.code), Err)
}

pub(crate) fn replay(arguments: &Replay) -> Result<u8, Failure> {
    let events = Past::open(&arguments.run)?.events()?;
    let shown = Shown::of_past(arguments.format);
    // What a later version told means nothing here.
    for event in events.iter().filter(|event| event.told != Told::Unknown) {
        shown.take(event);
    }
    shown.finish()?;
    Ok(exit::PASSED)
}

pub(crate) fn judge(arguments: &Judge) -> Result<u8, Failure> {
    let began = Instant::now();
    let past = Past::open(&arguments.run)?;
    let shown = Shown::of_past(arguments.format);
    shown.tell(Told::stream());
    let outcomes = [past.judge(arguments.scenario.as_deref(), &shown)?];
    let code = exit::code(&outcomes);
    shown.tell(Told::ended(&outcomes, code, began.elapsed()));
    shown.finish()?;
    Ok(code)
}
