//! What one environment holds when it is raised: the file that the harness hands to each cloud container.
//!
//! [`World`] is read by the `aws` role, [`Hub`] by the `github` role, both as JSON from [`PATH`].
//! They carry minted secrets and private keys; they exist only inside the container and in the harness's memory.
//! Policies are carried as their text, byte for byte, so that a decision can name line and column.
//! This module only describes; it resolves and checks nothing.

mod account;
mod hub;
mod job;

pub use account::{Bucket, Key, Policy, Role, RoleAlias, Secret};
pub use hub::{App, DeployKey, Hub, Installation, Level, Permissions, PrivateIndex, Repository, Token, TokenKind};
pub use job::{
    AbortAction, AbortConfig, AbortCriteria, Excess, ExponentialRate, FailureType, JobConfiguration,
    MAXIMUM_PER_MINUTE, RateIncreaseCriteria, RolloutConfig, TimeoutConfig,
};

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

/// Where a cloud container finds its [`World`] or [`Hub`].
pub const PATH: &str = "/etc/greenproof/world.json";

/// Common name of the environment's private certificate authority.
pub const AUTHORITY_NAME: &str = "greengrass private root";

/// Folder of the bare repositories in a `github` container, as `OWNER/NAME.git`.
pub const REPOSITORIES: &str = "/srv/git";

/// Folder of the wheels and source archives that a `github` container's package index serves.
pub const PACKAGES: &str = "/srv/packages";

/// Folder of those that a private index alone serves.
pub const PRIVATE_PACKAGES: &str = "/srv/private-packages";

/// Host name of the package index that the device's `pip.conf` names.
pub const INDEX_HOST: &str = "packages.greenproof.internal";

/// Where the `aws` role serves AWS's APIs over plain HTTP to whoever has an access key: an `AWS_ENDPOINT_URL`.
pub const ENDPOINT_PORT: u16 = 4566;
/// The port in the `aws` container of the proxy that a nucleus may use, by any name of AWS.
pub const PROXY_PORT: u16 = 3128;

/// The address from which AWS sees a site that states none: one that is kept for documentation (RFC 5737).
pub const PUBLIC_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

fn public_address() -> Ipv4Addr {
    PUBLIC_ADDRESS
}

/// A text that must not show in `Debug` output.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive(pub String);

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Everything that the `aws` role needs to answer for one environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Identifier of the environment, as in the container labels.
    pub environment: String,
    /// The 12-digit AWS account.
    pub account: String,
    /// The AWS region, such as `ap-northeast-1`.
    pub region: String,
    /// Base URL of LocalStack, such as `http://10.83.255.2:4566`.
    pub localstack: String,
    /// Address of the `aws` container on the environment's network.
    pub aws: Ipv4Addr,
    /// Address of the `github` container on the environment's network; absent where GitHub and the package index can't be
    /// reached.
    #[serde(default)]
    pub github: Option<Ipv4Addr>,
    /// The address from which AWS sees the site call, which policies see as `aws:SourceIp`.
    #[serde(default = "public_address")]
    pub public_address: Ipv4Addr,
    /// The private certificate authority of the environment.
    pub authority: Authority,
    /// The account's IoT endpoints.
    pub endpoints: Endpoints,
    /// The core device as IoT knows it.
    pub thing: Thing,
    /// Other core devices of the account, in a fleet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<Thing>,
    /// Who owns the account, if anybody may act for it through the endpoint.
    #[serde(default)]
    pub operator: Option<Operator>,
    /// IoT role aliases by name.
    pub role_aliases: BTreeMap<String, RoleAlias>,
    /// IAM roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Customer managed KMS keys by the name that secrets use.
    #[serde(default)]
    pub keys: BTreeMap<String, Key>,
    /// Service control policies by name, level by level, root first; empty without an organisation.
    #[serde(default)]
    pub scps: Vec<BTreeMap<String, String>>,
    /// Resource control policies by name, level by level, root first; `RCPFullAWSAccess` is implied.
    #[serde(default)]
    pub rcps: Vec<BTreeMap<String, String>>,
    /// Secrets to put into Secrets Manager.
    pub secrets: Vec<Secret>,
    /// S3 buckets to create.
    pub buckets: Vec<Bucket>,
    /// Component versions that the account has, private and public.
    pub components: Vec<Component>,
    /// The deployments that wait for the device, in the order of their creation.
    pub deployments: Vec<Deployment>,
    /// Whether what policies deny is let through and only written down.
    #[serde(default)]
    pub soft: bool,
    /// What goes wrong from the start.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The seed of the credentials that it hands out ([`crate::minted`]); without one nobody knows them ahead.
    #[serde(default)]
    pub seed: Option<Sensitive>,
    /// Names of the `github` container beyond those that every world has.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// A certificate authority with its key, both PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Authority {
    /// The self-signed certificate.
    pub certificate: String,
    /// The private key (PKCS#8).
    pub key: Sensitive,
}

/// The IoT host names of the account, without a port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoints {
    /// MQTT (8883) and, for a core that says `iotdata`, the data plane (8443): `ID-ats.iot.REGION.amazonaws.com`.
    pub data: String,
    /// The credentials provider (443): `ID.credentials.iot.REGION.amazonaws.com`.
    pub credentials: String,
}

/// An IAM user with AWS's `AdministratorAccess`, as whom a person's tools call the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The user's name.
    pub user: String,
    /// Its access key id, `AKIA` and 16 capitals and digits.
    pub access_key_id: String,
    /// Its secret access key.
    pub secret_access_key: Sensitive,
}

/// A thing with its certificate and what is attached to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thing {
    /// The thing name.
    pub name: String,
    /// Names of the thing groups that it belongs to.
    pub groups: Vec<String>,
    /// The registered device certificate, PEM; its id is the SHA-256 of the DER form in hex.
    pub certificate: String,
    /// IoT policies attached to the certificate, by name.
    pub policies: BTreeMap<String, String>,
}

/// One component version, as `CreateComponentVersion` was given it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Component {
    /// The recipe's own text, YAML or JSON, byte for byte.
    pub recipe: String,
    /// Whether AWS owns it (account `aws` in its ARN) instead of this account.
    pub public: bool,
    /// The objects behind its `greengrass:NAME` artifacts, as `BUCKET/KEY` by name.
    #[serde(default)]
    pub artifacts: BTreeMap<String, String>,
}

/// What `CreateDeployment` was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The deployment's id (a UUID).
    pub id: String,
    /// The id of the IoT job that carries it; a deployment to a thing has none and leaves this empty.
    #[serde(default)]
    pub job: String,
    /// Its name; absent for one that is called after its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    pub target: Target,
    /// What the target shall have, by component name; what an earlier revision had and this one has not is removed.
    pub components: BTreeMap<String, Wanted>,
    /// What the core does when it fails.
    #[serde(default)]
    pub failure_handling: FailureHandling,
    /// Whether components are asked before they are updated; absent for the service's default.
    #[serde(default)]
    pub update: Option<UpdatePolicy>,
    /// Seconds that components have to validate a configuration; absent for the service's default.
    #[serde(default)]
    pub validation_timeout: Option<u32>,
    /// Capabilities that the nucleus must have.
    #[serde(default)]
    pub required_capabilities: Vec<String>,
    /// How the job of a deployment to a group goes about it; no device is told.
    #[serde(default)]
    pub job_configuration: JobConfiguration,
}

/// What a deployment is for: `{"group": "NAME"}`, `"thing"` or `{"thing_named": "NAME"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A thing group, told to each thing in it by an IoT job.
    Group(String),
    /// The world's own thing alone, told by its shadow.
    Thing,
    /// Any thing, by its name.
    ThingNamed(String),
}

/// A component as a deployment wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The exact version.
    pub version: String,
    /// The configuration to merge, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Value>,
    /// JSON pointers of the configuration to reset to the recipe's defaults; `""` is all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<String>,
    /// The system user, and optionally group, that runs it: `runWith.posixUser`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user that runs it on Windows: `runWith.windowsUser`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_user: Option<String>,
    /// `runWith.systemResourceLimits`, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
}

impl Wanted {
    /// A version with nothing else asked for.
    #[must_use]
    pub fn version(version: impl Into<String>) -> Self {
        Self { version: version.into(), ..Self::default() }
    }
}

/// What the core does when a deployment fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureHandling {
    /// It goes back to what ran before.
    #[default]
    Rollback,
    /// It leaves everything as the failure left it.
    DoNothing,
}

/// How components are told before they are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatePolicy {
    /// Whether they are asked at all.
    pub action: UpdateAction,
    /// Seconds that they have to answer.
    pub timeout: u32,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self { action: UpdateAction::default(), timeout: 60 }
    }
}

/// Whether components are asked before they are updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UpdateAction {
    /// They are, and may defer.
    #[default]
    NotifyComponents,
    /// They are not.
    SkipNotifyComponents,
}
