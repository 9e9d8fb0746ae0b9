//! What the account holds apart from IoT: roles, keys, secrets and buckets.

use super::Sensitive;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A policy with its name: its text as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The policy's name.
    pub name: String,
    /// The document's text.
    pub text: String,
}

/// What an IoT role alias points at.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAlias {
    /// Name of the IAM role (not the ARN).
    pub role: String,
    /// `credentialDurationSeconds`: 900 to 43,200.
    pub duration_seconds: u32,
}

/// An IAM role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The IAM path, `/` by default.
    pub path: String,
    /// The trust policy's text.
    pub trust: String,
    /// Texts of the identity policies by name.
    pub policies: BTreeMap<String, String>,
    /// The permissions boundary.
    #[serde(default)]
    pub boundary: Option<Policy>,
    /// The role's tags, which its sessions have as `aws:PrincipalTag`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// `MaxSessionDuration` in seconds.
    pub max_session_seconds: u32,
}

/// A customer managed KMS key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key's id, a UUID.
    pub id: String,
    /// The key policy's text.
    pub policy: String,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// A secret of Secrets Manager.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The secret's name.
    pub name: String,
    /// Its `SecretString`.
    pub value: Sensitive,
    /// The six characters at the end of its ARN; absent for what Secrets Manager chooses.
    #[serde(default)]
    pub suffix: Option<String>,
    /// Name of the customer managed key that encrypts it; absent for `aws/secretsmanager`.
    #[serde(default)]
    pub key: Option<String>,
    /// Its resource policy's text.
    #[serde(default)]
    pub policy: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// An S3 bucket and its objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    /// Its objects: key and base64 content.
    pub objects: BTreeMap<String, String>,
    /// Its bucket policy's text.
    #[serde(default)]
    pub policy: Option<String>,
}
