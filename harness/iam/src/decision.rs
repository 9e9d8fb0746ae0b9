//! The decision: what the layers say, and how that comes out.

use crate::{
    document::{Document, Effect, Grant, Statement},
    json::Position,
    policies::{Layer, Policies},
    principal::Principal,
    request::{Asked, Request},
};
use std::fmt;

/// How a request comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is allowed and nothing denies it.
    Allowed,
    /// Nothing allows it, or not all layers do that have to.
    ImplicitlyDenied,
    /// A statement denies it.
    ExplicitlyDenied,
}

/// A decision and what made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'p> {
    /// How the request comes out.
    pub outcome: Outcome,
    /// The layer that AWS's text of a denial names; absent if the request is allowed.
    pub layer: Option<Layer>,
    /// The first statement that decided; absent where none did.
    pub statement: Option<StatementRef<'p>>,
    /// Whether the resource policy is the trust policy of a role.
    trust: bool,
}

impl Decision<'_> {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// The end of AWS's text of a denial: `because no identity-based policy allows the s3:GetObject action`.
    #[must_use]
    pub fn clause(&self, action: &str) -> Option<String> {
        let explicit = self.outcome == Outcome::ExplicitlyDenied;
        Some(match self.layer? {
            Layer::Scp => "with an explicit deny in a service control policy".to_owned(),
            Layer::Resource if self.trust && explicit => "with an explicit deny in the role trust policy".to_owned(),
            layer => {
                let (article, name) = match layer {
                    Layer::Scp | Layer::Rcp => ("a", "resource control policy"),
                    Layer::Vpce => ("a", "VPC endpoint policy"),
                    Layer::Resource if self.trust => ("a", "role trust policy"),
                    Layer::Resource => ("a", "resource-based policy"),
                    Layer::Identity => ("an", "identity-based policy"),
                    Layer::Boundary => ("a", "permissions boundary"),
                    Layer::Session => ("a", "session policy"),
                };
                if explicit {
                    format!("with an explicit deny in {article} {name}")
                } else {
                    format!("because no {name} allows the {action} action")
                }
            }
        })
    }
}

/// A statement of a policy; shown as `POLICY[Sid]`, or `POLICY[index]` without a `Sid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementRef<'p> {
    /// The policy's name.
    pub policy: &'p str,
    /// Position of the statement, from 0.
    pub index: usize,
    /// Its `Sid`.
    pub sid: Option<&'p str>,
    /// Where it starts in the policy's text; absent if the policy was not read from a text.
    pub position: Option<Position>,
}

impl<'p> StatementRef<'p> {
    pub(crate) fn new(policy: &'p str, index: usize, statement: &'p Statement) -> Self {
        Self { policy, index, sid: statement.sid.as_deref(), position: statement.place }
    }
}

impl fmt::Display for StatementRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sid {
            Some(sid) => write!(f, "{}[{sid}]", self.policy),
            None => write!(f, "{}[{}]", self.policy, self.index),
        }
    }
}

/// Decides a request by all policies that bear on it.
///
/// `sts:GetCallerIdentity` needs no permission and can't be denied. Without an account of the resource's owner the
/// request is one within the principal's account.
#[must_use]
pub fn decide<'p>(policies: &'p Policies, request: &Request) -> Decision<'p> {
    let asked = request.asked();
    let decision = |outcome, layer, statement| Decision { outcome, layer, statement, trust: asked.role };
    if is_free(&asked) {
        return decision(Outcome::Allowed, None, None);
    }
    let mut verdicts = [Verdict::default(); Layer::ALL.len()];
    for (verdict, layer) in verdicts.iter_mut().zip(Layer::ALL) {
        *verdict = Verdict::of(layer, policies, &asked);
        if verdict.deny.is_some() {
            return decision(Outcome::ExplicitlyDenied, Some(layer), verdict.deny);
        }
    }
    match allowed(policies, request, &asked, &verdicts) {
        Ok(statement) => decision(Outcome::Allowed, None, statement),
        Err(layer) => decision(Outcome::ImplicitlyDenied, Some(layer), None),
    }
}

/// Whether everybody may do it, whatever policies say.
fn is_free(asked: &Asked<'_>) -> bool {
    asked.action == "sts:getcalleridentity"
}

/// What one layer says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict<'p> {
    /// The first statement that denies.
    pub(crate) deny: Option<StatementRef<'p>>,
    /// The first statement that allows, of those that name who asks most closely.
    pub(crate) allow: Option<StatementRef<'p>>,
    grant: Option<Grant>,
}

impl<'p> Verdict<'p> {
    /// Asks a layer. Every level of it has to allow.
    pub(crate) fn of(layer: Layer, policies: &'p Policies, asked: &Asked<'_>) -> Self {
        let mut all = Self::default();
        for (index, level) in policies.levels(layer).enumerate() {
            let mut one = Self::default();
            for policy in level {
                one.add(&policy.name, &policy.document, |statement| judge(layer, statement, policies, asked));
            }
            let allow = if index == 0 || all.allow.is_some() { one.allow } else { None };
            all = Self { deny: all.deny.or(one.deny), allow, grant: one.grant };
        }
        all
    }

    fn add(&mut self, policy: &'p str, document: &'p Document, judge: impl Fn(&Statement) -> Option<Grant>) {
        for (index, statement) in document.statements.iter().enumerate() {
            let open = match statement.effect {
                Effect::Deny => self.deny.is_none(),
                Effect::Allow => self.grant != Some(Grant::Direct),
            };
            let Some(grant) = open.then(|| judge(statement)).flatten() else { continue };
            let found = Some(StatementRef::new(policy, index, statement));
            match statement.effect {
                Effect::Deny => self.deny = found,
                Effect::Allow if Some(grant) > self.grant => (self.allow, self.grant) = (found, Some(grant)),
                Effect::Allow => {}
            }
        }
    }
}

/// Whether and how closely a statement of a layer applies. Those of the principal's side bear on no service and on nobody
/// anonymous.
pub(crate) fn judge(layer: Layer, statement: &Statement, policies: &Policies, asked: &Asked<'_>) -> Option<Grant> {
    if layer.names_principals() {
        return statement.grants(asked, policies.boundary.is_some());
    }
    (asked.principal?.account().is_some() && statement.applies(asked)).then_some(Grant::Direct)
}

/// Whether the layers together allow what none denies, by which statement; else the layer that is missing.
fn allowed<'p>(
    policies: &Policies,
    request: &Request,
    asked: &Asked<'_>,
    verdicts: &[Verdict<'p>; 7],
) -> Result<Option<StatementRef<'p>>, Layer> {
    let of = |layer: Layer| verdicts[layer as usize];
    let needs = |layer: Layer| {
        let open = !policies.has(layer) || of(layer).allow.is_some();
        if open { Ok(()) } else { Err(layer) }
    };
    let resource = of(Layer::Resource);
    let Some(principal) = asked.principal.filter(|principal| principal.account().is_some()) else {
        needs(Layer::Vpce)?;
        return resource.allow.map(Some).ok_or(Layer::Resource);
    };
    needs(Layer::Scp)?;
    needs(Layer::Vpce)?;
    // The root user has every permission that nothing takes from it.
    let root = matches!(principal, Principal::Root(_));
    let limits = || {
        if !root {
            needs(Layer::Boundary)?;
        }
        needs(Layer::Session)
    };
    if !request.is_cross_account() {
        match resource.grant {
            Some(Grant::Direct) => return Ok(resource.allow),
            Some(Grant::Role) => return limits().map(|()| resource.allow),
            Some(Grant::Account) | None => {}
        }
    }
    // Another account's resources, keys and roles have to give their consent.
    if (request.is_cross_account() || asked.key || asked.role) && resource.grant.is_none() {
        return Err(Layer::Resource);
    }
    if !root {
        needs(Layer::Identity)?;
    }
    limits()?;
    // A federated user without session policies has no permissions, but for resources that have a policy themselves.
    let federated = matches!(principal, Principal::Federated(_));
    if federated && policies.session.is_empty() && policies.resource.is_none() {
        return Err(Layer::Session);
    }
    Ok(of(Layer::Identity).allow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;
    use serde_json::json;

    const ROLE: &str = "arn:aws:iam::111122223333:role/Core";

    fn read(name: &str, statement: &serde_json::Value) -> Policy {
        Policy::new(name, Document::parse(&json!({"Version": "2012-10-17", "Statement": [statement]})).unwrap())
    }

    fn request(action: &str, resource: &str) -> Request {
        Request::new(action, resource).by(Principal::parse("arn:aws:sts::111122223333:assumed-role/Core/thing"))
    }

    #[test]
    fn names_the_statement_that_decided() {
        fidelity::fidelity!("iam-1", "iam-10");
        let allow = read("a", &json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}));
        let deny = read("b", &json!({"Sid": "NoDelete", "Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}));
        let policies = Policies { identity: vec![allow, deny], ..Policies::default() };
        let get = decide(&policies, &request("s3:GetObject", "arn:aws:s3:::b/k"));
        assert_eq!((get.statement.unwrap().to_string().as_str(), get.layer), ("a[0]", None));
        let delete = decide(&policies, &request("s3:deleteobject", "arn:aws:s3:::b/k"));
        assert_eq!((delete.outcome, delete.layer), (Outcome::ExplicitlyDenied, Some(Layer::Identity)));
        assert_eq!(delete.statement.unwrap().to_string(), "b[NoDelete]");
        assert!(!decide(&policies, &request("sqs:SendMessage", "*")).is_allowed());
    }

    #[test]
    fn trust_names_the_service_and_may_ask_for_the_alias() {
        fidelity::fidelity!("iam-12");
        let trust = read(
            "trust",
            &json!({
            "Effect": "Allow", "Principal": {"Service": ["credentials.iot.amazonaws.com"]}, "Action": "sts:AssumeRole",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:iot:*:1:rolealias/core*"}}}),
        );
        let policies = Policies { resource: Some(trust.clone()), ..Policies::default() };
        let ask = |service: &str, alias: &str| {
            let request = Request::new("sts:AssumeRole", ROLE).by(Principal::Service(service.to_owned()));
            let request = request.with("aws:SourceArn", format!("arn:aws:iot:r:1:rolealias/{alias}"));
            decide(&policies, &request).is_allowed()
        };
        assert!(ask("credentials.iot.amazonaws.com", "core-alias"));
        assert!(!ask("credentials.iot.amazonaws.com", "other"));
        assert!(!ask("ec2.amazonaws.com", "core-alias"));
        let misplaced = Policies { identity: vec![trust], ..Policies::default() };
        assert!(!decide(&misplaced, &request("sts:AssumeRole", "*")).is_allowed());
    }
}
