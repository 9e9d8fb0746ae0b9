//! How long things take, each against the least that they could take, in one run.
//!
//! The floor is the bare script: what the component does, by hand. Both lifecycle scripts run as `ggc_user` in a plain container
//! of the device image against the same clouds, with credentials handed to them, and the container is removed: what
//! `docker run --rm` takes. What the emulated core itself costs is measured apart ([`cost()`]).

mod cost;
mod spread;

pub use cost::{Cost, Memory, cost};
pub use spread::{Row, Times};

use crate::{
    component::Component,
    docker::{self, ContainerSpec, Upload},
    embedded,
    environment::{CA, Environment, TRUST_STORE, container},
    plan::Plan,
    report::{Reader, Told},
    scenario::Scenario,
    scratch::Scratch,
    stage::{Error, Stage},
    verdict::{Verdict, judge},
};
use futures_util::StreamExt;
use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

/// Which run of the bare script is timed: its first in a fresh container, or a second one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    First,
    Second,
}

/// A warm run: LocalStack is up, images are there.
#[derive(Clone, Debug, Default)]
pub struct Warm {
    /// The bare script in a plain container, from its start to its removal.
    pub bare: Times,
    /// The bare script's second run in one container.
    pub second: Times,
    /// The scenario, from start to verdict.
    pub scenario: Times,
    /// The removal of its environment after that.
    pub removal: Times,
}

/// A cold run: images are there, and nothing runs.
#[derive(Clone, Debug, Default)]
pub struct Cold {
    /// LocalStack's own start, until it is ready.
    pub localstack: Times,
    /// The bare script after it.
    pub bare: Times,
    /// The scenario, from start to verdict, with the start of LocalStack.
    pub scenario: Times,
}

impl Warm {
    /// What a person reads of it.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        vec![
            Row::new("warm run, start to verdict", &self.scenario, "bare script, container and all", &self.bare),
            Row::alone("removal after it", &self.removal),
        ]
    }
}

impl Cold {
    /// What a person reads of it.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let floor = self.localstack.plus(&self.bare);
        vec![
            Row::new("cold run, start to verdict", &self.scenario, "LocalStack's start and the bare script", &floor),
            Row::alone("LocalStack's own start", &self.localstack),
        ]
    }
}

/// The reference scenario in a folder of its own.
fn reference(folder: &Path) -> Result<Scenario, Error> {
    let path = embedded::reference(folder).map_err(|error| failed(&error))?;
    Scenario::load(&path).map_err(|error| failed(&error))
}

/// Measures warm runs and bare scripts, `runs` times each and in turn; `beside` is called after each, and once before they count.
///
/// # Errors
/// When an environment can't be raised, or either does not do its work: a time without the work means nothing.
pub async fn warm(stage: &Stage, runs: usize, beside: &mut dyn FnMut(), reader: &dyn Reader) -> Result<Warm, Error> {
    let folder = Scratch::new("bench").map_err(|error| failed(&error))?;
    let scenario = reference(folder.path())?;
    let mut result = Warm::default();
    for run in 0..=runs {
        let (environment, took) = passed(stage, &scenario).await?;
        let first = bare_script(stage, &environment, Script::First).await;
        let second = bare_script(stage, &environment, Script::Second).await;
        let removing = Instant::now();
        environment.remove().await?;
        let removed = removing.elapsed();
        let (first, second) = (first?, second?);
        // The first run warms caches and is not counted.
        if run > 0 {
            result.scenario.push(took);
            result.bare.push(first);
            result.second.push(second);
            result.removal.push(removed);
            reader.tell(Told::note(format!("warm run {run}: {took:.2?}, bare script {first:.2?}")));
        }
        beside();
    }
    Ok(result)
}

/// Measures cold runs, `runs` times: the shared LocalStack is stopped before each.
///
/// # Errors
/// As [`warm`]; and when another process uses LocalStack.
pub async fn cold(stage: &Stage, runs: usize, reader: &dyn Reader) -> Result<Cold, Error> {
    let folder = Scratch::new("bench").map_err(|error| failed(&error))?;
    let scenario = reference(folder.path())?;
    let mut result = Cold::default();
    for run in 1..=runs {
        stop_localstack(stage).await?;
        let began = Instant::now();
        drop(docker::localstack(&stage.engine, &stage.images.localstack, &[], &|| ()).await?);
        result.localstack.push(began.elapsed());
        stop_localstack(stage).await?;
        let (environment, took) = passed(stage, &scenario).await?;
        let bare = bare_script(stage, &environment, Script::First).await;
        environment.remove().await?;
        result.bare.push(bare?);
        result.scenario.push(took);
        reader.tell(Told::note(format!("cold run {run}: {took:.2?}")));
    }
    Ok(result)
}

async fn stop_localstack(stage: &Stage) -> Result<(), Error> {
    if docker::stop_localstack(&stage.engine).await? {
        return Ok(());
    }
    Err(failed(&"another process uses LocalStack"))
}

/// Runs a scenario, which must pass; gives the environment that still stands, and the time from start to verdict.
async fn passed(stage: &Stage, scenario: &Scenario) -> Result<(Environment, Duration), Error> {
    let began = Instant::now();
    let plan = Plan::of(scenario.clone()).map_err(|error| failed(&error))?;
    let environment = Environment::raise(stage, plan).await?;
    let evidence = environment.deploy(stage.patience()).await;
    let verdict = judge(scenario, &evidence);
    let took = began.elapsed();
    if matches!(verdict, Verdict::Passed) {
        return Ok((environment, took));
    }
    environment.remove().await?;
    Err(failed(&format!("the reference scenario did not pass: {verdict:?}")))
}

fn failed(cause: &dyn fmt::Display) -> Error {
    Error::surrounding("measuring", cause, "")
}

/// The time of both scripts by hand in a plain container: with its start and its removal, or, of a second run in it, alone.
async fn bare_script(stage: &Stage, environment: &Environment, which: Script) -> Result<Duration, Error> {
    let component = &environment.plan.scenario.components[0];
    let install = install_script(component).ok_or_else(|| failed(&"the recipe has no Install script"))?;
    let main = std::fs::read(component.objects[0].source.join("main.py")).map_err(|error| failed(&error))?;
    let nameserver = environment.network.aws();
    let once = "sudo -n -E -H -u ggc_user -g ggc_group -- sh -c \"$INSTALL\" \
         && sudo -n -E -H -u ggc_user -g ggc_group -- sh -c 'python3 -u /opt/main.py'";
    let again = format!("&& echo {BEGINS} && {once}");
    let script = format!(
        "echo nameserver {nameserver} > /etc/resolv.conf && cat {CA} >> {TRUST_STORE} && cd /home/ggc_user && {once} {}",
        if which == Script::Second { &again } else { "" }
    );
    let trusting = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"];
    let mut env: Vec<_> = trusting.map(|name| (name.to_owned(), TRUST_STORE.to_owned())).into();
    env.extend(environment.credentials().await?);
    env.push(("INSTALL".into(), install));
    let address = environment.network.device().to_bits() + 1;
    let spec = ContainerSpec {
        image: stage.images.device.clone(),
        env,
        files: vec![Upload::file(CA, environment.plan.ca.clone(), 0o644), Upload::file("/opt/main.py", main, 0o644)],
        ..container(&environment.network, environment.lease(), "bare", address.into(), &["sh", "-c", &script])
    };
    let mut began = Instant::now();
    let container = environment.engine.launch(&spec).await?;
    let mut lines = environment.engine.follow_logs(&container);
    let mut printed = Vec::new();
    while let Some(line) = lines.next().await {
        let line = line?;
        if line == BEGINS {
            began = Instant::now();
        }
        printed.push(line);
    }
    if printed.last().map(String::as_str) != Some("s3: Amazon S3") {
        let last = environment.engine.last_lines(&container.id, 5).await;
        return Err(failed(&environment.plan.redactor.apply(&last)));
    }
    let ran = began.elapsed();
    environment.engine.remove(&container.id).await?;
    Ok(if which == Script::Second { ran } else { began.elapsed() })
}

/// What the bare script prints before its second run.
const BEGINS: &str = "the second run begins";

fn install_script(component: &Component) -> Option<String> {
    let recipe: serde_json::Value = serde_yaml_ng::from_str(&component.recipe).ok()?;
    Some(recipe["Manifests"][0]["Lifecycle"]["Install"]["Script"].as_str()?.to_owned())
}
