//! What the account holds, with nothing left open: ids, suffixes and the values of secrets.

use super::credentials::Credentials;
use crate::scenario::account::{Aws, Role};
use cloud::world::{self, Key, RoleAlias, Secret, Sensitive};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every role alias by its name.
pub(super) fn role_aliases(aws: &Aws) -> BTreeMap<String, RoleAlias> {
    let alias = |role: &str, duration_seconds| RoleAlias { role: role.to_owned(), duration_seconds };
    let own = aws.alias.exists.then(|| (aws.alias.name.clone(), alias(&aws.role.name, aws.alias.duration)));
    let further = aws.further_aliases.iter().map(|(name, role)| (name.clone(), alias(role, 3600)));
    further.chain(own).collect()
}

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

/// A configuration in whose texts all placeholders are filled in.
pub(super) fn fill(configuration: &mut Value, credentials: &Credentials) {
    match configuration {
        Value::String(text) => *text = credentials.filled(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, credentials)),
        Value::Object(fields) => fields.values_mut().for_each(|item| fill(item, credentials)),
        _ => {}
    }
}

/// The secrets with their values, all placeholders filled in.
pub(super) fn secrets(aws: &Aws, credentials: &Credentials) -> Vec<Secret> {
    let secret = |(name, stated): (&String, &crate::scenario::account::Secret)| Secret {
        name: name.clone(),
        value: Sensitive(credentials.filled(&stated.value)),
        suffix: stated.suffix.clone(),
        key: stated.key.clone(),
        policy: stated.policy.clone(),
        tags: stated.tags.clone(),
    };
    aws.secrets.iter().map(secret).collect()
}
