//! What faults make of a call: a wrong answer, or a secret or key that is not as it was.

use super::{
    Found, Gate,
    keys::{Key, State},
    operation::{CRYPTOGRAPHIC, Operation},
    refusal::Refusal,
    secrets::Secret,
};
use crate::{
    aws::upstream::Answer,
    fault::{Service, Special},
    faults::{PAGE, Strike},
    minted::Seed,
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;

/// The operations that a secret that is marked for deletion still takes.
const OF_DELETED: [&str; 5] =
    ["DescribeSecret", "DeleteSecret", "RestoreSecret", "ListSecretVersionIds", "GetResourcePolicy"];

/// The operations of KMS that use a key, besides those that have an encryption context.
const MORE_USES: [&str; 5] = ["GenerateMac", "ReEncrypt", "Sign", "Verify", "VerifyMac"];

impl Gate {
    /// What a fault answers in place of anything else.
    pub(super) async fn struck(&self, operation: &Operation) -> Option<Result<Answer, Refusal>> {
        let service = Service::of_gate(&operation.service)?;
        let (status, body, kind) = match self.faults.strike(service, &operation.name).await? {
            Strike::Status(status, None) => return Some(Err(Refusal::of_status(service, status))),
            Strike::Throttled => return Some(Err(Refusal::throttled(service))),
            Strike::Status(status, Some(body)) => (status, body, None),
            Strike::Page => (200, PAGE.to_owned(), Some("text/html; charset=utf-8")),
            Strike::Reset => return None,
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind)));
        Some(Ok(Answer { status, headers: headers.into_iter().collect::<HeaderMap>(), body: body.into() }))
    }

    /// Whether a secret is not there.
    pub(super) fn hides(&self, secret: &Secret) -> bool {
        self.faults.special(Special::SecretMissing, secret.name()).is_some()
    }

    /// Refuses what a secret does not take once it is marked for deletion.
    pub(super) fn not_deleted(&self, operation: &Operation, secret: &Secret) -> Result<(), Refusal> {
        if OF_DELETED.contains(&operation.name.as_str()) {
            return Ok(());
        }
        let is_deleted = secret.is_deleted || self.faults.special(Special::SecretDeleted, secret.name()).is_some();
        if is_deleted { Err(Refusal::marked_for_deletion()) } else { Ok(()) }
    }

    /// The answer with another value, where the secret was rotated: of one new version, as long as the fault is on.
    pub(super) fn rotated(&self, found: &Found, operation: &Operation, answer: Answer) -> Answer {
        let Found::Secret(secret) = found else { return answer };
        if operation.name != "GetSecretValue" || !reads_current(operation) || !answer.status.is_success() {
            return answer;
        }
        let Some(fault) = self.faults.special(Special::SecretRotated, secret.name()) else { return answer };
        let Ok(mut read) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
        let (name, old) = (secret.name(), read["SecretString"].as_str().unwrap_or_default());
        // Without a seed nobody knows the new value ahead, and none but who knows the old one can tell it.
        let seed = Seed::of(self.world.seed.as_ref().map_or(old, |seed| &seed.0));
        let new = fault.body.unwrap_or_else(|| seed.rotated(name, old));
        read["VersionId"] = seed.version(name, &new).into();
        read["SecretString"] = new.into();
        Answer { body: read.to_string().into(), ..answer }
    }

    /// Refuses to use a key that can't be used.
    pub(super) fn usable(&self, operation: &Operation, key: &Key) -> Result<(), Refusal> {
        let uses = |names: &[&str]| names.contains(&operation.name.as_str());
        if !uses(&CRYPTOGRAPHIC) && !uses(&MORE_USES) {
            return Ok(());
        }
        match self.state(key) {
            State::Enabled => Ok(()),
            State::Disabled => Err(Refusal::disabled_key(&key.arn)),
            State::PendingDeletion => Err(Refusal::key_pending_deletion(&key.arn)),
        }
    }

    /// The state of a key.
    pub(super) fn state(&self, key: &Key) -> State {
        let is_on = |special| !key.is_of_aws && self.faults.special(special, "").is_some();
        if is_on(Special::KeyDisabled) {
            State::Disabled
        } else if is_on(Special::KeyPendingDeletion) {
            State::PendingDeletion
        } else {
            key.state
        }
    }
}

/// Whether a call reads the current version of a secret. Any other one is as it was before a rotation; without a version
/// or a stage Secrets Manager reads the current one, as its documentation says.
fn reads_current(operation: &Operation) -> bool {
    operation.text("VersionId").is_none() && operation.text("VersionStage").is_none_or(|stage| stage == "AWSCURRENT")
}
