//! Fleet status messages: which components the core has and in which state.

use crate::{
    config::{Config, NUCLEUS, VERSION},
    failure::Failure,
    kernel::Kernel,
    log::Line,
    mqtt::Mqtt,
    service::{Service, State, Trouble},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedReceiver;

const LOGGER: &str = "com.aws.greengrass.status.FleetStatusService";
/// The nucleus's own services, which complete messages list too.
const BUILT_IN: [&str; 4] = ["DeploymentService", "FleetStatusService", "TelemetryAgent", "UpdateSystemPolicyService"];

/// What the fleet status service is told, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The core is connected for the first time.
    Launch,
    /// A component has a new state.
    State { service: Arc<Service>, state: State, trouble: Trouble },
    /// A deployment began.
    DeploymentStarted,
    /// A deployment ended.
    DeploymentFinished(Box<Finished>),
}

/// The end of a deployment.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its id.
    pub(crate) id: String,
    /// Its configuration ARN.
    pub(crate) arn: String,
    /// `SUCCEEDED`, `FAILED` or `REJECTED`.
    pub(crate) status: &'static str,
    /// Its detailed status.
    pub(crate) detailed: &'static str,
    pub(crate) failure: Option<Failure>,
    /// Components that are gone.
    pub(crate) removed: Vec<Removed>,
    /// Configuration ARNs by root component.
    pub(crate) roots: BTreeMap<String, Vec<String>>,
}

/// A component that a deployment took away, as it was at its end.
#[derive(Debug)]
pub(crate) struct Removed {
    /// The component.
    pub(crate) service: Arc<Service>,
    /// Its state before it was closed.
    pub(crate) state: State,
    /// Its trouble then.
    pub(crate) trouble: Trouble,
}

/// The fleet status service.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) mqtt: Mqtt,
    roots: BTreeMap<String, Vec<String>>,
    deploying: bool,
    sequence: u64,
    /// Names of components that changed since the last message about all.
    changed: Vec<String>,
}

impl Fleet {
    pub(crate) fn new(kernel: Arc<Kernel>, mqtt: Mqtt) -> Self {
        Self { kernel, mqtt, roots: BTreeMap::new(), deploying: false, sequence: 0, changed: Vec::new() }
    }

    /// Publishes what comes until the core ends.
    pub(crate) async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Launch => {
                    let mut components: Vec<Value> =
                        self.kernel.all().iter().map(|service| self.component(service)).collect();
                    components.extend(BUILT_IN.map(|name| built_in(name, "RUNNING")));
                    components.push(built_in(NUCLEUS, "FINISHED"));
                    self.publish("COMPLETE", "NUCLEUS_LAUNCH", components, None).await;
                }
                Event::State { service, state, trouble } => self.state(&service, state, &trouble).await,
                Event::DeploymentStarted => self.deploying = true,
                Event::DeploymentFinished(finished) => self.finished(*finished).await,
            }
        }
    }

    async fn state(&mut self, service: &Arc<Service>, state: State, trouble: &Trouble) {
        if state == State::Errored {
            let component = self.described(service, state, trouble);
            return self.publish("PARTIAL", "COMPONENT_STATUS_CHANGE", vec![component], None).await;
        }
        if self.deploying || self.kernel.service(&service.name).is_none() {
            return;
        }
        if !self.changed.contains(&service.name) {
            self.changed.push(service.name.clone());
        }
        let services = self.kernel.all();
        let resting = |state| matches!(state, State::Running | State::Finished | State::Broken);
        if state == State::Broken || services.iter().all(|service| resting(service.state())) {
            let names = std::mem::take(&mut self.changed);
            let components = services.iter().filter(|service| names.contains(&service.name));
            let components = components.map(|service| self.component(service)).collect();
            self.publish("PARTIAL", "COMPONENT_STATUS_CHANGE", components, None).await;
        }
    }

    async fn finished(&mut self, finished: Finished) {
        self.deploying = false;
        self.changed.clear();
        self.roots = finished.roots;
        let mut components: Vec<Value> = self.kernel.all().iter().map(|service| self.component(service)).collect();
        for Removed { service, state, trouble } in &finished.removed {
            // Whatever still ran has been stopped.
            let state = if *state == State::Broken { State::Broken } else { State::Finished };
            components.push(self.described(service, state, trouble));
        }
        let mut details = json!({"detailedStatus": finished.detailed});
        if let Some(failure) = &finished.failure {
            details["failureCause"] = failure.cause().into();
            details["errorStack"] = json!(failure.stack());
            details["errorTypes"] = json!(failure.kinds());
        }
        let information = json!({
            "status": finished.status,
            "fleetConfigurationArnForStatus": finished.arn,
            "deploymentId": finished.id,
            "statusDetails": details,
            "unchangedRootComponents": [],
        });
        self.publish("PARTIAL", "THING_GROUP_DEPLOYMENT", components, Some(information)).await;
    }

    fn component(&self, service: &Service) -> Value {
        self.described(service, service.state(), &service.trouble())
    }

    fn described(&self, service: &Service, state: State, trouble: &Trouble) -> Value {
        let details = matches!(state, State::Errored | State::Broken)
            .then(|| json!({"statusCodes": [trouble.code], "statusReason": trouble.reason}));
        let arns = self.roots.get(&service.name);
        json!({
            "componentName": service.name,
            "version": service.spec().version.to_string(),
            "fleetConfigArns": arns.cloned().unwrap_or_default(),
            "componentStatusDetails": details,
            "isRoot": arns.is_some(),
            "status": state.to_string(),
        })
    }

    async fn publish(&mut self, kind: &str, trigger: &str, components: Vec<Value>, information: Option<Value>) {
        self.sequence += 1;
        let broken = self.kernel.all().iter().any(|service| service.state() == State::Broken);
        let config: &Config = &self.kernel.config;
        let now = OffsetDateTime::now_utc();
        let mut message = json!({
            "ggcVersion": VERSION,
            "platform": config.platform.get("os"),
            "architecture": config.platform.get("architecture"),
            "thing": config.thing,
            "overallDeviceStatus": if broken { "UNHEALTHY" } else { "HEALTHY" },
            "sequenceNumber": self.sequence,
            "timestamp": i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
            "messageType": kind,
            "trigger": trigger,
            "components": components,
        });
        if let Some(information) = information {
            message["deploymentInformation"] = information;
        }
        self.mqtt.publish(&format!("$aws/things/{}/greengrassv2/health/json", config.thing), &message).await;
        let line = Line::info(LOGGER).event("fss-status-update-published");
        self.kernel.logs.nucleus(&line.message("Status update published to FSS").with("trigger", trigger));
    }
}

fn built_in(name: &str, status: &str) -> Value {
    json!({
        "componentName": name, "version": VERSION, "fleetConfigArns": [], "componentStatusDetails": null,
        "isRoot": false, "status": status,
    })
}
