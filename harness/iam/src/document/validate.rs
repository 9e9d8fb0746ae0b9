//! What AWS takes as a policy, kind by kind.

mod action;
mod condition;
mod principal;
mod resource;

use super::{
    Kind,
    error::{Check, Error, Fault},
};
use crate::json::{Json, Member, Node, Position};
use std::collections::BTreeSet;

const ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// Refuses what AWS would refuse; of several faults it names the one that AWS names.
pub(super) fn check(document: &Node, kind: Kind) -> Result<(), Error> {
    let mut findings = Findings { list: Vec::new(), statement: None };
    outline(document, kind, &mut findings);
    let first = findings.list.into_iter().min_by_key(|error| error.fault.check);
    first.map_or(Ok(()), Err)
}

/// The kind that a document looks like.
pub(super) fn guess(document: &Node) -> Kind {
    let statements = document.get("Statement").map(Node::listed).unwrap_or_default();
    let any = |keys: [&str; 2]| statements.iter().any(|statement| keys.iter().any(|key| statement.get(key).is_some()));
    match (any(["Principal", "NotPrincipal"]), any(["Resource", "NotResource"])) {
        (true, false) => Kind::Trust,
        (true, true) => Kind::Resource,
        _ if !statements.is_empty() && statements.iter().all(action::all_of_iot) => Kind::Iot,
        _ => Kind::Inline,
    }
}

/// The faults found so far.
struct Findings {
    list: Vec<Error>,
    statement: Option<usize>,
}

impl Findings {
    fn add(&mut self, place: Option<Position>, fault: Fault) {
        self.list.push(Error { place, statement: self.statement, fault });
    }

    /// The members of an object; anything else, a key that occurs twice and an unknown key are syntax errors.
    fn object<'n>(&mut self, node: &'n Node, what: &str, known: Option<&[&str]>) -> &'n [Member] {
        let Some(members) = node.object() else {
            self.add(node.place, Fault::syntax(format!("{what} must be an object")));
            return &[];
        };
        let mut seen = BTreeSet::new();
        for Member { key, place, .. } in members {
            if known.is_some_and(|known| !known.contains(&key.as_str())) {
                self.add(*place, Fault::syntax(format!("`{key}` is no element of {what}")));
            }
            if !seen.insert(key) {
                self.add(*place, Fault::syntax(format!("`{key}` occurs twice in {what}")));
            }
        }
        members
    }
}

fn outline(document: &Node, kind: Kind, findings: &mut Findings) {
    findings.object(document, "a policy", Some(&["Version", "Id", "Statement"]));
    version(document, kind, findings);
    if let Some(id) = document.get("Id").filter(|id| id.text().is_none()) {
        findings.add(id.place, Fault::syntax("`Id` must be a text"));
    }
    let list = match document.get("Statement") {
        Some(Node { json: Json::List(list), .. }) if !list.is_empty() => list.as_slice(),
        Some(one @ Node { json: Json::Object(_), .. }) => std::slice::from_ref(one),
        other => {
            let place = other.map_or(document.place, |node| node.place);
            findings.add(place, Fault::syntax("`Statement` must be a statement or a list of them"));
            &[]
        }
    };
    let mut sids = BTreeSet::new();
    for (index, node) in list.iter().enumerate() {
        findings.statement = Some(index);
        statement(node, kind, findings);
        if let Some(sid) = node.get("Sid").and_then(Node::text).filter(|sid| !sid.is_empty() && !sids.insert(*sid)) {
            let iam = "Statement IDs (SID) in a single policy must be unique.";
            findings.add(node.place, Fault::said(Check::Sid, format!("`Sid` `{sid}` occurs twice"), iam));
        }
    }
}

fn version(document: &Node, kind: Kind, findings: &mut Findings) {
    let version = document.get("Version");
    let place = version.map_or(document.place, |node| node.place);
    let newest = match version.map(Node::text) {
        Some(Some("2012-10-17")) => true,
        None | Some(Some("2008-10-17")) => false,
        _ => return findings.add(place, Fault::syntax("`Version` must be `2012-10-17` or `2008-10-17`")),
    };
    let needed = matches!(kind, Kind::Managed | Kind::Boundary | Kind::Scp | Kind::Rcp);
    if needed && !newest {
        let iam = "Policy document must be version 2012-10-17 or greater.";
        findings.add(place, Fault::said(Check::Version, "`Version` must be `2012-10-17`", iam));
    }
}

fn statement(node: &Node, kind: Kind, findings: &mut Findings) {
    findings.object(node, "a statement", Some(&ELEMENTS));
    if node.object().is_none() {
        return;
    }
    for [only, except] in [["Action", "NotAction"], ["Resource", "NotResource"], ["Principal", "NotPrincipal"]] {
        if node.get(only).is_some() && node.get(except).is_some() {
            findings.add(node.place, Fault::syntax(format!("`{only}` and `{except}` exclude each other")));
        }
    }
    effect(node, kind, findings);
    sid(node, kind, findings);
    principal::check(node, kind, findings);
    action::check(node, kind, findings);
    resource::check(node, kind, findings);
    if let Some(block) = node.get("Condition") {
        condition::check(block, findings);
    }
}

fn effect(node: &Node, kind: Kind, findings: &mut Findings) {
    let value = node.get("Effect");
    let place = value.map_or(node.place, |value| value.place);
    match value.and_then(Node::text) {
        Some("Allow") if kind == Kind::Rcp => {
            findings.add(place, Fault::refused("a resource control policy can only deny"));
        }
        Some("Allow" | "Deny") => {}
        Some(other) if ["allow", "deny"].contains(&other.to_ascii_lowercase().as_str()) => {
            let detail = format!("`Effect` is `{other}`, neither `Allow` nor `Deny`");
            findings.add(place, Fault::legacy(Check::Legacy, detail));
        }
        _ => findings.add(place, Fault::syntax("`Effect` must be `Allow` or `Deny`")),
    }
}

/// The `Sid`. IAM wants letters and digits; what IoT and the policies of resources want is not documented.
fn sid(node: &Node, kind: Kind, findings: &mut Findings) {
    let Some(value) = node.get("Sid") else { return };
    let Some(sid) = value.text() else {
        return findings.add(value.place, Fault::syntax("`Sid` must be a text"));
    };
    let free = matches!(kind, Kind::Resource | Kind::Vpce | Kind::Iot);
    if !free && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let iam = "Statement IDs (SID) must be alpha-numeric. \
                   Check that your input satisfies the regular expression [0-9A-Za-z]*";
        let detail = format!("`Sid` `{sid}` must be of letters and digits");
        findings.add(value.place, Fault::said(Check::Sid, detail, iam));
    }
}

/// The texts under one of two keys, with their places; `None` if the statement has neither key.
fn texts<'n>(node: &'n Node, keys: [&str; 2], findings: &mut Findings) -> Option<Vec<(&'n str, Option<Position>)>> {
    let (key, value) = keys.iter().find_map(|key| node.get(key).map(|value| (key, value)))?;
    let mut texts = Vec::new();
    for item in value.listed() {
        match item.text() {
            Some(text) => texts.push((text, item.place)),
            None => findings.add(item.place, Fault::syntax(format!("`{key}` holds `{item}`, which is no text"))),
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(statement: &Value) -> Node {
        Node::from(&json!({"Version": "2012-10-17", "Statement": statement}))
    }

    #[test]
    fn a_kind_is_guessed_by_what_statements_name() {
        let guessed = |statement: Value| guess(&of(&statement));
        let (who, what) = (json!({"AWS": "*"}), "*");
        assert_eq!(guessed(json!([{"Principal": who, "Action": "sts:AssumeRole"}])), Kind::Trust);
        assert_eq!(guessed(json!([{"NotPrincipal": who, "Action": "s3:*", "NotResource": what}])), Kind::Resource);
        assert_eq!(guessed(json!([{"Action": "iot:*", "Resource": what}])), Kind::Iot);
        let mixed = json!([{"Action": ["iot:*", "greengrass:*"], "Resource": what}, {"NotAction": "s3:*"}]);
        assert_eq!(guessed(mixed), Kind::Inline);
        assert_eq!(guessed(json!([{"Action": "*", "Resource": what}])), Kind::Inline);
        assert_eq!(guessed(json!([])), Kind::Inline);
    }

    #[test]
    fn an_effect_in_another_letter_case_fails_elsewhere_than_an_unknown_one() {
        let message = |effect: &str, kind| {
            let statement = json!({"Effect": effect, "Action": "s3:*", "Resource": "*"});
            check(&of(&statement), kind).unwrap_err().to_string()
        };
        assert!(message("DENY", Kind::Inline).contains("IAM says: The policy failed legacy parsing"));
        assert!(message("Permit", Kind::Inline).contains("IAM says: Syntax errors in policy."));
    }

    #[test]
    fn a_resource_control_policy_denies_by_action() {
        let message = |statement: Value| check(&of(&statement), Kind::Rcp).map_err(|error| error.to_string());
        let rule =
            |effect: &str, key: &str| json!({"Effect": effect, "Principal": "*", key: "s3:Get*", "Resource": "*"});
        assert_eq!(message(rule("Deny", "Action")), Ok(()));
        let error = |statement| message(statement).unwrap_err();
        assert_eq!(error(rule("Allow", "Action")), "statement 0: a resource control policy can only deny");
        assert_eq!(error(rule("Deny", "NotAction")), "statement 0: a resource control policy can't have `NotAction`");
        let elsewhere = json!({"Effect": "Deny", "NotAction": "s3:Get*", "Resource": "*"});
        assert_eq!(check(&of(&elsewhere), Kind::Scp), Ok(()));
    }
}
