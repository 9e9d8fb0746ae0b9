//! The keys of objects, which S3 asks KMS for in the caller's name.

use super::{
    Call, Gate,
    keys::{Service, State},
    refusal::Refusal,
};
use crate::aws::upstream::{Answer, encoded};
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

/// The customer's key that an object is encrypted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encryption {
    key: String,
    /// Whether the bucket's own data key is used, which is made for the bucket's ARN.
    by_bucket: bool,
}

impl Encryption {
    /// What headers of a request or an answer say, if they name a key with `aws:kms`.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        text("x-amz-server-side-encryption").filter(|kind| kind.starts_with("aws:kms"))?;
        let key = text("x-amz-server-side-encryption-aws-kms-key-id")?.to_owned();
        let by_bucket = text("x-amz-server-side-encryption-bucket-key-enabled") == Some("true");
        Some(Self { key, by_bucket })
    }
}

impl Gate {
    /// Asks KMS for the keys of the objects that a call of S3 is on, before S3 does it. An upload is begun with
    /// `kms:GenerateDataKey` and goes on with `kms:Decrypt`; a copy reads its source besides (AWS's API reference).
    pub(super) async fn unlock_objects(&self, call: &mut Call<'_>) -> Result<(), Refusal> {
        let operation = call.operation;
        match operation.name.as_str() {
            "PutObject" | "CreateMultipartUpload" => self.lock_object(call).await,
            "CopyObject" => {
                self.unlock_source(call).await?;
                self.lock_object(call).await
            }
            "UploadPartCopy" => {
                self.unlock_source(call).await?;
                self.unlock_upload(call).await
            }
            "UploadPart" | "CompleteMultipartUpload" | "ListParts" => self.unlock_upload(call).await,
            "GetObjectAttributes" => {
                let version = operation.keys.get("s3:versionid").and_then(Value::as_str);
                let encryption = self.encryption(&operation.resource, version).await;
                self.ask_for_object(call, encryption, "kms:Decrypt", &operation.resource).await
            }
            _ => Ok(()),
        }
    }

    /// Asks KMS for the key of an object that was found.
    pub(super) async fn unlock_object(&self, call: &mut Call<'_>, found: &Answer) -> Result<(), Refusal> {
        let (operation, encryption) = (call.operation, Encryption::of(&found.headers));
        self.ask_for_object(call, encryption, "kms:Decrypt", &operation.resource).await
    }

    /// Asks KMS for the key that an object shall be encrypted with.
    async fn lock_object(&self, call: &mut Call<'_>) -> Result<(), Refusal> {
        let (operation, encryption) = (call.operation, Encryption::of(&call.received.headers));
        self.ask_for_object(call, encryption, "kms:GenerateDataKey", &operation.resource).await
    }

    /// Asks KMS for the key that a multipart upload was begun with.
    async fn unlock_upload(&self, call: &mut Call<'_>) -> Result<(), Refusal> {
        let operation = call.operation;
        let encryption = operation.upload.as_ref().and_then(|upload| self.uploads.find(upload));
        self.ask_for_object(call, encryption, "kms:Decrypt", &operation.resource).await
    }

    /// Asks KMS for the key of the object that is copied.
    async fn unlock_source(&self, call: &mut Call<'_>) -> Result<(), Refusal> {
        let operation = call.operation;
        let Some(source) = &operation.source else { return Ok(()) };
        let object = source.arn();
        let encryption = self.encryption(&object, source.version.as_deref()).await;
        self.ask_for_object(call, encryption, "kms:Decrypt", &object).await
    }

    /// How an object that is there is encrypted.
    async fn encryption(&self, object: &str, version: Option<&str>) -> Option<Encryption> {
        let target = target(object, None, version)?;
        let answer = self.localstack.s3(&self.world.region, Method::HEAD, &target).await.ok()?;
        Encryption::of(&answer.headers)
    }

    async fn ask_for_object(
        &self,
        call: &mut Call<'_>,
        encryption: Option<Encryption>,
        action: &str,
        object: &str,
    ) -> Result<(), Refusal> {
        let Some(Encryption { key, by_bucket }) = encryption else { return Ok(()) };
        let Some(key) = self.key(&call.operation.region, &key).await else {
            return Err(Refusal::hidden_key_of_object(&self.principal(call.caller), action));
        };
        if key.is_of_aws {
            return Ok(());
        }
        let context = match object.split_once('/') {
            Some((bucket, _)) if by_bucket => bucket,
            _ => object,
        };
        let asked = self
            .through(call, Service::S3, action, &key)
            .with("kms:EncryptionContext:aws:s3:arn", context)
            .with("kms:EncryptionContextKeys", json!(["aws:s3:arn"]));
        let decided = self.further(call, asked);
        if let Some(clause) = &decided.clause {
            return Err(Refusal::key_of_object(&decided.decision, clause));
        }
        let of_s3 = |refusal: Refusal| Refusal { code: format!("KMS.{}", refusal.code), ..refusal };
        match self.state(&key) {
            State::Enabled => Ok(()),
            State::Disabled => Err(of_s3(Refusal::disabled_key(&key.arn))),
            State::PendingDeletion => Err(of_s3(Refusal::key_pending_deletion(&key.arn))),
        }
    }
}

/// Path and query by which LocalStack is asked for an object, or for a subresource of it.
pub(super) fn target(object: &str, subresource: Option<&str>, version: Option<&str>) -> Option<String> {
    let (bucket, key) = object.strip_prefix("arn:aws:s3:::")?.split_once('/')?;
    let version = version.map(|version| format!("versionId={}", encoded(version)));
    let query: Vec<_> = subresource.map(str::to_owned).into_iter().chain(version).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    Some(format!("/{}/{}{mark}{}", encoded(bucket), encoded(key), query.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_asked_for_by_its_encoded_key() {
        fidelity::fidelity!("gate-12");
        let object = "arn:aws:s3:::b/a b/c+d";
        assert_eq!(target(object, None, None).unwrap(), "/b/a%20b/c%2Bd");
        assert_eq!(target(object, Some("tagging"), Some("v&1")).unwrap(), "/b/a%20b/c%2Bd?tagging&versionId=v%261");
        assert_eq!(target("arn:aws:s3:::b", None, None), None);
    }
}
