//! `greenproof run`: scenarios in, verdicts out.

use super::{
    answer,
    chosen::{Choice, Chosen},
    command::Failure,
    config::{self, Making, Said},
    fault::begin_with,
    interrupt::interruptible,
    shown::{Format, Shown},
};
use clap::Args;
use greenproof::{
    Scenario,
    config::{Config, Key},
    core::{Core, compare},
    evidence::folder::is_somebody_elses,
    exit,
    fault::Fault,
    kept::{Ending, Keep},
    plan::Preview,
    redact::masked,
    report::{self, Outcome, Reader, Told, Turn, Turns, html},
    run::{self as runner, Pace, Spread, Work},
    scenario::Leaks,
    stage,
};
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Instant,
};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    #[command(flatten)]
    chosen: Chosen,
    /// How many scenarios run at once; as many as cores and memory allow, unless configured.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Begin no scenario after the first that does not pass; those under way come to their end.
    #[arg(long)]
    fail_fast: bool,
    /// Run a scenario again that does not pass, at most so many times. One that passes then is flaky, which is red.
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    retries: usize,
    #[command(flatten)]
    dry: Dry,
    /// Leave environments standing as `up` does: of every run, or with `--keep=on-failure` of those that do not pass.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    #[arg(value_parser = keep)]
    keep: Option<Keep>,
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
    /// What goes to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Write a JUnit XML report.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    making: Making,
}

/// Whether plans are printed in place of runs.
#[derive(Args)]
struct Dry {
    /// Raise nothing, and print what would be: containers, names, policies, secrets by name, steps.
    #[arg(id = "dry-run", long)]
    plan: bool,
    /// Print the plan as JSON.
    #[arg(long, requires = "dry-run")]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  greenproof run                                              # the built-in reference scenario
  greenproof run scenarios/ --tag smoke --junit report.xml    # every scenario below a folder with a tag
  greenproof run scenarios/ --jobs 4 --retries 1              # four at once; what passes the second time is flaky
  greenproof run my.toml --fault 's3.GetObject.503 times=2'
  greenproof run scenarios/ --engine default --engine ssh://ci@builder
  greenproof run scenarios/ --partition slice:1/3             # on the first of three machines; then: greenproof merge
  greenproof run my.toml --keep=on-failure                    # then: greenproof shell
  greenproof run my.toml --dry-run";

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "always" => Ok(Keep::Always),
        "on-failure" => Ok(Keep::OnFailure),
        _ => Err("say `--keep`, or `--keep=on-failure`".to_owned()),
    }
}

pub(crate) async fn run(arguments: Run) -> Result<u8, Failure> {
    interruptible(Box::pin(run_all(arguments))).await
}

async fn run_all(arguments: Run) -> Result<u8, Failure> {
    let config = config::read()?;
    if arguments.dry.plan {
        return plan(&arguments, &config);
    }
    // What can't be written is told before anything is raised.
    let shown = Shown::of_run(arguments.format, arguments.junit.clone().or_else(|| config.path(Key::Junit)))?;
    shown.tell(Told::stream());
    let code = match Box::pin(run_each(arguments, &config, &shown)).await {
        Ok(code) => Ok(code),
        Err(failure) => {
            shown.tell(Told::Stopped { error: masked(&failure.message).into_owned(), hint: failure.hint.clone() });
            Err(failure)
        }
    };
    shown.finish()?;
    code
}

async fn run_each(arguments: Run, config: &Config, reader: &Shown) -> Result<u8, Failure> {
    let began = Instant::now();
    let evidence = arguments.said.evidence(config);
    std::fs::create_dir_all(&evidence).map_err(|error| {
        let message = format!("can't make the evidence folder `{}`: {error}", evidence.display());
        Failure::new(exit::USAGE, message, "name a folder that can be made")
    })?;
    let Choice { scenarios, names, built_in, .. } = &arguments.scenarios(&evidence)?;
    reader.store(&evidence.join(report::NAME))?;
    for scenario in scenarios {
        let folder = evidence.join(&scenario.name);
        if is_somebody_elses(&folder) {
            let message = format!("`{}` holds something else than a run's evidence", folder.display());
            return Err(Failure::new(exit::USAGE, message, "name another folder by `--evidence`, or move it away"));
        }
    }
    let partition = arguments.chosen.partition.as_ref().map(ToString::to_string);
    reader.tell(Told::Chosen { scenarios: names.clone(), partition, here: scenarios.len() });
    if scenarios.is_empty() {
        // Others have a part of it: that there is none for this machine is no fault.
        write_matrix(reader, &evidence);
        reader.tell(Told::ended(&[], exit::PASSED, began.elapsed()));
        return Ok(exit::PASSED);
    }
    if config::engines().len() > 1 && arguments.keep.is_some() {
        let hint = "name the one engine that it is to stay on";
        return Err(Failure::new(exit::USAGE, "an environment that stays is looked for on one engine", hint));
    }
    let count = scenarios.len() / arguments.core.len().max(1);
    let options = arguments.said.options(&arguments.making, config)?;
    let spread = Spread::set(&options, config::engines(), reader).await?;
    let ending = Ending { keep: arguments.keep.unwrap_or_default(), built_in: *built_in };
    let jobs = arguments.jobs.or_else(|| config.text(Key::Jobs)?.parse().ok()).unwrap_or_else(|| spread.room());
    let (pace, ending) = (Pace { jobs, fail_fast: arguments.fail_fast }, (ending, arguments.retries));
    let runs = Runs { spread: &spread, scenarios, ending, evidence: &evidence, reader };
    let outcomes = Box::pin(runner::many(&runs, scenarios.len(), pace, &Turns::new(reader))).await?;
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

/// Scenarios as they are run.
struct Runs<'a> {
    spread: &'a Spread,
    scenarios: &'a [Scenario],
    ending: (Ending, usize),
    evidence: &'a Path,
    reader: &'a Shown,
}

impl Work for Runs<'_> {
    type Outcome = Outcome;
    type Error = stage::Error;

    async fn run(&self, index: usize, turn: &Turn<'_>) -> Result<Outcome, stage::Error> {
        let scenario = self.scenarios[index].clone();
        let stage = self.spread.take();
        Box::pin(runner::keeping(&stage, scenario, self.ending, self.evidence, turn)).await
    }

    fn skip(&self, index: usize, red: usize, turn: &Turn<'_>) -> Outcome {
        let why = format!("not run, since `{}` did not pass", self.scenarios[red].name);
        runner::skipped(self.spread.first(), self.scenarios[index].clone(), why, turn)
    }

    fn is_red(outcome: &Outcome) -> bool {
        outcome.is_red()
    }

    /// Writes the matrix of what has run so far: the next world may not come up.
    fn note(&self) {
        write_matrix(self.reader, self.evidence);
    }
}

/// Writes the matrix of what was told so far.
fn write_matrix(reader: &Shown, evidence: &Path) {
    if let Err(error) = reader.told(|events| html::write_index(events, evidence)) {
        let folder = evidence.display();
        reader.tell(Told::note(format!("could not write the matrix of all runs into `{folder}`: {error}")));
    }
}

impl Run {
    /// The scenarios as they are to be run.
    fn scenarios(&self, evidence: &Path) -> Result<Choice, Failure> {
        let mut choice = self.chosen.choice(evidence)?;
        let mut refused = Vec::new();
        for scenario in &mut choice.scenarios {
            scenario.aws.soft |= self.soft;
            scenario.leaks = self.leaks.clone().or(scenario.leaks.take());
            refused.push(begin_with(scenario, &self.fault).err());
        }
        // In one that lacks what a fault is about it strikes nothing, which is told; it is wrong if all lack it.
        if refused.iter().all(Option::is_some)
            && let Some(failure) = refused.into_iter().flatten().next()
        {
            return Err(failure);
        }
        choice.scenarios = on_cores(choice.scenarios, &self.core);
        choice.names = names_on_cores(choice.names, &self.core);
        Ok(choice)
    }
}

/// Prints what runs would raise and do.
fn plan(arguments: &Run, config: &Config) -> Result<u8, Failure> {
    let choice = arguments.scenarios(&arguments.said.evidence(config))?;
    let mut plans = Preview::all(&choice.scenarios, &config.options()?)?;
    if choice.built_in {
        plans = plans.into_iter().map(Preview::without_files).collect();
    }
    if arguments.dry.json {
        answer::json(&plans)?;
    } else {
        let texts: Vec<_> = plans.iter().map(ToString::to_string).collect();
        answer::print(&texts.join("\n"))?;
    }
    Ok(exit::PASSED)
}

/// The scenarios on each of these cores; without any, on their own.
fn on_cores(scenarios: Vec<Scenario>, cores: &[Core]) -> Vec<Scenario> {
    if cores.is_empty() {
        return scenarios;
    }
    let on = |core: Core| {
        scenarios.clone().into_iter().map(move |mut scenario| {
            scenario.device.core = core;
            scenario.name = name_on(&scenario.name, core, cores);
            scenario
        })
    };
    cores.iter().copied().flat_map(on).collect()
}

/// Their names, as [`on_cores`] has them.
fn names_on_cores(names: Vec<String>, cores: &[Core]) -> Vec<String> {
    if cores.is_empty() {
        return names;
    }
    cores.iter().flat_map(|core| names.iter().map(|name| name_on(name, *core, cores))).collect()
}

/// The name of a scenario on one of these cores.
fn name_on(name: &str, core: Core, cores: &[Core]) -> String {
    if cores.len() > 1 { format!("{name}-{core}") } else { name.to_owned() }
}
