//! Which operation a request is, and what IAM authorises it on.

use super::Received;
use crate::world::World;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The wire form of a service, which its errors share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// awsJson1.1: Secrets Manager, KMS, CloudWatch Logs.
    Json,
    /// rest-xml: S3.
    S3,
    /// query: STS, IAM.
    Query,
    /// rest-json: everything else.
    Rest,
}

/// One operation on one resource.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// The service as SigV4 scopes and policies name it.
    pub(super) service: String,
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

impl Operation {
    /// Reads a request.
    pub(super) fn of(received: &Received, world: &World) -> Self {
        let service = service(&received.host, &world.region);
        match service.as_str() {
            "s3" => Self::s3(received),
            "secretsmanager" | "kms" | "logs" => Self::json(&service, received),
            "sts" | "iam" => Self::query(&service, received),
            _ => Self::bare(&service, &format!("{} {}", received.method, received.path), Protocol::Rest),
        }
    }

    fn bare(service: &str, name: &str, protocol: Protocol) -> Self {
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            action: format!("{service}:{name}"),
            resource: "*".into(),
            shown: None,
            protocol,
            parameters: Value::Null,
            keys: BTreeMap::new(),
            secret: None,
            bucket: None,
            key: String::new(),
        }
    }

    fn json(service: &str, received: &Received) -> Self {
        let name = received.header("x-amz-target").rsplit('.').next().unwrap_or_default();
        let mut operation = Self::bare(service, name, Protocol::Json);
        let input: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        let text = |field: &str| input[field].as_str().map(str::to_owned);
        if service == "secretsmanager"
            && let Some(id) = text("SecretId")
        {
            operation.parameters = json!({ "secretId": id });
            operation.shown = Some(id.clone());
            operation.secret = Some(id);
            for (field, key) in
                [("VersionId", "secretsmanager:VersionId"), ("VersionStage", "secretsmanager:VersionStage")]
            {
                if let Some(value) = text(field) {
                    operation.keys.insert(key, value);
                }
            }
        }
        operation
    }

    fn query(service: &str, received: &Received) -> Self {
        let body = String::from_utf8_lossy(&received.body).into_owned();
        let parameters = if body.is_empty() { received.query.clone() } else { body };
        let field = |name: &str| {
            let found = parameters.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.map(decoded)
        };
        let mut operation = Self::bare(service, &field("Action").unwrap_or_default(), Protocol::Query);
        if let Some(role) = field("RoleArn") {
            operation.resource.clone_from(&role);
            operation.parameters = json!({ "roleArn": role });
            operation.shown = Some(role);
        }
        operation
    }

    fn s3(received: &Received) -> Self {
        let (bucket, key) = place(&received.host, &received.path);
        let (name, action) = s3_operation(&received.method, &received.query, bucket.is_some(), !key.is_empty());
        let mut operation = Self::bare("s3", name, Protocol::S3);
        operation.action = format!("s3:{action}");
        let Some(bucket) = bucket else { return operation };
        let decoded_key = decoded(&key);
        operation.resource = if action.contains("Object") || action.contains("Multipart") {
            format!("arn:aws:s3:::{bucket}/{decoded_key}")
        } else {
            format!("arn:aws:s3:::{bucket}")
        };
        operation.shown = Some(format!("\"{}\"", operation.resource));
        operation.parameters = json!({ "bucketName": bucket });
        if !key.is_empty() {
            operation.parameters["key"] = json!(decoded_key);
        }
        for pair in received.query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = match name {
                "prefix" => "s3:prefix",
                "delimiter" => "s3:delimiter",
                "max-keys" => "s3:max-keys",
                _ => continue,
            };
            operation.keys.insert(key, decoded(value));
        }
        operation.key = key;
        operation.bucket = Some(bucket);
        operation
    }

    /// Path and query for LocalStack, which is asked path-style.
    pub(super) fn target(&self, received: &Received) -> String {
        let path = match &self.bucket {
            Some(bucket) if self.key.is_empty() => format!("/{bucket}"),
            Some(bucket) => format!("/{bucket}/{}", self.key),
            None => received.path.clone(),
        };
        if received.query.is_empty() { path } else { format!("{path}?{}", received.query) }
    }
}

/// The service that a host name stands for.
fn service(host: &str, region: &str) -> String {
    let name = host.strip_suffix(".amazonaws.com").unwrap_or(host);
    let name = name.strip_suffix(&format!(".{region}")).unwrap_or(name);
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Bucket and key (as it stands in the URL) of an S3 request, virtual-hosted or path-style.
fn place(host: &str, path: &str) -> (Option<String>, String) {
    let path = path.trim_start_matches('/');
    let virtual_host = host.find(".s3.").map(|end| host[..end].to_owned());
    match virtual_host {
        Some(bucket) => (Some(bucket), path.to_owned()),
        None => match path.split_once('/') {
            Some((bucket, key)) => (Some(bucket.to_owned()), key.to_owned()),
            None => ((!path.is_empty()).then(|| path.to_owned()), String::new()),
        },
    }
}

/// Name and IAM action of an S3 request. An unknown subresource keeps the plain operation's action.
fn s3_operation(method: &Method, query: &str, bucket: bool, key: bool) -> (&'static str, &'static str) {
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match (method.as_str(), bucket, key) {
        (_, false, _) => ("ListBuckets", "ListAllMyBuckets"),
        ("GET", true, false) if asks("location") => ("GetBucketLocation", "GetBucketLocation"),
        ("GET", true, false) if asks("versions") => ("ListObjectVersions", "ListBucketVersions"),
        ("GET", true, false) if asks("policy") => ("GetBucketPolicy", "GetBucketPolicy"),
        ("GET", true, false) => ("ListObjectsV2", "ListBucket"),
        ("HEAD", true, false) => ("HeadBucket", "ListBucket"),
        ("PUT", true, false) => ("CreateBucket", "CreateBucket"),
        ("DELETE", true, false) => ("DeleteBucket", "DeleteBucket"),
        ("POST", true, false) => ("DeleteObjects", "DeleteObject"),
        ("HEAD", true, true) if asks("versionId") => ("HeadObject", "GetObjectVersion"),
        ("HEAD", true, true) => ("HeadObject", "GetObject"),
        ("GET", true, true) if asks("versionId") => ("GetObject", "GetObjectVersion"),
        ("GET", true, true) if asks("tagging") => ("GetObjectTagging", "GetObjectTagging"),
        ("GET", true, true) => ("GetObject", "GetObject"),
        ("DELETE", true, true) => ("DeleteObject", "DeleteObject"),
        _ => ("PutObject", "PutObject"),
    }
}

/// Undoes percent encoding (and `+` is left alone: keys may hold it).
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_service_in_a_host_name() {
        for (host, expected) in [
            ("secretsmanager.ap-northeast-1.amazonaws.com", "secretsmanager"),
            ("s3.ap-northeast-1.amazonaws.com", "s3"),
            ("bucket.s3.ap-northeast-1.amazonaws.com", "s3"),
            ("bucket.s3.amazonaws.com", "s3"),
            ("sts.amazonaws.com", "sts"),
        ] {
            assert_eq!(service(host, "ap-northeast-1"), expected, "{host}");
        }
    }

    #[test]
    fn finds_bucket_and_key_in_both_styles() {
        let place_of = |host, path| place(host, path);
        assert_eq!(place_of("b.s3.eu-west-1.amazonaws.com", "/a/b%20c"), (Some("b".into()), "a/b%20c".into()));
        assert_eq!(place_of("s3.eu-west-1.amazonaws.com", "/b/a"), (Some("b".into()), "a".into()));
        assert_eq!(place_of("s3.eu-west-1.amazonaws.com", "/b"), (Some("b".into()), String::new()));
        assert_eq!(decoded("a/b%20c%2"), "a/b c%2");
    }
}
