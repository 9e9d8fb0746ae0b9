//! STS and IAM: forms, with the operation in `Action`.

use super::{Answerer, Operation, Protocol, decoded, host::Place};
use crate::{aws::gate::Received, world::World};
use serde_json::{Map, Value, json};

/// What IAM tells of one role; everything else of IAM is refused.
const OF_A_ROLE: [&str; 5] =
    ["GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies", "ListRoleTags"];

impl Operation {
    pub(super) fn query(place: &Place, received: &Received, world: &World) -> Self {
        let body = String::from_utf8_lossy(&received.body);
        let input = form(if body.is_empty() { &received.query } else { &body });
        let name = input.get("Action").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut operation = Self { input: input.into(), ..Self::bare(place, &name, Protocol::Query) };
        match (place.service.as_str(), name.as_str()) {
            ("sts", "GetCallerIdentity" | "GetSessionToken" | "GetFederationToken") => {
                operation.answerer = Answerer::Gate;
            }
            ("sts", "AssumeRole") => {
                operation.answerer = Answerer::Gate;
                let role = operation.text("RoleArn").unwrap_or_default().to_owned();
                operation.parameters = json!({ "roleArn": role, "roleSessionName": operation.text("RoleSessionName") });
                operation.shown = Some(role.clone());
                operation.resource = role;
            }
            ("iam", name) if OF_A_ROLE.contains(&name) => {
                operation.answerer = Answerer::LocalStack;
                let role = operation.text("RoleName").unwrap_or_default().to_owned();
                let path = world.roles.get(&role).map_or("/", |role| role.path.as_str());
                operation.resource = format!("arn:aws:iam::{}:role{path}{role}", world.account);
                operation.parameters = json!({ "roleName": role });
                operation.shown = Some(format!("role {role}"));
            }
            _ => {}
        }
        operation
    }
}

/// The fields of a form, where `+` is a space.
fn form(text: &str) -> Map<String, Value> {
    let plain = |text: &str| decoded(&text.replace('+', " "));
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value).into())).collect()
}
