//! Which operation a request is, and what IAM authorises it on.

mod host;
mod s3;

use super::Received;
use crate::world::World;
use host::Place;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The wire form of a service, which its errors share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// awsJson1.1: Secrets Manager, KMS, Logs.
    Json,
    /// rest-xml: S3.
    S3,
    /// query: STS, IAM.
    Query,
    /// rest-json: everything else.
    Rest,
}

/// Who answers an operation that the caller's policies allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answerer {
    /// LocalStack.
    LocalStack,
    /// The gate itself.
    Gate,
    /// Nobody: LocalStack does not run the service.
    Nobody,
    /// Nobody, and what IAM would authorise is not known either.
    Unknown,
}

/// One operation on one resource.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// The service as `SigV4` scopes and policies name it.
    pub(super) service: String,
    /// The region of the host; a global host's is `us-east-1`, S3's global host finds a bucket where it is.
    pub(super) region: String,
    /// The operation, such as `GetSecretValue`.
    pub(super) name: String,
    /// The IAM action, such as `s3:GetObject` for `HeadObject`.
    pub(super) action: String,
    /// The resource that is authorised, or `*`.
    pub(super) resource: String,
    /// The resource as a denial shows it; absent where AWS shows none.
    pub(super) shown: Option<String>,
    /// Its wire form.
    pub(super) protocol: Protocol,
    /// Who answers it.
    pub(super) answerer: Answerer,
    /// What the call is about, for the record.
    pub(super) parameters: Value,
    /// Service condition keys that the call carries.
    pub(super) keys: BTreeMap<&'static str, String>,
    /// The secret id as the caller gave it.
    pub(super) secret: Option<String>,
    /// The S3 bucket, and the object's key as it stands in the URL.
    pub(super) bucket: Option<String>,
    pub(super) key: String,
}

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

impl Operation {
    /// Reads a request.
    pub(super) fn of(received: &Received, world: &World) -> Self {
        let place = Place::of(&received.host);
        match place.service.as_str() {
            "s3" => Self::s3(&place, received, world),
            "secretsmanager" => Self::secret(&place, received, world),
            "kms" => Self::kms(&place, received, world),
            "logs" => Self { answerer: Answerer::Nobody, ..Self::json(&place, received) },
            "sts" | "iam" => Self::query(&place, received),
            _ => Self::bare(&place, &format!("{} {}", received.method, received.path), Protocol::Rest),
        }
    }

    fn bare(place: &Place, name: &str, protocol: Protocol) -> Self {
        Self {
            service: place.service.clone(),
            region: place.region.clone().unwrap_or_else(|| host::GLOBAL.to_owned()),
            name: name.to_owned(),
            action: format!("{}:{name}", place.service),
            resource: "*".into(),
            shown: None,
            protocol,
            answerer: Answerer::Unknown,
            parameters: Value::Null,
            keys: BTreeMap::new(),
            secret: None,
            bucket: None,
            key: String::new(),
        }
    }

    fn json(place: &Place, received: &Received) -> Self {
        let name = received.header("x-amz-target").rsplit('.').next().unwrap_or_default();
        Self::bare(place, name, Protocol::Json)
    }

    fn secret(place: &Place, received: &Received, world: &World) -> Self {
        let mut operation = Self::json(place, received);
        let input: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        let text = |field: &str| input[field].as_str().map(str::to_owned);
        let name = operation.name.as_str();
        let mut parameters = serde_json::Map::new();
        for (field, shown, key) in [
            ("SecretId", "secretId", None),
            ("Name", "name", Some("secretsmanager:Name")),
            ("VersionId", "versionId", Some("secretsmanager:VersionId")),
            ("VersionStage", "versionStage", Some("secretsmanager:VersionStage")),
        ] {
            if let Some(value) = text(field) {
                parameters.insert(shown.to_owned(), json!(value));
                operation.keys.extend(key.map(|key| (key, value)));
            }
        }
        operation.parameters = Value::Object(parameters);
        match (name, text("SecretId"), text("Name")) {
            ("ListSecrets" | "GetRandomPassword", ..) => operation.answerer = Answerer::LocalStack,
            ("CreateSecret", _, Some(name)) => {
                operation.answerer = Answerer::LocalStack;
                operation.resource = future_arn(&operation.region, world, &name);
                operation.shown = Some(name);
            }
            (known, Some(id), _) if ON_A_SECRET.contains(&known) => {
                operation.answerer = Answerer::LocalStack;
                let arn = id.starts_with("arn:");
                operation.resource = if arn { id.clone() } else { future_arn(&operation.region, world, &id) };
                operation.shown = Some(id.clone());
                operation.secret = Some(id);
            }
            _ => {}
        }
        operation
    }

    fn kms(place: &Place, received: &Received, world: &World) -> Self {
        let mut operation = Self { answerer: Answerer::LocalStack, ..Self::json(place, received) };
        let input: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        if let Some(key) = input["KeyId"].as_str().filter(|key| !key.contains("alias/")) {
            operation.parameters = json!({ "keyId": key });
            let arn = || format!("arn:aws:kms:{}:{}:key/{key}", operation.region, world.account);
            operation.resource = if key.starts_with("arn:") { key.to_owned() } else { arn() };
            operation.shown = Some(operation.resource.clone());
        }
        operation
    }

    fn query(place: &Place, received: &Received) -> Self {
        let body = String::from_utf8_lossy(&received.body).into_owned();
        let parameters = if body.is_empty() { received.query.clone() } else { body };
        let field = |name: &str| {
            let found = parameters.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.map(decoded)
        };
        let mut operation = Self::bare(place, &field("Action").unwrap_or_default(), Protocol::Query);
        operation.answerer = match (place.service.as_str(), operation.name.as_str()) {
            ("sts", "GetCallerIdentity" | "AssumeRole") => Answerer::Gate,
            ("iam", name) if !name.is_empty() => Answerer::LocalStack,
            _ => Answerer::Unknown,
        };
        if let Some(role) = field("RoleArn") {
            operation.resource.clone_from(&role);
            operation.parameters = json!({ "roleArn": role });
            operation.shown = Some(role);
        }
        operation
    }

    /// Whether it leaves secrets as they are.
    pub(super) fn only_reads(&self) -> bool {
        ["Get", "List", "Describe", "Validate", "Head"].iter().any(|verb| self.name.starts_with(verb))
    }

    /// Path and query for LocalStack, which is asked path-style.
    pub(super) fn target(&self, received: &Received) -> String {
        let path = match &self.bucket {
            Some(bucket) if self.key.is_empty() => format!("/{bucket}"),
            Some(bucket) => format!("/{bucket}/{}", self.key),
            None => received.path.clone(),
        };
        // A presigned query is for the gate; LocalStack is asked in its own name.
        let query: Vec<_> = received.query.split('&').filter(|pair| !pair.starts_with("X-Amz-")).collect();
        let query = query.join("&");
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

/// The ARN of a secret that does not exist: its name with the suffix that policies usually write. Six question marks
/// are matched by themselves, by `*` and by a name with a trailing star.
fn future_arn(region: &str, world: &World, name: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:{}:secret:{name}-??????", world.account)
}

/// Undoes percent encoding (and `+` is left alone: keys may hold it).
pub(super) fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
