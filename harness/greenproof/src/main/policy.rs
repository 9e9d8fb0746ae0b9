//! `greenproof policy`: policies in, and what they do.

use super::{
    answer,
    chosen::scenarios,
    command::Failure,
    config::{self, Making, Said},
    interrupt::interruptible,
    shown::terminal,
};
use clap::{Args, Subcommand};
use greenproof::{
    Scenario, Stage, exit,
    policy::{
        self,
        change::Change,
        explain::{self, Request},
        layers::Layers,
        minimise::{self, Least, Which},
        recorded,
        slot::{Candidate, Slot},
        source::{Given, Source},
        trial::{self, Trial},
    },
};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Say why a request is allowed or denied; exit code 0 if it is allowed, 1 if it is denied.
    Explain(Explain),
    /// Run a component under a new policy and say what changes; exit code 1 if it fails under it.
    Test(Test),
    /// Find the least policies that keep a scenario green, and prove it by runs.
    Minimise(Minimise),
}

const MINIMISE: &str = "Examples:
  greenproof policy minimise my.toml --for role --out least/
  greenproof policy minimise --json";

#[derive(Args)]
#[command(after_help = MINIMISE)]
pub(crate) struct Minimise {
    /// A scenario file; without one, the built-in reference scenario.
    scenario: Option<PathBuf>,
    /// Which policy: role or iot; both unless stated.
    #[arg(long = "for", value_name = "PLACE", value_parser = which)]
    place: Option<Which>,
    /// Write the policies into this folder, as role.json and iot.json.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    making: Making,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn which(text: &str) -> Result<Which, String> {
    match text {
        "role" => Ok(Which::Role),
        "iot" => Ok(Which::Iot),
        _ => Err("use role or iot".into()),
    }
}

const TEST: &str = "Examples:
  greenproof policy test new.json my.toml
  greenproof policy test template.yaml#DeviceRole my.toml --parameter Stage=prod
  greenproof policy test new.json my.toml --recorded greenproof-evidence/my";

#[derive(Args)]
#[command(after_help = TEST)]
pub(crate) struct Test {
    /// The new policy or role.
    new: String,
    /// Scenario files; without any, the built-in reference scenario.
    scenarios: Vec<PathBuf>,
    /// The policy or role before; the scenario's own unless stated.
    #[arg(long, value_name = "OLD")]
    baseline: Option<String>,
    /// What it replaces: role, role:NAME, boundary, trust, iot or iot:NAME; the policy of the same name unless stated.
    #[arg(long = "for", value_name = "PLACE")]
    place: Option<Slot>,
    /// Decide the calls of an evidence folder again, without Docker.
    #[arg(long, value_name = "FOLDER")]
    recorded: Option<PathBuf>,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    making: Making,
    /// Print one JSON object a scenario.
    #[arg(long)]
    json: bool,
}

/// What stands for names in templates.
#[derive(Args)]
struct Names {
    /// Value of a template's parameter, pseudo parameter, resource or attribute.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Document of a managed policy that a role has and its file doesn't hold.
    #[arg(long, value_name = "ARN=FILE", value_parser = pair)]
    managed: Vec<(String, String)>,
}

const EXPLAIN: &str = "Examples:
  greenproof policy explain --action s3:GetObject --resource arn:aws:s3:::my/key --identity device.json
  greenproof policy explain --recorded greenproof-evidence/my --call 3 --identity new.json --json";

#[derive(Args)]
#[command(after_help = EXPLAIN)]
pub(crate) struct Explain {
    /// The request as a JSON file; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "recorded"])]
    request: Option<PathBuf>,
    /// An evidence folder that holds the request.
    #[arg(long, value_name = "FOLDER", conflicts_with = "action")]
    recorded: Option<PathBuf>,
    /// Which call of the evidence: its number, or its action.
    #[arg(long, value_name = "CALL", requires = "recorded")]
    call: Option<String>,
    /// The action, such as `s3:GetObject`.
    #[arg(long)]
    action: Option<String>,
    /// The resource's ARN.
    #[arg(long, default_value = "*")]
    resource: String,
    /// Who asks.
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// The account that owns the resource, if that is another.
    #[arg(long, value_name = "ACCOUNT")]
    resource_account: Option<String>,
    /// A condition key; a JSON list of texts is a multivalued one.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// Identity policies, or a role with all of its own.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    identity: Vec<String>,
    /// The permissions boundary.
    #[arg(long, value_name = "FILE")]
    boundary: Option<String>,
    /// Session policies.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    session: Vec<String>,
    /// The resource's policy; for `sts:AssumeRole` the role's trust policy.
    #[arg(long, value_name = "FILE")]
    resource_policy: Option<String>,
    /// Service control policies, a level each time, root first; files of one level with commas between them.
    #[arg(long, value_name = "LEVEL", num_args = 1..)]
    scp: Vec<String>,
    /// Resource control policies, likewise.
    #[arg(long, value_name = "LEVEL", num_args = 1..)]
    rcp: Vec<String>,
    /// IoT policies of a certificate.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "identity")]
    iot: Vec<String>,
    #[command(flatten)]
    names: Names,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<policy::Error> for Failure {
    fn from(error: policy::Error) -> Self {
        Self::new(exit::USAGE, error.to_string(), error.hint)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it with a `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Names {
    /// With what else is known; what the user says counts.
    fn given(&self, mut known: BTreeMap<String, String>) -> Given {
        known.extend(self.parameters.iter().cloned());
        let managed = self.managed.iter().map(|(arn, file)| (arn.clone(), file.into())).collect();
        Given { parameters: known, managed }
    }
}

impl From<trial::Failure> for Failure {
    fn from(failure: trial::Failure) -> Self {
        match failure {
            trial::Failure::Usage(error) => error.into(),
            trial::Failure::Stage(error) => error.into(),
            trial::Failure::Fault(what) => Self::new(exit::FAULT, what, ""),
        }
    }
}

pub(crate) async fn policy(command: Policy) -> Result<u8, Failure> {
    match command {
        Policy::Explain(arguments) => explain(&arguments),
        Policy::Test(arguments) => test(arguments).await,
        Policy::Minimise(arguments) => minimise(arguments).await,
    }
}

async fn test(arguments: Test) -> Result<u8, Failure> {
    let (scenarios, _folder) = scenarios(&arguments.scenarios)?;
    let candidate =
        |text: &String| Candidate { source: Source::parse(text), given: arguments.names.given(BTreeMap::new()) };
    let trial = Trial {
        new: candidate(&arguments.new),
        old: arguments.baseline.as_ref().map(candidate),
        slot: arguments.place.clone(),
    };
    let changes = if let Some(folder) = &arguments.recorded {
        again(&trial, scenarios, folder)?
    } else {
        interruptible(Box::pin(tried(&trial, scenarios, &arguments))).await?
    };
    for change in &changes {
        answer::print(&if arguments.json {
            serde_json::to_string(change).expect("a change always serialises") + "\n"
        } else {
            change.human()
        })?;
    }
    Ok(if changes.iter().any(Change::is_a_finding) { exit::FINDING } else { exit::PASSED })
}

/// One record is of one scenario.
fn again(trial: &Trial, mut scenarios: Vec<Scenario>, folder: &Path) -> Result<Vec<Change>, Failure> {
    let (Some(scenario), true) = (scenarios.pop(), scenarios.is_empty()) else {
        return Err(Failure::new(exit::USAGE, "a record is of one scenario", "name one scenario"));
    };
    Ok(vec![trial.again(scenario, &recorded::evidence(folder)?)?])
}

async fn tried(trial: &Trial, scenarios: Vec<Scenario>, arguments: &Test) -> Result<Vec<Change>, Failure> {
    // What can't be used is told before anything is raised.
    for scenario in &scenarios {
        trial.check(scenario)?;
    }
    let reader = terminal();
    let config = config::read()?;
    let (options, evidence) = (arguments.said.options(&arguments.making, &config)?, arguments.said.evidence(&config));
    let stage = Stage::set(options, &reader).await?;
    let mut changes = Vec::new();
    for scenario in scenarios {
        changes.push(Box::pin(trial.run(&stage, scenario, &evidence, &reader)).await?);
    }
    Ok(changes)
}

async fn minimise(arguments: Minimise) -> Result<u8, Failure> {
    let (scenarios, _folder) = scenarios(arguments.scenario.as_slice())?;
    let sought = arguments.place.map_or_else(|| Which::ALL.to_vec(), |which| vec![which]);
    let config = config::read()?;
    let options = arguments.said.options(&arguments.making, &config)?;
    let evidence = &arguments.said.evidence(&config);
    let reader = terminal();
    for scenario in &scenarios {
        let work = async {
            let least = Box::pin(minimise::minimise(options.clone(), scenario, &sought, evidence, &reader)).await;
            least.map_err(Failure::from)
        };
        let least = interruptible(Box::pin(work)).await?;
        if let Some(folder) = &arguments.out {
            write(&least, folder).map_err(|error| {
                let message = format!("can't write the policies to `{}`: {error}", folder.display());
                Failure::new(exit::USAGE, message, "name a folder that can be made")
            })?;
        }
        answer::print(&if arguments.json { format!("{}\n", least.json()) } else { least.human() })?;
    }
    Ok(exit::PASSED)
}

fn write(least: &Least, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (which, document) in least.documents() {
        std::fs::write(folder.join(format!("{which}.json")), format!("{document:#}\n"))?;
    }
    Ok(())
}

fn explain(arguments: &Explain) -> Result<u8, Failure> {
    let request = arguments.asked()?;
    let given = arguments.names.given(explain::pseudo_parameters(&request));
    let layers = arguments.layers(&given)?;
    if layers.is_empty() {
        let hint = "name policies with `--identity`, `--iot`, `--resource-policy`, …";
        return Err(Failure::new(exit::USAGE, "no policy is given", hint));
    }
    answer::print(&if arguments.json {
        format!("{}\n", explain::json(&request, &layers))
    } else {
        explain::human(&request, &layers)
    })?;
    let decision = iam::decide(&layers.policies, &request.request());
    Ok(if decision.is_allowed() { exit::PASSED } else { exit::FINDING })
}

impl Explain {
    fn asked(&self) -> Result<cloud::event::Decision, Failure> {
        if let Some(folder) = &self.recorded {
            let evidence = recorded::evidence(folder)?;
            let asked = recorded::asked(&evidence);
            let place = folder.display().to_string();
            return Ok(recorded::choose(&asked, self.call.as_deref(), &place)?.decision.clone());
        }
        let request = match (&self.request, &self.action) {
            (Some(file), _) => Request::parse(&read(file)?, &file.display().to_string())?,
            (None, Some(action)) => Request {
                principal: self.principal.clone(),
                action: action.clone(),
                resource: self.resource.clone(),
                resource_account: self.resource_account.clone(),
                context: self.context.iter().map(|(key, value)| (key.clone(), context_value(value))).collect(),
            },
            (None, None) => {
                let hint = "pass `--action`, `--request FILE`, or `--recorded FOLDER` with `--call`";
                return Err(Failure::new(exit::USAGE, "no request is given", hint));
            }
        };
        Ok(request.asked(!self.iot.is_empty())?)
    }

    fn layers(&self, given: &Given) -> Result<Layers, Failure> {
        let mut layers = Layers::default();
        layers.identity(&self.identity, given)?;
        layers.iot(&self.iot, given)?;
        layers.session(&self.session, given)?;
        layers.scp(&self.scp, given)?;
        layers.rcp(&self.rcp, given)?;
        if let Some(boundary) = &self.boundary {
            layers.boundary(boundary, given)?;
        }
        if let Some(policy) = &self.resource_policy {
            layers.resource(policy, given)?;
        }
        Ok(layers)
    }
}

/// A JSON list is a multivalued key; anything else is a text.
fn context_value(text: &str) -> serde_json::Value {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Array(list)) => list.into(),
        _ => text.into(),
    }
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| {
        Failure::new(exit::USAGE, format!("can't read the request `{}`: {error}", file.display()), "name a JSON file")
    })
}
