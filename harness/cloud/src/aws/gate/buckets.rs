//! Whose buckets there are. LocalStack alone would show every environment's buckets, in every region.

use super::{Call, Gate, operation::Operation, refusal::Refusal, signature::Caller};
use crate::{aws::upstream::Answer, event::Decision};

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

    /// S3 says 403 instead of 404 for a missing object to those who may not list the bucket.
    pub(super) fn may_list(&self, call: &mut Call<'_>, read: &Decision) -> Result<(), Refusal> {
        let listing = call.operation.listing();
        let asked = Decision { action: listing.action.clone(), resource: listing.resource.clone(), ..read.clone() };
        let decided = self.further(call, asked);
        if decided.decision.may_go_on() { Ok(()) } else { Err(Refusal::denied(&listing, &decided)) }
    }

    /// The tags of the object that is asked for, where a policy asks for them.
    pub(super) async fn object_tags(&self, operation: &Operation, caller: &Caller) -> Vec<(String, String)> {
        const KEY: &str = "s3:existingobjecttag/";
        const ASKING: [&str; 5] =
            ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectAcl", "s3:DeleteObjectTagging"];
        let (Some(bucket), true) = (&operation.bucket, ASKING.contains(&operation.action.as_str())) else {
            return Vec::new();
        };
        let limits = caller.session.as_ref().map(|session| session.limits.as_slice()).unwrap_or_default();
        let limited = limits.iter().any(|limit| limit.text.to_lowercase().contains(KEY));
        if !limited && !self.account().mentions(KEY) {
            return Vec::new();
        }
        let target = format!("/{bucket}/{}?tagging", operation.key);
        let scope = ("s3", self.world.region.as_str());
        let method = hyper::Method::GET;
        let answer = self.localstack.send(scope, method, &target, hyper::HeaderMap::new(), bytes::Bytes::new()).await;
        let Some(Answer { body, .. }) = answer.ok().filter(|answer| answer.status.is_success()) else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&body);
        let between = |text: &str, tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            rest.split_once(&format!("</{tag}>")).map(|(value, _)| unescaped(value))
        };
        let tags = text.split("<Tag>").skip(1);
        tags.filter_map(|tag| Some((between(tag, "Key")?, between(tag, "Value").unwrap_or_default()))).collect()
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
