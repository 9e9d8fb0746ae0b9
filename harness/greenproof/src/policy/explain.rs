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
    /// The account that owns the resource; absent for the principal's.
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
    /// When it does not say who asks.
    pub fn asked(self, by_certificate: bool) -> Result<Decision, Error> {
        let (account, region) = (self.part(4), self.part(3));
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
        Ok(Decision { resource_account: self.resource_account, context, ..asked })
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
