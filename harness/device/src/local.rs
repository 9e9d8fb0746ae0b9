//! Local deployments: what the component `aws.greengrass.Cli` offers to people on the device.
//!
//! While the component runs, the core listens on a socket of its own below the nucleus's root, beside the one of
//! Greengrass IPC, and keeps a token in a file for each principal that may use it. `greengrass-cli` reads that file.

pub(crate) mod client;
mod logs;
mod options;
mod server;

use crate::{
    config::{NUCLEUS, VERSION},
    kernel::Kernel,
    log::Line,
    queue::{Item, Kind, Queue},
    service::Request as ServiceRequest,
    status::{Details, Report},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

pub(crate) use server::{Endpoint, start};

/// Name of the component.
pub(crate) const NAME: &str = "aws.greengrass.Cli";
const LOGGER: &str = "com.aws.greengrass.cli.CLIEventStreamAgent";
/// Folder of the token files, below the nucleus's root.
const TOKENS: &str = "cli_ipc_info";
const CREATED: &[BorrowedFormatItem<'_>] = format_description!("[day]-[month]-[year] [hour]:[minute]:[second] UTC");

/// What the command line asks the core for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "operation")]
enum Request {
    CreateLocalDeployment { deployment: Value },
    CancelLocalDeployment { id: String },
    GetLocalDeploymentStatus { id: String },
    ListLocalDeployments,
    ListComponents,
    GetComponentDetails { name: String },
    RestartComponent { name: String },
    StopComponent { name: String },
}

/// Why the core refuses, as the real one's errors are called.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, thiserror::Error)]
#[error("software.amazon.awssdk.aws.greengrass.model.{kind}: {message}")]
struct Refusal {
    kind: String,
    message: String,
}

impl Refusal {
    fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into() }
    }
}

/// A deployment as the command line knows it.
#[derive(Clone, Debug)]
struct Deployment {
    id: String,
    created: OffsetDateTime,
    status: String,
    details: Details,
}

/// The local channel.
#[derive(Debug)]
pub(crate) struct Local {
    queue: Arc<Queue>,
    deployments: Mutex<Vec<Deployment>>,
}

impl Local {
    pub(crate) fn new(queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { queue, deployments: Mutex::default() })
    }

    /// Takes a status of a local deployment.
    pub(crate) fn update(&self, report: &Report) {
        let mut deployments = self.deployments();
        let known = deployments.iter().position(|known| known.id == report.id);
        let created = known.map_or_else(OffsetDateTime::now_utc, |place| deployments[place].created);
        let deployment = Deployment {
            id: report.id.clone(),
            created,
            status: report.status.into(),
            details: report.details.clone(),
        };
        match known {
            Some(place) => deployments[place] = deployment,
            None => deployments.push(deployment),
        }
    }

    fn answer(&self, kernel: &Kernel, request: Request) -> Result<Value, Refusal> {
        match request {
            Request::CreateLocalDeployment { deployment } => self.create(kernel, deployment),
            Request::CancelLocalDeployment { id } => self.cancel(kernel, &id),
            Request::GetLocalDeploymentStatus { id } => self.status(&id),
            Request::ListLocalDeployments => {
                self.forget_lost();
                Ok(self.deployments().iter().map(Deployment::value).collect())
            }
            Request::ListComponents => Ok(components(kernel)),
            Request::GetComponentDetails { name } => {
                let all = components(kernel);
                let mut found = all.as_array().into_iter().flatten();
                found.find(|component| component["name"] == *name).cloned().ok_or_else(|| missing(kernel, &name))
            }
            Request::RestartComponent { name } => ask(kernel, &name, ServiceRequest::Restart),
            Request::StopComponent { name } => ask(kernel, &name, ServiceRequest::Stop),
        }
    }

    fn create(&self, kernel: &Kernel, mut deployment: Value) -> Result<Value, Refusal> {
        let refused = |kind: &str, text: &str| {
            kernel.logs.nucleus(&Line::error(LOGGER).message(text));
            Err(Refusal::new(kind, text))
        };
        let artifacts = kernel.store.root().join("packages/artifacts");
        let parent = deployment["artifactsDirectoryPath"].as_str().filter(|path| !path.is_empty());
        if parent.is_some_and(|path| artifacts.starts_with(Path::new(path))) {
            let text = "Requested artifacts directory path is parent of kernel artifacts directory path. Specify \
                        another path to avoid recursive copy";
            return refused("InvalidArtifactsDirectoryPathError", text);
        }
        if deployment["groupName"].as_str().is_some_and(|name| name.contains(':')) {
            return Err(Refusal::new("InvalidArgumentsError", "Thing group name cannot contain colon characters"));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let now = OffsetDateTime::now_utc();
        deployment["requestId"] = id.clone().into();
        deployment["requestTimestamp"] = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0).into();
        self.forget_lost();
        let details = Details::default();
        self.deployments().push(Deployment { id: id.clone(), created: now, status: "QUEUED".into(), details });
        // Ids are new, so it can't be a repetition.
        self.queue.offer(Item::new(Kind::Local, &id, deployment));
        let line = Line::info(LOGGER).message("Submitted local deployment request.").with("DeploymentId", &id);
        kernel.logs.nucleus(&line);
        Ok(id.into())
    }

    fn cancel(&self, kernel: &Kernel, id: &str) -> Result<Value, Refusal> {
        check(id)?;
        let known = self.deployments().iter().find(|known| known.id == id).map(|known| known.status.clone());
        let Some(status) = known else {
            let text = format!("Cannot find the deployment id provided {id}");
            return Err(Refusal::new("ResourceNotFoundError", text));
        };
        if !matches!(status.as_str(), "QUEUED" | "IN_PROGRESS") {
            return Ok("Cancellation request is not processed because deployment is already finished".into());
        }
        self.queue.cancel_local(id);
        self.forget_lost();
        let line = Line::info(LOGGER).message("Submitted local deployment cancellation request");
        kernel.logs.nucleus(&line.with("DeploymentId", id));
        Ok(format!("Cancel request submitted. Deployment ID: {id}").into())
    }

    fn status(&self, id: &str) -> Result<Value, Refusal> {
        check(id)?;
        self.forget_lost();
        let deployments = self.deployments();
        let found = deployments.iter().find(|known| known.id == id).map(Deployment::value);
        found.ok_or_else(|| Refusal::new("ResourceNotFoundError", "Cannot find deployment"))
    }

    /// With an empty queue nothing can be queued: such a deployment was cancelled before it began.
    fn forget_lost(&self) {
        if self.queue.is_empty() {
            self.deployments().retain(|deployment| deployment.status != "QUEUED");
        }
    }

    fn deployments(&self) -> MutexGuard<'_, Vec<Deployment>> {
        self.deployments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deployment {
    fn value(&self) -> Value {
        json!({
            "id": self.id,
            "created": self.created.format(&CREATED).unwrap_or_default(),
            "status": self.status,
            "details": self.details.plain(),
        })
    }
}

fn check(id: &str) -> Result<(), Refusal> {
    let text = "Invalid deploymentId format received. DeploymentId is a UUID";
    uuid::Uuid::parse_str(id).map(drop).map_err(|_| Refusal::new("InvalidArgumentsError", text))
}

fn missing(kernel: &Kernel, name: &str) -> Refusal {
    if name.is_empty() {
        return Refusal::new("InvalidArgumentsError", "Component name cannot be empty");
    }
    let line = Line::error(LOGGER).message("Did not find the component with the given name in Greengrass");
    kernel.logs.nucleus(&line.with("ComponentName", name));
    Refusal::new("ResourceNotFoundError", format!("Component with name {name} not found in Greengrass"))
}

fn ask(kernel: &Kernel, name: &str, request: ServiceRequest) -> Result<Value, Refusal> {
    let service = kernel.service(name).ok_or_else(|| missing(kernel, name))?;
    // A request that isn't taken is told by the component's state alone.
    service.request(request);
    Ok(Value::Null)
}

/// The nucleus's own services, then the components.
fn components(kernel: &Kernel) -> Value {
    let component = |name: &str, version: &str, state: String, configuration: Value| {
        json!({"name": name,
            "version": version, "state": state, "configuration": configuration})
    };
    let own = crate::fleet::BUILT_IN.map(|name| component(name, "0.0.0", "RUNNING".into(), Value::Null));
    let nucleus = component(NUCLEUS, VERSION, "FINISHED".into(), kernel.config.nucleus());
    let services = kernel.all().into_iter().map(|service| {
        let (spec, state) = (service.spec(), service.state().to_string());
        let configuration = spec.configuration.as_object().filter(|tree| !tree.is_empty());
        let configuration = configuration.map_or(Value::Null, |tree| Value::Object(tree.clone()));
        component(&service.name, &spec.version.to_string(), state, configuration)
    });
    own.into_iter().chain([nucleus]).chain(services).collect()
}

#[cfg(test)]
mod tests;
