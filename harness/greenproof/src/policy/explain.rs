//! Why one request is allowed or denied: every statement of every policy, with what of it matched and what did not.

use super::{
    Error,
    layers::{Layers, Spoken},
};
use cloud::event::Decision;
use iam::{ConditionReport, Explanation, LayerReport, StatementReport};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write};

/// A request as people write it: JSON, or the flags of the command line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Who asks: an ARN, or the host name of a service.
    #[serde(default)]
    pub principal: Option<String>,
    /// The IAM action.
    pub action: String,
    /// The resource's ARN, or `*`.
    pub resource: String,
    /// The account that owns the resource; absent for that of the resource's ARN, and without one for the principal's.
    #[serde(default)]
    pub resource_account: Option<String>,
    /// Condition keys, complete: nothing is added. A list is a multivalued key.
    #[serde(default)]
    pub context: BTreeMap<String, Value>,
}

impl Request {
    /// Reads a request's JSON; one inside an object's `request` is taken too.
    ///
    /// # Errors
    /// When it is none; with line and column.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let hint = "a request is {\"principal\", \"action\", \"resource\", \"resourceAccount\", \"context\": {}}";
        let refused = |error: serde_json::Error| {
            let at = if error.line() > 0 {
                format!("{place}:{}:{}", error.line(), error.column())
            } else {
                place.to_owned()
            };
            let text = error.to_string();
            Error::new(at, text.split(" at line ").next().unwrap_or_default().to_owned(), hint)
        };
        let value: Value = serde_json::from_str(text).map_err(refused)?;
        match value.get("request") {
            Some(request) => serde_json::from_value(request.clone()).map_err(refused),
            None => serde_json::from_str(text).map_err(refused),
        }
    }

    /// The request as it is decided. A certificate asks if it is its IoT policies that decide.
    ///
    /// # Errors
    /// When it does not say who asks, or names another owner of the resource than the resource's ARN does.
    pub fn asked(self, by_certificate: bool) -> Result<Decision, Error> {
        let (account, region) = (self.part(4), self.part(3));
        let owner = self.owner()?;
        let principal = match self.principal {
            Some(principal) => principal,
            None if by_certificate => format!("arn:aws:iot:{region}:{account}:cert/certificate"),
            None => {
                let hint = "pass `--principal ARN`, such as arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION";
                return Err(Error::new("the request", "it does not say who asks", hint));
            }
        };
        let context = self.context;
        let asked = Decision::asked(principal, self.action, self.resource);
        Ok(Decision { resource_account: owner, context, ..asked })
    }

    /// The account that owns the resource, if anything says which. ARNs of S3 name none, and what AWS itself has (`aws` in
    /// place of a number) is asked for in the principal's own account.
    fn owner(&self) -> Result<Option<String>, Error> {
        let part = self.part(4);
        let named = Some(part).filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        match (named, &self.resource_account) {
            (Some(named), Some(stated)) if named != *stated => {
                let message = format!("the resource is of account `{named}`, not of `{stated}`");
                let hint = format!("leave `--resource-account` out: `{}` says whose it is", self.resource);
                Err(Error::new("the request", message, hint))
            }
            (named, stated) => Ok(stated.clone().or(named)),
        }
    }

    fn part(&self, index: usize) -> String {
        self.resource.split(':').nth(index).unwrap_or_default().to_owned()
    }
}

/// What the pseudo parameters of a template stand for in the account that a request is made in.
#[must_use]
pub fn pseudo_parameters(request: &Decision) -> BTreeMap<String, String> {
    let part = |arn: &str, index| arn.split(':').nth(index).unwrap_or_default().to_owned();
    let account = part(&request.principal, 4);
    let region = request.context.iter().find(|(key, _)| key.eq_ignore_ascii_case("aws:RequestedRegion"));
    let region = region.and_then(|(_, value)| value.as_str()).map_or_else(|| part(&request.resource, 3), str::to_owned);
    let known = [("AWS::AccountId", account), ("AWS::Region", region)];
    known.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The explanation for a person.
#[must_use]
pub fn human(request: &Decision, layers: &Layers) -> String {
    let asked = request.request();
    let explained = iam::explain(&layers.policies, &asked);
    let mut text = String::new();
    let outcome = if explained.decision.is_allowed() { "ALLOWED" } else { "DENIED" };
    _ = writeln!(text, "{outcome} {} on {}", request.action, request.resource);
    _ = writeln!(text, "  by {}", request.principal);
    if let Some(clause) = &explained.clause {
        _ = writeln!(text, "  {clause}");
    }
    for statement in explained.deciding() {
        _ = writeln!(text, "  decided by {statement}");
    }
    for layer in &explained.layers {
        of_layer(&mut text, request, layer, layers);
    }
    text
}

fn of_layer(text: &mut String, request: &Decision, layer: &LayerReport<'_>, layers: &Layers) {
    // The layer's own text begins with what it is and says, and goes on with its statements.
    let shown = layer.to_string();
    _ = writeln!(text, "\n{}", shown.lines().next().unwrap_or_default());
    if layer.statements.is_empty() {
        _ = writeln!(text, "  no policy");
    }
    for statement in &layer.statements {
        of_statement(text, request, layer, statement, layers);
    }
}

fn of_statement(
    text: &mut String,
    request: &Decision,
    layer: &LayerReport<'_>,
    statement: &StatementReport<'_>,
    layers: &Layers,
) {
    let written = layers.written(layer.layer, statement.statement.policy);
    let place = written.map_or_else(String::new, |written| match statement.statement.position {
        Some(position) => format!(" at {}:{position}", written.origin),
        None => format!(" in {}", written.origin),
    });
    let applies = if statement.applies { "applies" } else { "does not apply" };
    _ = writeln!(text, "  {:?} {}{place}: {applies}", statement.effect, statement.statement);
    let spoken = written.map(|written| Spoken::of(&written.text, statement.statement.index)).unwrap_or_default();
    let mut line = |matches: bool, what: &str, wanted: &str, asked: &str| {
        let mark = if matches { '✓' } else { '✗' };
        let asked = if matches || asked.is_empty() { String::new() } else { format!("; asked: {asked}") };
        _ = writeln!(text, "    {mark} {what} {wanted}{asked}");
    };
    if let Some(principal) = statement.principal {
        let (key, wanted) = spoken.principal.unwrap_or(("Principal".into(), String::new()));
        line(principal, &key, &wanted, &request.principal);
    }
    line(statement.action, &spoken.action.0, &spoken.action.1.join(" | "), &request.action);
    // The statement of a trust policy has no resource: it speaks of its role.
    if !spoken.resource.1.is_empty() {
        line(statement.resource, &spoken.resource.0, &spoken.resource.1.join(" | "), &request.resource);
    }
    for condition in &statement.conditions {
        let wanted = format!("{} {}", condition.key, condition.wanted.join(" | "));
        let seen = condition.seen.as_ref().map_or("no such key".to_owned(), |seen| seen.join(", "));
        line(condition.holds, condition.operator, &format!("{wanted} (the request has {seen})"), "");
    }
}

/// The explanation for a machine.
#[must_use]
pub fn json(request: &Decision, layers: &Layers) -> Value {
    let asked = request.request();
    let explained = iam::explain(&layers.policies, &asked);
    let layer = |layer: &LayerReport<'_>| {
        json!({
            "layer": layer.layer.to_string(),
            "level": layer.level,
            "statements":
                layer.statements.iter().map(|one| json_statement(layer, one, layers)).collect::<Vec<_>>(),
        })
    };
    json!({
        "request": {
            "principal": request.principal, "action": request.action, "resource": request.resource,
            "resourceAccount": request.resource_account, "context": request.context,
        },
        "outcome": cloud::event::Outcome::from(explained.decision.outcome),
        "layer": explained.decision.layer.map(|layer| layer.to_string()),
        "clause": explained.clause,
        "decidedBy": deciding(&explained),
        "layers": explained.layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

fn deciding(explained: &Explanation<'_>) -> Vec<String> {
    explained.deciding().iter().map(ToString::to_string).collect()
}

fn json_statement(layer: &LayerReport<'_>, report: &StatementReport<'_>, layers: &Layers) -> Value {
    let statement = report.statement;
    let written = layers.written(layer.layer, statement.policy);
    let spoken = written.map(|written| Spoken::of(&written.text, statement.index)).unwrap_or_default();
    let condition = |one: &ConditionReport<'_>| {
        json!({
            "operator": one.operator, "key": one.key, "wanted": one.wanted, "seen": one.seen, "holds": one.holds,
        })
    };
    json!({
        "policy": statement.policy,
        "index": statement.index,
        "sid": statement.sid,
        "file": written.map(|written| &written.origin),
        "line": statement.position.map(|position| position.line),
        "column": statement.position.map(|position| position.column),
        "effect": format!("{:?}", report.effect),
        "applies": report.applies,
        "principal": report.principal,
        "action": {"matches": report.action, "key": spoken.action.0, "wanted": spoken.action.1},
        "resource": {"matches": report.resource, "key": spoken.resource.0, "wanted": spoken.resource.1},
        "conditions": report.conditions.iter().map(condition).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use iam::{Document, Kind, Policies, Policy};

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/Device/c0ffee";
    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:token-AbCdEf";

    fn request(resource: &str, stated: Option<&str>) -> Request {
        Request {
            principal: Some(SESSION.to_owned()),
            action: "secretsmanager:GetSecretValue".to_owned(),
            resource: resource.to_owned(),
            resource_account: stated.map(str::to_owned),
            context: BTreeMap::new(),
        }
    }

    #[test]
    fn a_resource_is_of_the_account_in_its_arn() {
        fidelity::fidelity!("iam-24");
        let foreign = SECRET.replace("111122223333", "999988887777");
        for (resource, stated, owner) in [
            (SECRET, None, Some("111122223333")),
            (foreign.as_str(), None, Some("999988887777")),
            (&foreign, Some("999988887777"), Some("999988887777")),
            ("arn:aws:s3:::artifacts/a", None, None),
            ("arn:aws:s3:::artifacts/a", Some("999988887777"), Some("999988887777")),
            ("arn:aws:iam::aws:policy/ReadOnlyAccess", None, None),
            ("arn:aws:secretsmanager:eu-west-1:*:secret:token", None, None),
            ("*", None, None),
        ] {
            let asked = request(resource, stated).asked(false).unwrap();
            assert_eq!(asked.resource_account.as_deref(), owner, "{resource} {stated:?}");
        }
    }

    #[test]
    fn an_owner_that_contradicts_the_arn_is_refused() {
        fidelity::fidelity!("iam-24");
        let error = request(SECRET, Some("999988887777")).asked(false).unwrap_err();
        assert_eq!(error.to_string(), "the request: the resource is of account `111122223333`, not of `999988887777`");
        assert!(error.hint.contains("--resource-account"), "{}", error.hint);
    }

    /// What one's own policy allows on another account's secret, that account has to allow as well.
    #[test]
    fn an_identity_policy_alone_opens_ones_own_secrets_only() {
        fidelity::fidelity!("iam-24", "iam-15");
        let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        let own = Policy::new("own", Document::read(text, Kind::Inline).unwrap());
        let policies = Policies { identity: vec![own], ..Policies::default() };
        let allowed = |resource: &str| {
            let asked = request(resource, None).asked(false).unwrap();
            iam::decide(&policies, &asked.request()).is_allowed()
        };
        assert!(allowed(SECRET));
        assert!(!allowed(&SECRET.replace("111122223333", "999988887777")));
    }
}
