//! `greenproof run` and `greenproof bench`: scenarios in, verdicts out.

use super::{
    command::{Failure, positive},
    interrupt::interruptible,
    shown::{Format, Shown, terminal},
};
use clap::Args;
use greenproof::{
    Options, Scenario, Stage,
    core::{Core, compare},
    embedded, exit,
    fault::Fault,
    report::{Reader, Told},
    run as runner,
    scenario::Leaks,
};
use std::{path::PathBuf, time::Instant};
use tempfile::TempDir;

#[derive(Args)]
pub(crate) struct Run {
    /// Scenario files.
    scenarios: Vec<PathBuf>,
    /// Install host tools that are missing (debootstrap) instead of naming them.
    #[arg(long)]
    install_missing: bool,
    /// Enforce no policy: let through what is denied, and tell all of it at the end.
    #[arg(long)]
    soft: bool,
    /// Which leaks to allow, instead of what each scenario says: `none`, not even for a moment, or `none-after`, none that
    /// stay.
    #[arg(long, value_name = "WHICH")]
    leaks: Option<Leaks>,
    /// Begin each scenario with this fault, such as `provider.403` or `disk.full path=/tmp size=4M`.
    #[arg(long, value_name = "TEXT")]
    fault: Vec<Fault>,
    /// Run each scenario on this core instead of its own; several are compared.
    #[arg(long, value_name = "CORE")]
    core: Vec<Core>,
    /// Where evidence folders go, one a scenario.
    #[arg(long, value_name = "FOLDER", default_value = "greenproof-evidence")]
    evidence: PathBuf,
    /// What goes to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Write a JUnit XML report.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Wait longer (or shorter) for everything, by this factor.
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    patience: Option<f64>,
}

pub(crate) async fn run(arguments: Run) -> Result<u8, Failure> {
    interruptible(Box::pin(run_all(arguments))).await
}

async fn run_all(arguments: Run) -> Result<u8, Failure> {
    // What can't be written is told before anything is raised.
    let shown = Shown::of_run(arguments.format, arguments.junit.clone())?;
    shown.tell(Told::stream());
    let code = match Box::pin(run_each(arguments, &shown)).await {
        Ok(code) => Ok(code),
        Err(failure) => {
            shown.tell(Told::Stopped { error: failure.message.clone(), hint: failure.hint.clone() });
            Err(failure)
        }
    };
    shown.finish()?;
    code
}

async fn run_each(arguments: Run, reader: &dyn Reader) -> Result<u8, Failure> {
    let began = Instant::now();
    std::fs::create_dir_all(&arguments.evidence).map_err(|error| {
        let message = format!("can't make the evidence folder `{}`: {error}", arguments.evidence.display());
        Failure::new(exit::USAGE, message, "name a folder that can be made")
    })?;
    let mut options = Options::from_environment()?;
    options.install_missing = arguments.install_missing;
    options.patience = arguments.patience.unwrap_or(options.patience);
    let (mut scenarios, _folder) = scenarios(&arguments.scenarios)?;
    for scenario in &mut scenarios {
        scenario.aws.soft |= arguments.soft;
        scenario.leaks = arguments.leaks.clone().or(scenario.leaks.take());
        scenario.begin_with(&arguments.fault);
    }
    let count = scenarios.len();
    let scenarios = on_cores(scenarios, &arguments.core);
    let stage = Stage::set(options, reader).await?;
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        outcomes.push(Box::pin(runner::run(&stage, scenario, &arguments.evidence, reader)).await?);
    }
    for index in 0..count {
        let of_one: Vec<_> = outcomes.iter().skip(index).step_by(count).collect();
        if let Some(table) = compare::table(&of_one) {
            reader.tell(Told::note(format!("{} on several cores:\n{table}", of_one[0].scenario.summary)));
        }
    }
    let code = exit::code(&outcomes);
    reader.tell(Told::ended(&outcomes, code, began.elapsed()));
    Ok(code)
}

/// The scenarios on each of these cores; without any, on their own.
fn on_cores(scenarios: Vec<Scenario>, cores: &[Core]) -> Vec<Scenario> {
    if cores.is_empty() {
        return scenarios;
    }
    let on = |core: Core| {
        scenarios.clone().into_iter().map(move |mut scenario| {
            scenario.device.core = core;
            if cores.len() > 1 {
                scenario.name = format!("{}-{core}", scenario.name);
            }
            scenario
        })
    };
    cores.iter().copied().flat_map(on).collect()
}

/// The scenarios of these files; without any, the built-in reference scenario. What it names is in a folder, which has
/// to be kept until it has run.
pub(crate) fn scenarios(files: &[PathBuf]) -> Result<(Vec<Scenario>, TempDir), Failure> {
    let folder = tempfile::Builder::new().prefix("greenproof-reference-").tempdir().map_err(|error| {
        Failure::new(exit::ENVIRONMENT, format!("can't make a temporary folder: {error}"), "free some disk space")
    })?;
    if !files.is_empty() {
        return Ok((files.iter().map(|path| Scenario::load(path)).collect::<Result<_, _>>()?, folder));
    }
    let path = embedded::reference(folder.path())
        .map_err(|error| Failure::new(exit::ENVIRONMENT, format!("can't write the reference scenario: {error}"), ""))?;
    Ok((vec![Scenario::load(&path)?], folder))
}

pub(crate) async fn bench(runs: usize) -> Result<u8, Failure> {
    let reader = terminal();
    let stage = Stage::set(Options::from_environment()?, &reader).await?;
    let result = greenproof::bench::bench(&stage, runs, &reader).await?;
    reader.tell(Told::note(result.to_string()));
    let cost = greenproof::bench::cost(&stage, runs, &reader).await?;
    reader.tell(Told::note(cost.to_string()));
    Ok(exit::PASSED)
}
