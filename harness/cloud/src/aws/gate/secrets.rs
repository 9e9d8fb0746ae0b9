//! Secrets as LocalStack has them, and the key that has to be asked before one is read or written.

use super::{
    Call, Gate,
    keys::{Key, Service, State},
    operation::Operation,
    refusal::Refusal,
};
use crate::event::Decision;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// A secret, without its values.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) arn: String,
    /// The key that it says it is encrypted with; absent for `aws/secretsmanager`.
    key: Option<String>,
    tags: BTreeMap<String, String>,
    /// Staging labels by the id of a version.
    versions: BTreeMap<String, Vec<String>>,
    /// Whether it is marked for deletion.
    pub(super) is_deleted: bool,
}

impl Secret {
    fn read(described: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let tags = described["Tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let versions = described["VersionIdsToStages"].as_object();
        let stages = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
        Some(Self {
            arn: text(&described["ARN"])?,
            key: text(&described["KmsKeyId"]).filter(|key| !key.is_empty()),
            tags: tags
                .iter()
                .filter_map(|tag| Some((text(&tag["Key"])?, text(&tag["Value"]).unwrap_or_default())))
                .collect(),
            versions: versions
                .map(|versions| versions.iter().map(|(id, value)| (id.clone(), stages(value))).collect())
                .unwrap_or_default(),
            is_deleted: !described["DeletedDate"].is_null(),
        })
    }

    /// Its name, as the account's owner calls it.
    pub(super) fn name(&self) -> &str {
        let name = self.arn.splitn(7, ':').nth(6).unwrap_or_default();
        name.rsplit_once('-').map_or(name, |(name, _)| name)
    }

    /// The condition keys of every operation on it.
    pub(super) fn keys(&self) -> impl Iterator<Item = (String, Value)> {
        let region = self.arn.split(':').nth(3).unwrap_or_default();
        let own = [("SecretId", self.arn.as_str()), ("SecretPrimaryRegion", region)];
        let own = own.into_iter().map(|(name, value)| (format!("secretsmanager:{name}"), value.into()));
        let tags = self.tags.iter().flat_map(|(name, value)| {
            ["aws", "secretsmanager"].map(|service| (format!("{service}:ResourceTag/{name}"), value.as_str().into()))
        });
        own.chain(tags)
    }

    /// The version that a call reads.
    fn version(&self, id: Option<&str>, stage: Option<&str>) -> Option<String> {
        if let Some(id) = id {
            return Some(id.to_owned());
        }
        let stage = stage.unwrap_or("AWSCURRENT");
        let holds = |stages: &Vec<String>| stages.iter().any(|one| one == stage);
        self.versions.iter().find(|(_, stages)| holds(stages)).map(|(id, _)| id.clone())
    }
}

/// What a call does with a secret's value.
enum Use {
    Read,
    Write,
}

/// How long what Secrets Manager appends to a secret's name is, after a hyphen.
const SUFFIX: usize = 6;
/// How long a secret's value may be, in bytes (botocore's model, `SecretStringType` and `SecretBinaryType`).
const LONGEST: usize = 65_536;

impl Gate {
    /// Refuses a value that is too long, whatever policies allow.
    pub(super) fn fits(operation: &Operation) -> Result<(), Refusal> {
        if operation.service != "secretsmanager" {
            return Ok(());
        }
        let text = operation.text("SecretString").map_or(0, str::len);
        let bytes = operation.text("SecretBinary").map_or(0, |text| text.trim_end_matches('=').len() * 3 / 4);
        match [("secretString", text), ("secretBinary", bytes)].into_iter().find(|(_, length)| *length > LONGEST) {
            Some((name, _)) => Err(Refusal::too_long(name, LONGEST)),
            None => Ok(()),
        }
    }

    /// The secret that an id stands for; LocalStack would also find one by an ARN that is not the secret's.
    pub(super) async fn secret(&self, region: &str, id: &str) -> Option<Arc<Secret>> {
        let asked = match self.secrets.find(region, id) {
            Ok(secret) => return Some(secret),
            Err(asked) => asked,
        };
        let described = self.localstack.json(region, "secretsmanager.DescribeSecret", &json!({ "SecretId": id })).await;
        let described = described.ok().filter(|answer| answer.status.is_success())?;
        let secret = Secret::read(&serde_json::from_slice(&described.body).ok()?)?;
        names(id, &secret.arn).then(|| self.secrets.keep(asked, region, id, secret))
    }

    /// Asks KMS for the key of a secret, as Secrets Manager does in the caller's name. `aws/secretsmanager` needs no
    /// permission of the caller's.
    pub(super) async fn unlock_secret(&self, call: &mut Call<'_>, secret: Option<&Secret>) -> Result<(), Refusal> {
        let operation = call.operation;
        let text = |field: &str| operation.text(field);
        let writes = text("SecretString").is_some() || text("SecretBinary").is_some();
        let usage = match operation.name.as_str() {
            "GetSecretValue" => Use::Read,
            "CreateSecret" | "PutSecretValue" | "UpdateSecret" if writes => Use::Write,
            _ => return Ok(()),
        };
        let own = secret.and_then(|secret| secret.key.as_deref());
        let named = match usage {
            Use::Read => own,
            Use::Write => text("KmsKeyId").or(own),
        };
        let Some(named) = named.filter(|named| !named.contains("alias/aws/")) else { return Ok(()) };
        let version = match usage {
            Use::Read => secret.and_then(|secret| secret.version(text("VersionId"), text("VersionStage"))),
            Use::Write => Some(text("ClientRequestToken").map_or_else(new_version, str::to_owned)),
        };
        // Of a version that is not there nothing is decrypted.
        let Some(version) = version else { return Ok(()) };
        let key = self.key(&operation.region, named).await.ok_or_else(Refusal::no_kms)?;
        if key.is_of_aws {
            return Ok(());
        }
        let arn = secret.map_or(operation.resource.as_str(), |secret| &secret.arn);
        self.ask_for_secret(call, &key, &usage, (arn, &version))?;
        match (self.state(&key), usage) {
            (State::Enabled, _) => Ok(()),
            (_, Use::Read) => Err(Refusal::not_decrypted()),
            (_, Use::Write) => Err(Refusal::not_encrypted()),
        }
    }

    fn ask_for_secret(
        &self,
        call: &mut Call<'_>,
        key: &Key,
        usage: &Use,
        (arn, version): (&str, &str),
    ) -> Result<(), Refusal> {
        let actions: &[&str] = match usage {
            Use::Read => &["kms:Decrypt"],
            Use::Write => &["kms:GenerateDataKey", "kms:Decrypt"],
        };
        for action in actions {
            let asked: Decision = self
                .through(call, Service::SecretsManager, action, key)
                .with("kms:EncryptionContext:SecretARN", arn)
                .with("kms:EncryptionContext:SecretVersionId", version)
                .with("kms:EncryptionContextKeys", json!(["SecretARN", "SecretVersionId"]));
            if self.further(call, asked).clause.is_some() {
                return Err(Refusal::no_kms());
            }
        }
        Ok(())
    }
}

fn new_version() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Whether an id that a caller uses stands for the secret with this ARN: its name, its ARN, or that without the suffix. One
/// that ends as if it had a suffix is taken for a whole ARN, although it may be the end of the secret's name
/// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen>).
fn names(id: &str, arn: &str) -> bool {
    let suffix = |arn: &str| arn.rsplit_once('-').map(|(start, end)| (start.len(), end.len() == SUFFIX));
    let without_suffix = suffix(arn).map_or(arn, |(start, _)| &arn[..start]);
    let looks_whole = suffix(id).is_some_and(|(_, looks_so)| looks_so);
    !id.starts_with("arn:") || id == arn || (id == without_suffix && !looks_whole)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn an_arn_without_its_suffix_must_not_look_whole() {
        fidelity::fidelity!("gate-20");
        let arn = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}");
        for (name, id, found) in [
            ("token-AbCdEf", "token", true),
            ("token-AbCdEf", "token-AbCdEf", true),
            ("my-secret-AbCdEf", "my-secret", false),
            ("my-secret-AbCdEf", "my-secret-AbCdEf", true),
            ("my-secrets-AbCdEf", "my-secrets", true),
            ("token-AbCdEf", "toke", false),
        ] {
            assert_eq!(names(&arn(id), &arn(name)), found, "{id} of {name}");
        }
        assert!(names("my-secret", &arn("my-secret-AbCdEf")), "a name is never taken for an ARN");
    }
}
