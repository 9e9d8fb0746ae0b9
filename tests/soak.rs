//! What takes longer than a gate may: `soak NAME --seed N [--rounds N]`, resumable, its last line says how it went.
//!
//! | name | what a round does |
//! |---|---|
//! | `runs` | runs the reference scenario ten times in one call, and all must pass: the machine is as before, and what may grow stays within a bound; 100 rounds are 1,000 runs |
//! | `kills` | runs it, kills it after a while that the seed chooses, and sweeps: the machine is as before, a stranger's container too |
//! | `conformance` | runs every conformance case, two at a time, in an order that the seed chooses |
//! | `policies` | runs the reference scenario under every policy variant, two at a time, in an order that the seed chooses |
//! | `failures` | makes every failure of the library happen that can happen here, and runs the reference on each Debian, two at a time |
//! | `core-kills` | kills the core of one world in each phase of its deployments; 13 rounds are over 200 kills |
//! | `fleet` | raises a fleet of 100 devices and deploys to it: all succeed within 30 s, and the machine has lost less than 3 GiB |
//! | `engines` | on an engine of its own: it ends in the middle of a run, its disk is full, two users share it; after the next sweep all is as before |
//! | `suites` | runs all tests that need Docker, three to five at once as the seed chooses; its own output is kept in `target/soak/suites.txt` |
//! | `leaks` | plants 78 secrets as the seed chooses, each of which must be found, and runs the six clean ways of passing a credential on one Debian after the other, without a false alarm; 9 rounds are 54 clean runs |
//!
//! `target/soak/NAME-SEED` has a line for each round that passed, so that a run that was stopped goes on.

#[path = "soak/abuse.rs"]
mod abuse;

use anyhow::{Context, Result, bail, ensure};
use cloud::{
    event::{Event, What},
    world::JobConfiguration,
};
use greenproof::{
    Evidence, Options, Plan, Scenario, Verdict, environment::Fleet, evidence::log, judge, report::Silent,
};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tests::{
    as_stated, as_stated_and_explained, block_on, conformance_cases, conforms, docker, fixture, is_scenario,
    kills::{Phase, Table, World},
    machine::{Machine, Size},
    planted, program, random, scenario_files, stage, standing,
};

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (name, seed, rounds) = match words.as_slice() {
        [name, "--seed", seed] => (*name, seed.parse::<u64>()?, 20),
        [name, "--seed", seed, "--rounds", rounds] => (*name, seed.parse()?, rounds.parse::<u64>()?),
        _ => bail!(
            "usage: soak runs|kills|conformance|policies|failures|core-kills|fleet|engines|suites|leaks --seed N [--rounds N]"
        ),
    };
    let soak: fn(u64) -> Result<()> = match name {
        "runs" => |_| run(),
        "kills" => kill,
        "conformance" => |number| all(conformance_cases(), number, conforms),
        "policies" => |number| all(policy_variants(), number, as_stated),
        "failures" => |number| all(failures(), number, fails),
        "core-kills" => kill_cores,
        "fleet" => |_| fleet(),
        "engines" => abuse::engine,
        "suites" => suite,
        "leaks" => plant,
        other => bail!(
            "no soak is called `{other}`; there are `runs`, `kills`, `conformance`, `policies`, `failures`, `core-kills`, \
             `fleet`, `engines`, `suites` and `leaks`"
        ),
    };
    let folder = soak_folder();
    std::fs::create_dir_all(&folder)?;
    let progress = folder.join(format!("{name}-{seed}"));
    let done = std::fs::read_to_string(&progress).unwrap_or_default();
    let earlier = u64::try_from(done.lines().count())?;
    if earlier == 0 {
        // What an earlier seed left is not this one's.
        _ = std::fs::remove_file(table_file());
        _ = std::fs::remove_file(size_file());
    }
    // The images are made once, and are nothing that a round leaves.
    drop(block_on(stage(1.0)));
    let mut progress = OpenOptions::new().create(true).append(true).open(progress)?;
    let began = Instant::now();
    for index in earlier..rounds {
        let round = format!("round {index} of `{name}` with seed {seed}");
        let began = Instant::now();
        soak(random(seed, index)).with_context(|| round.clone())?;
        writeln!(progress, "{round} passed in {} s", began.elapsed().as_secs())?;
    }
    let took = began.elapsed().as_secs();
    let told = format!("soak {name}: {rounds} rounds with seed {seed}, {earlier} of them earlier, passed in {took} s");
    Ok(writeln!(std::io::stdout(), "{told}")?)
}

fn soak_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/soak")
}

fn size_file() -> PathBuf {
    soak_folder().join("runs-size")
}

fn table_file() -> PathBuf {
    soak_folder().join("core-kills-table")
}

/// Runs the reference ten times, after which all is as before, and nothing has grown beyond its bound since the first round.
fn run() -> Result<()> {
    let (scenarios, evidence) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let base = fixture("scenarios/private-package.toml").canonicalize()?;
    for number in 0..10 {
        let file = scenarios.path().join(format!("reference-{number}.toml"));
        std::fs::write(file, format!("base = \"{}\"\n", base.display()))?;
    }
    unchanged(|| {
        let mut run = Command::new(program());
        run.arg("run").arg(scenarios.path()).arg("--evidence").arg(evidence.path());
        let output = run.output()?;
        ensure!(output.status.success(), "the reference did not pass: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })?;
    let size = Size::now(&cache()?)?;
    let file = size_file();
    let Ok(first) = std::fs::read_to_string(&file) else {
        return Ok(std::fs::write(file, serde_json::to_string(&size)?)?);
    };
    let first: Size = serde_json::from_str(&first)?;
    writeln!(std::io::stdout(), "{size}; after the first round {first}")?;
    let grown = size.grown(&first);
    ensure!(grown.is_empty(), "grown since the first round: {}", grown.join(", "));
    Ok(())
}

/// Kills a run after up to 6 s, which is all of a warm one, and sweeps, beside a container of somebody else's.
fn kill(number: u64) -> Result<()> {
    let evidence = tempfile::tempdir()?;
    let bystander = Bystander::start()?;
    let outcome = unchanged(|| {
        let mut run =
            Command::new(program()).arg("run").arg("--evidence").arg(evidence.path()).stderr(Stdio::null()).spawn()?;
        let (_open, never) = std::sync::mpsc::channel::<()>();
        _ = never.recv_timeout(Duration::from_millis(number % 6000));
        run.kill()?;
        run.wait()?;
        let swept = Command::new(program()).arg("sweep").output()?;
        ensure!(swept.status.success(), "the sweep failed: {}", String::from_utf8_lossy(&swept.stderr));
        Ok(())
    });
    bystander.remove()?;
    outcome
}

/// What the program keeps on this machine.
fn cache() -> Result<PathBuf> {
    Ok(Options::from_environment().map_err(|error| anyhow::anyhow!("{error}"))?.cache)
}

/// Does something, after which the machine is as it was before.
fn unchanged(act: impl FnOnce() -> Result<()>) -> Result<()> {
    let cache = cache()?;
    let before = Machine::now(&cache)?;
    act()?;
    Machine::now(&cache)?.is_as(&before)
}

/// A container that is nothing of ours.
struct Bystander(String);

impl Bystander {
    fn start() -> Result<Self> {
        let images = docker(&["images", "-q"])?;
        let image = images.lines().next().context("there is an image")?;
        let started = docker(&["run", "--detach", "--entrypoint", "sleep", image, "infinity"])?;
        Ok(Self(started.trim().to_owned()))
    }

    fn remove(self) -> Result<()> {
        docker(&["rm", "--force", "--volumes", &self.0]).map(drop)
    }
}

fn policy_variants() -> Vec<(String, PathBuf)> {
    let files = scenario_files(&fixture("scenarios")).into_iter();
    files.filter(|(name, _)| name.starts_with("policies::") || name.starts_with("more-policies::")).collect()
}

/// The scenarios of the failure library, and those of other Debian releases and of images of one's own that the gate leaves out.
fn failures() -> Vec<(String, PathBuf)> {
    let library = scenario_files(&fixture("failures")).into_iter().filter(|(_, file)| is_scenario(file));
    let systems = scenario_files(&fixture("scenarios")).into_iter();
    let more = ["more-systems::", "more-own::"];
    library.chain(systems.filter(|(name, _)| more.iter().any(|folder| name.starts_with(folder)))).collect()
}

/// Runs a failure as stated and explained, and what is none as stated.
async fn fails(file: &Path) -> Result<Scenario> {
    if file.starts_with(fixture("failures")) { as_stated_and_explained(file).await } else { as_stated(file).await }
}

/// Runs all cases in an order that the number chooses; every case that fails is told.
fn all(
    mut cases: Vec<(String, PathBuf)>,
    number: u64,
    holds: impl AsyncFn(&Path) -> Result<Scenario> + Copy,
) -> Result<()> {
    cases.sort_by_cached_key(|(name, _)| name.bytes().fold(number, |sum, byte| random(sum, byte.into())));
    let mut failed = Vec::new();
    block_on(async {
        for pair in cases.chunks(2) {
            let [first, second] = [pair.first(), pair.get(1)].map(|case| async move {
                let (name, file) = case?;
                holds(file).await.err().map(|error| format!("{name}: {error}"))
            });
            let (first, second) = tokio::join!(first, second);
            failed.extend([first, second].into_iter().flatten());
        }
    });
    ensure!(failed.is_empty(), "{} of {} cases failed\n{}", failed.len(), cases.len(), failed.join("\n"));
    nothing_stands()
}

/// Kills the core of a world as often as the world has versions to deploy. The table of all kills is kept beside the
/// progress, so that the phase that was hit least is aimed at.
fn kill_cores(number: u64) -> Result<()> {
    let file = table_file();
    let mut table = Table::default();
    table.add(&std::fs::read_to_string(&file).unwrap_or_default());
    block_on(async {
        let stage = stage(1.0).await;
        let mut world = World::raise(&stage).await?;
        let mut round = 0;
        while world.can_go_on() {
            world.kill(table.rarest(), random(number, round), &mut table).await?;
            round += 1;
        }
        Box::pin(world.remove()).await
    })?;
    std::fs::write(file, table.to_string())?;
    let each: Vec<_> = Phase::ALL.into_iter().map(|phase| format!("{phase:?} {}", table.of(phase))).collect();
    writeln!(std::io::stdout(), "{table}{} kills: {}", table.total(), each.join(", "))?;
    nothing_stands()
}

/// Runs all tests that need Docker, of which none may fail or be flaky, and tells nextest's summary.
fn suite(number: u64) -> Result<()> {
    let file = soak_folder().join("suites.txt");
    let output = File::create(&file)?;
    let threads = (3 + number % 3).to_string();
    let mut suite = Command::new("cargo");
    suite.args(["nextest", "run", "--workspace", "--profile", "e2e", "--test-threads", &threads]);
    let status = suite.stdout(output.try_clone()?).stderr(output).status().context("starting cargo nextest")?;
    let told = std::fs::read_to_string(&file)?;
    let summary = told.lines().find(|line| line.contains("Summary")).unwrap_or("no test ran").trim();
    writeln!(std::io::stdout(), "{threads} at once: {summary}")?;
    ensure!(status.success(), "{summary}; see {}", file.display());
    nothing_stands()
}

/// Plants secrets, which must all be found, and runs the ways that leave none, where none may be found.
fn plant(number: u64) -> Result<()> {
    const CLEAN: [&str; 3] = ["ways/clean.toml", "more-ways/bullseye-clean.toml", "more-ways/trixie-clean.toml"];
    let system = usize::try_from(number % 3)?;
    block_on(async {
        let (plants, evidence) = planted::run(&stage(1.0).await, number).await?;
        let missed = plants.missed(&evidence.leaks);
        ensure!(missed.is_empty(), "{} planted secrets were missed:\n{}", missed.len(), missed.join("\n"));
        as_stated(&fixture("scenarios").join(CLEAN[system])).await
    })?;
    nothing_stands()
}

/// Deploys to a fleet of 100 devices.
fn fleet() -> Result<()> {
    const DEVICES: usize = 100;
    const LIMIT: f64 = 30.0;
    const MEMORY: u64 = 3 << 20;
    let mut scenario = Scenario::load(&fixture("scenarios/fleet.toml")).map_err(|error| anyhow::anyhow!("{error}"))?;
    let small = scenario.fleet.take().context("the scenario has a fleet")?;
    let expect = [("SUCCEEDED", DEVICES)].into();
    scenario.fleet = Some(greenproof::scenario::Fleet {
        devices: DEVICES,
        except: Vec::new(),
        expect,
        job: JobConfiguration::default(),
        ..small
    });
    block_on(async {
        let stage = stage(1.0).await;
        let before = available()?;
        let fleet = Box::pin(Fleet::raise(&stage, Plan::of(scenario.clone())?, &Silent)).await?;
        let evidence = Box::pin(fleet.deploy_telling(stage.patience(), &Silent)).await;
        let after = available()?;
        let verdict = judge(&scenario, &evidence);
        Box::pin(fleet.remove()).await?;
        let times: Vec<_> = evidence.timings.iter().map(|it| format!("{} {} ms", it.stage, it.milliseconds)).collect();
        let took = until_last(&evidence)?;
        let lost = before.saturating_sub(after);
        let told = format!(
            "fleet of {DEVICES}: {}; from CreateDeployment to the last SUCCEEDED {took:.1} s; MemAvailable {} MiB before, {} MiB \
             after, {} MiB less",
            times.join(", "),
            before >> 10,
            after >> 10,
            lost >> 10
        );
        writeln!(std::io::stdout(), "{told}")?;
        ensure!(matches!(verdict, Verdict::Passed), "{:#?}", verdict.findings());
        ensure!(took < LIMIT, "the deployment took {took:.1} s");
        ensure!(lost < MEMORY, "{} MiB were taken", lost >> 10);
        Ok(())
    })?;
    nothing_stands()
}

/// Seconds from the moment at which the job was queued for the first device to that at which the last one succeeded.
fn until_last(evidence: &Evidence) -> Result<f64> {
    let at = |wanted: &str| {
        let events = evidence.devices.iter().flat_map(|device| &device.events);
        let of = |event: &Event| match &event.what {
            What::Job { status, .. } if status == wanted => log::millis_of(&event.time),
            _ => None,
        };
        events.filter_map(of).collect::<Vec<_>>()
    };
    let (queued, succeeded) = (at("QUEUED").into_iter().min(), at("SUCCEEDED").into_iter().max());
    let (queued, succeeded) = queued.zip(succeeded).context("no device has succeeded")?;
    Ok(Duration::from_millis(u64::try_from(succeeded - queued)?).as_secs_f64())
}

/// The memory that the machine can still give, in KiB.
fn available() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("the kernel tells no memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn nothing_stands() -> Result<()> {
    let left = standing()?;
    ensure!(left.is_empty(), "left: {left}");
    Ok(())
}
