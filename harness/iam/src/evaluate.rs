//! The decision.

use crate::{
    document::{Document, Effect, Statement},
    pattern::segments,
};
use std::{borrow::Borrow, collections::BTreeMap, fmt};

/// Condition keys in lower case with their values; an absent key has no entry.
pub(crate) type Context = BTreeMap<String, Vec<String>>;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The IAM action, such as `s3:GetObject`.
    pub action: String,
    /// The ARN of the resource, or `*` for an action without resource-level permissions.
    pub resource: String,
    /// All condition keys of the request, in lower case, with their values. Nothing is derived.
    pub context: BTreeMap<String, Vec<String>>,
}

impl Request {
    /// A request without context.
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), context: BTreeMap::new() }
    }

    /// The same request with a single-valued condition key; the key's letter case does not count.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.insert(key.to_ascii_lowercase(), vec![value.into()]);
        self
    }
}

/// How a request comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement allows it.
    ImplicitlyDenied,
    /// A statement denies it.
    ExplicitlyDenied,
}

/// A decision and what made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How the request comes out.
    pub outcome: Outcome,
    /// The first statement that decided; absent where none did.
    pub statement: Option<StatementRef>,
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}

/// A statement of a policy; shown as `POLICY[Sid]`, or `POLICY[index]` without a `Sid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRef {
    /// The policy's name.
    pub policy: String,
    /// Position of the statement, from 0.
    pub index: usize,
    /// Its `Sid`.
    pub sid: Option<String>,
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "{}[{sid}]", self.policy),
            None => write!(f, "{}[{}]", self.policy, self.index),
        }
    }
}

/// Decides a request by the identity policies of its principal, each with its name, within one account.
///
/// A Deny wins over every Allow. `sts:GetCallerIdentity` needs no permission and can't be denied.
#[must_use]
pub fn evaluate<'a>(policies: impl IntoIterator<Item: Borrow<(&'a str, &'a Document)>>, request: &Request) -> Decision {
    if request.action.eq_ignore_ascii_case("sts:GetCallerIdentity") {
        return Decision { outcome: Outcome::Allowed, statement: None };
    }
    by_policies(policies, request)
}

/// Decides by policies that hang on whoever asks. A statement with a `Principal` has no place there and does nothing.
pub(crate) fn by_policies<'a>(
    policies: impl IntoIterator<Item: Borrow<(&'a str, &'a Document)>>,
    request: &Request,
) -> Decision {
    let action = request.action.to_ascii_lowercase();
    let resource = segments(&request.resource);
    decide(policies, |statement| {
        statement.principal.is_none()
            && statement.names_action(&action, &request.context)
            && statement.names_resource(resource.as_ref(), &request.context)
            && statement.conditions_hold(&request.context)
    })
}

/// Whether a role's trust policy lets an AWS service do `action` (`sts:AssumeRole`) on the role. The keys of `context`
/// are in lower case.
#[must_use]
pub fn trusts_service(trust: &Document, service: &str, action: &str, context: &BTreeMap<String, Vec<String>>) -> bool {
    let action = action.to_ascii_lowercase();
    let applies = |statement: &Statement| {
        statement.trusts(service) && statement.names_action(&action, context) && statement.conditions_hold(context)
    };
    decide([("trust", trust)], applies).is_allowed()
}

/// Looks for the first Deny, and failing that for the first Allow, among the statements that apply.
fn decide<'a>(
    policies: impl IntoIterator<Item: Borrow<(&'a str, &'a Document)>>,
    applies: impl Fn(&Statement) -> bool,
) -> Decision {
    let mut allowed = None;
    for policy in policies {
        let (policy, document) = *policy.borrow();
        for (index, statement) in document.statements.iter().enumerate() {
            let undecided = statement.effect == Effect::Deny || allowed.is_none();
            if !undecided || !applies(statement) {
                continue;
            }
            let found = Some(StatementRef { policy: policy.to_owned(), index, sid: statement.sid.clone() });
            match statement.effect {
                Effect::Deny => return Decision { outcome: Outcome::ExplicitlyDenied, statement: found },
                Effect::Allow => allowed = found,
            }
        }
    }
    let outcome = if allowed.is_some() { Outcome::Allowed } else { Outcome::ImplicitlyDenied };
    Decision { outcome, statement: allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `[iam-1]` and `[iam-10]`
    #[test]
    fn names_the_statement_that_decided() {
        let allow = Document::parse(&json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
        .unwrap();
        let deny = Document::parse(&json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "NoDelete", "Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}]}))
        .unwrap();
        let policies = vec![("a", &allow), ("b", &deny)];
        let get = evaluate(&policies, &Request::new("s3:GetObject", "arn:aws:s3:::b/k"));
        assert_eq!(get.statement.unwrap().to_string(), "a[0]");
        let delete = evaluate(&policies, &Request::new("s3:deleteobject", "arn:aws:s3:::b/k"));
        assert_eq!(delete.outcome, Outcome::ExplicitlyDenied);
        assert_eq!(delete.statement.unwrap().to_string(), "b[NoDelete]");
        assert!(!evaluate(policies, &Request::new("sqs:SendMessage", "*")).is_allowed());
    }

    /// `[iam-12]`
    #[test]
    fn trust_names_the_service_and_may_ask_for_the_alias() {
        let trust = Document::parse(&json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": ["credentials.iot.amazonaws.com"]}, "Action": "sts:AssumeRole",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:iot:*:1:rolealias/core*"}}}]}))
        .unwrap();
        let ask = |service, alias: &str| {
            let request = Request::default().with("aws:SourceArn", format!("arn:aws:iot:r:1:rolealias/{alias}"));
            trusts_service(&trust, service, "sts:AssumeRole", &request.context)
        };
        assert!(ask("credentials.iot.amazonaws.com", "core-alias"));
        assert!(!ask("credentials.iot.amazonaws.com", "other"));
        assert!(!ask("ec2.amazonaws.com", "core-alias"));
        assert!(!evaluate([("trust", &trust)], &Request::new("sts:AssumeRole", "*")).is_allowed());
    }
}
