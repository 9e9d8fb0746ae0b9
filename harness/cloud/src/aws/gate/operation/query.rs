//! STS and IAM: forms, with the operation in `Action`.

use super::{Answerer, Operation, Protocol, decoded, host::Place};
use crate::{aws::gate::Received, policies::Account, world::World};
use serde_json::{Map, Value, json};

/// Operations on one role.
const ON_A_ROLE: [&str; 18] = [
    "AttachRolePolicy",
    "CreateRole",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListRolePolicies",
    "ListRoleTags",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "TagRole",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
    "UpdateRoleDescription",
];

/// Operations on one managed policy; everything else of IAM is refused.
const ON_A_POLICY: [&str; 12] = [
    "CreatePolicy",
    "CreatePolicyVersion",
    "DeletePolicy",
    "DeletePolicyVersion",
    "GetPolicy",
    "GetPolicyVersion",
    "ListEntitiesForPolicy",
    "ListPolicyTags",
    "ListPolicyVersions",
    "SetDefaultPolicyVersion",
    "TagPolicy",
    "UntagPolicy",
];

impl Operation {
    pub(super) fn query(place: &Place, received: &Received, account: &Account, world: &World) -> Self {
        let input = form(received);
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
            ("iam", name) if ON_A_ROLE.contains(&name) => operation.on_a_role(account, world),
            ("iam", name) if ON_A_POLICY.contains(&name) => operation.on_a_policy(world),
            // IAM has no resource-level permissions for these, and names what it lists all the same.
            ("iam", "ListRoles") => operation.listing_of(format!("arn:aws:iam::{}:role/", world.account)),
            ("iam", "ListPolicies") => operation.listing_of("policy path /".to_owned()),
            (_, "") => operation.answerer = Answerer::Unreadable,
            _ => {}
        }
        operation
    }

    fn listing_of(&mut self, shown: String) {
        self.answerer = Answerer::LocalStack;
        self.shown = Some(shown);
    }

    fn on_a_role(&mut self, account: &Account, world: &World) {
        self.answerer = Answerer::LocalStack;
        let name = self.text("RoleName").unwrap_or_default().to_owned();
        let role = account.role_named(&name);
        let path = role.map(|role| role.path.as_str()).or(self.text("Path")).unwrap_or("/");
        self.resource = format!("arn:aws:iam::{}:role{path}{name}", world.account);
        let creates = self.name == "CreateRole";
        self.shown = Some(if creates { self.resource.clone() } else { format!("role {name}") });
        self.parameters = json!({ "roleName": name });
        let has = role.and_then(|role| role.boundary.as_ref());
        let has = has.map(|boundary| format!("arn:aws:iam::{}:policy/{}", world.account, boundary.name));
        let boundary = self.text("PermissionsBoundary").map(str::to_owned).or(has);
        let attached = self.text("PolicyArn").map(str::to_owned);
        self.keys.extend(boundary.map(|arn| ("iam:PermissionsBoundary".into(), arn.into())));
        self.keys.extend(attached.map(|arn| ("iam:PolicyARN".into(), arn.into())));
        self.form_tagged();
        if creates {
            self.tags_new("iam:TagRole");
        }
    }

    fn on_a_policy(&mut self, world: &World) {
        self.answerer = Answerer::LocalStack;
        let created = || {
            let (path, name) = (self.text("Path").unwrap_or("/"), self.text("PolicyName").unwrap_or_default());
            format!("arn:aws:iam::{}:policy{path}{name}", world.account)
        };
        self.resource = self.text("PolicyArn").map_or_else(created, str::to_owned);
        self.shown = Some(match self.text("PolicyName") {
            Some(name) => format!("policy {name}"),
            None => format!("policy {}", self.resource),
        });
        self.parameters = json!({ "policyArn": self.resource });
        self.form_tagged();
        if self.name == "CreatePolicy" {
            self.tags_new("iam:TagPolicy");
        }
    }

    /// Takes the tags that a form gives or takes away.
    fn form_tagged(&mut self) {
        self.tagged(form_tags(&self.input));
        let removed: Vec<_> =
            (1..).map_while(|at| self.text(&format!("TagKeys.member.{at}")).map(str::to_owned)).collect();
        if !removed.is_empty() {
            self.keys.insert("aws:TagKeys".into(), removed.into());
        }
    }
}

/// The tags of a form.
fn form_tags(input: &Value) -> Vec<(String, String)> {
    let text = |name: &str| input[name].as_str().map(str::to_owned);
    let tag = |at| {
        let value = text(&format!("Tags.member.{at}.Value")).unwrap_or_default();
        Some((text(&format!("Tags.member.{at}.Key"))?, value))
    };
    (1..).map_while(tag).collect()
}

/// The fields of a form, in the URL and in the body, which counts where both have one; `+` is a space.
pub(super) fn form(received: &Received) -> Map<String, Value> {
    let plain = |text: &str| decoded(&text.replace('+', " "));
    let body = String::from_utf8_lossy(&received.body);
    let pairs = received.query.split('&').chain(body.split('&')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value).into())).collect()
}
