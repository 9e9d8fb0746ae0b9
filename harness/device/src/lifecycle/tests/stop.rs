//! Stopping, closing and uninstalling.

use super::*;

#[tokio::test]
async fn closing_ends_a_running_component() {
    fidelity!("core-exec-4", "core-lifecycle-26");
    let mut world = World::new();
    world.add("a.B", json!({"run": "exec sleep 60", "shutdown": "echo bye"}), &[]);
    world.states("a.B", Running).await;
    world.kernel.shut_down().await;
    assert!(world.kernel.all().is_empty());
    let told: Vec<String> = world.lines("greengrass", "serviceName=a.B").split_off(3);
    let line = |text: &str| format!("[INFO] {text}. {{serviceName=a.B, currentState=STOPPING}}");
    assert_eq!(
        told[..6],
        [
            "[INFO] service-close. Service is now closing. {serviceName=a.B, currentState=RUNNING}".to_owned(),
            "[INFO] service-set-state. {serviceName=a.B, currentState=RUNNING, newState=STOPPING}".to_owned(),
            line("Shutdown initiated"),
            line(r#"Shutting down process ["exec sleep 60"]"#),
            line(r#"Shutdown completed for process ["exec sleep 60"]"#),
            line("generic-service-shutdown"),
        ]
    );
    let exited = "[INFO] Run script exited. {exitCode=143, serviceName=a.B, currentState=STOPPING}";
    assert_eq!(world.lines("a.B", "Run script exited"), [exited]);
    assert!(!world.log("greengrass").contains("service-errored"));
}

#[tokio::test]
async fn the_core_stops_dependers_first() {
    fidelity!("core-lifecycle-26");
    let mut world = World::new();
    world.add("a.Dep", json!({"run": "exec sleep 60", "shutdown": "date +%s%N > at"}), &[]);
    world.add("b.Use", json!({"run": "exec sleep 60", "shutdown": "sleep 0.2; date +%s%N > at"}), &["a.Dep"]);
    world.states("b.Use", Running).await;
    world.kernel.shut_down().await;
    let at = |name: &str| world.work(name, "at").trim().parse::<u64>().unwrap();
    assert!(at("b.Use") < at("a.Dep"));
}

#[tokio::test]
async fn what_does_not_stop_is_forced() {
    fidelity!("core-lifecycle-27");
    let mut world = World::with_speed(200.0);
    let shutdown = json!({"script": "sleep 60", "timeout": 1000});
    world.add("a.B", json!({"run": "exec sleep 60", "shutdown": shutdown}), &[]);
    world.states("a.B", Running).await;
    world.kernel.shut_down().await;
    let log = world.log("greengrass");
    assert!(log.contains("services-shutdown-errored. Force closing services. {unclosedServices=[a.B]}"), "{log}");
    assert!(log.contains(r#"Force shutdown completed for process ["exec sleep 60"]. {"#));
    assert!(log.contains("force-service-shutdown. {serviceName=a.B, "));
}

#[tokio::test]
async fn the_shutdown_script_is_the_one_of_the_start() {
    fidelity!("core-lifecycle-8");
    let mut world = World::new();
    let version = |number: u64| json!({"run": "exec sleep 60", "shutdown": format!("echo bye {number}")});
    world.define("a.B", Version::new(1, 0, 0), version(1), &[], None);
    world.states("a.B", Running).await;
    world.define("a.B", Version::new(2, 0, 0), version(2), &[], None);
    assert_eq!(world.states("a.B", Running).await, [Stopping, New, Installed, Starting, Running]);
    assert!(world.log("a.B").contains("stdout. bye 1.") && !world.log("a.B").contains("stdout. bye 2."));
    world.kernel.remove("a.B").await;
    assert!(world.log("a.B").contains("stdout. bye 2."));
}

#[tokio::test]
async fn a_skipped_shutdown_is_looked_at_again() {
    fidelity!("core-lifecycle-8");
    let mut world = World::new();
    let skipped = json!({"script": "echo bye", "skipIf": "!exists ~root/work/a.B/armed"});
    world.add("a.B", json!({"run": "touch armed; exec sleep 60", "shutdown": skipped}), &[]);
    world.states("a.B", Running).await;
    let armed = world.folder.path().join("work/a.B/armed");
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while !armed.exists() {
        ticks.tick().await;
    }
    world.kernel.remove("a.B").await;
    assert!(world.log("a.B").contains("stdout. bye."));
}

#[tokio::test]
async fn removal_uninstalls() {
    fidelity!("core-lifecycle-28");
    let mut world = World::new();
    let uninstall = "echo gone $GREENGRASS_COMPONENT_VERSION; exit 5";
    world.add("a.B", json!({"run": "exec sleep 60", "Uninstall": {"Script": uninstall}}), &[]);
    world.states("a.B", Running).await;
    world.kernel.remove("a.B").await;
    assert_eq!(world.states("a.B", Uninstalled).await, [Stopping, Finished, Uninstalling, Uninstalled]);
    let said = "[INFO] stdout. gone 1.0.0. {scriptName=services.a.B.lifecycle.Uninstall.Script, serviceName=a.B, \
                currentState=UNINSTALLING}";
    assert_eq!(world.lines("a.B", "stdout. gone"), [said]);
    assert!(world.kernel.service("a.B").is_none());
}

#[tokio::test]
async fn a_broken_component_uninstalls_too_and_a_stopping_core_uninstalls_nothing() {
    fidelity!("core-lifecycle-28");
    let mut world = World::new();
    world.add("a.B", json!({"install": "exit 1", "uninstall": "echo gone"}), &[]);
    world.add("a.C", json!({"run": "exec sleep 60", "uninstall": "echo gone"}), &[]);
    world.states("a.B", Broken).await;
    world.states("a.C", Running).await;
    world.kernel.remove("a.B").await;
    assert!(world.log("a.B").contains("stdout. gone."));
    world.kernel.shut_down().await;
    assert!(!world.log("a.C").contains("gone."));
}

#[tokio::test]
async fn what_startup_left_behind_is_not_ended() {
    fidelity!("core-exec-9");
    let mut world = World::new();
    world.add("a.B", json!({"startup": "sleep 60 >/dev/null 2>&1 & echo $! > child"}), &[]);
    world.states("a.B", Running).await;
    world.kernel.remove("a.B").await;
    let child = world.work("a.B", "child").trim().to_owned();
    let killed = tokio::process::Command::new("kill").arg(child).output().await.unwrap();
    assert!(killed.status.success());
    assert!(!world.log("greengrass").contains("Shutting down process"));
}
