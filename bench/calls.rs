//! What is measured from outside, as calls of the program.

use anyhow::{Context, Result, ensure};
use greenproof::{bench::Times, embedded};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How many scenarios `many` runs.
const SCENARIOS: u32 = 50;

/// How many environments stand when a run is killed.
const ENVIRONMENTS: usize = 20;

/// The kept environment's name.
const NAME: &str = "bench";

/// The program, as `cargo build` leaves it.
pub(crate) fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("greenproof");
    ensure!(program.exists(), "`{}` is missing: run `cargo build --workspace` first", program.display());
    Ok(program)
}

fn call(words: &[&str]) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new(program()?).args(words).output()?;
    let took = began.elapsed();
    ensure!(output.status.success(), "`greenproof {}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(took)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is no text")
}

/// A kept environment of the reference scenario.
pub(crate) struct Kept {
    folder: tempfile::TempDir,
    scenario: PathBuf,
}

impl Kept {
    pub(crate) fn up() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kept = Self { scenario: embedded::reference(folder.path())?, folder };
        call(&["up", text(&kept.scenario)?, "--name", NAME, "--deploy", "--evidence", text(kept.folder.path())?])?;
        Ok(kept)
    }

    /// How long `greenproof deploy` takes with it.
    pub(crate) fn deploy(&self) -> Result<Duration> {
        call(&["deploy", text(&self.scenario)?, "--name", NAME, "--evidence", text(self.folder.path())?])
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(error) = call(&["down", "--name", NAME]) {
            // Nobody has to listen.
            _ = writeln!(std::io::stderr(), "{error}");
        }
    }
}

/// What one of the scenarios has of the bare scripts' time over the processors, as a factor of all.
pub(crate) fn share() -> f64 {
    let processors = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    f64::from(SCENARIOS) / f64::from(processors)
}

/// Copies of the reference scenario under names of their own.
fn copies(folder: &Path, count: usize) -> Result<Vec<String>> {
    let scenario = embedded::reference(folder)?;
    (1..=count)
        .map(|number| {
            let copy = scenario.with_file_name(format!("copy-{number}.toml"));
            std::fs::copy(&scenario, &copy)?;
            Ok(text(&copy)?.to_owned())
        })
        .collect()
}

/// How long all of many scenarios take in one call.
pub(crate) fn many() -> Result<Times> {
    let folder = tempfile::tempdir()?;
    let evidence = folder.path().join("evidence");
    let files = copies(folder.path(), usize::try_from(SCENARIOS)?)?;
    let mut words = vec!["run", "--evidence", text(&evidence)?];
    words.extend(files.iter().map(String::as_str));
    Ok([call(&words)?].into_iter().collect())
}

/// How long a sweep takes after a run of many environments was killed when all stood.
pub(crate) fn sweeps(runs: usize) -> Result<Times> {
    (0..runs).map(|_| sweep()).collect()
}

fn sweep() -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let (evidence, told) = (folder.path().join("evidence"), folder.path().join("told"));
    let files = copies(folder.path(), ENVIRONMENTS)?;
    let jobs = ENVIRONMENTS.to_string();
    // A device without a network waits, so that all of them stand at once.
    let mut run = Command::new(program()?)
        .args(["run", "--jobs", &jobs, "--fault", "net.cut", "--evidence", text(&evidence)?])
        .args(&files)
        .stderr(std::fs::File::create(&told)?)
        .spawn()?;
    while standing()? < ENVIRONMENTS {
        let ended = run.try_wait()?.is_some();
        ensure!(!ended, "the run ended before all of its environments stood: {}", std::fs::read_to_string(told)?);
    }
    run.kill()?;
    run.wait()?;
    call(&["sweep"])
}

/// How many devices of ours run.
fn standing() -> Result<usize> {
    let listed = Command::new("docker").args(["ps", "-q", "--filter", "label=greenproof.role=device"]).output()?;
    ensure!(listed.status.success(), "docker ps: {}", String::from_utf8_lossy(&listed.stderr));
    Ok(listed.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count())
}
