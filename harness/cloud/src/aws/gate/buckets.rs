//! Whose buckets there are. LocalStack alone would show every environment's buckets, in every region.

use super::{
    Call, Gate, objects,
    operation::{self, Operation},
    refusal::Refusal,
    signature::Caller,
};
use crate::event::Decision;
use hyper::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// Condition keys.
type Keys = BTreeMap<String, Value>;

impl Gate {
    /// Whether this environment has the bucket, and in the region that was asked; S3 looks before it asks policies.
    pub(super) fn here(&self, operation: &Operation, signed: &str) -> Result<(), Refusal> {
        let Some(bucket) = operation.bucket.as_ref().filter(|_| operation.name != "CreateBucket") else {
            return Ok(());
        };
        if !self.inventory.has_bucket(bucket) {
            return Err(Refusal::no_such_bucket(bucket));
        }
        let region = &self.world.region;
        if signed == region || operation.name == "GetBucketLocation" {
            return Ok(());
        }
        let global = operation.region != signed || signed == "us-east-1";
        Err(if global { Refusal::wrong_region(signed, region) } else { Refusal::redirect(bucket, region) })
    }

    /// S3 refuses to set ACLs in a bucket whose owner owns every object, as a new one's does
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-ownership-error-responses.html>).
    pub(super) async fn takes_acl(&self, operation: &Operation) -> Result<(), Refusal> {
        let Some(bucket) = operation.bucket.as_ref().filter(|_| operation.sets_acl) else { return Ok(()) };
        let target = format!("/{bucket}?ownershipControls");
        let answer = self.localstack.s3(&self.world.region, Method::GET, &target).await;
        let answer = answer.map_err(|reason| {
            tracing::warn!(reason, "the ownership of a bucket's objects could not be read");
            Refusal::internal(operation.protocol)
        })?;
        let enforced = String::from_utf8_lossy(&answer.body).contains("BucketOwnerEnforced");
        if enforced { Err(Refusal::no_acls()) } else { Ok(()) }
    }

    /// S3 says 403 instead of 404 for a missing object to those who may not list the bucket.
    pub(super) fn may_list(&self, call: &mut Call<'_>, read: &Decision) -> Result<(), Refusal> {
        let listing = call.operation.listing();
        let asked = Decision { action: listing.action.clone(), resource: listing.resource.clone(), ..read.clone() };
        let decided = self.further(call, asked);
        if decided.decision.may_go_on() { Ok(()) } else { Err(Refusal::denied(&listing, &decided)) }
    }

    /// The condition keys of the tags that an object has, where AWS fills them for an action and a policy asks for them.
    pub(super) async fn existing_tags(&self, asked: (&str, &str), version: Option<&str>, caller: &Caller) -> Keys {
        const KEY: &str = "s3:existingobjecttag/";
        let (action, object) = asked;
        if !TAGGED.contains(&action) {
            return Keys::new();
        }
        let limits = caller.session.as_ref().map(|session| session.limits.as_slice()).unwrap_or_default();
        let limited = limits.iter().any(|limit| limit.text.to_lowercase().contains(KEY));
        if !limited && !self.account().mentions(KEY) {
            return Keys::new();
        }
        let tags = self.tags_of(object, version).await.into_iter();
        tags.map(|(name, value)| (format!("s3:ExistingObjectTag/{name}"), value.into())).collect()
    }

    /// The tags of an object; none if it is not there.
    pub(super) async fn tags_of(&self, object: &str, version: Option<&str>) -> Vec<(String, String)> {
        let Some(target) = objects::target(object, Some("tagging"), version) else { return Vec::new() };
        let answer = self.localstack.s3(&self.world.region, Method::GET, &target).await;
        let answer = answer.ok().filter(|answer| answer.status.is_success());
        answer.and_then(|answer| operation::object_tags(&answer.body)).unwrap_or_default()
    }
}

/// The actions for which AWS fills `s3:ExistingObjectTag`, as its Service Authorization Reference lists them.
const TAGGED: [&str; 14] = [
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectVersionTagging",
];
