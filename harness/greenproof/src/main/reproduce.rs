//! `greenproof reproduce`: makes a failure happen again.

use super::{
    command::Failure,
    config::{self, Making, Said},
    interrupt::interruptible,
    shown::terminal,
};
use clap::Args;
use greenproof::{
    Stage,
    bundle::{self, Bundle},
    exit,
    failure::Library,
    report::{Reader, Terminal, Told},
    reproduce::{self, Brought, LibraryError, Trials},
    scratch::Scratch,
};
use std::path::{Path, PathBuf};

const EXIT_CODES: &str =
    "Exit codes: 0 the same failure happened, 1 another one or none, 2 usage, or nothing that can be \
reproduced, 3 environment missing or not raisable, 6 our own fault, 130 interrupted

Examples:
  greenproof reproduce greenproof-evidence/my-scenario/bundle.tar.gz
  greenproof reproduce device/ --no-shrink
  greenproof reproduce F14";
const HINT: &str =
    "name the bundle of a failed run, a folder or tar file of what a device showed, or a failure such as F14";

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Reproduce {
    /// The bundle of a failed run; a folder or a tar file with logs, configuration, recipe and policies of a device; or the
    /// id of a failure, such as F14.
    what: PathBuf,
    /// Of a device's failure, keep every condition instead of finding the fewest.
    #[arg(long)]
    no_shrink: bool,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    making: Making,
}

pub(crate) async fn reproduce(arguments: Reproduce) -> Result<u8, Failure> {
    interruptible(Box::pin(again(arguments))).await
}

async fn again(arguments: Reproduce) -> Result<u8, Failure> {
    let what = arguments.what.clone();
    let same = if !what.exists() {
        of_library(&arguments).await?
    } else if what.is_dir() {
        of_device(&arguments, &what).await?
    } else if Bundle::is(&what) {
        of_run(&arguments).await?
    } else {
        let unreadable = |error: std::io::Error| usage(format!("reading `{}`: {error}", what.display()));
        let folder = Scratch::new("device").map_err(unreadable)?;
        let device = folder.path().join("device");
        bundle::unpack(&what, &device).map_err(unreadable)?;
        of_device(&arguments, &device).await?
    };
    Ok(if same { exit::PASSED } else { exit::FINDING })
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(exit::USAGE, message, HINT)
}

async fn stage(arguments: &Reproduce, reader: &Terminal, seconds: u64) -> Result<Stage, Failure> {
    let mut options = config::options()?;
    options.wait_as_long_as(seconds);
    options.patience = arguments.said.patience.unwrap_or(options.patience);
    options.install_missing |= arguments.making.install_missing;
    Ok(Stage::set(options, reader).await?)
}

/// Replays the bundle of a failed run.
async fn of_run(arguments: &Reproduce) -> Result<bool, Failure> {
    let bundle = Bundle::open(&arguments.what).map_err(|error| usage(error.to_string()))?;
    let reader = terminal();
    let stage = stage(arguments, &reader, bundle.manifest.patience).await?;
    Ok(Box::pin(reproduce::replay(&stage, &bundle, &arguments.said.evidence(&config::read()?), &reader))
        .await?
        .is_same())
}

/// Shows a failure of the library.
async fn of_library(arguments: &Reproduce) -> Result<bool, Failure> {
    let failure = arguments.what.to_str().and_then(|id| Library::embedded().get(id));
    let failure = failure
        .ok_or_else(|| usage(format!("`{}` is no file, and no failure that is known", arguments.what.display())))?;
    if let Some(why) = reproduce::cannot(failure) {
        return Err(usage(why.to_string()));
    }
    let reader = terminal();
    let stage = stage(arguments, &reader, 0).await?;
    let shown =
        Box::pin(reproduce::demonstrate(&stage, failure, &arguments.said.evidence(&config::read()?), &reader)).await;
    shown.map_err(|error| match error {
        LibraryError::Stage(error) => error.into(),
        other => Failure::new(exit::FAULT, other.to_string(), ""),
    })
}

/// Builds and runs what a device showed.
async fn of_device(arguments: &Reproduce, folder: &Path) -> Result<bool, Failure> {
    let reader = terminal();
    let tell = |text: String| reader.tell(Told::note(text));
    let brought = Brought::of(folder).map_err(|error| usage(format!("reading `{}`: {error}", folder.display())))?;
    for (file, told) in &brought.told {
        tell(format!("  {file}: {told}"));
    }
    if !brought.missing().is_empty() {
        tell(format!("  not brought: {}", brought.missing().join(", ")));
    }
    if !brought.tells() && brought.recipes.is_empty() {
        return Err(usage("nothing that was brought tells of a failure, and there is no recipe to run"));
    }
    let stage = stage(arguments, &reader, 0).await?;
    let trials = Trials { stage: &stage, evidence: &arguments.said.evidence(&config::read()?), reader: &reader };
    let name = name(&arguments.what);
    let reproduced = Box::pin(trials.reproduce(&brought, &name, arguments.no_shrink)).await;
    let reproduced = reproduced.map_err(|error| match error {
        reproduce::DeviceError::Stage(error) => Failure::from(error),
        other => Failure::new(exit::FAULT, other.to_string(), ""),
    })?;
    if let Some(least) = &reproduced.least {
        let least: Vec<_> = least.iter().map(ToString::to_string).collect();
        tell(format!("it takes: {}", if least.is_empty() { "nothing".to_owned() } else { least.join("; ") }));
    }
    let text = std::fs::read_to_string(&reproduced.scenario).unwrap_or_default();
    tell(format!("{}\n  the scenario: greenproof run {}", text.trim_end(), reproduced.scenario.display()));
    Ok(reproduced.comparison.is_same() && reproduced.failed)
}

/// What a folder or an archive is called.
fn name(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name =
        [".gz", ".tgz", ".tar"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(&name).to_owned());
    if name.is_empty() { "device".to_owned() } else { name }
}
