//! What a new definition does to a component.

use super::*;

#[tokio::test]
async fn a_changed_run_restarts_without_install() {
    fidelity!("core-lifecycle-9");
    let mut world = World::new();
    world.add("a.B", json!({"install": "echo x >> installs", "Run": {"Script": "exec sleep 60"}}), &[]);
    world.states("a.B", Running).await;
    world.add("a.B", json!({"install": "echo x >> installs", "Run": {"Script": "exec sleep 61"}}), &[]);
    assert!(!world.service("a.B").is_settled());
    assert_eq!(world.states("a.B", Running).await, [Stopping, Installed, Starting, Running]);
    assert_eq!(world.work("a.B", "installs"), "x\n");
    let line = "[INFO] service-config-change. Requesting restart for component. \
                {configNode=services.a.B.lifecycle.Run.Script, serviceName=a.B, currentState=RUNNING}";
    assert_eq!(world.lines("greengrass", "service-config-change"), [line]);
    world.kernel.shut_down().await;
}

#[tokio::test]
async fn a_new_version_installs_anew() {
    fidelity!("core-lifecycle-9");
    let mut world = World::new();
    let lifecycle = json!({"install": "echo x >> installs", "run": "true"});
    world.define("a.B", Version::new(1, 0, 0), lifecycle.clone(), &[], None);
    world.states("a.B", Finished).await;
    world.define("a.B", Version::new(1, 1, 0), lifecycle, &[], None);
    let states = world.states("a.B", Finished).await;
    assert_eq!(states, [New, Installed, Starting, Running, Stopping, Finished]);
    assert_eq!(world.work("a.B", "installs"), "x\nx\n");
    let line = "[INFO] service-config-change. Requesting reinstallation for component. \
                {configNode=services.a.B.version, serviceName=a.B, currentState=FINISHED}";
    assert_eq!(world.lines("greengrass", "service-config-change"), [line]);
}

#[tokio::test]
async fn a_change_takes_a_component_out_of_broken() {
    fidelity!("core-lifecycle-9", "core-lifecycle-19");
    let mut world = World::new();
    world.add("a.B", json!({"run": "exit 1"}), &[]);
    world.states("a.B", Broken).await;
    world.add("a.B", json!({"run": "true"}), &[]);
    assert_eq!(world.states("a.B", Finished).await, [New, Installed, Starting, Running, Stopping, Finished]);
    let line = "[INFO] service-config-change. Configuration changed, and current state is BROKEN. Requesting \
                reinstallation for component. {configNode=services.a.B.lifecycle.run, serviceName=a.B, \
                currentState=BROKEN}";
    assert_eq!(world.lines("greengrass", "service-config-change"), [line]);
}

#[tokio::test]
async fn a_changed_shutdown_changes_nothing() {
    fidelity!("core-lifecycle-9");
    let mut world = World::new();
    world.add("a.B", json!({"run": "exec sleep 60", "shutdown": "true"}), &[]);
    world.states("a.B", Running).await;
    world.add("a.B", json!({"run": "exec sleep 60", "shutdown": "false"}), &[]);
    assert!(world.service("a.B").is_settled());
    assert!(!world.log("greengrass").contains("service-config-change"));
    world.kernel.shut_down().await;
}
