//! Errors, retries and BROKEN.

use super::*;

#[tokio::test]
async fn three_install_errors_break_a_component() {
    fidelity!("core-lifecycle-3");
    let mut world = World::new();
    world.add("a.B", json!({"install": "echo x >> tries; exit 7"}), &[]);
    assert_eq!(world.states("a.B", Broken).await, [Errored, New, Errored, New, Broken]);
    assert_eq!(world.work("a.B", "tries"), "x\nx\nx\n");
    let trouble = world.service("a.B").trouble();
    assert_eq!((trouble.code, &*trouble.reason), ("INSTALL_ERROR", "An error occurred during installation."));
    let nucleus = world.log("greengrass");
    assert!(nucleus.contains("service-errored. {reason=Script errored in install, serviceName=a.B, currentState=NEW}"));
    assert_eq!(world.lines("a.B", "[WARN]").len(), 0);
    let error = "[WARN] shell-runner-error. {scriptName=services.a.B.lifecycle.install, serviceName=a.B, \
                 currentState=NEW, command=[\"echo x >> tries; exit 7\"]}";
    assert_eq!(world.lines("a.B", "shell-runner-error"), [error; 3]);
    assert!(!nucleus.contains("Stopping service in BROKEN state"));
}

#[tokio::test]
async fn a_run_that_fails_is_retried_without_install() {
    fidelity!("core-lifecycle-4", "core-lifecycle-16");
    let mut world = World::new();
    world.add("a.B", json!({"install": "echo i >> installs", "run": "exit 3", "shutdown": "echo bye"}), &[]);
    let once = [Starting, Running, Errored, Stopping, Installed];
    let expected: Vec<State> = [&[Installed], &once[..], &once, &once[..2], &[Broken]].concat();
    assert_eq!(world.states("a.B", Broken).await, expected);
    let trouble = world.service("a.B").trouble();
    assert_eq!(trouble.code, "RUN_ERROR");
    assert_eq!(trouble.reason, "An error occurred while running the component. The run script exited with code 3.");
    world.kernel.remove("a.B").await;
    assert_eq!(world.work("a.B", "installs"), "i\n");
    let error = "[ERROR] service-errored. {exitCode=3, serviceName=a.B, currentState=RUNNING, statusCode=RUN_ERROR}";
    assert_eq!(world.lines("greengrass", "service-errored"), [error; 3]);
    assert!(!world.log("greengrass").contains("service-broken"));
    assert!(!world.log("a.B").contains("shell-runner-error"));
}

#[tokio::test]
async fn a_run_that_dies_at_once_counts_for_running() {
    fidelity!("core-lifecycle-17");
    let mut world = World::new();
    for index in 0..8 {
        world.add(&format!("a.B{index}"), json!({"run": "exit 1"}), &[]);
    }
    for index in 0..8 {
        let states = world.states(&format!("a.B{index}"), Broken).await;
        assert_eq!(states.iter().filter(|state| **state == Running).count(), 3, "{states:?}");
    }
}

#[tokio::test]
async fn three_startup_errors_break_a_component_that_wants_more() {
    fidelity!("core-lifecycle-18");
    let mut world = World::new();
    world.add("a.B", json!({"startup": "exit 4", "shutdown": "echo bye"}), &[]);
    let once = [Starting, Errored, Stopping, Installed];
    assert_eq!(world.states("a.B", Broken).await, [&[Installed], &once[..], &once, &[Starting, Broken]].concat());
    let trouble = world.service("a.B").trouble();
    assert_eq!(trouble.reason, "An error occurred during startup. The startup script exited with code 4.");
    let error = "[ERROR] service-errored. {reason=Non-zero exit code in startup, exitCode=4, serviceName=a.B, \
                 currentState=STARTING, statusCode=STARTUP_ERROR}";
    assert_eq!(world.lines("greengrass", "service-errored"), [error; 3]);
    // Removing takes the component out of BROKEN in its own way, after what entering BROKEN does.
    world.kernel.remove("a.B").await;
    let mut lines = world.lines("greengrass", "currentState=BROKEN");
    lines.retain(|line| !line.contains("service-close"));
    assert_eq!(
        lines[..3],
        [
            "[INFO] Stopping service in BROKEN state. {serviceName=a.B, currentState=BROKEN}",
            "[INFO] Shutdown initiated. {serviceName=a.B, currentState=BROKEN}",
            "[INFO] generic-service-shutdown. {serviceName=a.B, currentState=BROKEN}",
        ]
    );
    assert!(world.log("a.B").contains("serviceName=a.B, currentState=BROKEN, command=[\"echo bye\"]}"));
}

#[tokio::test]
async fn broken_is_left_by_reinstallation_alone() {
    fidelity!("core-lifecycle-19");
    let mut world = World::new();
    world.add("a.B", json!({"install": "test -e fixed", "run": "true"}), &[]);
    world.states("a.B", Broken).await;
    let service = world.service("a.B");
    assert!(service.request(Request::Restart));
    let told = || world.lines("greengrass", "service-broken").len();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while told() < 2 {
        ticks.tick().await;
    }
    assert_eq!(service.state(), Broken);
    assert_eq!(
        world.lines("greengrass", "service-broken")[1],
        "[ERROR] service-broken. service is broken. Deployment is needed. {serviceName=a.B, currentState=BROKEN}"
    );
    fs::write(world.folder.path().join("work/a.B/fixed"), "").unwrap();
    assert!(service.request(Request::Reinstall));
    assert!(!service.is_settled());
    let states = world.states("a.B", Finished).await;
    assert_eq!(states, [New, Installed, Starting, Running, Stopping, Finished]);
    assert_eq!(service.trouble().reason, "");
}

#[tokio::test]
async fn success_clears_what_it_ends() {
    fidelity!("core-lifecycle-7");
    let mut world = World::new();
    // Every second startup fails; two failures of run stay in mind over the restarts.
    let startup = "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; test $((n % 2)) = 1";
    world.add("a.B", json!({"install": "true", "startup": startup}), &[]);
    world.states("a.B", Running).await;
    for _ in 0..3 {
        assert!(world.service("a.B").request(Request::Restart));
        let states = world.states("a.B", Running).await;
        assert_eq!(states, [Stopping, Installed, Starting, Errored, Stopping, Installed, Starting, Running]);
    }
}

#[tokio::test]
async fn error_reset_time_begins_a_new_row() {
    fidelity!("core-lifecycle-7");
    let mut world = World::new();
    let install = "echo x >> tries; test $(wc -l < tries) = 6";
    world.add("a.B", json!({"errorResetTime": "0", "install": install}), &[]);
    let states = world.states("a.B", Finished).await;
    assert_eq!(states.iter().filter(|state| **state == Errored).count(), 5);
    world.add("a.C", json!({"errorResetTime": 3600, "install": install}), &[]);
    assert_eq!(world.states("a.C", Broken).await.len(), 5);
}

#[tokio::test]
async fn recover_runs_twice() {
    fidelity!("core-lifecycle-6");
    let mut world = World::new();
    world.add("a.B", json!({"run": "exit 1", "recover": "echo again; exit 9", "shutdown": "echo down"}), &[]);
    world.states("a.B", Broken).await;
    let lines = world.lines("a.B", "stdout. again");
    let line = "[INFO] stdout. again. {scriptName=services.a.B.lifecycle.recover, serviceName=a.B, \
                currentState=ERRORED}";
    assert_eq!(lines, [line; 2]);
    assert!(!world.log("a.B").contains("shell-runner-error"));
    let nucleus = world.log("greengrass");
    assert!(!nucleus.contains("Error recovery handler timed out"));
}

#[tokio::test]
async fn recover_without_a_script_waits_its_whole_time() {
    fidelity!("core-lifecycle-6");
    let mut world = World::with_speed(2000.0);
    world.add(
        "a.B",
        json!({"install": {"script": "exit 1"}, "recover": {"script": "true", "skipIf": "exists /"}}),
        &[],
    );
    world.states("a.B", Broken).await;
    let line = "[ERROR] Error recovery handler timed out after 60 seconds. {serviceName=a.B, currentState=ERRORED}";
    assert_eq!(world.lines("greengrass", "Error recovery"), [line; 2]);
    world.add("a.C", json!({"install": "exit 1", "recover": {"script": "sleep 60", "timeout": 3}}), &[]);
    world.states("a.C", Broken).await;
    let line = "[ERROR] Error recovery handler timed out after 3 seconds. {serviceName=a.C, currentState=ERRORED}";
    assert_eq!(world.lines("greengrass", "after 3 seconds"), [line; 2]);
}
