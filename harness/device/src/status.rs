//! What becomes of deployments, told to the channel that each came by.
//!
//! A status that its channel has not taken is kept, over a restart too, and offered again before any later one of that
//! channel.

mod kept;

use crate::{
    failure::Failure,
    fleet,
    jobs::Jobs,
    kernel::Kernel,
    log::Line,
    queue::{Item, Kind},
    shadow::Shadow,
};
use serde_json::{Map, Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const LOGGER: &str = "com.aws.greengrass.deployment.DeploymentStatusKeeper";
/// The longest value that IoT Jobs takes, in characters.
const LONGEST: usize = 1024;

/// One status of one deployment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    /// The job's id, the configuration's ARN, or the local request's id.
    pub(crate) id: String,
    /// The deployment's own id; empty if the document has none.
    pub(crate) deployment: String,
    /// The configuration's ARN; empty for a local deployment.
    pub(crate) arn: String,
    /// `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `REJECTED` or `CANCELED`.
    pub(crate) status: &'static str,
    pub(crate) details: Details,
    /// The root components of the document.
    pub(crate) roots: Vec<String>,
}

impl Report {
    /// A status without details.
    pub(crate) fn new(item: &Item, deployment: &str, arn: &str, status: &'static str) -> Self {
        Self {
            kind: item.kind,
            id: item.id.clone(),
            deployment: deployment.into(),
            arn: arn.into(),
            status,
            details: Details::default(),
            roots: Vec::new(),
        }
    }

    /// Adds the names of the document's root components.
    pub(crate) fn roots<'a>(mut self, roots: impl IntoIterator<Item = &'a String>) -> Self {
        self.roots = roots.into_iter().cloned().collect();
        self
    }

    /// Adds what more there is to say.
    pub(crate) fn with(mut self, details: Details) -> Self {
        self.details = details;
        self
    }
}

/// What a status says beyond its name; empty while a deployment is in progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Details {
    /// The detailed status.
    pub(crate) detailed: Option<String>,
    /// Why it failed.
    pub(crate) cause: Option<String>,
    /// The error codes, outermost first.
    pub(crate) stack: Vec<String>,
    /// The error types.
    pub(crate) types: Vec<String>,
}

impl Details {
    /// The details of a deployment that is over; one that the nucleus stumbled over has no detailed status.
    pub(crate) fn new(detailed: Option<&str>, failure: Option<&Failure>) -> Self {
        let texts = |of: Vec<&str>| of.into_iter().map(str::to_owned).collect();
        Self {
            detailed: detailed.map(str::to_owned),
            cause: failure.map(Failure::cause),
            stack: failure.map(|failure| texts(failure.stack())).unwrap_or_default(),
            types: failure.map(|failure| texts(failure.kinds())).unwrap_or_default(),
        }
    }

    /// The `statusDetails` of an IoT job: flat, with lists as JSON text.
    pub(crate) fn flat(&self) -> Value {
        let mut map = Map::new();
        let mut add = |key: &str, text: String| {
            map.insert(key.into(), text.chars().take(LONGEST).collect::<String>().into());
        };
        if let Some(detailed) = &self.detailed {
            add("detailed-deployment-status", detailed.clone());
        }
        if let Some(cause) = &self.cause {
            add("deployment-failure-cause", cause.clone());
            add("deployment-error-stack", Value::from(self.stack.clone()).to_string());
            add("deployment-error-types", Value::from(self.types.clone()).to_string());
        }
        Value::Object(map)
    }

    /// The `statusDetails` of a fleet status message.
    pub(crate) fn plain(&self) -> Value {
        let failed = self.cause.is_some();
        json!({
            "detailedStatus": self.detailed,
            "failureCause": self.cause,
            "errorStack": failed.then_some(&self.stack),
            "errorTypes": failed.then_some(&self.types),
        })
    }
}

/// Keeps statuses until their channel has taken them.
#[derive(Debug)]
pub(crate) struct Keeper {
    kernel: Arc<Kernel>,
    jobs: Arc<Jobs>,
    shadow: Arc<Shadow>,
    /// With the keys that they are kept under.
    pending: Mutex<VecDeque<(String, Report)>>,
    /// By kind, held while its statuses are delivered, so that their order holds.
    delivery: [tokio::sync::Mutex<()>; 3],
}

impl Keeper {
    pub(crate) fn new(kernel: Arc<Kernel>, jobs: Arc<Jobs>, shadow: Arc<Shadow>) -> Arc<Self> {
        let pending = Mutex::new(kernel.config.configuration.read(kept::all).into());
        Arc::new(Self { kernel, jobs, shadow, pending, delivery: Default::default() })
    }

    /// Stores a status and offers it to its channel.
    pub(crate) async fn report(&self, report: Report) {
        let line = Line::info(LOGGER).message("Stored deployment status").with("DeploymentId", &report.id);
        let line = line.with("GreengrassDeploymentId", &report.deployment).with("DeploymentStatus", report.status);
        self.kernel.logs.nucleus(&line);
        let kind = report.kind;
        let key = self.kernel.config.configuration.change(|tree| kept::keep(tree, &report));
        self.pending().push_back((key, report));
        self.deliver(kind).await;
    }

    /// Offers what is kept for a channel, in its order, until the channel doesn't take one.
    pub(crate) async fn deliver(&self, kind: Kind) {
        let _one_at_a_time = self.delivery[kind as usize].lock().await;
        loop {
            let first = self.pending().iter().find(|(_, report)| report.kind == kind).cloned();
            let Some((key, report)) = first else { return };
            let taken = match kind {
                Kind::Job => self.jobs.update(&report).await,
                Kind::Shadow => {
                    self.shadow.update(&report);
                    true
                }
                Kind::Local => {
                    if let Some(local) = self.kernel.local() {
                        local.update(&report);
                    }
                    true
                }
            };
            if !taken {
                return;
            }
            self.pending().retain(|(known, _)| *known != key);
            self.kernel.config.configuration.change(|tree| kept::forget(tree, &key));
            self.kernel.report(fleet::Event::Deployment(Box::new(report)));
        }
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<(String, Report)>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flat_details() {
        assert_eq!(Details::default().flat(), json!({}));
        let failure = Failure::new("x".repeat(2000), &["COMPONENT_UPDATE_ERROR"]).kind("USER_COMPONENT_ERROR");
        let details = Details::new(Some("FAILED_NO_STATE_CHANGE"), Some(&failure)).flat();
        assert_eq!(details["detailed-deployment-status"], "FAILED_NO_STATE_CHANGE");
        assert_eq!(details["deployment-failure-cause"].as_str().unwrap().len(), LONGEST);
        assert_eq!(details["deployment-error-stack"], "[\"DEPLOYMENT_FAILURE\",\"COMPONENT_UPDATE_ERROR\"]");
        assert_eq!(details["deployment-error-types"], "[\"USER_COMPONENT_ERROR\"]");
    }
}
