//! The command line against the core, over the socket.

use super::{
    client::{Told, told},
    *,
};
use crate::{
    config::VERSION,
    rig::Rig,
    service::{Spec, State},
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

struct World {
    rig: Rig,
    queue: Arc<Queue>,
}

impl World {
    /// A core whose command line runs.
    async fn new(configuration: Value) -> Self {
        let rig = Rig::new();
        let queue = Queue::new(rig.kernel.logs.clone());
        rig.kernel.offer_locally(Local::new(queue.clone()));
        let mut world = Self { rig, queue };
        world.component(NAME, json!({}), configuration, State::Running).await;
        world
    }

    /// Brings a component, which comes to rest in `last`.
    async fn component(&mut self, name: &str, lifecycle: Value, configuration: Value, last: State) {
        let version = semver::Version::new(1, 0, 0);
        self.rig.kernel.store.make_folders(name, &version).unwrap();
        let spec = Spec { version, arn: String::new(), lifecycle, configuration, dependencies: Vec::new(), user: None };
        self.rig.kernel.define(name, spec);
        self.until(name, last).await;
    }

    async fn until(&mut self, name: &str, last: State) {
        loop {
            match self.rig.events.recv().await.unwrap() {
                crate::fleet::Event::State { service, state, .. } if service.name == name && state == last => return,
                _ => {}
            }
        }
    }

    async fn cli(&self, line: &str) -> Told {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let root = self.rig.folder.path().to_string_lossy().into_owned();
        tokio::task::spawn_blocking(move || told(&arguments, Some(root))).await.unwrap()
    }

    /// Creates a deployment; its id.
    async fn create(&self, options: &str) -> String {
        let told = self.cli(&format!("deployment create {options}")).await;
        assert_eq!(told.err, "");
        told.out.strip_prefix("Local deployment submitted! Deployment Id: ").unwrap().trim_end().to_owned()
    }
}

fn report(item: &Item, status: &'static str) -> Report {
    Report::new(item, &item.id, "", status)
}

#[tokio::test]
async fn a_deployment_from_its_request_to_its_end() {
    fidelity::fidelity!("core-local-1", "core-local-4");
    let world = World::new(json!({})).await;
    let options = "--merge A=1.0.0 -m B=2.0.0 --remove C --recipeDir /r --artifactDir /a --groupId G --runWith \
                   A:posixUser=u:g --update-config {\"A\":{\"MERGE\":{\"k\":1},\"RESET\":[\"/x\"]}} --systemLimits \
                   {\"B\":{\"memory\":1024}} --failure-handling-policy ROLLBACK";
    let id = world.create(options).await;
    let told = world.cli(&format!("deployment status -i {id}")).await;
    assert!(told.out.starts_with(&format!("{id}: QUEUED\nCreated on: ")), "{told:?}");
    let item = world.queue.next().await;
    assert_eq!((item.kind, &item.id), (Kind::Local, &id));
    let mut document = item.document.clone();
    assert!(document["requestTimestamp"].take().is_i64());
    let expected = json!({
        "requestId": id, "requestTimestamp": null, "componentsToMerge": {"A": "1.0.0", "B": "2.0.0"},
        "componentsToRemove": ["C"], "groupName": "G", "recipeDirectoryPath": "/r", "artifactsDirectoryPath": "/a",
        "configurationUpdate": {"A": {"MERGE": {"k": 1}, "RESET": ["/x"]}},
        "componentToRunWithInfo": {"A": {"posixUser": "u:g"}, "B": {"systemResourceLimits": {"memory": 1024}}},
        "failureHandlingPolicy": "ROLLBACK",
    });
    assert_eq!(document, expected);
    let local = world.rig.kernel.local().unwrap();
    local.update(&report(&item, "IN_PROGRESS"));
    assert!(world.cli("deployment list").await.out.ends_with("\nStatus: IN_PROGRESS\n"));
    let failure = crate::failure::Failure::new("why", &["COMPONENT_UPDATE_ERROR"]).kind("USER_COMPONENT_ERROR");
    let details = Details::new(Some("FAILED_ROLLBACK_COMPLETE"), Some(&failure));
    local.update(&report(&item, "FAILED").with(details));
    let told = world.cli(&format!("deployment status --deploymentId {id}")).await;
    let end = "Detailed Status: FAILED_ROLLBACK_COMPLETE\nDeployment Error Stack: DEPLOYMENT_FAILURE, \
               COMPONENT_UPDATE_ERROR\nDeployment Error Types: USER_COMPONENT_ERROR\nDeployment Failure Cause: why\n";
    assert!(told.out.ends_with(end), "{told:?}");
    let told = world.cli(&format!("deployment cancel -i {id}")).await;
    assert_eq!(told.out, "Cancellation request is not processed because deployment is already finished\n");
}

#[tokio::test]
async fn a_cancellation_ends_the_running_deployment_and_forgets_a_waiting_one() {
    fidelity::fidelity!("core-local-9");
    let world = World::new(json!({})).await;
    let running = world.create("--merge A=1.0.0").await;
    let item = world.queue.next().await;
    let waiting = world.create("--merge A=2.0.0").await;
    let told = world.cli(&format!("deployment cancel -i {waiting}")).await;
    assert_eq!(told.out, format!("Cancel request submitted. Deployment ID: {waiting}\n"));
    assert!(!*item.cancelled.borrow());
    let told = world.cli(&format!("deployment status -i {waiting}")).await;
    let gone = "java.lang.RuntimeException: java.util.concurrent.ExecutionException: \
                software.amazon.awssdk.aws.greengrass.model.ResourceNotFoundError: Cannot find deployment\n";
    assert_eq!((told.err.as_str(), told.code), (gone, 1));
    world.rig.kernel.local().unwrap().update(&report(&item, "IN_PROGRESS"));
    world.cli(&format!("deployment cancel -i {running}")).await;
    assert!(*item.cancelled.borrow());
}

#[tokio::test]
async fn components_are_listed_stopped_and_restarted() {
    fidelity::fidelity!("core-local-7");
    let mut world = World::new(json!({})).await;
    world.component("A", json!({"run": "exec sleep 1000"}), json!({"k": "v"}), State::Running).await;
    let told = world.cli("component details -n A").await;
    let running = "Component Name: A\n    Version: 1.0.0\n    State: RUNNING\n    Configuration: {\"k\":\"v\"}\n";
    assert_eq!(told.out, running);
    let told = world.cli("component list").await;
    assert!(told.out.starts_with("Components currently running in Greengrass:\nComponent Name: "));
    let nucleus = format!("Component Name: aws.greengrass.Nucleus\n    Version: {VERSION}\n    State: FINISHED\n");
    assert!(told.out.contains(&nucleus) && told.out.contains(running), "{}", told.out);
    assert_eq!(world.cli("component stop -n A").await, Told::default());
    world.until("A", State::Finished).await;
    assert_eq!(world.cli("component restart --names A").await, Told::default());
    world.until("A", State::Running).await;
    let told = world.cli("component restart -n B").await;
    let text = "ResourceNotFoundError: Component with name B not found in Greengrass\n";
    assert!(told.code == 1 && told.err.ends_with(text), "{told:?}");
    world.rig.kernel.shut_down().await;
}

#[tokio::test]
async fn only_who_can_read_a_token_is_served() {
    fidelity::fidelity!("core-local-8");
    let world = World::new(json!({})).await;
    let folder = world.rig.folder.path().join(TOKENS);
    let file = folder.join(format!("user-{}", fs::metadata("/proc/self").unwrap().uid()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut information: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    information["cli_auth_token"] = "wrong".into();
    fs::write(&file, information.to_string()).unwrap();
    assert!(world.cli("component list").await.err.contains("UnauthorizedError"));
    fs::remove_file(&file).unwrap();
    let told = world.cli("component list").await;
    assert!(told.err.contains("Not able to find auth information in directory"), "{told:?}");
    let launcher = world.rig.folder.path().join("bin/greengrass-cli");
    assert!(fs::read_to_string(launcher).unwrap().contains(" greengrass-cli \"$@\""));
    world.rig.kernel.remove(NAME).await;
    assert!(!world.rig.folder.path().join("cli.socket").exists());
}

#[tokio::test]
async fn groups_have_tokens_of_their_own() {
    fidelity::fidelity!("core-local-8");
    let world = World::new(json!({"AuthorizedPosixGroups": "root,nosuchgroup"})).await;
    let folder = world.rig.folder.path().join(TOKENS);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["group-0"]);
    assert_eq!(fs::metadata(folder.join("group-0")).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(world.rig.log().contains("Failed to get group ID. {group=nosuchgroup}"));
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_real_texts() {
    fidelity::fidelity!("core-local-6");
    let world = World::new(json!({})).await;
    let root = world.rig.folder.path().to_string_lossy().into_owned();
    for (line, text) in [
        (format!("deployment create --artifactDir {root}/packages"), "InvalidArtifactsDirectoryPathError: Requested"),
        ("deployment create --groupId a:b".into(), "Thing group name cannot contain colon characters"),
        ("deployment status -i x".into(), "Invalid deploymentId format received. DeploymentId is a UUID"),
        ("deployment create --runWith A=u".into(), "--runWith must be in the following format <component>:"),
        ("deployment create --update-config {".into(), "Update configuration parameter is not a properly formatted"),
        ("deployment create --systemLimits {".into(), "systemLimits parameter file is not a properly formatted JSON"),
    ] {
        let told = world.cli(&line).await;
        assert!(told.code == 1 && told.err.contains(text), "{line}: {told:?}");
    }
    for (line, text) in [
        ("deployment status", "Missing required option: '--deploymentId=Deployment ID'"),
        ("deployment create --what", "Unknown option: '--what'"),
        ("deployment create -fp MAYBE", "expected one of [ROLLBACK, DO_NOTHING] (case-sensitive) but was 'MAYBE'"),
        ("deployment make", "Unmatched argument at index 1: 'make'"),
    ] {
        let told = world.cli(line).await;
        assert!(told.code == 0 && told.err.contains(text), "{line}: {told:?}");
    }
    assert!(world.queue.is_empty());
}
