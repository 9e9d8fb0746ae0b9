//! What the AWS account holds: roles, keys, secrets, buckets and the policies on them.
//!
//! Policies are kept as their texts, byte for byte, and were checked when the scenario was read.

pub use cloud::world::Policy;

use std::{collections::BTreeMap, path::PathBuf};

/// The account.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Its 12 digits; minted when absent.
    pub account: Option<String>,
    /// The region.
    pub region: String,
    /// Whether what policies deny is let through, to be told at the end.
    pub soft: bool,
    /// The token exchange role.
    pub role: Role,
    /// The role alias that leads to it.
    pub alias: Alias,
    /// Further roles.
    pub roles: Vec<Role>,
    /// The role aliases that lead to further roles: names of roles by those of aliases.
    pub further_aliases: BTreeMap<String, String>,
    /// Texts of the IoT policies attached to the certificate, by name.
    pub thing_policies: BTreeMap<String, String>,
    /// Service control policies by name, level by level, root first; empty without an organisation.
    pub scps: Vec<BTreeMap<String, String>>,
    /// Resource control policies by name, level by level, root first; `RCPFullAWSAccess` is implied.
    pub rcps: Vec<BTreeMap<String, String>>,
    /// Customer managed KMS keys by the name that secrets use.
    pub keys: BTreeMap<String, Key>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Buckets by name, beside those that components' artifacts are in.
    pub buckets: BTreeMap<String, Bucket>,
}

/// An IAM role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its path, which begins and ends with `/`.
    pub path: String,
    /// Its trust policy's text.
    pub trust: String,
    /// Texts of its identity policies by name.
    pub policies: BTreeMap<String, String>,
    /// Its permissions boundary.
    pub boundary: Option<Policy>,
    /// Its tags, which its sessions have as `aws:PrincipalTag`.
    pub tags: BTreeMap<String, String>,
    /// `MaxSessionDuration`: 3,600 to 43,200 s.
    pub max_session: u32,
}

/// The role alias that the device is configured with.
#[derive(Clone, Debug)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// Whether IoT knows it.
    pub exists: bool,
    /// How long its credentials last: 900 to 43,200 s.
    pub duration: u32,
}

/// A customer managed KMS key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id, a UUID; minted when absent.
    pub id: Option<String>,
    /// Its policy's text; absent for the one that KMS gives a new key, which trusts the account.
    pub policy: Option<String>,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// A secret.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Its value, in which `{token:NAME}` stands for the token of that name.
    pub value: String,
    /// The six characters at the end of its ARN; minted when absent.
    pub suffix: Option<String>,
    /// Name of the key that encrypts it; absent for `aws/secretsmanager`.
    pub key: Option<String>,
    /// Its resource policy's text.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A bucket.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Its objects by key: a file, or a folder to zip.
    pub objects: BTreeMap<String, PathBuf>,
    /// Its bucket policy's text.
    pub policy: Option<String>,
}
