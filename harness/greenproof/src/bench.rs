//! The reference scenario's time against the bare script's own.
//!
//! The bare script is what the component does, by hand: both lifecycle scripts as `ggc_user` in a plain container of
//! the device image, against the same clouds, with credentials handed to it. Its time includes the container's start.
//! The scenario's time is from start to verdict. What the emulated core itself costs is measured apart.

mod cost;

pub use cost::{Cost, Memory, cost};

use crate::{
    component::Component,
    docker::{ContainerSpec, Upload},
    embedded,
    environment::{CA, Environment, TRUST_STORE, container},
    plan::Plan,
    report::{Reader, Told},
    scenario::Scenario,
    stage::{Error, Stage},
    verdict::{Verdict, judge},
};
use futures_util::StreamExt;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Times of both, in the order of the runs.
#[derive(Clone, Debug)]
pub struct Benchmark {
    /// The bare script, container start included.
    pub bare: Vec<Duration>,
    /// The scenario, from start to verdict.
    pub scenario: Vec<Duration>,
}

impl Benchmark {
    /// Median time of the scenario over median time of the bare script.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        median(&self.scenario).as_secs_f64() / median(&self.bare).as_secs_f64()
    }
}

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |times: &[Duration]| {
            let all: Vec<_> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
            format!("median {:.2} s of {}", median(times).as_secs_f64(), all.join(" "))
        };
        write!(
            f,
            "bare script, container start included: {}\ngreenproof run, start to verdict:       {}\nratio: {:.2}",
            row(&self.bare),
            row(&self.scenario),
            self.ratio()
        )
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Measures both, `runs` times each and in turn, on a warm stage.
///
/// # Errors
/// When an environment can't be raised, or either does not do its work: a time without the work means nothing.
pub async fn bench(stage: &Stage, runs: usize, reader: &dyn Reader) -> Result<Benchmark, Error> {
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let path = embedded::reference(folder.path()).map_err(|error| failed(&error))?;
    let mut result = Benchmark { bare: Vec::new(), scenario: Vec::new() };
    for run in 0..=runs {
        let scenario = Scenario::load(&path).map_err(|error| failed(&error))?;
        let began = Instant::now();
        let plan = Plan::of(scenario.clone()).map_err(|error| failed(&error))?;
        let environment = Environment::raise(stage, plan).await?;
        let evidence = environment.deploy(stage.patience()).await;
        let verdict = judge(&scenario, &evidence);
        let took = began.elapsed();
        let bare = bare_script(stage, &environment).await;
        environment.remove().await?;
        if !matches!(verdict, Verdict::Passed) {
            return Err(failed(&format!("the reference scenario did not pass: {verdict:?}")));
        }
        let bare = bare?;
        // The first run warms caches and is not counted.
        if run > 0 {
            result.scenario.push(took);
            result.bare.push(bare);
            let note = format!("run {run}: bare {:.2} s, greenproof {:.2} s", bare.as_secs_f64(), took.as_secs_f64());
            reader.tell(Told::note(note));
        }
    }
    Ok(result)
}

fn failed(cause: &dyn fmt::Display) -> Error {
    Error::surrounding("measuring", cause, "")
}

/// The time of both scripts by hand in a plain container, its start included.
async fn bare_script(stage: &Stage, environment: &Environment) -> Result<Duration, Error> {
    let component = &environment.plan.scenario.components[0];
    let install = install_script(component).ok_or_else(|| failed(&"the recipe has no Install script"))?;
    let main = std::fs::read(component.objects[0].source.join("main.py")).map_err(|error| failed(&error))?;
    let nameserver = environment.network.aws();
    let script = format!(
        "echo nameserver {nameserver} > /etc/resolv.conf && cat {CA} >> {TRUST_STORE} && cd /home/ggc_user \
         && sudo -n -E -H -u ggc_user -g ggc_group -- sh -c \"$INSTALL\" \
         && sudo -n -E -H -u ggc_user -g ggc_group -- sh -c 'python3 -u /opt/main.py'"
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
    let began = Instant::now();
    let container = environment.engine.launch(&spec).await?;
    let mut lines = environment.engine.follow_logs(&container);
    let mut printed = Vec::new();
    while let Some(line) = lines.next().await {
        printed.push(line?);
    }
    let took = began.elapsed();
    if printed.last().map(String::as_str) != Some("s3: Amazon S3") {
        let last = environment.engine.last_lines(&container.id, 5).await;
        return Err(failed(&environment.plan.redactor.apply(&last)));
    }
    Ok(took)
}

fn install_script(component: &Component) -> Option<String> {
    let recipe: serde_json::Value = serde_yaml_ng::from_str(&component.recipe).ok()?;
    Some(recipe["Manifests"][0]["Lifecycle"]["Install"]["Script"].as_str()?.to_owned())
}
