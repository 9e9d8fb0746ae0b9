//! Calls that change policies: a document that AWS would refuse is refused, and what was changed is read back.

use super::{Gate, Received, operation::Operation, refusal::Refusal};
use crate::aws::{inventory::Change, upstream::Answer};
use iam::{Document, Kind};
use serde_json::Value;

impl Gate {
    /// Refuses a policy that AWS would refuse, and makes sure that IAM knows the account's roles.
    pub(super) async fn prepare(&self, operation: &Operation, received: &Received) -> Result<(), Refusal> {
        if let Some(Err(error)) = document(operation, received) {
            return Err(Refusal::malformed_document(
                operation.protocol,
                error.aws_message().unwrap_or(&error.to_string()),
            ));
        }
        if operation.service == "iam"
            && let Err(reason) = self.inventory.ask_iam().await
        {
            tracing::warn!(reason, "roles could not be put into LocalStack");
            return Err(Refusal::internal(operation.protocol));
        }
        Ok(())
    }

    /// Reads back what a call has changed.
    pub(super) async fn reread(&self, operation: &Operation, answer: &Answer) -> Result<(), Refusal> {
        let Some(change) = change(operation, answer).filter(|_| answer.status.is_success()) else { return Ok(()) };
        self.inventory.reread(&change).await.map_err(|reason| {
            tracing::warn!(reason, ?change, "a policy could not be read back");
            Refusal::internal(operation.protocol)
        })
    }
}

/// The policy that a call brings, read as what it is to be.
fn document(operation: &Operation, received: &Received) -> Option<Result<Document, iam::Error>> {
    let read = |field: &str, kind| Some(Document::read(operation.text(field)?, kind));
    match (operation.service.as_str(), operation.name.as_str()) {
        ("iam", "PutRolePolicy") => read("PolicyDocument", Kind::Inline),
        ("iam", "CreatePolicy" | "CreatePolicyVersion") => read("PolicyDocument", Kind::Managed),
        ("iam", "UpdateAssumeRolePolicy") => read("PolicyDocument", Kind::Trust),
        ("iam", "CreateRole") => read("AssumeRolePolicyDocument", Kind::Trust),
        ("secretsmanager", "PutResourcePolicy") => read("ResourcePolicy", Kind::Resource),
        ("kms", "PutKeyPolicy" | "CreateKey") => read("Policy", Kind::Resource),
        ("s3", "PutBucketPolicy") => {
            let text = String::from_utf8_lossy(&received.body);
            Some(Document::read_of_bucket(&text, operation.bucket.as_deref()?))
        }
        _ => None,
    }
}

/// Whether a call may change roles or managed policies.
pub(super) fn changes_roles(operation: &Operation) -> bool {
    operation.service == "iam" && !operation.only_reads()
}

/// What of the account's policies a call changes.
fn change(operation: &Operation, answer: &Answer) -> Option<Change> {
    match (operation.service.as_str(), operation.name.as_str()) {
        ("iam", _) if changes_roles(operation) => Some(Change::Roles),
        ("secretsmanager", "PutResourcePolicy" | "DeleteResourcePolicy" | "DeleteSecret" | "RestoreSecret") => {
            operation.secret.clone().map(Change::Secret)
        }
        ("secretsmanager", "CreateSecret") => operation.text("Name").map(|name| Change::Secret(name.to_owned())),
        ("s3", "PutBucketPolicy" | "DeleteBucketPolicy" | "CreateBucket" | "DeleteBucket") => {
            operation.bucket.clone().map(Change::Bucket)
        }
        ("kms", "CreateKey") => {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            answer["KeyMetadata"]["KeyId"].as_str().map(|id| Change::Key(id.to_owned()))
        }
        ("kms", "PutKeyPolicy") => operation.key_id.clone().map(Change::Key),
        _ => None,
    }
}
