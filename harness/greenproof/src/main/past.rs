//! `greenproof replay` and `greenproof judge`: runs that are over.

use super::{
    command::Failure,
    shown::{Format, Shown},
};
use clap::Args;
use greenproof::{
    exit,
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

#[derive(Args)]
#[command(after_help = REPLAY)]
pub(crate) struct Replay {
    /// The evidence folder of a run, or its bundle.
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
    /// A scenario that does the same and may expect something else; without it, the run's own.
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
