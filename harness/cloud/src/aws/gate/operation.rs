//! Which operation a request is, and what IAM authorises it on.

mod endpoint;
mod host;
mod kms;
mod logs;
mod query;
mod rest;
mod s3;
mod secrets;

use super::{Received, Services};
use crate::{policies::Account, world::World};
use host::Place;
pub(super) use kms::CRYPTOGRAPHIC;
use rest::Routed;
use s3::Source;
pub(super) use s3::tags as object_tags;
use serde_json::Value;
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
    /// A service of the control plane.
    Service,
    /// Nobody: LocalStack does not run the service.
    Nobody,
    /// Nobody, and what IAM would authorise is not known either.
    Unknown,
    /// The gate refuses it: its input can't be read, or lacks what it is about.
    Unreadable,
}

/// One operation on one resource.
#[derive(Clone)]
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
    /// What the caller sent: JSON, or the fields of a form.
    pub(super) input: Value,
    /// Condition keys that the call itself carries.
    pub(super) keys: BTreeMap<String, Value>,
    /// The secret id as the caller gave it.
    pub(super) secret: Option<String>,
    /// The KMS key as the caller gave it: id, ARN or alias; or the id that a ciphertext begins with.
    /// Empty where an operation on a key tells none.
    pub(super) key_id: Option<String>,
    /// What has to be allowed besides: the alias of a key, the source of a copy, each object that is deleted, and what
    /// headers and tags ask for.
    pub(super) besides: Vec<Need>,
    /// The source of a copy.
    pub(super) source: Option<Source>,
    /// The id of the multipart upload that it is on.
    pub(super) upload: Option<String>,
    /// Whether it sets an ACL of S3's other than the one that every bucket takes.
    pub(super) sets_acl: bool,
    /// The S3 bucket, and the object's key as it stands in the URL.
    pub(super) bucket: Option<String>,
    pub(super) key: String,
    /// Who carries it out and how, if a service of the control plane does.
    pub(super) routed: Option<Routed>,
}

/// One more action that a call needs.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) action: &'static str,
    pub(super) resource: String,
    /// The resource as a denial shows it; absent where AWS shows none.
    pub(super) shown: Option<String>,
    /// Condition keys that the call carries for it, in place of those that it carries for its own action.
    pub(super) keys: BTreeMap<String, Value>,
}

impl Need {
    /// An action on a resource of S3, which denials show in quotes.
    fn of(action: &'static str, resource: &str, keys: BTreeMap<String, Value>) -> Self {
        Self { action, resource: resource.to_owned(), shown: Some(format!("\"{resource}\"")), keys }
    }
}

impl Operation {
    /// Reads a request.
    pub(super) fn of(received: &Received, world: &World, account: &Account, services: &Services) -> Self {
        let place = if received.is_at_endpoint() { Place::signed(received) } else { Place::of(&received.host) };
        match place.service.as_str() {
            "s3" => Self::s3(&place, received, world),
            "secretsmanager" => Self::secret(&place, received, world),
            "kms" => Self::kms(&place, received, world),
            "logs" => Self::logs(&place, received, world),
            "sts" | "iam" => Self::query(&place, received, account, world),
            _ => Self::rest(&place, received, world, services),
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
            input: Value::Null,
            keys: BTreeMap::new(),
            secret: None,
            key_id: None,
            besides: Vec::new(),
            source: None,
            upload: None,
            sets_acl: false,
            bucket: None,
            key: String::new(),
            routed: None,
        }
    }

    fn json(place: &Place, received: &Received) -> Self {
        let name = received.header("x-amz-target").rsplit('.').next().unwrap_or_default();
        let input = serde_json::from_slice(&received.body).unwrap_or_default();
        let answerer = if name.is_empty() { Answerer::Unreadable } else { Answerer::Unknown };
        Self { answerer, input, ..Self::bare(place, name, Protocol::Json) }
    }

    /// A text of the input.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.input[field].as_str()
    }

    /// Puts the tags that the call is about into its condition keys.
    fn tagged(&mut self, tags: impl IntoIterator<Item = (String, String)>) {
        let mut names = Vec::new();
        for (name, value) in tags {
            self.keys.insert(format!("aws:RequestTag/{name}"), value.into());
            names.push(name);
        }
        if !names.is_empty() {
            self.keys.insert("aws:TagKeys".into(), names.into());
        }
    }

    /// Notes that what is made with tags needs the action that gives tags, too. It sees the tags and nothing else of what
    /// the call carries.
    fn tags_new(&mut self, action: &'static str) {
        let of_tags = |key: &str| key == "aws:TagKeys" || key.starts_with("aws:RequestTag/");
        let keys: BTreeMap<_, _> = self.keys.clone().into_iter().filter(|(key, _)| of_tags(key)).collect();
        if !keys.is_empty() {
            self.besides.push(Need { action, resource: self.resource.clone(), shown: self.shown.clone(), keys });
        }
    }

    /// Whether it leaves secrets and keys as they are.
    pub(super) fn only_reads(&self) -> bool {
        const READS: [&str; 11] = [
            "Get", "List", "Describe", "Validate", "Head", "Decrypt", "Encrypt", "Generate", "Sign", "Verify", "Batch",
        ];
        READS.iter().any(|verb| self.name.starts_with(verb))
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

/// Whether a request is for S3, by its head alone.
pub(super) fn is_s3(received: &Received) -> bool {
    let place = if received.is_at_endpoint() { Place::signed(received) } else { Place::of(&received.host) };
    place.service == "s3"
}

/// The tags of an input, whose names and values are in these fields.
fn tags(input: &Value, name: &str, value: &str) -> Vec<(String, String)> {
    let tags = input["Tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |tag: &Value, field: &str| tag[field].as_str().map(str::to_owned);
    tags.iter().filter_map(|tag| Some((text(tag, name)?, text(tag, value).unwrap_or_default()))).collect()
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
