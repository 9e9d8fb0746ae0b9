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
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use rand::RngExt;
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

    /// The answer with another value, where the secret was rotated.
    pub(super) fn rotated(&self, found: &Found, operation: &Operation, answer: Answer) -> Answer {
        let Found::Secret(secret) = found else { return answer };
        if operation.name != "GetSecretValue" || !answer.status.is_success() {
            return answer;
        }
        let Some(fault) = self.faults.special(Special::SecretRotated, secret.name()) else { return answer };
        let Ok(mut read) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
        let text = read["SecretString"].as_str().unwrap_or_default();
        read["SecretString"] = fault.body.unwrap_or_else(|| another(text)).into();
        read["VersionId"] = uuid::Uuid::new_v4().to_string().into();
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

/// Another value of the same form: in JSON every text is another one, with the beginning that tells a token's kind.
fn another(value: &str) -> String {
    match serde_json::from_str::<Value>(value) {
        Ok(mut json) if json.is_object() => {
            let members = json.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
            for member in members {
                if let Value::String(text) = member {
                    *text = another_text(text);
                }
            }
            json.to_string()
        }
        _ => another_text(value),
    }
}

fn another_text(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (kind, rest) = text.split_once('_').map_or(("", text), |(kind, rest)| (kind, rest));
    let mut random = rand::rng();
    let rest: String = rest.chars().map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect();
    if kind.is_empty() { rest } else { format!("{kind}_{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_value_has_the_form_of_the_old_one() {
        let json: Value = serde_json::from_str(&another(r#"{"mypat":"ghp_abcdefghijklmnop","n":1}"#)).unwrap();
        let token = json["mypat"].as_str().unwrap();
        assert!(token.starts_with("ghp_") && token.len() == 20 && token != "ghp_abcdefghijklmnop", "{token}");
        assert_eq!(json["n"], 1);
        assert_eq!(another("plainplainplain").len(), 15);
    }
}
