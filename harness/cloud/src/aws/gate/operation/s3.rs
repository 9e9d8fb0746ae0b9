//! S3: the operation is method, path and subresource.

mod actions;
mod body;
mod needs;
mod source;

use super::{Answerer, Operation, Protocol, decoded, host::Place};
use crate::{aws::gate::Received, world::World};
use actions::Form;
pub(in crate::aws::gate) use body::tags;
use serde_json::json;
pub(in crate::aws::gate) use source::Source;

/// Headers that are condition keys of their own name.
const KEYS: [&str; 14] = [
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
];

/// Headers that are condition keys without their beginning.
const LOCK_KEYS: [&str; 3] = ["object-lock-legal-hold", "object-lock-mode", "object-lock-retain-until-date"];

/// Parts of the query that are condition keys.
const QUERY_KEYS: [(&str, &str); 4] = [
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:versionid"),
];

/// Headers of conditional writes that are condition keys.
const WRITE_KEYS: [(&str, &str); 2] = [("if-match", "s3:if-match"), ("if-none-match", "s3:if-none-match")];

/// What makes an object or a part of one, and whether the object is there afterwards.
const CREATIONS: [(&str, bool); 6] = [
    ("PutObject", true),
    ("CopyObject", true),
    ("CompleteMultipartUpload", true),
    ("CreateMultipartUpload", false),
    ("UploadPart", false),
    ("UploadPartCopy", false),
];

/// The headers of a request, which a presigned URL may carry in its query.
struct Headers<'r> {
    received: &'r Received,
    query: &'r [(String, String)],
}

impl Headers<'_> {
    /// The value of a header; empty if it is not there.
    fn get(&self, name: &str) -> &str {
        let header = self.received.header(name);
        if !header.is_empty() {
            return header;
        }
        let said = self.query.iter().find(|(said, _)| said.eq_ignore_ascii_case(name));
        said.map_or("", |(_, value)| value.as_str())
    }

    fn says_true(&self, name: &str) -> bool {
        self.get(name).eq_ignore_ascii_case("true")
    }
}

impl Operation {
    pub(super) fn s3(place: &Place, received: &Received, world: &World) -> Self {
        let (bucket, key) = locate(place, &received.path);
        let pairs = received.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query: Vec<_> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
        let names: Vec<_> = query.iter().map(|(name, _)| name.as_str()).collect();
        let source = Some(received.header("x-amz-copy-source")).filter(|source| !source.is_empty());
        let found = actions::operation(Form {
            method: received.method.as_str(),
            has_bucket: bucket.is_some(),
            has_key: !key.is_empty(),
            query: &names,
            copies: source.is_some(),
        });
        let asked = || names.iter().filter(|name| !name.starts_with("X-Amz-")).copied().collect::<Vec<_>>();
        let unknown = || format!("{} {}?{}", received.method, received.path, asked().join("&"));
        let name = found.map_or_else(unknown, |(name, _)| name.to_owned());
        let mut operation = Self::bare(place, name.trim_end_matches('?'), Protocol::S3);
        if place.region.is_none() {
            operation.region.clone_from(&world.region);
        }
        if let Some((_, action)) = found {
            operation.answerer = Answerer::LocalStack;
            operation.action = format!("s3:{action}");
        }
        operation.source = source.map(Source::read);
        operation.upload = query.iter().find(|(name, _)| name == "uploadId").map(|(_, id)| id.clone());
        let headers = Headers { received, query: &query };
        operation.carries(&headers);
        let Some(bucket) = bucket else { return operation };
        operation.resource = format!("arn:aws:s3:::{bucket}");
        operation.parameters = json!({ "bucketName": bucket });
        if !key.is_empty() {
            let key = decoded(&key);
            operation.resource = format!("{}/{key}", operation.resource);
            operation.parameters["key"] = json!(key);
        }
        operation.shown = Some(format!("\"{}\"", operation.resource));
        operation.reads_body(&headers);
        operation.needs(&headers);
        operation.key = key;
        operation.bucket = Some(bucket);
        operation
    }

    /// Takes the condition keys from query and headers.
    fn carries(&mut self, headers: &Headers) {
        for (name, key) in QUERY_KEYS {
            let said = headers.query.iter().find(|(said, _)| said == name);
            self.keys.extend(said.map(|(_, value)| (key.to_owned(), value.as_str().into())));
        }
        let named = KEYS.map(|header| (header.to_owned(), format!("s3:{header}")));
        let locks = LOCK_KEYS.map(|key| (format!("x-amz-{key}"), format!("s3:{key}")));
        for (header, key) in named.into_iter().chain(locks) {
            let value = headers.get(&header);
            if !value.is_empty() {
                self.keys.insert(key, value.into());
            }
        }
        if let Some((_, creates)) = CREATIONS.iter().find(|(name, _)| *name == self.name) {
            self.keys.insert("s3:ObjectCreationOperation".to_owned(), creates.to_string().into());
            let said = WRITE_KEYS.iter().filter(|(header, _)| *creates && !headers.get(header).is_empty());
            self.keys.extend(said.map(|(header, key)| ((*key).to_owned(), headers.get(header).into())));
        }
        let tags = form_urlencoded::parse(headers.get("x-amz-tagging").as_bytes());
        self.tags_object(tags.into_owned().collect());
    }

    /// Takes what the body tells; an operation whose body can't be read can't be authorised.
    fn reads_body(&mut self, headers: &Headers) {
        let body = &headers.received.body;
        let is_read = match self.name.as_str() {
            "DeleteObjects" => body::deleted(body).map(|objects| self.deletes(&objects, headers)),
            "PutObjectTagging" => body::tags(body).map(|tags| self.tags_object(tags)),
            _ => return,
        };
        if is_read.is_none() {
            self.answerer = Answerer::Unreadable;
        }
    }

    /// The tags that an object is to have.
    fn tags_object(&mut self, tags: Vec<(String, String)>) {
        if tags.is_empty() {
            return;
        }
        let names: Vec<_> = tags.iter().map(|(name, _)| name.clone()).collect();
        self.keys.insert("s3:RequestObjectTagKeys".into(), names.into());
        let tags = tags.into_iter().map(|(name, value)| (format!("s3:RequestObjectTag/{name}"), value.into()));
        self.keys.extend(tags);
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
}
