//! What KMS refuses, directly and behind other services.

use super::Refusal;
use crate::event::Decision;

/// How KMS speaks of a key that it doesn't show.
const HIDDEN: &str = "because the resource does not exist in this Region, no resource-based policies allow access, or a \
                      resource-based policy explicitly denies access";

impl Refusal {
    /// Secrets Manager's answer where KMS does not let the caller use the secret's key.
    pub(in crate::aws::gate) fn no_kms() -> Self {
        Self::new(400, "AccessDeniedException", "Access to KMS is not allowed")
    }

    /// Secrets Manager's answer where the secret's key can't be used to read it.
    pub(in crate::aws::gate) fn not_decrypted() -> Self {
        let message = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
        Self::new(400, "DecryptionFailure", message)
    }

    /// Secrets Manager's answer where the secret's key can't be used to write it.
    pub(in crate::aws::gate) fn not_encrypted() -> Self {
        let message = "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the \
                       KMS key is available, enabled, and not in an invalid state.";
        Self::new(400, "EncryptionFailure", message)
    }

    /// The answer to a call on a key of another account or region, or on a ciphertext whose key can't be shown.
    pub(in crate::aws::gate) fn hidden_key(principal: &str, action: &str, arn: Option<&str>) -> Self {
        Self::new(400, "AccessDeniedException", hidden(principal, action, arn))
    }

    /// The answer to a call on a key or an alias that this account doesn't have.
    pub(in crate::aws::gate) fn no_such_key(arn: &str) -> Self {
        let message = if arn.contains(":alias/") {
            format!("Alias {arn} is not found.")
        } else {
            format!("Key '{arn}' does not exist")
        };
        Self::new(400, "NotFoundException", message)
    }

    /// The answer to a ciphertext that no key has made.
    pub(in crate::aws::gate) fn no_ciphertext() -> Self {
        Self::new(400, "InvalidCiphertextException", "")
    }

    /// S3's answer where KMS does not let the caller use the object's key.
    pub(in crate::aws::gate) fn key_of_object(decision: &Decision, clause: &str) -> Self {
        let Decision { principal, action, resource, .. } = decision;
        let message =
            format!("User: {principal} is not authorized to perform: {action} on resource: {resource} {clause}");
        Self::new(403, "AccessDenied", message)
    }

    /// S3's answer where the object's key is none of this account's.
    pub(in crate::aws::gate) fn hidden_key_of_object(principal: &str, action: &str) -> Self {
        Self::new(403, "AccessDenied", hidden(principal, action, None))
    }

    /// The answer where a key is disabled; S3 puts `KMS.` before its code.
    pub(in crate::aws::gate) fn disabled_key(arn: &str) -> Self {
        Self::new(400, "DisabledException", format!("{arn} is disabled."))
    }

    /// The answer where a key waits for its deletion; S3 puts `KMS.` before its code.
    pub(in crate::aws::gate) fn key_pending_deletion(arn: &str) -> Self {
        Self::new(400, "KMSInvalidStateException", format!("{arn} is pending deletion."))
    }
}

fn hidden(principal: &str, action: &str, arn: Option<&str>) -> String {
    let what = arn.map_or("the resource associated with this ciphertext".to_owned(), |arn| format!("resource: {arn}"));
    format!("User: {principal} is not authorized to perform: {action} on {what} {HIDDEN}")
}
