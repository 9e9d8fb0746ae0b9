//! The state machine with real scripts, run as our own user.

use super::*;
use crate::{
    config::Config,
    credentials::Provider,
    fleet::Event,
    log::Logs,
    service::{Spec, State},
    store::Store,
};
use fidelity::fidelity;
use semver::Version;
use serde_json::{Value, json};
use std::{fs, os::unix::fs::MetadataExt};
use tempfile::TempDir;
use tokio::sync::mpsc;

struct World {
    folder: TempDir,
    kernel: Arc<Kernel>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = fs::metadata("/proc/self").unwrap();
        let file = folder.path().join("config.yaml");
        let user = format!("{}:{}", own.uid(), own.gid());
        let config = json!({
            "system": {"thingName": "T", "certificateFilePath": "c", "privateKeyPath": "k", "rootCaPath": "r"},
            "services": {"aws.greengrass.Nucleus": {"configuration": {
                "awsRegion": "eu-west-1", "iotDataEndpoint": "d", "iotCredEndpoint": "c", "iotRoleAlias": "A",
                "runWithDefault": {"posixUser": user}}}},
        });
        fs::write(&file, config.to_string()).unwrap();
        let config = Config::load(&file, folder.path()).unwrap();
        let store = Store::open(folder.path()).unwrap();
        let logs = Arc::new(Logs::new(&store.logs()));
        let provider = Arc::new(Provider::for_tests(&config, logs.clone()));
        let (sender, events) = mpsc::unbounded_channel();
        Self { kernel: Kernel::new(config, store, logs, provider, sender), events, folder }
    }

    fn add(&self, name: &str, lifecycle: Value, dependencies: &[&str]) {
        let version = Version::new(1, 0, 0);
        self.kernel.store.make_folders(name, &version).unwrap();
        let spec = Spec {
            version,
            arn: String::new(),
            lifecycle,
            configuration: json!({}),
            dependencies: dependencies.iter().map(|name| ((*name).to_owned(), true)).collect(),
            user: None,
        };
        self.kernel.define(name, spec);
    }

    /// States of a component up to one of the given.
    async fn states(&mut self, of: &str, last: State) -> Vec<State> {
        let mut states = Vec::new();
        while states.last() != Some(&last) {
            let event = tokio::time::timeout(std::time::Duration::from_secs(20), self.events.recv()).await;
            match event.expect("the component settles") {
                Some(Event::State { service, state, .. }) if service.name == of => states.push(state),
                _ => {}
            }
        }
        states
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("logs/{name}.log"))).unwrap()
    }
}

// [core-lifecycle-1] [core-lifecycle-2]
#[tokio::test]
async fn a_run_that_ends_well_finishes() {
    use State::{Finished, Installed, Running, Starting, Stopping};
    let mut world = World::new();
    let lifecycle = json!({
        "Setenv": {"A": "1", "B": "2"},
        "Install": {"Script": "true"},
        "Run": {"Script": "echo $A $B $GGC_VERSION", "Setenv": {"B": "3"}},
    });
    world.add("a.B", lifecycle, &[]);
    assert_eq!(world.states("a.B", Finished).await, [Installed, Starting, Running, Stopping, Finished]);
    let log = world.log("a.B");
    assert!(log.contains("a.B: stdout. 1 3 2.15.0. {scriptName=services.a.B.lifecycle.Run.Script, serviceName=a.B,"));
    assert!(log.contains("Run script exited. {exitCode=0, serviceName=a.B, currentState=RUNNING}"));
    assert!(log.contains(r#"currentState=NEW, command=["true"]}"#));
}

// [core-lifecycle-3]
#[tokio::test]
async fn three_install_errors_break_a_component() {
    use State::{Broken, Errored, New};
    let mut world = World::new();
    world.add("a.B", json!({"install": "echo x >> tries; exit 7"}), &[]);
    assert_eq!(world.states("a.B", Broken).await, [Errored, New, Errored, New, Broken]);
    assert_eq!(fs::read_to_string(world.folder.path().join("work/a.B/tries")).unwrap(), "x\nx\nx\n");
    let service = world.kernel.service("a.B").unwrap();
    assert_eq!(service.trouble().reason, "An error occurred during installation.");
    let nucleus = world.log("greengrass");
    assert!(nucleus.contains("service-errored. {reason=Script errored in install, serviceName=a.B, currentState=NEW}"));
    assert!(world.log("a.B").contains("[WARN]"));
}

// [core-lifecycle-4]
#[tokio::test]
async fn a_run_that_fails_is_retried_without_install() {
    use State::{Broken, Errored, Installed, Running, Starting, Stopping};
    let mut world = World::new();
    world.add("a.B", json!({"run": "exit 3", "shutdown": "echo bye"}), &[]);
    let once = [Installed, Starting, Running, Errored, Stopping];
    let expected: Vec<State> = [&once[..], &once, &once[..3], &[Broken]].concat();
    assert_eq!(world.states("a.B", Broken).await, expected);
    let trouble = world.kernel.service("a.B").unwrap().trouble();
    assert_eq!(trouble.reason, "An error occurred while running the component. The run script exited with code 3.");
    world.kernel.remove("a.B").await;
    assert_eq!(world.log("a.B").matches("stdout. bye").count(), 3);
}

// [core-lifecycle-5]
#[tokio::test]
async fn time_outs_and_startup() {
    use State::{Broken, Errored, Installed, Running, Starting};
    let mut world = World::new();
    world.add("a.Slow", json!({"install": {"script": "sleep 60", "timeout": "0.05"}}), &[]);
    world.add("a.Up", json!({"startup": {"script": "true", "skipIf": "exists /nowhere"}}), &["a.Dep"]);
    world.add("a.Dep", json!({}), &[]);
    assert_eq!(world.states("a.Up", Running).await, [Installed, Starting, Running]);
    let slow = world.kernel.service("a.Slow").unwrap();
    if slow.state() != Broken {
        assert_eq!(world.states("a.Slow", Broken).await.last(), Some(&Broken));
    }
    assert_eq!(slow.trouble().code, "INSTALL_TIMEOUT");
    assert_ne!(slow.state(), Errored);
}

// [core-exec-4]
#[tokio::test]
async fn closing_ends_a_running_component() {
    let mut world = World::new();
    world.add("a.B", json!({"run": "exec sleep 60"}), &[]);
    world.states("a.B", State::Running).await;
    world.kernel.shut_down().await;
    assert!(world.kernel.all().is_empty());
    assert!(world.log("greengrass").contains(r#"Shutdown completed for process ["exec sleep 60"]"#));
}

#[tokio::test]
async fn the_token_exchange_service_answers_on_loopback() {
    fidelity!("core-tes-1");
    let mut world = World::new();
    world.add(crate::tes::NAME, json!({}), &[]);
    world.states(crate::tes::NAME, State::Running).await;
    let environment = world.kernel.environment();
    let url = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].clone();
    let client = Provider::plain_client();
    let answer = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert!(!response.headers().contains_key("content-type"));
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let token = world.kernel.service(crate::tes::NAME).unwrap().token.clone();
    assert_eq!(answer(client.get(&url)).await, (403, String::new()));
    assert_eq!(answer(client.get(&url).header("authorization", format!("Bearer {token}"))).await, (403, String::new()));
    assert_eq!(answer(client.get(url.trim_end_matches('/'))).await, (400, String::new()));
    assert_eq!(answer(client.get(format!("{url}x")).header("authorization", &token)).await, (400, String::new()));
    assert_eq!(answer(client.post(&url)).await, (405, String::new()));
    let told = answer(client.get(&url).header("authorization", token)).await;
    assert_eq!(told, (500, "Failed to get connection".to_owned()));
    let log = world.log("greengrass");
    let handler = "(HTTP-Dispatcher) com.aws.greengrass.tes.CredentialRequestHandler:";
    for line in [
        format!("[INFO] {handler} Request denied due to invalid token. {{}}"),
        format!("[WARN] {handler} Unexpected URI: /2016-11-01/credentialprovider.. {{}}"),
        format!("[WARN] {handler} Unsupported http method for POST. GET is supported.. {{}}"),
        "TokenExchangeService: Attempting to start server at configured port 0. {".into(),
        "TokenExchangeService: Started server at port ".into(),
    ] {
        assert!(log.contains(&line), "{line}\n{log}");
    }
}

#[tokio::test]
async fn without_a_role_alias_the_token_exchange_service_breaks() {
    fidelity!("core-tes-8");
    let mut world = World::new();
    world.kernel.provider.configure(&json!({"iotCredEndpoint": "c"}));
    world.add(crate::tes::NAME, json!({}), &[]);
    let states = world.states(crate::tes::NAME, State::Broken).await;
    assert_eq!(states.iter().filter(|state| **state == State::Errored).count(), 2);
    let log = world.log("greengrass");
    let error = "TokenExchangeService: service-errored. {serviceName=aws.greengrass.TokenExchangeService, \
                 currentState=STARTING}\njava.lang.IllegalArgumentException: iotRoleAlias parameter is either empty or \
                 not configured for TES\n";
    assert_eq!(log.matches(error).count(), 3, "{log}");
}

#[tokio::test]
async fn the_configuration_of_the_token_exchange_service_is_followed() {
    fidelity!("core-tes-1", "core-tes-5");
    let mut world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let spec = |configuration: Value| Spec {
        version: Version::new(1, 0, 0),
        arn: String::new(),
        lifecycle: json!({}),
        configuration,
        dependencies: vec![],
        user: None,
    };
    world.kernel.define(crate::tes::NAME, spec(json!({"port": port})));
    world.states(crate::tes::NAME, State::Broken).await;
    assert!(world.log("greengrass").contains("java.net.BindException: Address already in use"));
    world.kernel.remove(crate::tes::NAME).await;
    drop(taken);

    let retry = json!({"clientError": 9, "serverError": 42_900.0, "unknownError": "10"});
    world.kernel.define(crate::tes::NAME, spec(json!({"port": f64::from(port), "credentialRetryInSec": retry})));
    world.states(crate::tes::NAME, State::Running).await;
    let url = format!("http://localhost:{port}/2016-11-01/credentialprovider/");
    assert_eq!(world.kernel.environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"], url);
    let error = "Credential retry value must be between 10 and 42900 seconds, setting credentialRetryInSec.clientError \
                 to default value 120. {";
    assert!(world.log("greengrass").contains(error), "{}", world.log("greengrass"));
    world.kernel.define(crate::tes::NAME, spec(json!({"port": 0, "credentialRetryInSec": {"clientError": 10}})));
    world.states(crate::tes::NAME, State::Running).await;
    assert_ne!(world.kernel.environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"], url);
    let log = world.log("greengrass");
    assert!(log.contains("tes-credential-retry-config-change. TES credential retry configuration updated. {"), "{log}");
    assert!(log.contains("tes-port-config-change. Restarting TES server due to port config change. {"), "{log}");
    assert!(log.contains(&format!("Stopped server at port {port}. {{")), "{log}");
}
