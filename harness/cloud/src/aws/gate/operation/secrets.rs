//! Secrets Manager: what a call is about stands in its JSON.

use super::{Answerer, Operation, host::Place, tags};
use crate::{aws::gate::Received, world::World};
use serde_json::{Value, json};

/// Operations on one secret, which is named by `SecretId`.
const ON_A_SECRET: [&str; 16] = [
    "CancelRotateSecret",
    "DeleteResourcePolicy",
    "DeleteSecret",
    "DescribeSecret",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListSecretVersionIds",
    "PutResourcePolicy",
    "PutSecretValue",
    "RestoreSecret",
    "RotateSecret",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "ValidateResourcePolicy",
];

/// Fields of the input that are condition keys. AWS fills in nothing that the caller leaves out.
const KEYS: [(&str, &[&str], &str); 8] = [
    ("Name", &["CreateSecret"], "secretsmanager:Name"),
    ("Description", &["CreateSecret", "UpdateSecret"], "secretsmanager:Description"),
    ("KmsKeyId", &["CreateSecret", "UpdateSecret"], "secretsmanager:KmsKeyId"),
    ("VersionId", &["GetSecretValue"], "secretsmanager:VersionId"),
    ("VersionStage", &["GetSecretValue", "UpdateSecretVersionStage"], "secretsmanager:VersionStage"),
    ("RecoveryWindowInDays", &["DeleteSecret"], "secretsmanager:RecoveryWindowInDays"),
    ("ForceDeleteWithoutRecovery", &["DeleteSecret"], "secretsmanager:ForceDeleteWithoutRecovery"),
    ("BlockPublicPolicy", &["PutResourcePolicy"], "secretsmanager:BlockPublicPolicy"),
];

impl Operation {
    pub(super) fn secret(place: &Place, received: &Received, world: &World) -> Self {
        let mut operation = Self::json(place, received);
        let (name, input) = (operation.name.clone(), operation.input.clone());
        let parameters = ["SecretId", "Name", "VersionId", "VersionStage"].iter().filter_map(|field| {
            let shown = format!("{}{}", field[..1].to_ascii_lowercase(), &field[1..]);
            Some((shown, input[*field].as_str()?.into()))
        });
        operation.parameters = Value::Object(parameters.collect());
        for (field, operations, key) in KEYS {
            match &input[field] {
                Value::Null => {}
                value if operations.contains(&name.as_str()) => _ = operation.keys.insert(key.into(), text(value)),
                _ => {}
            }
        }
        if ["CreateSecret", "TagResource"].contains(&name.as_str()) {
            operation.tagged(tags(&input, "Key", "Value"));
        }
        if let ("UntagResource", Some(names)) = (name.as_str(), input["TagKeys"].as_array()) {
            operation.keys.insert("aws:TagKeys".into(), json!(names));
        }
        match (name.as_str(), input["SecretId"].as_str(), input["Name"].as_str()) {
            ("ListSecrets" | "GetRandomPassword", ..) => operation.answerer = Answerer::LocalStack,
            ("CreateSecret", _, Some(name)) => {
                operation.answerer = Answerer::LocalStack;
                operation.resource = future_arn(&operation.region, world, name);
                operation.shown = Some(name.to_owned());
                operation.tags_new("secretsmanager:TagResource");
            }
            (known, Some(id), _) if ON_A_SECRET.contains(&known) => {
                operation.answerer = Answerer::LocalStack;
                let arn = id.starts_with("arn:");
                operation.resource = if arn { id.to_owned() } else { future_arn(&operation.region, world, id) };
                operation.shown = Some(id.to_owned());
                operation.secret = Some(id.to_owned());
            }
            (known, ..) if known == "CreateSecret" || ON_A_SECRET.contains(&known) => {
                operation.answerer = Answerer::Unreadable;
            }
            _ => {}
        }
        operation
    }
}

/// A value as condition keys have it.
fn text(value: &Value) -> Value {
    if value.is_string() { value.clone() } else { value.to_string().into() }
}

/// The ARN of a secret that does not exist: its name with the suffix that policies usually write. Six question marks
/// are matched by themselves, by `*` and by a name with a trailing star.
fn future_arn(region: &str, world: &World, name: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:{}:secret:{name}-??????", world.account)
}
