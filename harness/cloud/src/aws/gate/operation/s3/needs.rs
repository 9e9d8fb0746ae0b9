//! What an operation of S3 needs besides its own action, as AWS's table of required permissions tells.

use super::{
    super::{Need, Operation},
    Headers,
    body::Listed,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What makes an object with the headers that are beside it.
const MAKERS: [&str; 3] = ["PutObject", "CopyObject", "CreateMultipartUpload"];

/// Headers that say who may do what with what is made.
const ACL: [&str; 6] = [
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// The canned ACL that says what holds in a bucket without ACLs.
const OWNERS_ACL: &str = "bucket-owner-full-control";

impl Operation {
    /// Notes what a call on one object or bucket needs besides.
    pub(super) fn needs(&mut self, headers: &Headers) {
        let has = |header: &str| !headers.get(header).is_empty();
        let (name, resource, keys) = (self.name.clone(), self.resource.clone(), self.keys.clone());
        let mut also = |action| self.besides.push(Need::of(action, &resource, keys.clone()));
        if MAKERS.contains(&name.as_str()) {
            if has("x-amz-tagging") {
                also("s3:PutObjectTagging");
            }
            if ACL.iter().any(|header| has(header)) {
                also("s3:PutObjectAcl");
            }
            let canned = headers.get(ACL[0]);
            self.sets_acl = !["", OWNERS_ACL].contains(&canned) || ACL[1..].iter().any(|header| has(header));
            if has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date") {
                also("s3:PutObjectRetention");
            }
            if has("x-amz-object-lock-legal-hold") {
                also("s3:PutObjectLegalHold");
            }
        }
        match name.as_str() {
            "CreateBucket" => {
                // A private bucket is what everybody gets who asks for nothing.
                if headers.get("x-amz-acl") != "private" && has("x-amz-acl")
                    || ACL[1..].iter().any(|header| has(header))
                {
                    also("s3:PutBucketAcl");
                }
                if headers.says_true("x-amz-bucket-object-lock-enabled") {
                    also("s3:PutBucketObjectLockConfiguration");
                    also("s3:PutBucketVersioning");
                }
                if has("x-amz-object-ownership") {
                    also("s3:PutBucketOwnershipControls");
                }
            }
            "PutObjectAcl" | "PutBucketAcl" => self.sets_acl = true,
            "GetObjectAttributes" if self.action.contains("Version") => also("s3:GetObjectVersion"),
            "GetObjectAttributes" => also("s3:GetObject"),
            "DeleteObject" if headers.says_true(BYPASS) => also("s3:BypassGovernanceRetention"),
            _ => {}
        }
        self.reads_source();
    }

    /// The source of a copy is an object of its own, which is read.
    fn reads_source(&mut self) {
        let Some(source) = &self.source else { return };
        let action = if source.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let keys = version(source.version.as_deref());
        self.besides.push(Need::of(action, &source.arn(), keys));
    }

    /// What a copy needs for the tags of its source, which it takes along.
    pub(in crate::aws::gate) fn for_copied_tags(&self) -> Vec<Need> {
        let Some(source) = &self.source else { return Vec::new() };
        let read = if source.version.is_some() { "s3:GetObjectVersionTagging" } else { "s3:GetObjectTagging" };
        let keys = version(source.version.as_deref());
        let write = Need::of("s3:PutObjectTagging", &self.resource, self.keys.clone());
        vec![Need::of(read, &source.arn(), keys), write]
    }

    /// Each object of a list is authorised by itself, one with a version as that. AWS answers what it refuses object by
    /// object.
    pub(super) fn deletes(&mut self, objects: &[Listed], headers: &Headers) {
        let bucket = self.resource.clone();
        let mut needs = Vec::new();
        for object in objects {
            let action = if object.version().is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let (resource, keys) = (format!("{bucket}/{}", object.key), version(object.version()));
            needs.push(Need::of(action, &resource, keys.clone()));
            if headers.says_true(BYPASS) {
                needs.push(Need::of("s3:BypassGovernanceRetention", &resource, keys));
            }
        }
        let mut needs = needs.into_iter();
        if let Some(first) = needs.next() {
            self.shown = Some(format!("\"{}\"", first.resource));
            first.action.clone_into(&mut self.action);
            self.resource = first.resource;
            self.keys.extend(first.keys);
        }
        self.besides.extend(needs);
    }
}

/// The header with which a retention in governance mode is left out of account.
const BYPASS: &str = "x-amz-bypass-governance-retention";

fn version(version: Option<&str>) -> BTreeMap<String, Value> {
    version.map(|version| ("s3:versionid".to_owned(), version.into())).into_iter().collect()
}
