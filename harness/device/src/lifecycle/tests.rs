//! The state machine with real scripts, run as our own user.

mod change;
mod dependency;
mod errors;
mod steps;
mod stop;
mod time;
mod token_exchange;

use super::*;
use crate::{
    clock::{Clock, Speed},
    config::Config,
    credentials::Provider,
    fleet::Event,
    log::Logs,
    service::State::{self, *},
    store::Store,
};
use fidelity::fidelity;
use semver::Version;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt};
use tempfile::TempDir;
use tokio::sync::mpsc;

struct World {
    folder: TempDir,
    kernel: Arc<Kernel>,
    events: mpsc::UnboundedReceiver<Event>,
    /// The states that nobody has asked for yet.
    seen: BTreeMap<String, Vec<State>>,
}

impl World {
    fn new() -> Self {
        Self::with_speed(1.0)
    }

    fn with_speed(speed: f64) -> Self {
        let own = fs::metadata("/proc/self").unwrap();
        Self::with_user(speed, Some(&format!("{}:{}", own.uid(), own.gid())))
    }

    fn with_user(speed: f64, user: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let config = json!({
            "system": {"thingName": "T", "certificateFilePath": "c", "privateKeyPath": "k", "rootCaPath": "r"},
            "services": {"aws.greengrass.Nucleus": {"configuration": {
                "awsRegion": "eu-west-1", "iotDataEndpoint": "d", "iotCredEndpoint": "c", "iotRoleAlias": "A",
                "runWithDefault": {"posixUser": user}}}},
        });
        fs::write(&file, config.to_string()).unwrap();
        let config = Config::load(&file, folder.path()).unwrap();
        let config = Config { clock: Clock::new(Speed::try_from(speed).unwrap()), ..config };
        let store = Store::open(folder.path()).unwrap();
        let logs = Arc::new(Logs::new(&store.logs()));
        let provider = Arc::new(Provider::for_tests(&config, logs.clone()));
        let (sender, events) = mpsc::unbounded_channel();
        Self { kernel: Kernel::new(config, store, logs, provider, sender), events, folder, seen: BTreeMap::new() }
    }

    fn add(&self, name: &str, lifecycle: Value, dependencies: &[&str]) {
        self.define(name, Version::new(1, 0, 0), lifecycle, dependencies, None);
    }

    fn define(&self, name: &str, version: Version, lifecycle: Value, dependencies: &[&str], user: Option<&str>) {
        self.kernel.store.make_folders(name, &version).unwrap();
        let spec = Spec {
            version,
            arn: String::new(),
            lifecycle,
            configuration: json!({}),
            dependencies: dependencies.iter().map(|name| ((*name).to_owned(), true)).collect(),
            user: user.map(Into::into),
        };
        self.kernel.define(name, spec);
    }

    /// The states of a component up to `last`.
    async fn states(&mut self, of: &str, last: State) -> Vec<State> {
        loop {
            let seen = self.seen.entry(of.into()).or_default();
            if let Some(index) = seen.iter().position(|state| *state == last) {
                return seen.drain(..=index).collect();
            }
            let event = tokio::time::timeout(Duration::from_secs(20), self.events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("{of} doesn't reach {last}, only {seen:?}"));
            if let Some(Event::State { service, state, .. }) = event {
                self.seen.entry(service.name.clone()).or_default().push(state);
            }
        }
    }

    fn service(&self, name: &str) -> Arc<Service> {
        self.kernel.service(name).unwrap()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("logs/{name}.log"))).unwrap()
    }

    /// The lines of a log without time stamp and thread, each as `[LEVEL] TEXT`, whose text contains `part`.
    fn lines(&self, log: &str, part: &str) -> Vec<String> {
        let log = self.log(log);
        let lines = log.lines().filter_map(|line| {
            let (head, text) = line.split_once(": ")?;
            let level = head.split(' ').nth(1)?;
            text.contains(part).then(|| format!("{level} {text}"))
        });
        lines.collect()
    }

    fn work(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.folder.path().join("work").join(name).join(file)).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_run_that_ends_well_finishes() {
    fidelity!("core-lifecycle-1", "core-lifecycle-2");
    let mut world = World::new();
    let lifecycle = json!({
        "Setenv": {"A": "1", "B": "2"},
        "Install": {"Script": "true"},
        "Run": {"Script": "echo $A $B $GGC_VERSION", "Setenv": {"B": "3"}},
    });
    world.add("a.B", lifecycle, &[]);
    assert_eq!(world.states("a.B", Finished).await, [Installed, Starting, Running, Stopping, Finished]);
    let log = world.log("a.B");
    let version = crate::config::VERSION;
    let said = format!("a.B: stdout. 1 3 {version}. {{scriptName=services.a.B.lifecycle.Run.Script, serviceName=a.B,");
    assert!(log.contains(&said), "{log}");
    assert!(log.contains("Run script exited. {exitCode=0, serviceName=a.B, currentState=RUNNING}"));
    assert!(log.contains(r#"currentState=NEW, command=["true"]}"#));
    let own = |text: &str| format!("[INFO] {text}");
    let nucleus: Vec<String> = world.lines("greengrass", "serviceName=a.B");
    assert_eq!(
        nucleus,
        [
            own("service-set-state. {serviceName=a.B, currentState=NEW, newState=INSTALLED}"),
            own("service-set-state. {serviceName=a.B, currentState=INSTALLED, newState=STARTING}"),
            own("service-set-state. {serviceName=a.B, currentState=STARTING, newState=RUNNING}"),
            own("Run script exited. {exitCode=0, serviceName=a.B, currentState=RUNNING}"),
            own("generic-service-stopping. Service finished running. {serviceName=a.B, currentState=RUNNING}"),
            own("service-set-state. {serviceName=a.B, currentState=RUNNING, newState=STOPPING}"),
            own("Shutdown initiated. {serviceName=a.B, currentState=STOPPING}"),
            own("generic-service-shutdown. {serviceName=a.B, currentState=STOPPING}"),
            own("service-set-state. {serviceName=a.B, currentState=STOPPING, newState=FINISHED}"),
        ]
    );
}

#[tokio::test]
async fn nothing_to_do_finishes_too() {
    fidelity!("core-lifecycle-15");
    let mut world = World::new();
    world.add("a.B", json!({}), &[]);
    assert_eq!(world.states("a.B", Finished).await, [Installed, Starting, Finished]);
    assert_eq!(
        world.lines("greengrass", "Nothing done"),
        ["[INFO] generic-service-finished. Nothing done. {serviceName=a.B, currentState=STARTING}"]
    );
    assert!(world.service("a.B").is_settled());
}

#[tokio::test]
async fn startup_makes_a_component_running() {
    fidelity!("core-lifecycle-5");
    let mut world = World::new();
    world.add("a.B", json!({"startup": "echo up", "run": "echo never"}), &[]);
    assert_eq!(world.states("a.B", Running).await, [Installed, Starting, Running]);
    assert_eq!(world.lines("a.B", "Startup script exited").len(), 1);
    assert_eq!(
        world.lines("greengrass", "Startup script exited"),
        ["[INFO] Startup script exited. {exitCode=0, serviceName=a.B, currentState=STARTING}"]
    );
    assert!(!world.log("a.B").contains("never"));
    assert!(!world.service("a.B").may_still_exit());
}
