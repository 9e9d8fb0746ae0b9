//! What the three containers of an environment are made of.

mod classic;
mod lite;

use super::{CA, ROOT, TRUST_STORE, faults::faulty, hand::unreachable};
use crate::{
    core::Core,
    docker::{ContainerSpec, Entry, Lease, LocalStack, Network, Upload},
    plan::{Addresses, Plan},
    scenario::{self, Timing},
    stage::{Error, Extra, Stage},
};
use cloud::world;
use std::{collections::BTreeMap, net::Ipv4Addr};

const INIT_CONFIG: &str = "/etc/greengrass/init-config.yaml";

/// The variables by which a site with TLS inspection names its bundle to the AWS CLI, Python and git.
const TRUSTING: [&str; 3] = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"];

/// What all containers of an environment have in common.
pub(crate) fn container(
    network: &Network,
    lease: &Lease,
    role: &str,
    address: Ipv4Addr,
    command: &[&str],
) -> ContainerSpec {
    ContainerSpec {
        name: format!("greenproof-{}-{role}", lease.id()),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        labels: lease.labels(role),
        network: network.name.clone(),
        address: Some(address),
        hostname: role.into(),
        ..ContainerSpec::default()
    }
}

pub(super) fn aws(
    stage: &Stage,
    plan: &Plan,
    network: &Network,
    lease: &Lease,
    localstack: &LocalStack,
    edge: Option<&String>,
) -> ContainerSpec {
    let at = Addresses { aws: network.aws(), github: network.github() };
    let world = serde_json::to_vec(&plan.world(&localstack.url, at)).expect("a world always serialises");
    ContainerSpec {
        image: stage.images.cloud.clone(),
        files: vec![Upload::file(world::PATH, world, 0o600)],
        extra_networks: [&localstack.network].into_iter().chain(edge).cloned().collect(),
        published: plan.outside.publish(world::ENDPOINT_PORT),
        ..container(network, lease, "aws", at.aws, &["greenproof", "cloud", "aws"])
    }
}

pub(super) fn github(
    stage: &Stage,
    plan: &Plan,
    network: &Network,
    lease: &Lease,
    packages: BTreeMap<String, Entry>,
) -> Result<Option<ContainerSpec>, Error> {
    let at = Addresses { aws: network.aws(), github: network.github() };
    let hub = plan.hub(at).map_err(|error| Error::surrounding("planning", error, ""))?;
    if !plan.scenario.github.reachable {
        return if hub.faults.is_empty() { Ok(None) } else { Err(unreachable()) };
    }
    let hub = serde_json::to_vec(&hub).expect("a hub always serialises");
    let mut files = vec![Upload::file(world::PATH, hub, 0o600)];
    let own = plan.packages().map_err(|error| Error::surrounding("planning", error, ""))?;
    for (name, bytes) in packages.into_iter().map(|(name, entry)| (name, entry.bytes)).chain(own) {
        files.push(Upload::file(&format!("{}/{name}", world::PACKAGES), bytes, 0o644));
    }
    let private = plan.private_packages().map_err(|error| Error::surrounding("planning", error, ""))?;
    for (name, bytes) in private {
        files.push(Upload::file(&format!("{}/{name}", world::PRIVATE_PACKAGES), bytes, 0o644));
    }
    files.extend(repositories(plan));
    Ok(Some(ContainerSpec {
        image: stage.images.cloud.clone(),
        files,
        ..container(network, lease, "github", at.github, &["greenproof", "cloud", "github"])
    }))
}

/// What GitHub has of a plan.
pub(super) fn repositories(plan: &Plan) -> impl Iterator<Item = Upload> {
    let path = |name: &str| format!("{}/{name}.git", world::REPOSITORIES);
    plan.repositories.iter().map(move |(name, bare)| Upload::tree(&path(name), bare.tar.clone()))
}

/// The lowest port that a user other than root may listen on, as Linux has it; the engine lets everybody listen on all.
const LOWEST_PORT: u16 = 1024;

/// The device, with the core that the scenario wants.
pub(super) fn device(stage: &Stage, plan: &Plan, network: &Network, lease: &Lease, extra: &Extra) -> ContainerSpec {
    let device = match plan.scenario.device.core {
        Core::Lite => lite::device(stage, plan, network, lease),
        Core::Classic => classic::device(stage, plan, network, lease),
        Core::Emulated => emulated(stage, plan, network, lease, extra),
    };
    faulty(ContainerSpec { lowest_port: Some(LOWEST_PORT), ..device }, &plan.scenario)
}

/// The emulated core. The CA variables are what a site with TLS inspection sets for the core, since the AWS CLI carries its
/// own bundle; they reach components through the core's environment.
fn emulated(stage: &Stage, plan: &Plan, network: &Network, lease: &Lease, extra: &Extra) -> ContainerSpec {
    let image = extra.device.as_ref().map_or(&stage.images.device, |own| &own.tag);
    let scenario::Device { trust_ca, clock, timing, .. } = plan.scenario.device;
    let (nameserver, speed) = (network.aws().to_string(), clock.to_string());
    let mut command = vec!["greenproof", "device", "--nameserver", &nameserver, "--gateway", &nameserver];
    command.extend(["--init-config", INIT_CONFIG, "--root", ROOT, "--speed", &speed]);
    if timing == Timing::Real {
        command.extend(["--timing", "real"]);
    }
    if trust_ca {
        command.extend(["--trust", CA]);
    }
    if plan.scenario.fleet.is_some() {
        command.push("--tell-logs");
    }
    ContainerSpec {
        image: image.clone(),
        capabilities: vec!["NET_ADMIN".into()],
        env: trusting(trust_ca),
        files: files(plan, ROOT, [Upload::file(INIT_CONFIG, plan.init_config(ROOT), 0o644)]),
        hostname: plan.thing.clone(),
        ..container(network, lease, "device", network.device(), &command)
    }
}

/// What a site with TLS inspection sets for its core.
fn trusting(trust_ca: bool) -> Vec<(String, String)> {
    TRUSTING.into_iter().filter(|_| trust_ca).map(|name| (name.into(), TRUST_STORE.into())).collect()
}

/// What a device has whatever its core: who it is, whom it trusts and where pip looks; and its configuration.
fn files(plan: &Plan, root: &str, configuration: impl IntoIterator<Item = Upload>) -> Vec<Upload> {
    let pip = format!("[global]\nindex-url = https://{}/simple/\n", world::INDEX_HOST);
    let own = |name: &str, text: &str, mode| Upload::file(&format!("{root}/{name}"), text.to_owned(), mode);
    let files = [
        Upload::file(CA, plan.ca.clone(), 0o644),
        own("AmazonRootCA1.pem", &plan.ca, 0o644),
        own("device.pem.crt", &plan.identity.certificate, 0o644),
        own("private.pem.key", &plan.identity.key, 0o600),
        Upload::file("/etc/pip.conf", pip, 0o644),
    ];
    files.into_iter().chain(configuration).collect()
}

/// The words that prepare a container for a core that is not ours.
fn surround(nameserver: &str, trust_ca: bool) -> Vec<&str> {
    let mut words = vec!["greenproof", "surround", "--nameserver", nameserver, "--gateway", nameserver];
    if trust_ca {
        words.extend(["--trust", CA]);
    }
    words.push("--");
    words
}
