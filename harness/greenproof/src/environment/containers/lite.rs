//! The device with nucleus lite: systemd as its first process, in a container that is not privileged.
//!
//! Docker mounts the host's control groups; systemd wants its own hierarchy, so the first thing is to mount one in the
//! container's own namespace. What the device's network needs is prepared as for the emulated core.

use crate::{
    core::Core,
    docker::{ContainerSpec, Lease, Network, Upload},
    environment::{TRUST_STORE, containers},
    plan::Plan,
    stage::Stage,
};
use serde_json::json;

/// The nucleus's configuration, and what its package lays over it, which would have components run as the nucleus's
/// own user.
const CONFIGS: [&str; 2] = ["/etc/greengrass/config.yaml", "/etc/greengrass/config.d/greengrass-lite.yaml"];

/// What systemd and the mount of its control groups need beyond Docker's own set.
const CAPABILITIES: [&str; 2] = ["NET_ADMIN", "SYS_ADMIN"];

/// Mounts the control groups and gives the nucleus its folder, whose owner its package has made.
const BOOT: &str = "mount -t cgroup2 none /sys/fs/cgroup && chown -R ggcore:ggcore \"$0\" && exec \"$@\"";

pub(super) fn device(stage: &Stage, plan: &Plan, network: &Network, lease: &Lease) -> ContainerSpec {
    let (root, device) = (Core::Lite.root(), &plan.scenario.device);
    let nameserver = network.aws().to_string();
    let mut command = vec!["sh", "-c", BOOT, root];
    command.extend(containers::surround(&nameserver, device.trust_ca));
    command.push("/lib/systemd/systemd");
    let systemd = Upload::file("/etc/systemd/system.conf.d/greenproof.conf", environment(device.trust_ca), 0o644);
    let configs = CONFIGS.map(|path| Upload::file(path, config(plan), 0o644));
    ContainerSpec {
        image: stage.images.lite.clone().unwrap_or_default(),
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
        boots: true,
        // By this systemd knows where it is.
        env: vec![("container".into(), "docker".into())],
        files: containers::files(plan, root, configs.into_iter().chain([systemd])),
        hostname: plan.thing.clone(),
        ..containers::container(network, lease, "device", network.device(), &command)
    }
}

/// Components get systemd's environment, so this is where a site with TLS inspection names its bundle.
fn environment(trusting: bool) -> String {
    let names = containers::TRUSTING.iter().filter(|_| trusting).map(|name| format!("\"{name}={TRUST_STORE}\""));
    format!("[Manager]\nDefaultEnvironment={}\n", names.collect::<Vec<_>>().join(" "))
}

/// The nucleus's configuration, which it reads once.
fn config(plan: &Plan) -> String {
    let (root, aws) = (Core::Lite.root(), &plan.scenario.aws);
    let mut configuration = json!({
        "awsRegion": aws.region,
        "iotCredEndpoint": plan.endpoints().credentials,
        "iotDataEndpoint": plan.endpoints().data,
        "iotRoleAlias": aws.alias.name,
        "greengrassDataPlanePort": "8443",
        "runWithDefault": { "posixUser": Core::Lite.user() },
    });
    crate::plan::merge(&mut configuration, &plan.scenario.device.nucleus);
    let config = json!({
        "system": {
            "privateKeyPath": format!("{root}/private.pem.key"),
            "certificateFilePath": format!("{root}/device.pem.crt"),
            "rootCaPath": format!("{root}/AmazonRootCA1.pem"),
            "rootPath": root,
            "thingName": plan.thing,
        },
        "services": { "aws.greengrass.NucleusLite": { "componentType": "NUCLEUS", "configuration": configuration } },
    });
    serde_yaml_ng::to_string(&config).expect("a JSON value is always YAML")
}
