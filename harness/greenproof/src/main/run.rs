//! `greenproof run` and `greenproof bench`: scenarios in, verdicts out.

use super::{
    answer,
    chosen::{Choice, Chosen},
    command::Failure,
    config::{self, Making, Said},
    interrupt::interruptible,
    shown::{Format, Shown, terminal},
};
use clap::Args;
use greenproof::{
    Scenario, Stage,
    config::{Config, Key},
    core::{Core, compare},
    exit,
    fault::Fault,
    kept::{Ending, Keep},
    plan::Preview,
    redact::masked,
    report::{Outcome, Reader, Told, html},
    run as runner,
    scenario::Leaks,
};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    #[command(flatten)]
    chosen: Chosen,
    /// Stop after the first scenario that does not pass.
    #[arg(long)]
    fail_fast: bool,
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
  greenproof run my.toml --fault 's3.GetObject.503 times=2'
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

async fn run_each(arguments: Run, config: &Config, reader: &dyn Reader) -> Result<u8, Failure> {
    let began = Instant::now();
    let evidence = arguments.said.evidence(config);
    std::fs::create_dir_all(&evidence).map_err(|error| {
        let message = format!("can't make the evidence folder `{}`: {error}", evidence.display());
        Failure::new(exit::USAGE, message, "name a folder that can be made")
    })?;
    let Choice { scenarios, built_in, .. } = &arguments.scenarios(&evidence)?;
    let count = scenarios.len() / arguments.core.len().max(1);
    let stage = Stage::set(arguments.said.options(&arguments.making, config)?, reader).await?;
    let ending = Ending { keep: arguments.keep.unwrap_or_default(), built_in: *built_in };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for scenario in scenarios.clone() {
        let red = outcomes.iter().find(|outcome| outcome.is_red()).filter(|_| arguments.fail_fast);
        let outcome = match red.map(|red| format!("not run, since `{}` did not pass", red.scenario.name)) {
            Some(why) => runner::skipped(&stage, scenario, why, reader),
            None => Box::pin(runner::keeping(&stage, scenario, ending, &evidence, reader)).await?,
        };
        outcomes.push(outcome);
        write_matrix(&outcomes, &evidence, reader);
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

/// Writes the matrix of what has run so far: the next world may not come up.
fn write_matrix(outcomes: &[Outcome], evidence: &Path, reader: &dyn Reader) {
    if let Err(error) = html::write_index(outcomes, evidence) {
        let folder = evidence.display();
        reader.tell(Told::note(format!("could not write the matrix of all runs into `{folder}`: {error}")));
    }
}

impl Run {
    /// The scenarios as they are to be run.
    fn scenarios(&self, evidence: &Path) -> Result<Choice, Failure> {
        let mut choice = self.chosen.choice(evidence)?;
        for scenario in &mut choice.scenarios {
            scenario.aws.soft |= self.soft;
            scenario.leaks = self.leaks.clone().or(scenario.leaks.take());
            scenario.begin_with(&self.fault);
        }
        choice.scenarios = on_cores(choice.scenarios, &self.core);
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
            if cores.len() > 1 {
                scenario.name = format!("{}-{core}", scenario.name);
            }
            scenario
        })
    };
    cores.iter().copied().flat_map(on).collect()
}

pub(crate) async fn bench(runs: usize) -> Result<u8, Failure> {
    let reader = terminal();
    let stage = Stage::set(config::options()?, &reader).await?;
    let result = greenproof::bench::bench(&stage, runs, &reader).await?;
    reader.tell(Told::note(result.to_string()));
    let cost = greenproof::bench::cost(&stage, runs, &reader).await?;
    reader.tell(Told::note(cost.to_string()));
    Ok(exit::PASSED)
}
