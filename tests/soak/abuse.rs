//! What is done to an engine, or on it by somebody else, while greenproof uses it. The engine is never the machine's own.

use super::random;
use anyhow::{Context, Result, ensure};
use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tests::{extra::Extra, fixture, machine::Machine, program};

/// Mebibytes of a disk that the images and some environments fit on.
const DISK: u32 = 4096;

/// How long an environment may take until it stands.
const STANDS: Duration = Duration::from_mins(1);

/// A person with greenproof and a folder of their own for what it keeps.
struct User<'a> {
    engine: &'a str,
    home: tempfile::TempDir,
}

impl<'a> User<'a> {
    fn new(engine: &'a str) -> Result<Self> {
        Ok(Self { engine, home: tempfile::tempdir()? })
    }

    fn greenproof(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(words).args(["--engine", self.engine]).current_dir(self.home.path());
        command.env("GREENPROOF_CACHE", self.cache());
        command
    }

    fn cache(&self) -> std::path::PathBuf {
        self.home.path().join("cache")
    }

    fn run(&self) -> Result<Child> {
        let scenario = fixture("scenarios/inline.toml").display().to_string();
        let mut run = self.greenproof(&["run", &scenario]);
        Ok(run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
    }

    fn sweep(&self, words: &[&str]) -> Result<()> {
        let swept = self.greenproof(&[&["sweep"], words].concat()).output()?;
        ensure!(swept.status.success(), "the sweep failed: {}", said(&swept));
        Ok(())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One after the other: the engine ends in the middle of a run, its disk is full, and two users share it.
pub(super) fn engine(number: u64) -> Result<()> {
    let mut extra = Extra::start_small(3, DISK)?;
    let host = extra.host();
    let user = User::new(&host)?;
    // The images come from the machine's own engine.
    let scenario = fixture("scenarios/inline.toml").display().to_string();
    let mut first = Command::new(program());
    first.args(["run", &scenario, &scenario, "--jobs", "2", "--engine", "default", "--engine", &host]);
    let first = first.current_dir(user.home.path()).output()?;
    ensure!(first.status.success(), "bringing the images: {}", said(&first));
    let before = Machine::beside(&host, &user.cache())?;
    ended(&mut extra, &user, number).context("the engine ends in the middle of a run")?;
    unchanged(&before, &host, &user.cache())?;
    full(&extra, &user).context("the disk is full")?;
    unchanged(&before, &host, &user.cache())?;
    shared(&extra, &user).context("two users")?;
    unchanged(&before, &host, &user.cache())
}

/// The engine ends and comes up again.
fn ended(extra: &mut Extra, user: &User<'_>, number: u64) -> Result<()> {
    let run = user.run()?;
    stands(extra)?;
    let (_open, never) = std::sync::mpsc::channel::<()>();
    _ = never.recv_timeout(Duration::from_millis(random(number, 1) % 3000));
    extra.down()?;
    extra.up()?;
    let output = run.wait_with_output()?;
    let code = output.status.code();
    ensure!(matches!(code, Some(1 | 3)), "the run ended with {code:?}: {}", said(&output));
    user.sweep(&[])
}

/// The engine has no room for what a run writes.
fn full(extra: &Extra, user: &User<'_>) -> Result<()> {
    let filler = extra.data().join("filler");
    let result = fill(&filler);
    let output = user.run()?.wait_with_output();
    std::fs::remove_file(&filler)?;
    result?;
    let output = output?;
    let (code, told) = (output.status.code(), said(&output));
    ensure!(code != Some(0) && told.contains("no space left on device"), "the run ended with {code:?}: {told}");
    user.sweep(&[])
}

/// Writes a file until there is no room.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    match std::io::copy(&mut std::io::repeat(0), &mut file) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        other => anyhow::bail!("the disk takes everything: {other:?}"),
    }
}

/// Somebody else sweeps all that they can while the user's environment stands, and runs at the same time.
fn shared(extra: &Extra, user: &User<'_>) -> Result<()> {
    let other = User::new(user.engine)?;
    let runs = [user.run()?, other.run()?];
    stands(extra)?;
    other.sweep(&["--all"])?;
    for run in runs {
        let output = run.wait_with_output()?;
        ensure!(output.status.success(), "a run did not pass: {}", said(&output));
    }
    // Each sweeps its own LocalStack.
    other.sweep(&["--all"])?;
    user.sweep(&["--all"])
}

/// Waits until a device stands.
fn stands(extra: &Extra) -> Result<()> {
    let began = Instant::now();
    let device = ["ps", "--quiet", "--filter", "label=greenproof.role=device"];
    while extra.docker(&device)?.is_empty() {
        ensure!(began.elapsed() < STANDS, "no device stands after {} s", STANDS.as_secs());
    }
    Ok(())
}

fn unchanged(before: &Machine, engine: &str, cache: &Path) -> Result<()> {
    Machine::beside(engine, cache)?.is_as(before)
}
