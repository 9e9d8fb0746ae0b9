//! Time-outs.

use super::*;

#[tokio::test]
async fn install_times_out() {
    fidelity!("core-lifecycle-20");
    let mut world = World::with_speed(50.0);
    world.add("a.B", json!({"install": {"script": "exec sleep 60", "timeout": "20"}}), &[]);
    assert_eq!(world.states("a.B", Broken).await, [Errored, New, Errored, New, Broken]);
    assert_eq!(world.service("a.B").trouble().code, "INSTALL_TIMEOUT");
    let error = "[ERROR] service-errored. {reason=Timeout in install, serviceName=a.B, currentState=NEW, \
                 statusCode=INSTALL_TIMEOUT}";
    assert_eq!(world.lines("greengrass", "service-errored"), [error; 3]);
    let stopping = "[INFO] Stopping backingTask install. {serviceName=a.B, currentState=NEW}";
    assert_eq!(world.lines("greengrass", "Stopping backingTask"), [stopping; 3]);
    assert!(world.log("a.B").contains("stderr. [TIMEOUT after InterruptedException]. {"));
    assert!(!world.log("a.B").contains("shell-runner-error"));
}

#[tokio::test]
async fn install_may_be_slow() {
    fidelity!("core-lifecycle-20");
    let mut world = World::with_speed(100.0);
    world.add("a.B", json!({"install": {"script": "sleep 0.2", "timeout": 1000}}), &[]);
    assert_eq!(world.states("a.B", Installed).await, [Installed]);
}

#[tokio::test]
async fn startup_times_out_after_its_script_has_exited_too() {
    fidelity!("core-lifecycle-21");
    let mut world = World::with_speed(100.0);
    // The child holds the pipes open, so that nobody learns of the exit.
    let startup = json!({"script": "sleep 60 & echo $! >> children", "timeout": 10});
    world.add("a.B", json!({"startup": startup, "shutdown": "kill $(cat children)"}), &[]);
    let once = [Starting, Errored, Stopping, Installed];
    assert_eq!(world.states("a.B", Broken).await, [&[Installed], &once[..], &once, &[Starting, Broken]].concat());
    assert_eq!(world.service("a.B").trouble().code, "STARTUP_TIMEOUT");
    let error = "[ERROR] service-errored. {reason=startup timeout, serviceName=a.B, currentState=STARTING, \
                 statusCode=STARTUP_TIMEOUT}";
    assert_eq!(world.lines("greengrass", "service-errored"), [error; 3]);
    world.kernel.remove("a.B").await;
}

#[tokio::test]
async fn run_times_out_if_it_says_so() {
    fidelity!("core-lifecycle-22");
    let mut world = World::with_speed(20.0);
    world.add("a.B", json!({"run": {"script": "exec sleep 60", "timeout": 2}}), &[]);
    let once = [Starting, Running, Errored, Stopping, Installed];
    let expected = [&[Installed], &once[..], &once, &once[..2], &[Broken]].concat();
    assert_eq!(world.states("a.B", Broken).await, expected);
    assert_eq!(world.service("a.B").trouble().code, "RUN_TIMEOUT");
    let warning = "[WARN] service-run-timed-out. Service failed to run within timeout, calling close in process. \
                   {serviceName=a.B, currentState=RUNNING}";
    assert_eq!(world.lines("greengrass", "service-run-timed-out"), [warning; 3]);
}

#[tokio::test]
async fn shutdown_times_out_into_errored() {
    fidelity!("core-lifecycle-23");
    let mut world = World::with_speed(50.0);
    world.add("a.B", json!({"run": "true", "shutdown": {"script": "exec sleep 60", "timeout": 1}}), &[]);
    let states = world.states("a.B", Finished).await;
    assert_eq!(states, [Installed, Starting, Running, Stopping, Errored, Finished]);
    let error = "[ERROR] service-errored. {reason=Timeout in shutdown, serviceName=a.B, currentState=STOPPING, \
                 statusCode=SHUTDOWN_TIMEOUT}";
    assert_eq!(world.lines("greengrass", "service-errored"), [error]);
}

#[tokio::test]
async fn a_time_out_that_is_no_number_is_over_at_once() {
    fidelity!("core-lifecycle-12");
    let mut world = World::new();
    world.add("a.B", json!({"install": {"script": "exec sleep 1", "timeout": "soon"}}), &[]);
    world.states("a.B", Broken).await;
    assert_eq!(world.service("a.B").trouble().code, "INSTALL_TIMEOUT");
}
