//! Allow statements, made from pairs of an action and a resource.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An Allow statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its `Sid`.
    pub sid: String,
    /// Its actions.
    pub actions: BTreeSet<String>,
    /// Its resources.
    pub resources: BTreeSet<String>,
}

impl Statement {
    /// The statement as JSON; lists of one are no lists.
    #[must_use]
    pub fn json(&self) -> Value {
        let list = |values: &BTreeSet<String>| match values.len() {
            1 => values.first().map_or(Value::Null, |one| Value::from(one.as_str())),
            _ => values.iter().map(String::as_str).collect(),
        };
        json!({"Sid": self.sid, "Effect": "Allow", "Action": list(&self.actions), "Resource": list(&self.resources)})
    }

    /// The statement with one action or resource less, for each that it has several of.
    pub(super) fn narrower(&self) -> impl Iterator<Item = (String, Self)> {
        let several = |set: &BTreeSet<String>| if set.len() > 1 { set.clone() } else { BTreeSet::new() };
        let actions = several(&self.actions).into_iter().map(|action| {
            let mut less = self.clone();
            less.actions.remove(&action);
            (action, less)
        });
        let resources = several(&self.resources).into_iter().map(|resource| {
            let mut less = self.clone();
            less.resources.remove(&resource);
            (resource, less)
        });
        actions.chain(resources)
    }
}

/// The statements for pairs: actions with the same resources share a statement.
pub(super) fn derive(pairs: impl Iterator<Item = (String, String)>) -> Vec<Statement> {
    let mut resources: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (action, resource) in pairs {
        resources.entry(action).or_default().insert(resource);
    }
    let mut actions: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    for (action, resources) in resources {
        actions.entry(resources).or_default().insert(action);
    }
    let mut statements: Vec<_> =
        actions.into_iter().map(|(resources, actions)| Statement { sid: sid(&actions), actions, resources }).collect();
    statements.sort_by(|a, b| a.sid.cmp(&b.sid));
    statements
}

/// `S3GetObject` for `s3:GetObject`; the actions of several statements differ.
fn sid(actions: &BTreeSet<String>) -> String {
    let first = actions.first().map(String::as_str).unwrap_or_default();
    let mut letters = first.chars().filter(char::is_ascii_alphanumeric);
    letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_with_the_same_resources_share_a_statement() {
        let pairs = [("s3:GetObject", "b/k"), ("iot:Publish", "t"), ("iot:Receive", "t"), ("s3:GetObject", "b/l")];
        let statements = derive(pairs.map(|(action, resource)| (action.to_owned(), resource.to_owned())).into_iter());
        let json: Vec<_> = statements.iter().map(Statement::json).collect();
        assert_eq!(
            json,
            [
                json!({"Sid": "IotPublish", "Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "t"}),
                json!({"Sid": "S3GetObject", "Effect": "Allow", "Action": "s3:GetObject", "Resource": ["b/k", "b/l"]}),
            ]
        );
        let narrower: Vec<_> =
            statements[1].narrower().map(|(what, less)| (what, less.json()["Resource"].clone())).collect();
        assert_eq!(narrower, [("b/k".to_owned(), json!("b/l")), ("b/l".to_owned(), json!("b/k"))]);
    }
}
