//! The forms that steps come in, and who runs them.

use super::*;

#[tokio::test]
async fn a_map_without_script_is_not_valid() {
    fidelity!("core-lifecycle-24");
    let mut world = World::new();
    for (name, lifecycle, code) in [
        ("a.I", json!({"INSTALL": {"Timeout": 3}}), "INSTALL_CONFIG_NOT_VALID"),
        ("a.S", json!({"Startup": {"script": {"all": "x"}}}), "STARTUP_CONFIG_NOT_VALID"),
        ("a.R", json!({"Run": {"Setenv": {}}}), "RUN_CONFIG_NOT_VALID"),
    ] {
        world.add(name, lifecycle, &[]);
        world.states(name, Broken).await;
        assert_eq!(world.service(name).trouble().code, code);
    }
    let line = "[ERROR] generic-service-invalid-config. Missing script. {configNode=services.a.I.lifecycle.INSTALL, \
                serviceName=a.I, currentState=NEW}";
    assert_eq!(world.lines("greengrass", "lifecycle.INSTALL"), [line; 3]);
    let line = "[ERROR] service-errored. {reason=Script errored in run, serviceName=a.R, currentState=STARTING, \
                statusCode=RUN_CONFIG_NOT_VALID}";
    assert_eq!(world.lines("greengrass", "reason=Script errored in run"), [line; 3]);
}

#[tokio::test]
async fn a_wrong_skip_if_is_not_valid() {
    fidelity!("core-lifecycle-13");
    let mut world = World::new();
    world.add("a.B", json!({"install": {"script": "true", "skipIf": "! test -f x"}}), &[]);
    world.states("a.B", Broken).await;
    assert_eq!(world.service("a.B").trouble().code, "INSTALL_CONFIG_NOT_VALID");
    let log = world.log("greengrass");
    assert!(log.contains("generic-service-invalid-config. Invalid format for skipif. Should follow the pattern. {"));
    assert!(log.contains("command received=test -f x") && log.contains("valid pattern=(exists|onpath) +(.+)"));
}

#[tokio::test]
async fn a_skipped_startup_falls_to_run() {
    fidelity!("core-lifecycle-13");
    let mut world = World::new();
    let lifecycle = json!({
        "install": {"script": "exit 1", "skipIf": "onpath sh"},
        "startup": {"script": "exit 1", "skipIf": "!exists /nowhere"},
        "run": {"script": "echo ran", "skipIf": "exists /nowhere"},
    });
    world.add("a.B", lifecycle, &[]);
    assert_eq!(world.states("a.B", Finished).await, [Installed, Starting, Running, Stopping, Finished]);
    assert_eq!(world.lines("a.B", "stdout. ran").len(), 1);
}

#[tokio::test]
async fn scripts_and_variables_need_not_be_text() {
    fidelity!("core-lifecycle-2", "core-lifecycle-12");
    let mut world = World::new();
    let setenv = json!({"N": 5, "D": 5.0, "E": 0.0001, "T": true, "L": ["a", 1], "M": {"x": "y"}});
    world.add("a.B", json!({"setenv": setenv, "install": "", "run": "echo $N $D $E $T $L [$M]"}), &[]);
    world.states("a.B", Finished).await;
    assert_eq!(world.lines("a.B", "stdout. 5 5.0 1.0E-4 true [a, 1] []").len(), 1);
    world.add("a.C", json!({"run": ["true", "false"]}), &[]);
    world.states("a.C", Errored).await;
    assert!(world.log("a.C").contains("command=[\"[true, false]\"]}"));
}

#[tokio::test]
async fn nobody_to_run_as() {
    fidelity!("core-exec-7");
    let mut world = World::with_user(1.0, Some("no-such-user"));
    for (name, lifecycle, code) in [
        ("a.I", json!({"install": {"script": "true", "requiresPrivilege": true}}), "INSTALL_MISSING_DEFAULT_RUNWITH"),
        ("a.S", json!({"startup": "true"}), "STARTUP_MISSING_DEFAULT_RUNWITH"),
        ("a.R", json!({"run": "true"}), "RUN_MISSING_DEFAULT_RUNWITH"),
    ] {
        world.add(name, lifecycle, &[]);
        world.states(name, Broken).await;
        assert_eq!(world.service(name).trouble().code, code);
    }
    let line = "[ERROR] Could not determine user/group to run with. Ensure that runWithDefault is set for \
                aws.greengrass.Nucleus. {serviceName=a.I, currentState=NEW}";
    assert_eq!(world.lines("greengrass", "serviceName=a.I, currentState=NEW}")[0], line);
    assert!(world.log("greengrass").contains("java.io.IOException: Unrecognized user: no-such-user"));
    // Without scripts nobody is needed.
    world.add("a.N", json!({"shutdown": {"skipIf": "exists /", "script": "true"}}), &[]);
    assert_eq!(world.states("a.N", Finished).await, [Installed, Starting, Finished]);
}

#[tokio::test]
async fn an_unknown_user_with_a_group_is_left_to_sudo() {
    fidelity!("core-exec-8");
    let mut world = World::with_user(1.0, Some("no-such-user:no-such-group"));
    world.add("a.B", json!({"install": "true"}), &[]);
    world.states("a.B", Broken).await;
    let lines = world.lines("greengrass", "currentState=NEW");
    assert_eq!(
        lines[0],
        "[ERROR] update-artifact-owner. Error updating service artifact owner. {serviceName=a.B, currentState=NEW, \
         user=no-such-user, group=no-such-group}"
    );
    assert_eq!(
        lines[1],
        "[ERROR] Service artifacts may not be accessible to user. {serviceName=a.B, currentState=NEW}"
    );
    assert_eq!(world.service("a.B").trouble().code, "INSTALL_ERROR");
}

#[tokio::test]
async fn a_script_that_is_too_long_cannot_be_started() {
    fidelity!("core-exec-6");
    let mut world = World::new();
    world.add("a.B", json!({"install": "#".repeat(200_000)}), &[]);
    world.states("a.B", Broken).await;
    let log = world.log("a.B");
    assert!(log.contains("[ERROR]") && log.contains("Error while running component lifecycle script. {"));
    let folder = world.folder.path().join("work/a.B");
    let text = format!(
        "java.io.IOException: Cannot run program \"sh\" (in directory \"{}\"): error=7, Argument list too long",
        folder.display()
    );
    assert!(log.contains(&text), "{log}");
    // Java tells no status in this case.
    let line = "[ERROR] service-errored. {reason=Script errored in install, serviceName=a.B, currentState=NEW}";
    assert_eq!(world.lines("greengrass", "service-errored"), [line; 3]);
    assert_eq!(world.service("a.B").trouble().code, "INSTALL_ERROR");
}

#[tokio::test]
async fn the_work_folder_is_made_ready_before_each_script() {
    fidelity!("core-exec-10");
    let mut world = World::new();
    let ready = "echo \"$(stat -c %a .) $(ls)\"";
    world.add("a.Gone", json!({"install": "rm -r \"$PWD\"", "run": ready}), &[]);
    world.states("a.Gone", Finished).await;
    assert_eq!(world.lines("a.Gone", "stdout. 700. ").len(), 1, "{}", world.log("a.Gone"));
    world.add("a.Open", json!({"install": "touch kept && chmod 777 .", "run": ready}), &[]);
    world.states("a.Open", Finished).await;
    assert_eq!(world.lines("a.Open", "stdout. 700 kept. ").len(), 1, "{}", world.log("a.Open"));
    // The mode is set before a script, and not after it.
    world.add("a.Last", json!({"run": "chmod 755 ."}), &[]);
    world.states("a.Last", Finished).await;
    assert_eq!(fs::metadata(world.folder.path().join("work/a.Last")).unwrap().mode() & 0o777, 0o755);
}

#[tokio::test]
async fn a_work_folder_that_cannot_be_made_is_an_io_error() {
    fidelity!("core-exec-10");
    let mut world = World::new();
    // The second try finds a link that leads nowhere in its place.
    let broken = "cd .. && rm -r a.B && ln -s nowhere/deep a.B && exit 1";
    world.add("a.B", json!({"install": broken}), &[]);
    world.states("a.B", Broken).await;
    assert_eq!(world.service("a.B").trouble().code, "INSTALL_IO_ERROR");
    let line = "[ERROR] Error setting up to run services.a.B.lifecycle.install. {serviceName=a.B, currentState=NEW}";
    assert_eq!(world.lines("greengrass", "Error setting up to run"), [line; 2]);
}

#[tokio::test]
async fn every_script_is_told_the_fips_mode() {
    fidelity!("core-exec-11");
    let world = World::new();
    let told = |kernel: &Kernel| {
        ["AWS_USE_FIPS_ENDPOINT", "AWS_GG_FIPS_MODE"].map(|name| kernel.environment().remove(name).unwrap_or_default())
    };
    assert_eq!(told(&world.kernel), ["false", "false"]);
    let Kernel { config, store, logs, provider, .. } = &*world.kernel;
    let path = ["services", crate::config::NUCLEUS, "configuration", "fipsMode"];
    config.configuration.change(|tree| tree.merge(&path, &"true".into(), 1));
    // It is read at the start.
    assert_eq!(told(&world.kernel), ["false", "false"]);
    let events = mpsc::unbounded_channel().0;
    let again = Kernel::new(config.clone(), store.clone(), logs.clone(), provider.clone(), events);
    assert_eq!(told(&again), ["true", "true"]);
}

#[tokio::test]
async fn bootstrap_runs_in_the_foreground() {
    fidelity!("core-lifecycle-25");
    let world = World::with_speed(50.0);
    let spec = |lifecycle| {
        world.kernel.store.make_folders("a.B", &Version::new(1, 0, 0)).unwrap();
        Spec {
            version: Version::new(1, 0, 0),
            arn: String::new(),
            lifecycle,
            configuration: json!({}),
            dependencies: vec![],
            user: None,
        }
    };
    for (lifecycle, code) in [
        (json!({}), 0),
        (json!({"bootstrap": "exit 100"}), 100),
        (json!({"Bootstrap": {"Script": "exit 3", "SkipIf": "exists /"}}), 0),
        (json!({"bootstrap": {"timeout": 3}}), 1),
    ] {
        assert_eq!(bootstrap(&world.kernel, "a.B", spec(lifecycle)).await.unwrap(), code);
    }
    assert!(!world.log("a.B").contains("shell-runner-error"));
    let slow = json!({"bootstrap": {"script": "sleep 60", "timeout": 7}});
    let error = bootstrap(&world.kernel, "a.B", spec(slow)).await.unwrap_err();
    assert_eq!(error.to_string(), "Bootstrap step timed out after '7' seconds.");
}
