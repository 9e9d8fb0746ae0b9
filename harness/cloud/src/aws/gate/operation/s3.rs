//! S3: the operation is method, path and subresource.

use super::{Answerer, Operation, Protocol, decoded, host::Place};
use crate::{aws::gate::Received, world::World};
use serde_json::json;

/// Query names that make a request another operation.
const SUBRESOURCES: [&str; 32] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Headers that are condition keys.
const KEYS: [&str; 5] = [
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
];

impl Operation {
    pub(super) fn s3(place: &Place, received: &Received, world: &World) -> Self {
        let (bucket, key) = locate(place, &received.path);
        let names: Vec<&str> = received.query.split('&').map(|pair| pair.split('=').next().unwrap_or(pair)).collect();
        let found = operation(received.method.as_str(), bucket.is_some(), !key.is_empty(), &names);
        let source = received.header("x-amz-copy-source");
        let found = if source.is_empty() { found } else { copying(found) };
        let mut operation = Self::bare(place, found.map_or("Unknown", |(name, _)| name), Protocol::S3);
        if place.region.is_none() {
            operation.region.clone_from(&world.region);
        }
        if let Some((_, action)) = found {
            operation.answerer = Answerer::LocalStack;
            operation.action = format!("s3:{action}");
        }
        if !source.is_empty() {
            let source = source.split('?').next().unwrap_or(source);
            let source = decoded(source.strip_prefix('/').unwrap_or(source));
            operation.besides.push(("s3:GetObject", format!("arn:aws:s3:::{source}")));
        }
        for pair in received.query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = match name {
                "prefix" => "s3:prefix",
                "delimiter" => "s3:delimiter",
                "max-keys" => "s3:max-keys",
                "versionId" => "s3:versionid",
                _ => continue,
            };
            operation.keys.insert(key.into(), decoded(value).into());
        }
        for header in KEYS {
            let value = received.header(header);
            if !value.is_empty() {
                operation.keys.insert(format!("s3:{header}"), value.into());
            }
        }
        let tags = received.header("x-amz-tagging");
        let tags = tags.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decoded(name), value));
        let tags: Vec<_> = tags.map(|(name, value)| (name, decoded(value))).collect();
        if !tags.is_empty() {
            let names: Vec<_> = tags.iter().map(|(name, _)| name.clone()).collect();
            operation.keys.insert("s3:RequestObjectTagKeys".into(), names.into());
        }
        operation
            .keys
            .extend(tags.into_iter().map(|(name, value)| (format!("s3:RequestObjectTag/{name}"), value.into())));
        let Some(bucket) = bucket else { return operation };
        operation.resource = format!("arn:aws:s3:::{bucket}");
        operation.parameters = json!({ "bucketName": bucket });
        if !key.is_empty() {
            let key = decoded(&key);
            operation.resource = format!("{}/{key}", operation.resource);
            operation.parameters["key"] = json!(key);
        }
        operation.shown = Some(format!("\"{}\"", operation.resource));
        if operation.name == "DeleteObjects" {
            operation.deletes(&String::from_utf8_lossy(&received.body));
        }
        operation.key = key;
        operation.bucket = Some(bucket);
        operation
    }

    /// Each object of a list is authorised by itself. AWS answers what it refuses object by object.
    fn deletes(&mut self, body: &str) {
        let keys: Vec<_> = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).collect();
        let bucket = self.resource.clone();
        let plain = |key: &str| {
            key.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&apos;", "'")
                .replace("&amp;", "&")
        };
        let mut objects = keys.iter().map(|key| format!("{bucket}/{}", plain(key)));
        if let Some(first) = objects.next() {
            self.shown = Some(format!("\"{first}\""));
            self.resource = first;
        }
        self.besides.extend(objects.map(|object| ("s3:DeleteObject", object)));
    }

    /// The same caller's question whether it may list the bucket.
    pub(in crate::aws::gate) fn listing(&self) -> Self {
        let resource = format!("arn:aws:s3:::{}", self.bucket.as_deref().unwrap_or_default());
        let shown = Some(format!("\"{resource}\""));
        Self { action: "s3:ListBucket".into(), resource, shown, ..self.clone() }
    }
}

/// Bucket and key (as it stands in the URL) of a request, virtual-hosted or path-style.
fn locate(place: &Place, path: &str) -> (Option<String>, String) {
    let path = path.strip_prefix('/').unwrap_or(path);
    match &place.bucket {
        Some(bucket) => (Some(bucket.clone()), path.to_owned()),
        None => match path.split_once('/') {
            Some((bucket, key)) => (Some(bucket.to_owned()), key.to_owned()),
            None => ((!path.is_empty()).then(|| path.to_owned()), String::new()),
        },
    }
}

/// The operation of a request that names the source of a copy.
fn copying(found: Option<(&'static str, &'static str)>) -> Option<(&'static str, &'static str)> {
    match found? {
        ("PutObject", action) => Some(("CopyObject", action)),
        ("UploadPart", action) => Some(("UploadPartCopy", action)),
        _ => None,
    }
}

/// What is read and written of a bucket by a subresource: method and subresource, name and IAM action. To IAM most
/// deletions are a put of nothing.
const OF_A_BUCKET: [(&str, &str, &str, &str); 29] = [
    ("GET", "accelerate", "GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("PUT", "accelerate", "PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("GET", "acl", "GetBucketAcl", "GetBucketAcl"),
    ("PUT", "acl", "PutBucketAcl", "PutBucketAcl"),
    ("GET", "cors", "GetBucketCors", "GetBucketCORS"),
    ("PUT", "cors", "PutBucketCors", "PutBucketCORS"),
    ("DELETE", "cors", "DeleteBucketCors", "PutBucketCORS"),
    ("GET", "encryption", "GetBucketEncryption", "GetEncryptionConfiguration"),
    ("PUT", "encryption", "PutBucketEncryption", "PutEncryptionConfiguration"),
    ("DELETE", "encryption", "DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("GET", "lifecycle", "GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("PUT", "lifecycle", "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("DELETE", "lifecycle", "DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("GET", "logging", "GetBucketLogging", "GetBucketLogging"),
    ("PUT", "logging", "PutBucketLogging", "PutBucketLogging"),
    ("GET", "ownershipControls", "GetBucketOwnershipControls", "GetBucketOwnershipControls"),
    ("PUT", "ownershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("DELETE", "ownershipControls", "DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("GET", "publicAccessBlock", "GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("PUT", "publicAccessBlock", "PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("DELETE", "publicAccessBlock", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("GET", "tagging", "GetBucketTagging", "GetBucketTagging"),
    ("PUT", "tagging", "PutBucketTagging", "PutBucketTagging"),
    ("DELETE", "tagging", "DeleteBucketTagging", "PutBucketTagging"),
    ("GET", "versioning", "GetBucketVersioning", "GetBucketVersioning"),
    ("PUT", "versioning", "PutBucketVersioning", "PutBucketVersioning"),
    ("GET", "website", "GetBucketWebsite", "GetBucketWebsite"),
    ("PUT", "website", "PutBucketWebsite", "PutBucketWebsite"),
    ("DELETE", "website", "DeleteBucketWebsite", "DeleteBucketWebsite"),
];

/// Name and IAM action of a request; `None` for what is not known well enough to be authorised.
fn operation(method: &str, bucket: bool, key: bool, query: &[&str]) -> Option<(&'static str, &'static str)> {
    let asks = |name: &str| query.contains(&name);
    let upload = asks("uploadId");
    let subresource = query.iter().find(|name| SUBRESOURCES.contains(name)).copied();
    Some(match (method, bucket, key, subresource) {
        ("GET", false, false, None) => ("ListBuckets", "ListAllMyBuckets"),
        ("GET", true, false, Some("location")) => ("GetBucketLocation", "GetBucketLocation"),
        ("GET", true, false, Some("versions")) => ("ListObjectVersions", "ListBucketVersions"),
        ("GET", true, false, Some("uploads")) => ("ListMultipartUploads", "ListBucketMultipartUploads"),
        ("GET", true, false, Some("policy")) => ("GetBucketPolicy", "GetBucketPolicy"),
        ("PUT", true, false, Some("policy")) => ("PutBucketPolicy", "PutBucketPolicy"),
        ("DELETE", true, false, Some("policy")) => ("DeleteBucketPolicy", "DeleteBucketPolicy"),
        ("GET", true, false, Some("policyStatus")) => ("GetBucketPolicyStatus", "GetBucketPolicyStatus"),
        ("POST", true, false, Some("delete")) => ("DeleteObjects", "DeleteObject"),
        ("GET", true, false, None) if asks("list-type") => ("ListObjectsV2", "ListBucket"),
        ("GET", true, false, None) => ("ListObjects", "ListBucket"),
        ("HEAD", true, false, None) => ("HeadBucket", "ListBucket"),
        ("PUT", true, false, None) => ("CreateBucket", "CreateBucket"),
        ("DELETE", true, false, None) => ("DeleteBucket", "DeleteBucket"),
        ("HEAD", true, true, None) if asks("versionId") => ("HeadObject", "GetObjectVersion"),
        ("HEAD", true, true, None | Some("partNumber")) => ("HeadObject", "GetObject"),
        ("GET", true, true, None) if upload => ("ListParts", "ListMultipartUploadParts"),
        ("GET", true, true, None) if asks("versionId") => ("GetObject", "GetObjectVersion"),
        ("GET", true, true, None | Some("partNumber")) => ("GetObject", "GetObject"),
        ("GET", true, true, Some("tagging")) => ("GetObjectTagging", "GetObjectTagging"),
        ("GET", true, true, Some("acl")) => ("GetObjectAcl", "GetObjectAcl"),
        ("PUT", true, true, None) => ("PutObject", "PutObject"),
        ("PUT", true, true, Some("partNumber")) if upload => ("UploadPart", "PutObject"),
        ("PUT", true, true, Some("tagging")) => ("PutObjectTagging", "PutObjectTagging"),
        ("POST", true, true, Some("uploads")) => ("CreateMultipartUpload", "PutObject"),
        ("POST", true, true, None) if upload => ("CompleteMultipartUpload", "PutObject"),
        ("DELETE", true, true, None) if upload => ("AbortMultipartUpload", "AbortMultipartUpload"),
        ("DELETE", true, true, None) if asks("versionId") => ("DeleteObject", "DeleteObjectVersion"),
        ("DELETE", true, true, None) => ("DeleteObject", "DeleteObject"),
        ("DELETE", true, true, Some("tagging")) => ("DeleteObjectTagging", "DeleteObjectTagging"),
        ("GET", true, true, Some("attributes")) => ("GetObjectAttributes", "GetObjectAttributes"),
        (_, true, false, Some(subresource)) => return of_a_bucket(method, subresource),
        _ => return None,
    })
}

fn of_a_bucket(method: &str, subresource: &str) -> Option<(&'static str, &'static str)> {
    let mut all = OF_A_BUCKET.iter();
    let found = all.find(|(known, of, ..)| *known == method && *of == subresource);
    found.map(|(_, _, name, action)| (*name, *action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_bucket_and_key_in_both_styles() {
        let place_of = |host, path| locate(&Place::of(host), path);
        assert_eq!(place_of("b.s3.eu-west-1.amazonaws.com", "/a/b%20c"), (Some("b".into()), "a/b%20c".into()));
        assert_eq!(place_of("s3.eu-west-1.amazonaws.com", "/b/a"), (Some("b".into()), "a".into()));
        assert_eq!(place_of("s3.eu-west-1.amazonaws.com", "/b"), (Some("b".into()), String::new()));
        assert_eq!(decoded("a/b%20c%2"), "a/b c%2");
    }

    #[test]
    fn a_subresource_is_another_operation() {
        fidelity::fidelity!("gate-5");
        assert_eq!(operation("GET", true, false, &["list-type", "prefix"]), Some(("ListObjectsV2", "ListBucket")));
        assert_eq!(operation("GET", true, false, &["location"]), Some(("GetBucketLocation", "GetBucketLocation")));
        assert_eq!(operation("PUT", true, true, &["partNumber", "uploadId"]), Some(("UploadPart", "PutObject")));
        assert_eq!(operation("PUT", true, false, &["policy"]), Some(("PutBucketPolicy", "PutBucketPolicy")));
        assert_eq!(operation("PUT", true, false, &["cors"]), Some(("PutBucketCors", "PutBucketCORS")));
        assert_eq!(operation("PUT", true, false, &["inventory"]), None);
        assert_eq!(operation("DELETE", true, false, &["versioning"]), None);
        assert_eq!(operation("POST", true, false, &["delete"]), Some(("DeleteObjects", "DeleteObject")));
    }
}
