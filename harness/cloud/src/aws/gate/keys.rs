//! KMS keys as LocalStack has them, asked directly or by another service in the caller's name.

use super::{Call, Gate, refusal::Refusal};
use crate::{event::Decision, world::World};
use serde_json::{Value, json};
use std::sync::Arc;

/// A KMS key of the account.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) arn: String,
    pub(super) state: State,
    /// Whether AWS manages it, as `aws/secretsmanager` or `aws/s3`.
    pub(super) is_of_aws: bool,
    /// The condition keys of every operation on it.
    pub(super) keys: Vec<(String, Value)>,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Enabled,
    Disabled,
    PendingDeletion,
}

/// How AWS describes `aws/s3`, by which alone LocalStack's can be told from the account's own keys.
const OF_S3: &str = "Default key that protects my S3 objects when no other key is defined";

/// A service that asks KMS in a caller's name.
#[derive(Clone, Copy)]
pub(super) enum Service {
    SecretsManager,
    S3,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::S3 => "s3",
        }
    }
}

impl Gate {
    /// The key that an id, an ARN or an alias stands for, if this account has it there. LocalStack would also find
    /// another account's by its ARN.
    pub(super) async fn key(&self, region: &str, id: &str) -> Option<Arc<Key>> {
        let asked = match self.keys.find(region, id) {
            Ok(key) => return Some(key),
            Err(asked) => asked,
        };
        let home = format!("arn:aws:kms:{region}:{}:", self.world.account);
        if id.is_empty() || id.starts_with("arn:") && !id.starts_with(&home) {
            return None;
        }
        let metadata = self.asked_kms(region, "DescribeKey", id).await?;
        let metadata = &metadata["KeyMetadata"];
        let arn = metadata["Arn"].as_str().filter(|arn| arn.starts_with(&home))?;
        let mut keys = properties(metadata);
        let aliases = self.asked_kms(region, "ListAliases", arn).await.unwrap_or_default();
        let names: Vec<_> = listed(&aliases, "Aliases").filter_map(|alias| alias["AliasName"].as_str()).collect();
        keys.extend((!names.is_empty()).then(|| ("kms:ResourceAliases".into(), json!(names))));
        let tags = self.asked_kms(region, "ListResourceTags", arn).await.unwrap_or_default();
        keys.extend(
            listed(&tags, "Tags").filter_map(|tag| {
                Some((format!("aws:ResourceTag/{}", tag["TagKey"].as_str()?), tag["TagValue"].clone()))
            }),
        );
        let key = Key {
            arn: arn.to_owned(),
            state: match metadata["KeyState"].as_str() {
                Some("Enabled") => State::Enabled,
                Some("PendingDeletion") => State::PendingDeletion,
                _ => State::Disabled,
            },
            is_of_aws: metadata["KeyManager"] == "AWS" || metadata["Description"] == OF_S3,
            keys,
        };
        Some(self.keys.keep(asked, region, id, key))
    }

    /// KMS's answer to a call on a key that this account doesn't have.
    pub(super) fn no_such_key(&self, call: &Call<'_>) -> Refusal {
        let (operation, principal) = (call.operation, self.principal(call.caller));
        let World { account, .. } = &*self.world;
        let home = format!("arn:aws:kms:{}:{account}:", operation.region);
        match operation.text("KeyId").or(operation.text("TargetKeyId")).or(operation.text("AliasName")) {
            None if operation.key_id.as_ref().is_some_and(|id| !id.is_empty()) => {
                Refusal::hidden_key(&principal, &operation.action, None)
            }
            None if operation.text("CiphertextBlob").is_some() => Refusal::no_ciphertext(),
            None => Refusal::new(400, "ValidationException", Refusal::missing("keyId").message),
            Some(arn) if arn.starts_with(&home) => Refusal::no_such_key(arn),
            Some(arn) if arn.starts_with("arn:") => Refusal::hidden_key(&principal, &operation.action, Some(arn)),
            Some(alias) if alias.starts_with("alias/") => Refusal::no_such_key(&format!("{home}{alias}")),
            Some(id) => Refusal::no_such_key(&format!("{home}key/{id}")),
        }
    }

    async fn asked_kms(&self, region: &str, operation: &str, key: &str) -> Option<Value> {
        let answer = self.localstack.json(region, &format!("TrentService.{operation}"), &json!({ "KeyId": key })).await;
        let answer = answer.ok().filter(|answer| answer.status.is_success())?;
        serde_json::from_slice(&answer.body).ok()
    }

    /// What a service asks of a key in the name of who calls it, whose address it passes on.
    pub(super) fn through(&self, call: &Call<'_>, service: Service, action: &str, key: &Key) -> Decision {
        let (name, region) = (service.name(), &call.operation.region);
        let host = format!("{name}.amazonaws.com");
        let asked = self
            .asks(call.caller, action, &key.arn)
            .with("aws:SourceIp", self.world.public_address.to_string())
            .with("aws:SecureTransport", "true")
            .with("aws:RequestedRegion", region.as_str())
            .with("aws:ViaAWSService", "true")
            .with("aws:CalledVia", json!([host]))
            .with("aws:CalledViaFirst", host.as_str())
            .with("aws:CalledViaLast", host.as_str())
            .with("kms:ViaService", format!("{name}.{region}.amazonaws.com"))
            .with("kms:CallerAccount", self.world.account.as_str())
            .with("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
        key.keys.iter().fold(asked, |asked, (key, value)| asked.with(key.as_str(), value.clone()))
    }
}

/// The members of a list in an answer.
fn listed<'v>(answer: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// The condition keys of a key's properties, some of which have an old name besides.
fn properties(metadata: &Value) -> Vec<(String, Value)> {
    let regions = &metadata["MultiRegionConfiguration"];
    let all = [
        ("kms:KeySpec", &metadata["KeySpec"]),
        ("kms:CustomerMasterKeySpec", &metadata["KeySpec"]),
        ("kms:KeyUsage", &metadata["KeyUsage"]),
        ("kms:CustomerMasterKeyUsage", &metadata["KeyUsage"]),
        ("kms:KeyOrigin", &metadata["Origin"]),
        ("kms:MultiRegion", &metadata["MultiRegion"]),
        ("kms:MultiRegionKeyType", &regions["MultiRegionKeyType"]),
    ];
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let there = all.into_iter().filter(|(_, property)| !property.is_null());
    there.map(|(key, property)| (key.to_owned(), value(property).into())).collect()
}
