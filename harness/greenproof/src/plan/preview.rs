//! A plan as a person or a program reads it before it is carried out. It names secrets and shows none.

use super::{Plan, hidden};
use crate::{
    core::Core,
    docker::{self, Build, Own, System, Tags},
    scenario::Scenario,
    stage::{Error, Options},
};
use cloud::world::INDEX_HOST;
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// What a run would raise and do.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The scenario's name.
    pub scenario: String,
    /// What it is for.
    pub summary: String,
    /// The files that it is read from.
    pub files: Vec<PathBuf>,
    /// The nucleus.
    pub core: Core,
    /// The account; absent if it is minted.
    pub account: Option<String>,
    /// The region.
    pub region: String,
    /// The thing; absent if it is minted.
    pub thing: Option<String>,
    /// The containers, and the image of each.
    pub containers: Vec<Container>,
    /// The names that the device can resolve, and where they lead.
    pub hosts: Vec<Host>,
    /// The policies that decide from the start.
    pub policies: Vec<Named>,
    /// What happens, in order.
    pub steps: Vec<String>,
    /// The secrets: names alone.
    pub secrets: Vec<String>,
}

/// A container.
#[derive(Clone, Debug, Serialize)]
pub struct Container {
    /// The part that it plays.
    pub part: &'static str,
    /// The image that it is of, or what that would be made of.
    pub image: String,
}

/// A name.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// The name; `*` stands for any that ends so.
    pub name: String,
    /// The container.
    pub part: &'static str,
}

/// A policy.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// Whom or what it is attached to.
    pub of: String,
    /// Its name.
    pub name: String,
    /// Its file; absent for one that no file says.
    pub file: Option<PathBuf>,
}

impl Preview {
    /// What runs of scenarios would be.
    ///
    /// # Errors
    /// When the program can't be read, or a scenario can't be planned.
    pub fn all(scenarios: &[Scenario], options: &Options) -> Result<Vec<Self>, Error> {
        let images = docker::tags(&options.cache, &Build::of(options))?;
        let preview = |scenario| Self::of(scenario, &images);
        let all = scenarios.iter().map(preview).collect::<Result<_, _>>();
        all.map_err(|error: super::Error| Error::surrounding("planning", error, ""))
    }

    /// The same without files, which are of a folder that goes.
    #[must_use]
    pub fn without_files(mut self) -> Self {
        self.files.clear();
        self.policies.iter_mut().for_each(|policy| policy.file = None);
        self
    }

    fn of(scenario: &Scenario, images: &Tags) -> Result<Self, super::Error> {
        let plan = Plan::of(scenario.clone())?;
        let told = |text: String| plan.redactor.apply(&text);
        Ok(Self {
            scenario: scenario.name.clone(),
            summary: scenario.summary.clone(),
            files: scenario.sources.iter().map(|source| source.path.clone()).collect(),
            core: scenario.device.core,
            account: scenario.aws.account.clone(),
            region: scenario.aws.region.clone(),
            thing: scenario.device.thing.clone(),
            containers: containers(scenario, images),
            hosts: hosts(scenario),
            policies: policies(scenario),
            steps: scenario.steps.iter().map(|step| told(step.action.to_string())).collect(),
            secrets: hidden::names(&plan),
        })
    }
}

fn containers(scenario: &Scenario, images: &Tags) -> Vec<Container> {
    let container = |part, image: &str| Container { part, image: image.to_owned() };
    let mut all = vec![container("localstack", &images.localstack), container("aws", &images.cloud)];
    if scenario.github.reachable {
        all.push(container("github", &images.cloud));
    }
    let count = scenario.fleet.as_ref().map_or_else(String::new, |fleet| format!(", {} times", fleet.devices));
    all.push(container("device", &(device(scenario, images) + &count)));
    if scenario.leaks.is_some() {
        all.push(container("watch", &images.cloud));
    }
    all
}

/// The device's image, or what it would be made of.
fn device(scenario: &Scenario, images: &Tags) -> String {
    let own = scenario.own();
    match scenario.device.core {
        Core::Emulated if own == Own::default() => images.device.clone(),
        Core::Emulated => {
            let below = own.image.clone().unwrap_or_else(|| format!("Debian {}", own.system.name()));
            let packages = if own.apt.is_empty() { String::new() } else { format!(" with {}", own.apt.join(", ")) };
            format!("made of {below}{packages}")
        }
        core => format!("made of the nucleus {core} that is given"),
    }
}

fn hosts(scenario: &Scenario) -> Vec<Host> {
    let mut all = vec![Host { name: "*.amazonaws.com".to_owned(), part: "aws" }];
    if scenario.github.reachable {
        let private = scenario.index.private.iter().map(|index| index.host.as_str());
        let names = ["github.com", "api.github.com", INDEX_HOST].into_iter().chain(private);
        all.extend(names.map(|name| Host { name: name.to_owned(), part: "github" }));
    }
    all
}

/// Every policy with its file, by what it is attached to.
fn policies(scenario: &Scenario) -> Vec<Named> {
    let aws = &scenario.aws;
    let named = |of: String, name: &str, text: &str| Named { of, name: name.to_owned(), file: file(scenario, text) };
    let mut all = Vec::new();
    for role in std::iter::once(&aws.role).chain(&aws.roles) {
        let of = format!("role {}", role.name);
        all.extend(role.policies.iter().map(|(name, text)| named(of.clone(), name, text)));
        all.extend(role.boundary.iter().map(|it| named(format!("boundary of {of}"), &it.name, &it.text)));
        all.push(named(of, "trust policy", &role.trust));
    }
    all.extend(aws.thing_policies.iter().map(|(name, text)| named("certificate".to_owned(), name, text)));
    for (kind, levels) in [("SCP", &aws.scps), ("RCP", &aws.rcps)] {
        for (level, policies) in levels.iter().enumerate() {
            let of = format!("{kind} of level {}", level + 1);
            all.extend(policies.iter().map(|(name, text)| named(of.clone(), name, text)));
        }
    }
    let keys = aws.keys.iter().filter_map(|(name, it)| Some((format!("key {name}"), it.policy.as_ref()?)));
    let secrets = aws.secrets.iter().filter_map(|(name, it)| Some((format!("secret {name}"), it.policy.as_ref()?)));
    let buckets = aws.buckets.iter().filter_map(|(name, it)| Some((format!("bucket {name}"), it.policy.as_ref()?)));
    all.extend(keys.chain(secrets).chain(buckets).map(|(of, text)| named(of, "resource policy", text)));
    all
}

/// The file that says this text, of those that the scenario names.
fn file(scenario: &Scenario, text: &str) -> Option<PathBuf> {
    let says = |path: &&PathBuf| is_policy(path) && std::fs::read_to_string(path).is_ok_and(|said| said == text);
    scenario.sources.iter().flat_map(|source| &source.named).map(|(_, path)| path).find(says).cloned()
}

fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

impl Scenario {
    /// What it needs beyond what every run has; nothing for most.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        let own = self.own();
        let mut needs = Vec::new();
        if self.device.core != Core::Emulated {
            needs.push(format!("nucleus {}", self.device.core));
        }
        needs.extend(self.fleet.iter().map(|fleet| format!("a fleet of {} devices", fleet.devices)));
        needs.extend(own.image.iter().map(|image| format!("image {image}")));
        if own.system != System::default() && own.image.is_none() {
            needs.push(format!("Debian {}", own.system.name()));
        }
        if !own.apt.is_empty() {
            needs.push(format!("Debian packages {}", own.apt.join(" ")));
        }
        if self.index.requirements.is_some() {
            needs.push("Python packages".to_owned());
        }
        if self.leaks.is_some() {
            needs.push("the watcher for leaks".to_owned());
        }
        if self.steps.iter().filter_map(|step| step.fault()).any(|fault| fault.name().to_string() == "net.delay") {
            needs.push("netem in the kernel".to_owned());
        }
        needs
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minted = |stated: &Option<String>| stated.clone().unwrap_or_else(|| "minted".to_owned());
        writeln!(f, "{}: {}", self.scenario, self.summary)?;
        for file in &self.files {
            writeln!(f, "  file       {}", file.display())?;
        }
        writeln!(f, "  core       {}", self.core)?;
        writeln!(f, "  account    {} in {}", minted(&self.account), self.region)?;
        writeln!(f, "  thing      {}", minted(&self.thing))?;
        for Container { part, image } in &self.containers {
            writeln!(f, "  container  {part:<10} {image}")?;
        }
        for Host { name, part } in &self.hosts {
            writeln!(f, "  host       {name} is {part}")?;
        }
        for Named { of, name, file } in &self.policies {
            let file = file.as_ref().map_or_else(|| "built in".to_owned(), |file| file.display().to_string());
            writeln!(f, "  policy     {name} of {of}: {file}")?;
        }
        for secret in &self.secrets {
            writeln!(f, "  secret     {secret}")?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  step {:<5} {}", index + 1, step.replace('\n', " "))?;
        }
        Ok(())
    }
}
