//! How long greenproof takes, each time against the least that it could take, as rows of `docs/BENCHMARKS.md`:
//! `bench [SECTION…] [--runs N]`.
//!
//! | section | what is measured |
//! |---|---|
//! | `warm` | a run with LocalStack up, its removal, against the bare script |
//! | `cold` | a run with nothing up, against LocalStack's own start and the bare script |
//! | `redeploy` | `greenproof deploy` on a kept environment, against the bare script's second run |
//! | `many` | 50 scenarios in one call, against the bare scripts over the machine's processors |
//! | `core` | the emulated core's memory, and its own time in a deployment |
//! | `sweep` | what a killed run of 20 environments leaves, swept |
//!
//! Without a section all are measured. Nothing else should be raised meanwhile.

mod calls;

use anyhow::{Context, Result, bail};
use greenproof::{
    Options, Stage,
    bench::{self, Row, Warm},
    report::{Event, Reader, Told},
    stage,
};
use std::io::Write;

/// How many runs of each, unless it is said.
const RUNS: usize = 7;

#[tokio::main]
async fn main() -> Result<()> {
    let mut sections: Vec<String> = std::env::args().skip(1).collect();
    let runs = match sections.iter().position(|word| word == "--runs") {
        Some(at) => sections.drain(at..).nth(1).map_or(Ok(RUNS), |number| number.parse())?,
        None => RUNS,
    };
    if sections.is_empty() {
        sections = ["redeploy", "warm", "cold", "many", "core", "sweep"].map(str::to_owned).into();
    }
    let mut options = Options::from_environment()?;
    options.program = calls::program()?.with_file_name(stage::INSIDE);
    let stage = Stage::set(options, &Notes).await?;
    let mut known = None;
    say("| what | measured: median (least to most) | floor | ratio |\n|---|---|---|---|")?;
    for section in &sections {
        for row in Box::pin(rows((&stage, &mut known), section, runs)).await? {
            say(&row.to_string())?;
        }
    }
    Ok(())
}

async fn rows((stage, known): (&Stage, &mut Option<Warm>), section: &str, runs: usize) -> Result<Vec<Row>> {
    Ok(match section {
        "warm" => warm(stage, known, runs).await?.rows(),
        "cold" => Box::pin(bench::cold(stage, runs.min(5), &Notes)).await?.rows(),
        "redeploy" => {
            let kept = calls::Kept::up()?;
            let mut deployed = Vec::new();
            let warm = Box::pin(bench::warm(stage, runs, &mut || deployed.push(kept.deploy()), &Notes)).await?;
            let deployed = deployed.into_iter().skip(1).collect::<Result<Vec<_>>>()?.into_iter().collect();
            vec![Row::new("redeploy", &deployed, "bare script, second run", &known.insert(warm).second)]
        }
        "many" => {
            let floor = warm(stage, known, runs).await?.bare.times(calls::share());
            vec![Row::new("50 scenarios in one call", &calls::many()?, "50 bare scripts over the processors", &floor)]
        }
        "core" => Box::pin(bench::cost(stage, runs, &Notes)).await?.rows(),
        "sweep" => vec![Row::alone("sweep after a killed run of 20 environments", &calls::sweeps(runs.min(3))?)],
        other => bail!("no section is called `{other}`: there are warm, cold, redeploy, many, core and sweep"),
    })
}

/// The warm runs, which several sections compare with and which are measured once.
async fn warm<'a>(stage: &Stage, known: &'a mut Option<Warm>, runs: usize) -> Result<&'a Warm> {
    if known.is_none() {
        *known = Some(Box::pin(bench::warm(stage, runs, &mut || (), &Notes)).await?);
    }
    known.as_ref().context("they were measured")
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Tells a person how far it is.
struct Notes;

impl Reader for Notes {
    fn take(&self, event: &Event) {
        if let Told::Note { text } = &event.told {
            // Nobody has to listen.
            _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
