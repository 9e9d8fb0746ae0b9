//! What was decided about one request, complete enough to be decided again.

use iam::{Identity, Principal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Who asks without saying who it is.
pub const ANONYMOUS: &str = "anonymous";

/// A request to IAM with its outcome and why.
///
/// [`Decision::request`] is the same request again; [`crate::policies::Account::applying`] are the policies that bear on
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Who asks: the ARN of a role session (`arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`) or of a certificate
    /// (`arn:aws:iot:REGION:ACCOUNT:cert/ID`), the host name of an AWS service, or [`ANONYMOUS`].
    pub principal: String,
    /// The action, such as `secretsmanager:GetSecretValue`.
    pub action: String,
    /// The resource ARN that is authorised, or `*`.
    pub resource: String,
    /// The account that the resource belongs to; absent where that is the principal's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_account: Option<String>,
    /// The condition keys that were there: a text, or a list of texts for a multivalued key.
    #[serde(default)]
    pub context: BTreeMap<String, Value>,
    /// Texts of the session's own policies; a session without any is not limited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<String>,
    /// How it came out.
    pub outcome: Outcome,
    /// Whether it was let through although it was denied, in a world whose policies are not enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub let_through: bool,
    /// The layer of a denial as [`iam::Layer`] shows it, such as `identity`; absent if it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// `POLICY[Sid]` or `POLICY[index]` of the statement that decided; absent where none did.
    pub statement: Option<String>,
}

/// The outcome of an authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is allowed and nothing denies it.
    Allowed,
    /// Nothing allows it, or not all layers do that have to.
    ImplicitlyDenied,
    /// A statement denies it.
    ExplicitlyDenied,
    /// The caller could not be identified; no policy was asked.
    Unauthenticated,
    /// No policy was asked: what is wanted is not emulated, or its input can't be read.
    Undecided,
}

impl From<iam::Outcome> for Outcome {
    fn from(outcome: iam::Outcome) -> Self {
        match outcome {
            iam::Outcome::Allowed => Self::Allowed,
            iam::Outcome::ImplicitlyDenied => Self::ImplicitlyDenied,
            iam::Outcome::ExplicitlyDenied => Self::ExplicitlyDenied,
        }
    }
}

impl Decision {
    /// What is asked, before it is decided: nothing allows it yet.
    #[must_use]
    pub fn asked(principal: impl Into<String>, action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            principal: principal.into(),
            action: action.into(),
            resource: resource.into(),
            resource_account: None,
            context: BTreeMap::new(),
            session: Vec::new(),
            outcome: Outcome::ImplicitlyDenied,
            let_through: false,
            layer: None,
            statement: None,
        }
    }

    /// The same with a condition key: a text, or a list of texts.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(key.into(), value.into());
        self
    }

    /// Whether policies allow the request.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// How it came out, in a word or two.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Allowed => "allowed",
            _ if self.let_through => "let through",
            Outcome::ImplicitlyDenied | Outcome::ExplicitlyDenied => "denied",
            Outcome::Unauthenticated => "unauthenticated",
            Outcome::Undecided => "undecided",
        }
    }

    /// Whether policies were asked.
    #[must_use]
    pub fn was_made(&self) -> bool {
        !matches!(self.outcome, Outcome::Unauthenticated | Outcome::Undecided)
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        self.is_allowed() || self.let_through
    }

    /// The request as [`iam::decide`] takes it.
    #[must_use]
    pub fn request(&self) -> iam::Request {
        let mut request = iam::Request::new(&self.action, &self.resource);
        if let Some(principal) = self.identity() {
            request = request.by(principal);
        }
        if let Some(account) = &self.resource_account {
            request = request.owned_by(account);
        }
        self.context.iter().fold(request, |request, (key, value)| match value {
            Value::Array(values) => request.with_list(key, values.iter().map(text)),
            value => request.with(key, text(value)),
        })
    }

    /// Whether a certificate asks, which has IoT policies and nothing else.
    #[must_use]
    pub fn is_of_certificate(&self) -> bool {
        self.principal.starts_with("arn:aws:iot:")
    }

    fn identity(&self) -> Option<Principal> {
        if self.principal == ANONYMOUS {
            return None;
        }
        if !self.is_of_certificate() {
            return Some(Principal::parse(&self.principal));
        }
        // IAM knows no certificates. The policies that hang on one are decided like those that hang on a user.
        let account = self.principal.split(':').nth(4).unwrap_or_default().to_owned();
        let name = self.principal.rsplit('/').next().unwrap_or_default().to_owned();
        Some(Principal::User(Identity { arn: self.principal.clone(), account, name }))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iam::{Document, Kind, Policies, Policy};
    use serde_json::json;

    /// Decides by one identity policy with a statement.
    fn allowed(decision: &Decision, statement: &Value) -> bool {
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let policy = Policy::new("p", Document::read(&text, Kind::Inline).unwrap());
        iam::decide(&Policies { identity: vec![policy], ..Policies::default() }, &decision.request()).is_allowed()
    }

    #[test]
    fn a_recorded_decision_is_the_same_request_again() {
        fidelity::fidelity!("gate-10");
        let asked = Decision::asked("arn:aws:sts::111122223333:assumed-role/R/s", "secretsmanager:TagResource", "*")
            .with("aws:TagKeys", json!(["a", "b"]))
            .with("aws:SourceIp", "10.0.0.1");
        let read: Decision = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
        assert_eq!(read, asked);
        let statement = |operator: &str, value: &str| {
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
                operator: {"aws:TagKeys": ["a", "b"]}, "IpAddress": {"aws:SourceIp": value}}})
        };
        assert!(allowed(&read, &statement("ForAllValues:StringEquals", "10.0.0.0/8")));
        assert!(!allowed(&read, &statement("ForAllValues:StringEquals", "11.0.0.0/8")));
        let more = read.with("aws:TagKeys", json!(["a", "c"]));
        assert!(!allowed(&more, &statement("ForAllValues:StringEquals", "10.0.0.0/8")));
    }

    #[test]
    fn a_certificate_asks_its_own_policies() {
        let statement = json!({"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:r:1:client/c"});
        let asked = |client: &str| {
            let resource = format!("arn:aws:iot:r:1:client/{client}");
            Decision::asked("arn:aws:iot:r:1:cert/c0ffee", "iot:Connect", resource)
        };
        assert!(allowed(&asked("c"), &statement));
        assert!(!allowed(&asked("d"), &statement));
        let anonymous = Decision { principal: ANONYMOUS.to_owned(), ..asked("c") };
        assert!(!allowed(&anonymous, &statement));
    }
}
