//! Fleet status messages: which components the core has and in which state.

mod message;

use crate::{
    clock::Moment,
    config::{NUCLEUS, VERSION},
    kernel::Kernel,
    log::Line,
    mqtt::Mqtt,
    platform::Attributes,
    queue::Kind,
    service::{Service, State, Trouble},
    status::Report,
    tes, tree,
};
use message::Component;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedReceiver;

/// Where the configuration keeps the next message's number.
const SEQUENCE: [&str; 4] = ["services", "FleetStatusService", "runtime", "sequenceNumber"];
const LOGGER: &str = "com.aws.greengrass.status.FleetStatusService";
/// The nucleus's own services, which complete messages list too.
pub(crate) const BUILT_IN: [&str; 4] =
    ["DeploymentService", "FleetStatusService", "TelemetryAgent", "UpdateSystemPolicyService"];
/// The shortest and usual time between complete messages.
const CADENCE: u64 = 86_400;
/// The shortest time between messages.
const SPACING: Duration = Duration::from_secs(3);
/// The shortest time between messages of reconnections that have nothing to tell.
const RECONNECTION: Duration = Duration::from_mins(1);

/// What the fleet status service is told, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The core has started its components.
    Launch,
    /// The connection to the cloud is lost.
    Interrupted,
    /// There is a connection again.
    Resumed,
    /// A component has a new state.
    State { service: Arc<Service>, state: State, trouble: Trouble },
    /// The ARNs of the configurations that brought each component, and which components they name, from now on.
    Groups { arns: BTreeMap<String, Vec<String>>, roots: BTreeSet<String> },
    /// The channel of a deployment has taken a status of it.
    Deployment(Box<Report>),
}

/// The fleet status service.
#[derive(Debug)]
pub(crate) struct Fleet {
    kernel: Arc<Kernel>,
    mqtt: Mqtt,
    /// The platform as it was at the start (`FleetStatusService` asks for it once).
    platform: Attributes,
    launched: bool,
    connected: bool,
    deploying: bool,
    sequence: u64,
    arns: BTreeMap<String, Vec<String>>,
    roots: BTreeSet<String>,
    /// Components that are not yet known to be gone.
    known: BTreeMap<String, Arc<Service>>,
    /// Names of components with changes to tell.
    changed: BTreeSet<String>,
    /// Until when a reconnection without news is not told.
    quiet: Option<Moment>,
    /// From when on the next message may go out.
    last: Option<Moment>,
}

impl Fleet {
    pub(crate) fn new(kernel: Arc<Kernel>, mqtt: Mqtt) -> Self {
        let sequence = kernel.config.configuration.read(|tree| tree.get(&SEQUENCE));
        Self {
            platform: kernel.config.platform(),
            kernel,
            mqtt,
            launched: false,
            connected: true,
            deploying: false,
            sequence: sequence.and_then(|sequence| sequence.as_u64()).unwrap_or_default(),
            arns: BTreeMap::new(),
            roots: BTreeSet::new(),
            known: BTreeMap::new(),
            changed: BTreeSet::new(),
            quiet: None,
            last: None,
        }
    }

    /// Publishes what comes until the core ends.
    pub(crate) async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        let clock = self.kernel.config.clock;
        let cadence = Duration::from_secs(cadence(&self.kernel.config.nucleus()));
        // The devices of a fleet shall not all report at the same time.
        let mut due = clock.after(rand::random_range(Duration::ZERO..=cadence));
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { return };
                    self.happened(event);
                }
                () = clock.sleep_until(due) => {
                    due = clock.after(cadence);
                    if !self.deploying && self.connected {
                        self.complete("CADENCE");
                    }
                }
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Launch => {
                self.launched = true;
                self.complete("NUCLEUS_LAUNCH");
            }
            Event::Interrupted => self.connected = false,
            Event::Resumed => {
                self.connected = true;
                self.resumed();
            }
            Event::State { service, state, trouble } => self.state(&service, state, &trouble),
            Event::Groups { arns, roots } => (self.arns, self.roots) = (arns, roots),
            Event::Deployment(report) if report.status == "IN_PROGRESS" => self.deploying = true,
            Event::Deployment(report) => self.deployed(&report),
        }
    }

    /// A message about everything.
    fn complete(&mut self, trigger: &str) {
        let services = self.kernel.all();
        let arns: BTreeSet<&String> = self.arns.values().flatten().collect();
        let built_in = |name: &str, version: &str, status| Component {
            name: name.into(),
            version: version.into(),
            arns: arns.iter().map(ToString::to_string).collect(),
            details: None,
            root: false,
            status,
        };
        let mut components: Vec<Component> = services.iter().map(|service| self.component(service)).collect();
        components.extend(BUILT_IN.map(|name| built_in(name, "0.0.0", State::Running)));
        components.push(built_in(NUCLEUS, VERSION, State::Finished));
        self.publish("COMPLETE", trigger, &components, None);
    }

    fn state(&mut self, service: &Arc<Service>, state: State, trouble: &Trouble) {
        self.known.insert(service.name.clone(), service.clone());
        self.changed.insert(service.name.clone());
        if state == State::Errored {
            // During a deployment the others' configuration may not be settled yet.
            if self.deploying {
                let component = self.described(service, state, trouble);
                return self.publish("PARTIAL", "COMPONENT_STATUS_CHANGE", &[component], None);
            }
            let others = self.changes().into_iter().filter(|other| other.name != service.name);
            let components: Vec<Component> = others.chain([self.described(service, state, trouble)]).collect();
            return self.changes_of_state(&components);
        }
        if self.deploying {
            return;
        }
        let resting = |state| matches!(state, State::Running | State::Finished | State::Broken);
        let settled = || self.kernel.all().iter().all(|service| service.is_settled() && resting(service.state()));
        if state == State::Broken || (resting(state) && settled()) {
            let components = self.changes();
            self.changes_of_state(&components);
        }
    }

    fn changes_of_state(&mut self, components: &[Component]) {
        let telling = components.iter().any(|component| component.name != tes::NAME);
        if telling && self.may_publish(false) {
            self.changed.clear();
            self.publish("PARTIAL", "COMPONENT_STATUS_CHANGE", components, None);
        }
    }

    fn resumed(&mut self) {
        self.forget_removed();
        let clock = self.kernel.config.clock;
        let quiet = self.quiet.is_some_and(|until| clock.now() < until);
        if (self.changed.is_empty() && quiet) || !self.may_publish(false) {
            return;
        }
        let components = self.changes();
        self.changed.clear();
        self.publish("PARTIAL", "RECONNECT", &components, None);
        self.quiet = Some(clock.after(RECONNECTION));
    }

    fn deployed(&mut self, report: &Report) {
        self.deploying = false;
        let (trigger, cloud) = match report.kind {
            Kind::Job => ("THING_GROUP_DEPLOYMENT", true),
            Kind::Shadow => ("THING_DEPLOYMENT", true),
            Kind::Local => ("LOCAL_DEPLOYMENT", false),
        };
        if !self.may_publish(cloud) {
            return;
        }
        let new = self.kernel.all().into_iter().filter(|service| service.state() == State::New);
        self.changed.extend(new.map(|service| service.name.clone()));
        let removed = self.forget_removed();
        let mut components = self.changes();
        components.extend(removed.iter().map(|service| {
            // Whatever still ran has been stopped.
            let state = if service.state() == State::Broken { State::Broken } else { State::Finished };
            self.described(service, state, &service.trouble())
        }));
        let changed = std::mem::take(&mut self.changed);
        let unchanged: Vec<&String> = report.roots.iter().filter(|name| !changed.contains(*name)).collect();
        let information = json!({
            "status": report.status,
            "statusDetails": report.details.plain(),
            "fleetConfigurationArnForStatus": Some(&report.arn).filter(|arn| !arn.is_empty()),
            "deploymentId": report.deployment,
            "unchangedRootComponents": unchanged,
        });
        self.publish("PARTIAL", trigger, &components, Some(information));
    }

    /// Components that are gone since the last look.
    fn forget_removed(&mut self) -> Vec<Arc<Service>> {
        let present: BTreeSet<String> = self.kernel.all().into_iter().map(|service| service.name.clone()).collect();
        let gone: Vec<String> = self.known.keys().filter(|name| !present.contains(*name)).cloned().collect();
        gone.iter().filter_map(|name| self.known.remove(name)).collect()
    }

    fn changes(&self) -> Vec<Component> {
        let services = self.kernel.all();
        let changed = services.iter().filter(|service| self.changed.contains(&service.name));
        changed.map(|service| self.component(service)).collect()
    }

    fn may_publish(&self, cloud: bool) -> bool {
        self.launched && (self.connected || cloud)
    }

    fn component(&self, service: &Service) -> Component {
        self.described(service, service.state(), &service.trouble())
    }

    fn described(&self, service: &Service, state: State, trouble: &Trouble) -> Component {
        let troubled = matches!(state, State::Errored | State::Broken);
        let arns = self.arns.get(&service.name);
        let own = service.name == tes::NAME;
        Component {
            name: service.name.clone(),
            version: service.spec().version.to_string(),
            // The nucleus's own services belong to everybody.
            arns: if own { self.every_arn() } else { arns.cloned().unwrap_or_default() },
            details: troubled.then(|| trouble.clone()),
            root: self.roots.contains(&service.name) && !own,
            status: state,
        }
    }

    fn every_arn(&self) -> Vec<String> {
        let arns: BTreeSet<&String> = self.arns.values().flatten().collect();
        arns.into_iter().cloned().collect()
    }

    fn publish(&mut self, kind: &str, trigger: &str, components: &[Component], information: Option<Value>) {
        let broken = self.kernel.all().iter().any(|service| service.state() == State::Broken);
        let config = &self.kernel.config;
        let now = OffsetDateTime::now_utc();
        let mut common = json!({
            "ggcVersion": VERSION,
            "platform": self.platform.get("os"),
            "architecture": self.platform.get("architecture"),
            "thing": config.thing,
            "overallDeviceStatus": if broken { "UNHEALTHY" } else { "HEALTHY" },
            "sequenceNumber": self.sequence,
            "timestamp": i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
            "messageType": kind,
            "trigger": trigger,
        });
        self.sequence += 1;
        let (next, now) = (self.sequence.into(), crate::configuration::now());
        self.kernel.config.configuration.change(|tree| tree.replace(&SEQUENCE, &next, now));
        if let Some(information) = information {
            common["deploymentInformation"] = information;
        }
        let topic = format!("$aws/things/{}/greengrassv2/health/json", config.thing);
        let messages = message::chunks(&common, components.iter().map(Component::value).collect());
        let line = Line::info(LOGGER).event("fss-status-update-published");
        let line = line.message("Status update published to FSS").with("trigger", trigger);
        let (mqtt, logs, clock) = (self.mqtt.clone(), self.kernel.logs.clone(), config.clock);
        let publish = move || {
            for message in messages {
                mqtt.publish(&topic, &message);
            }
            logs.nucleus(&line);
        };
        let due = self.due(trigger);
        match due {
            None => publish(),
            Some(due) => {
                tokio::spawn(async move {
                    clock.sleep_until(due).await;
                    publish();
                });
            }
        }
    }

    /// When a message may go out, if it is to wait for that: with real timing, changes of state keep apart.
    fn due(&mut self, trigger: &str) -> Option<Moment> {
        let clock = self.kernel.config.clock;
        let earliest = self.last.filter(|earliest| clock.is_real() && clock.now() < *earliest);
        self.last = Some(earliest.map_or_else(|| clock.after(SPACING), |earliest| clock.later(earliest, SPACING)));
        earliest.filter(|_| trigger == "COMPONENT_STATUS_CHANGE")
    }
}

/// Seconds between complete messages; a shorter time than the usual one isn't taken.
fn cadence(nucleus: &Value) -> u64 {
    let configured = tree::get(nucleus, "fleetStatus")
        .and_then(|status| tree::text(status, "periodicStatusPublishIntervalSeconds")?.parse().ok());
    configured.filter(|seconds| *seconds >= CADENCE).unwrap_or(CADENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{queue::Item, rig::Rig, service::Spec, status::Details};

    #[test]
    fn the_cadence_has_a_floor() {
        fidelity::fidelity!("core-fleet-5");
        let of = |seconds: u64| cadence(&json!({"fleetStatus": {"periodicStatusPublishIntervalSeconds": seconds}}));
        assert_eq!(of(60), 86_400);
        assert_eq!(of(90_000), 90_000);
        assert_eq!(cadence(&json!({})), 86_400);
    }

    fn spec() -> Spec {
        Spec {
            version: semver::Version::new(1, 0, 0),
            arn: String::new(),
            lifecycle: json!({}),
            configuration: json!({}),
            dependencies: Vec::new(),
            user: None,
        }
    }

    fn finished(kind: Kind, roots: &[&str]) -> Event {
        let item = Item::new(kind, "id", Value::Null);
        let details = Details::new(Some("SUCCESSFUL"), None);
        let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
        let report = Report::new(&item, "d", "arn:1", "SUCCEEDED").with(details).roots(&roots);
        Event::Deployment(Box::new(report))
    }

    struct World {
        rig: Rig,
        fleet: Fleet,
    }

    impl World {
        fn new() -> Self {
            let rig = Rig::new();
            let mut fleet = Fleet::new(rig.kernel.clone(), rig.mqtt.clone());
            fleet.happened(Event::Launch);
            Self { rig, fleet }
        }

        /// The messages since the last look.
        fn messages(&mut self) -> Vec<Value> {
            self.rig.outbox.published().into_iter().map(|(_, message)| message).collect()
        }

        /// Has a component that came to rest without a script.
        async fn component(&mut self, name: &str) {
            self.rig.kernel.define(name, spec());
            loop {
                let event = self.rig.events.recv().await.unwrap();
                let last = matches!(&event, Event::State { state: State::Finished, .. });
                self.fleet.happened(event);
                if last {
                    return;
                }
            }
        }
    }

    #[tokio::test]
    async fn launch_is_complete_and_numbers_increase() {
        fidelity::fidelity!("core-fleet-2");
        let mut world = World::new();
        let first = world.messages().remove(0);
        assert_eq!((&first["messageType"], &first["trigger"]), (&json!("COMPLETE"), &json!("NUCLEUS_LAUNCH")));
        assert_eq!(first["sequenceNumber"], 0);
        assert_eq!(first["components"].as_array().unwrap().len(), BUILT_IN.len() + 1);
        world.fleet.happened(finished(Kind::Shadow, &[]));
        let second = world.messages().remove(0);
        assert_eq!((&second["messageType"], &second["trigger"]), (&json!("PARTIAL"), &json!("THING_DEPLOYMENT")));
        assert_eq!(second["sequenceNumber"], 1);
        assert!(world.rig.log().contains("Status update published to FSS. {trigger=THING_DEPLOYMENT, serviceName=Fl"));
    }

    #[tokio::test]
    async fn a_deployment_tells_changes_and_a_removed_component_once() {
        fidelity::fidelity!("core-fleet-2");
        let mut world = World::new();
        world.fleet.happened(Event::Deployment(Box::new(Report::new(
            &Item::new(Kind::Job, "id", Value::Null),
            "d",
            "arn:1",
            "IN_PROGRESS",
        ))));
        world.component("A").await;
        world.messages();
        let arns = [("A".to_owned(), vec!["arn:1".to_owned()])].into();
        world.fleet.happened(Event::Groups { arns, roots: ["A".to_owned()].into() });
        world.fleet.happened(finished(Kind::Job, &["A", "B"]));
        let message = world.messages().remove(0);
        assert_eq!(message["trigger"], "THING_GROUP_DEPLOYMENT");
        let expected = json!([{"componentName": "A", "version": "1.0.0", "fleetConfigArns": ["arn:1"],
            "componentStatusDetails": null, "isRoot": true, "status": "FINISHED"}]);
        assert_eq!(message["components"], expected);
        assert_eq!(message["deploymentInformation"]["unchangedRootComponents"], json!(["B"]));
        assert_eq!(message["deploymentInformation"]["fleetConfigurationArnForStatus"], "arn:1");
        world.rig.kernel.remove("A").await;
        world.fleet.happened(finished(Kind::Local, &[]));
        let message = world.messages().remove(0);
        assert_eq!(message["trigger"], "LOCAL_DEPLOYMENT");
        assert_eq!(message["components"][0]["componentName"], "A");
        world.fleet.happened(finished(Kind::Local, &[]));
        assert_eq!(world.messages()[0]["components"], json!([]), "a removed component is told once");
    }

    #[tokio::test]
    async fn offline_only_cloud_deployments_are_told() {
        fidelity::fidelity!("core-fleet-6");
        let mut world = World::new();
        world.messages();
        world.fleet.happened(Event::Interrupted);
        world.component("A").await;
        world.fleet.happened(finished(Kind::Local, &[]));
        assert_eq!(world.messages(), Vec::<Value>::new());
        world.fleet.happened(Event::Resumed);
        let message = world.messages().remove(0);
        assert_eq!((&message["messageType"], &message["trigger"]), (&json!("PARTIAL"), &json!("RECONNECT")));
        assert_eq!(message["components"][0]["componentName"], "A");
        world.fleet.happened(Event::Interrupted);
        world.fleet.happened(Event::Resumed);
        assert_eq!(world.messages(), Vec::<Value>::new(), "nothing new within a minute");
        world.fleet.happened(Event::Interrupted);
        world.fleet.happened(finished(Kind::Job, &[]));
        assert_eq!(world.messages()[0]["trigger"], "THING_GROUP_DEPLOYMENT");
    }

    #[tokio::test]
    async fn an_error_is_told_at_once_with_its_reason() {
        fidelity::fidelity!("core-fleet-3");
        let mut world = World::new();
        world.component("A").await;
        world.messages();
        let service = world.rig.kernel.service("A").unwrap();
        let trouble = Trouble { code: "RUN_ERROR", reason: "it ended".into() };
        world.fleet.happened(Event::State { service, state: State::Errored, trouble });
        let message = world.messages().remove(0);
        assert_eq!(message["trigger"], "COMPONENT_STATUS_CHANGE");
        assert_eq!(message["components"][0]["status"], "ERRORED");
        let details = json!({"statusCodes": ["RUN_ERROR"], "statusReason": "it ended"});
        assert_eq!(message["components"][0]["componentStatusDetails"], details);
        assert_eq!(message["overallDeviceStatus"], "HEALTHY");
    }
}
