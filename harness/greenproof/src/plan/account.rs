//! What the account holds, with nothing left open: ids, suffixes and the values of secrets.

use crate::scenario::account::{Aws, Role};
use cloud::world::{self, Key, Secret, Sensitive};
use std::collections::BTreeMap;

/// Every role by name.
pub(super) fn roles(aws: &Aws) -> BTreeMap<String, world::Role> {
    let role = |role: &Role| world::Role {
        path: role.path.clone(),
        trust: role.trust.clone(),
        policies: role.policies.clone(),
        boundary: role.boundary.clone(),
        tags: role.tags.clone(),
        max_session_seconds: role.max_session,
    };
    std::iter::once(&aws.role).chain(&aws.roles).map(|stated| (stated.name.clone(), role(stated))).collect()
}

/// The customer managed keys.
pub(super) fn keys(aws: &Aws, account: &str) -> BTreeMap<String, Key> {
    let key = |key: &crate::scenario::account::Key| Key {
        id: key.id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        policy: key.policy.clone().unwrap_or_else(|| default_key_policy(account)),
        enabled: key.enabled,
    };
    aws.keys.iter().map(|(name, stated)| (name.clone(), key(stated))).collect()
}

/// The policy that KMS gives a key that is created without one: the account's own policies decide.
fn default_key_policy(account: &str) -> String {
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "kms:*",
            "Resource": "*",
        }],
    });
    policy.to_string()
}

/// The secrets with their values; `{token:NAME}` in one stands for a minted token.
pub(super) fn secrets(aws: &Aws, tokens: &BTreeMap<String, String>) -> Vec<Secret> {
    let value = |value: &str| {
        tokens
            .iter()
            .fold(value.to_owned(), |value, (token, minted)| value.replace(&format!("{{token:{token}}}"), minted))
    };
    let secret = |(name, stated): (&String, &crate::scenario::account::Secret)| Secret {
        name: name.clone(),
        value: Sensitive(value(&stated.value)),
        suffix: stated.suffix.clone(),
        key: stated.key.clone(),
        policy: stated.policy.clone(),
        tags: stated.tags.clone(),
    };
    aws.secrets.iter().map(secret).collect()
}
