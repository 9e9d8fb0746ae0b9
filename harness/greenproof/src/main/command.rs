//! The subcommands: arguments in, exit code out.

use crate::{
    audit::Audit,
    check::Check,
    explain::Explain,
    kept::Kept,
    part::{Device, Enter, Role, Surround},
    policy::Policy,
    reproduce::Reproduce,
};
use clap::{Args, Parser, Subcommand};
use greenproof::{
    Options, Scenario, Stage,
    core::{Core, compare},
    docker::{self, Engine},
    embedded, exit,
    fault::Fault,
    report::{Outcome, Reader, Terminal, Told, junit},
    run as runner,
    scenario::{self, Leaks},
    stage,
};
use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;

/// Prove that a Greengrass V2 component installs and runs on a core device, on this machine and without AWS.
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more about what greenproof itself does.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 all passed, 1 a finding, 2 usage or scenario error, 3 environment missing or \
not raisable, 4 nothing ran, 5 only leaks found, 6 our own fault or something not emulated, 130 interrupted";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge them; without any, the built-in reference scenario.
    Run(Run),
    /// Say what a recipe is worth: what the classic nucleus and nucleus lite make of it, and what is bad style.
    Check(Check),
    /// Say what a device's logs show is wrong, why, and what to do about it.
    Explain(Explain),
    /// Say which secrets stand in a kept environment, a container, a disk or a log, and who can read them there.
    Audit(Audit),
    /// Validate IAM and IoT policies before their rollout.
    Policy {
        /// What to do.
        #[command(subcommand)]
        command: Box<Policy>,
    },
    /// Make a failure happen again, and say whether it is the same one.
    Reproduce(Reproduce),
    #[command(flatten)]
    Kept(Kept),
    /// Remove what dead runs left.
    Sweep {
        /// Also what was kept, and stop the shared LocalStack.
        #[arg(long)]
        all: bool,
    },
    /// Measure the reference scenario against the bare script in a plain container, and what the emulated core costs.
    Bench {
        /// How many runs of each.
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Play a part of the cloud (inside its container).
    #[command(hide = true)]
    Cloud {
        /// The part.
        #[command(subcommand)]
        role: Role,
    },
    /// Play the emulated core (inside its container).
    #[command(hide = true)]
    Device(Device),
    /// Prepare a container for a core that is not ours, and become its first program (inside that container).
    #[command(hide = true)]
    Surround(Surround),
    /// Become a program in the place of a component's scripts (inside the device's container).
    #[command(hide = true)]
    Enter(Enter),
    /// Watch a device for leaks (inside the container beside it).
    #[command(hide = true)]
    Watch {
        /// Look for processes again and again although the kernel would tell of them.
        #[arg(long)]
        sampled: bool,
    },
}

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
    /// Write a JUnit XML report.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Wait longer (or shorter) for everything, by this factor.
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    patience: Option<f64>,
}

impl Arguments {
    /// The arguments of a device, read without the grammar of all other commands: the core would carry its code in
    /// memory as long as it runs.
    pub(crate) fn of_device(words: &[String]) -> Option<Self> {
        #[derive(Parser)]
        struct Lone {
            #[command(flatten)]
            device: Device,
        }
        let words = words.get(1..).filter(|words| words.first().is_some_and(|command| command == "device"))?;
        Some(Self { command: Command::Device(Lone::parse_from(words).device), verbose: false })
    }
}

/// Why a command ended without an outcome.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl From<stage::Error> for Failure {
    fn from(error: stage::Error) -> Self {
        let code = if error.usage { exit::USAGE } else { exit::ENVIRONMENT };
        Self { code, message: error.to_string(), hint: error.hint().to_owned() }
    }
}

impl From<scenario::Error> for Failure {
    fn from(error: scenario::Error) -> Self {
        Self { code: exit::USAGE, message: error.to_string(), hint: error.hint }
    }
}

impl From<docker::Error> for Failure {
    fn from(error: docker::Error) -> Self {
        stage::Error::from(error).into()
    }
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0).ok_or("use a number above 0".into())
}

pub(crate) async fn run(arguments: Run) -> Result<u8, Failure> {
    interruptible(Box::pin(run_all(arguments))).await
}

/// Carries out what raises worlds; they are removed when it fails or is interrupted.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut interrupt = Interrupt::new()?;
    let result = tokio::select! {
        result = work => result,
        signal = interrupt.received() => {
            // The run was dropped, and its lease with it, so that a sweep takes what it raised.
            let swept = clean_up().await;
            return Err(Failure::new(exit::INTERRUPTED, format!("interrupted by {signal}; {swept}"), ""));
        }
    };
    if result.is_err() {
        clean_up().await;
    }
    result
}

async fn run_all(arguments: Run) -> Result<u8, Failure> {
    // What can't be written is told before anything is raised.
    write_junit(arguments.junit.as_ref(), &[])?;
    std::fs::create_dir_all(&arguments.evidence).map_err(|error| {
        let message = format!("can't make the evidence folder `{}`: {error}", arguments.evidence.display());
        Failure::new(exit::USAGE, message, "name a folder that can be made")
    })?;
    let mut options = Options::from_environment()?;
    options.install_missing = arguments.install_missing;
    options.patience = arguments.patience.unwrap_or(options.patience);
    let reader: Arc<dyn Reader> = Arc::new(Terminal::new(colour()));
    let (mut scenarios, _folder) = scenarios(&arguments.scenarios)?;
    for scenario in &mut scenarios {
        scenario.aws.soft |= arguments.soft;
        scenario.leaks = arguments.leaks.clone().or(scenario.leaks.take());
        scenario.begin_with(&arguments.fault);
    }
    let count = scenarios.len();
    let scenarios = on_cores(scenarios, &arguments.core);
    let stage = Stage::set(options, &*reader).await?;
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        let run = Box::pin(runner::run(&stage, scenario.clone(), &arguments.evidence, &*reader));
        match run.await {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                write_junit(arguments.junit.as_ref(), &{
                    outcomes.push(runner::broken(scenario, &error));
                    outcomes
                })?;
                return Err(error.into());
            }
        }
    }
    write_junit(arguments.junit.as_ref(), &outcomes)?;
    for index in 0..count {
        let of_one: Vec<_> = outcomes.iter().skip(index).step_by(count).collect();
        if let Some(table) = compare::table(&of_one) {
            reader.told(&Told::Note(&format!("{} on several cores:\n{table}", of_one[0].scenario.summary)));
        }
    }
    Ok(exit::code(&outcomes))
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

fn write_junit(file: Option<&PathBuf>, outcomes: &[Outcome]) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let failed = |error: String| {
        Failure::new(
            exit::USAGE,
            format!("can't write the report `{}`: {error}", file.display()),
            "name a writable file",
        )
    };
    let text = junit(outcomes).map_err(|error| failed(error.to_string()))?;
    std::fs::write(file, text).map_err(|error| failed(error.to_string()))
}

pub(crate) async fn sweep(all: bool) -> Result<u8, Failure> {
    let engine = Engine::connect(Options::from_environment()?.cache).await?;
    let swept = docker::sweep(&engine, all).await?;
    let note = if swept.is_empty() { "nothing to remove".to_owned() } else { format!("removed {swept}") };
    Terminal::new(colour()).told(&Told::Note(&note));
    Ok(exit::PASSED)
}

pub(crate) async fn bench(runs: usize) -> Result<u8, Failure> {
    let reader = Terminal::new(colour());
    let stage = Stage::set(Options::from_environment()?, &reader).await?;
    let result = greenproof::bench::bench(&stage, runs, &reader).await?;
    reader.told(&Told::Note(&result.to_string()));
    let cost = greenproof::bench::cost(&stage, runs, &reader).await?;
    reader.told(&Told::Note(&cost.to_string()));
    Ok(exit::PASSED)
}

/// Removes what this process raised, once its runs are dropped; says what was done.
pub(crate) async fn clean_up() -> String {
    let swept = async {
        let cache = Options::from_environment().map_err(|error| error.to_string())?.cache;
        let engine = Engine::connect(cache).await.map_err(|error| error.to_string())?;
        docker::sweep(&engine, false).await.map_err(|error| error.to_string())
    };
    match swept.await {
        Ok(swept) if swept.is_empty() => "nothing was left to remove".into(),
        Ok(swept) => format!("removed {swept}"),
        Err(error) => format!("could not clean up: {error}; run `greenproof sweep`"),
    }
}

pub(crate) fn colour() -> bool {
    #[expect(clippy::disallowed_methods, reason = "this is the edge where configuration is read")]
    std::env::var("NO_COLOR").is_err()
}

/// Ctrl-C and `SIGTERM`.
struct Interrupt {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Interrupt {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(exit::FAULT, format!("can't listen for signals: {error}"), ""))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
