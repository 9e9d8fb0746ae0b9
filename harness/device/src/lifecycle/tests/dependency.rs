//! Components that need each other.

use super::*;

#[tokio::test]
async fn a_depender_waits_installed() {
    fidelity!("core-lifecycle-5", "core-lifecycle-29");
    let mut world = World::new();
    world.add("a.Use", json!({"install": "true", "run": "exec sleep 60"}), &["a.Dep"]);
    assert_eq!(world.states("a.Use", Installed).await, [Installed]);
    world.add("a.Dep", json!({"install": "while ! test -e go; do sleep 0.02; done", "startup": "true"}), &[]);
    fs::write(world.folder.path().join("work/a.Dep/go"), "").unwrap();
    assert_eq!(world.states("a.Use", Running).await, [Starting, Running]);
    assert_eq!(world.service("a.Dep").state(), Running);
}

#[tokio::test]
async fn a_broken_dependency_holds_its_depender() {
    fidelity!("core-lifecycle-29");
    let mut world = World::new();
    world.add("a.Dep", json!({"startup": "exit 1"}), &[]);
    world.add("a.Use", json!({"run": "echo never"}), &["a.Dep"]);
    world.states("a.Dep", Broken).await;
    assert_eq!(world.states("a.Use", Installed).await, [Installed]);
    world.kernel.remove("a.Use").await;
    assert!(!world.log("a.Use").contains("never"));
}

#[tokio::test]
async fn a_dependency_that_fails_restarts_its_depender() {
    fidelity!("core-lifecycle-30");
    let mut world = World::new();
    world.add("a.Dep", json!({"run": "while ! test -e go; do sleep 0.02; done; rm go; exit 1"}), &[]);
    world.add("a.Use", json!({"run": "exec sleep 60"}), &["a.Dep"]);
    world.add("a.Once", json!({"run": "true"}), &["a.Dep"]);
    world.states("a.Use", Running).await;
    world.states("a.Once", Finished).await;
    fs::write(world.folder.path().join("work/a.Dep/go"), "").unwrap();
    let states = world.states("a.Use", Running).await;
    assert_eq!(states[..2], [Stopping, Installed], "{states:?}");
    let line = "[INFO] service-restart. Restarting service because dependency a.Dep was in a bad state. \
                {serviceName=a.Use, currentState=RUNNING}";
    assert!(world.lines("greengrass", "service-restart").contains(&line.to_owned()));
    assert_eq!(world.service("a.Once").state(), Finished);
    world.kernel.shut_down().await;
}

#[tokio::test]
async fn a_dependency_that_finishes_stays_good_and_soft_ones_always_are() {
    fidelity!("core-lifecycle-30");
    let mut world = World::new();
    world.add("a.Dep", json!({"run": "while ! test -e go; do sleep 0.02; done"}), &[]);
    world.add("a.Use", json!({"run": "exec sleep 60"}), &["a.Dep"]);
    world.states("a.Use", Running).await;
    fs::write(world.folder.path().join("work/a.Dep/go"), "").unwrap();
    assert_eq!(world.states("a.Dep", Finished).await, [Installed, Starting, Running, Stopping, Finished]);
    assert_eq!(world.service("a.Use").state(), Running);
    assert!(!world.log("greengrass").contains("service-restart"));
    let spec = Spec {
        version: Version::new(1, 0, 0),
        arn: String::new(),
        lifecycle: json!({"startup": "true"}),
        configuration: json!({}),
        dependencies: vec![("a.Missing".into(), false)],
        user: None,
    };
    world.kernel.store.make_folders("a.Soft", &spec.version).unwrap();
    world.kernel.define("a.Soft", spec);
    assert_eq!(world.states("a.Soft", Running).await, [Installed, Starting, Running]);
    world.kernel.shut_down().await;
}

#[tokio::test]
async fn a_new_dependency_restarts() {
    fidelity!("core-lifecycle-9");
    let mut world = World::new();
    world.add("a.Dep", json!({"startup": "true"}), &[]);
    world.add("a.B", json!({"run": "exec sleep 60"}), &[]);
    world.states("a.B", Running).await;
    world.add("a.B", json!({"run": "exec sleep 60"}), &["a.Dep"]);
    assert_eq!(world.states("a.B", Running).await, [Stopping, Installed, Starting, Running]);
    assert!(!world.log("greengrass").contains("service-config-change"));
    world.kernel.shut_down().await;
}
