//! What is seen of a kept environment: its containers, and what its cloud has told of device and deployments.

use crate::{
    docker::{Engine, State},
    environment::Standing,
    evidence::Progress,
    journal::Journal,
    stage::Error,
};
use cloud::event::{Event, What};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// A device's components by name: version and state.
pub type Components = BTreeMap<String, (String, String)>;

/// A kept environment, as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// When it was raised, RFC 3339.
    pub raised: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Where its account's owner works; absent once that does not run.
    pub endpoint: Option<String>,
    /// The parts that do not run any more, with their exit codes.
    pub ended: BTreeMap<String, Option<i64>>,
    /// The device.
    pub device: Device,
    /// Its deployments in the order of their creation.
    pub deployments: Vec<Deployment>,
}

/// A device.
#[derive(Clone, Debug, Serialize)]
pub struct Device {
    /// The thing's name.
    pub thing: String,
    /// `HEALTHY` or `UNHEALTHY` as the device reported last; absent before it has.
    pub health: Option<String>,
    /// How often its core was started again.
    pub restarts: u64,
    /// Its components.
    pub components: Components,
}

/// A deployment.
#[derive(Clone, Debug, Serialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Its status, and what is known of a failure.
    pub status: String,
}

impl Status {
    /// Looks at a kept environment.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn of(engine: &Engine, standing: &Standing) -> Result<Self, Error> {
        let Standing { world, record, kept, aws, github, device, .. } = standing;
        let mut ended = BTreeMap::new();
        let github = github.iter().map(|github| ("github", github));
        for (role, container) in [("aws", aws), ("device", device)].into_iter().chain(github) {
            let State { running, exit_code, .. } = engine.state(&container.id).await?;
            if !running {
                ended.insert(role.to_owned(), exit_code);
            }
        }
        let events = told(engine, standing).await?;
        let (health, components) = reported(&events);
        Ok(Self {
            name: kept.name.clone(),
            raised: record.raised.clone(),
            account: world.account.clone(),
            region: world.region.clone(),
            endpoint: standing.port.map(|port| format!("http://127.0.0.1:{port}")),
            ended,
            device: Device {
                thing: world.thing.name.clone(),
                health,
                restarts: engine.restarts(device).await?,
                components,
            },
            deployments: deployments(&events),
        })
    }
}

/// The components that the device reported last.
///
/// # Errors
/// When the engine does not say.
pub(super) async fn components(engine: &Engine, standing: &Standing) -> Result<Components, Error> {
    let lines = engine.read_logs(&standing.aws).await?;
    // An environment that has stood for long has told much, of which nothing else counts.
    let mut reports = lines.iter().rev().filter(|line| line.contains("\"core-device\""));
    let last = reports.find_map(|line| {
        let event: Event = serde_json::from_str(line).ok()?;
        matches!(event.what, What::CoreDevice(_)).then_some(event)
    });
    Ok(reported(last.as_slice()).1)
}

/// The components that the device has after a deployment, once it has reported them.
pub(super) fn components_after(deployment: &str, events: &[Event]) -> Option<Components> {
    let of_it = |event: &Event| match &event.what {
        What::Fleet { message } => message["deploymentInformation"]["deploymentId"] == deployment,
        _ => false,
    };
    let after = &events[events.iter().position(of_it)?..];
    let known = after.iter().any(|event| matches!(event.what, What::CoreDevice(_)));
    known.then(|| reported(after).1)
}

/// What the cloud has told until now.
async fn told(engine: &Engine, standing: &Standing) -> Result<Vec<Event>, Error> {
    let journal = Journal::default();
    for line in engine.read_logs(&standing.aws).await? {
        journal.take(&line);
    }
    Ok(journal.events())
}

/// What the device reported last.
fn reported(events: &[Event]) -> (Option<String>, Components) {
    let known = events.iter().rev().find_map(|event| match &event.what {
        What::CoreDevice(known) => Some(known),
        _ => None,
    });
    let Some(known) = known else { return (None, BTreeMap::new()) };
    let components = known.components.iter().map(|(name, it)| (name.clone(), (it.version.clone(), it.state.clone())));
    let health = serde_json::to_value(known.status).ok().and_then(|status| Some(status.as_str()?.to_owned()));
    (health, components.collect())
}

fn deployments(events: &[Event]) -> Vec<Deployment> {
    let mut ids: Vec<&String> = Vec::new();
    for event in events {
        if let What::Job { deployment, .. } = &event.what
            && !ids.contains(&deployment)
        {
            ids.push(deployment);
        }
    }
    let status = |id: &String| Progress::of(id, events).map(|progress| progress.to_string()).unwrap_or_default();
    ids.into_iter().map(|id| Deployment { id: id.clone(), status: status(id) }).collect()
}

/// For a person.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { thing, health, restarts, components } = &self.device;
        writeln!(f, "{}, raised {}", self.name, self.raised)?;
        writeln!(f, "  endpoint    {}", self.endpoint.as_deref().unwrap_or("none"))?;
        writeln!(f, "  account     {} in {}", self.account, self.region)?;
        for (role, code) in &self.ended {
            let code = code.map_or_else(String::new, |code| format!(" with exit code {code}"));
            writeln!(f, "  ended       {role}{code}; `greenproof down --name {}` removes what is left", self.name)?;
        }
        let health = health.as_deref().unwrap_or("has reported nothing yet");
        let again =
            if *restarts > 0 { format!(", its core was started again {restarts} times") } else { String::new() };
        writeln!(f, "  device      {thing}: {health}{again}")?;
        for Deployment { id, status } in &self.deployments {
            writeln!(f, "  deployment  {id}: {status}")?;
        }
        for (name, (version, state)) in components {
            writeln!(f, "  component   {name} {version}: {state}")?;
        }
        Ok(())
    }
}
