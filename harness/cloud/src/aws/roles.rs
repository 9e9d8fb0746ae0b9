//! The account's IAM roles in LocalStack: put in, read back and taken out.
//!
//! Identity policies go in as inline policies, boundaries as managed ones. What is read back has every policy that the
//! role has by then: inline ones, those of the account and AWS's own that are attached.

use super::upstream::LocalStack;
use crate::world::{Policy, Role, World};
use futures_util::future::{join_all, try_join_all};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Puts the roles of a world in, in place of all that a killed run may have left.
pub(super) async fn sow(world: &World, localstack: &LocalStack) -> Result<(), String> {
    reap(localstack).await;
    let boundaries = world.roles.values().filter_map(|role| role.boundary.as_ref());
    let boundaries: BTreeMap<_, _> = boundaries.map(|policy| (policy.name.as_str(), policy.text.as_str())).collect();
    try_join_all(boundaries.iter().map(|(name, text)| async move {
        let created = localstack.iam("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", text)]).await?;
        created.done(&format!("creating the policy `{name}`"))
    }))
    .await?;
    try_join_all(world.roles.iter().map(|(name, role)| create(world, localstack, name, role))).await?;
    Ok(())
}

async fn create(world: &World, localstack: &LocalStack, name: &str, role: &Role) -> Result<(), String> {
    let seconds = role.max_session_seconds.to_string();
    let boundary =
        role.boundary.as_ref().map(|policy| format!("arn:aws:iam::{}:policy/{}", world.account, policy.name));
    let tags: Vec<_> = role.tags.iter().enumerate().map(|(index, tag)| (member("Tags", index), tag)).collect();
    let tags: Vec<_> = tags
        .iter()
        .flat_map(|(at, (key, value))| [(format!("{at}.Key"), key.as_str()), (format!("{at}.Value"), value.as_str())])
        .collect();
    let mut input = vec![
        ("RoleName", name),
        ("Path", &role.path),
        ("AssumeRolePolicyDocument", &role.trust),
        ("MaxSessionDuration", &seconds),
    ];
    input.extend(boundary.as_deref().map(|arn| ("PermissionsBoundary", arn)));
    input.extend(tags.iter().map(|(name, value)| (name.as_str(), *value)));
    localstack.iam("CreateRole", &input).await?.done(&format!("creating the role `{name}`"))?;
    try_join_all(role.policies.iter().map(|(policy, text)| put(localstack, name, policy, text))).await?;
    Ok(())
}

async fn put(localstack: &LocalStack, role: &str, policy: &str, text: &str) -> Result<(), String> {
    let input = [("RoleName", role), ("PolicyName", policy), ("PolicyDocument", text)];
    let put = localstack.iam("PutRolePolicy", &input).await?;
    put.done(&format!("putting the policy `{policy}` into the role `{role}`")).map(drop)
}

/// Every role that the account has now, by name.
pub(super) async fn read(localstack: &LocalStack) -> Result<BTreeMap<String, Role>, String> {
    let details = details(localstack).await?;
    let own: BTreeMap<_, _> =
        details.policies.member.iter().map(|policy| (policy.arn.as_str(), policy.text())).collect();
    let roles = details.role_detail_list.member.iter().map(|role| role.read(localstack, &own));
    Ok(try_join_all(roles).await?.into_iter().collect())
}

/// Takes every role and every policy of the account out, as far as LocalStack lets it.
pub(super) async fn reap(localstack: &LocalStack) {
    let Ok(details) = details(localstack).await else { return };
    join_all(details.role_detail_list.member.iter().map(|role| role.delete(localstack))).await;
    join_all(details.policies.member.iter().map(|policy| policy.delete(localstack))).await;
}

async fn details(localstack: &LocalStack) -> Result<Details, String> {
    let filter = [(member("Filter", 0), "Role"), (member("Filter", 1), "LocalManagedPolicy")];
    let filter: Vec<_> = filter.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let details: DetailsResponse = ask(localstack, "GetAccountAuthorizationDetails", &filter).await?;
    Ok(details.result)
}

async fn ask<T: DeserializeOwned>(
    localstack: &LocalStack,
    operation: &str,
    input: &[(&str, &str)],
) -> Result<T, String> {
    let answer = localstack.iam(operation, input).await?.done(&format!("asking IAM for {operation}"))?;
    let text = String::from_utf8_lossy(&answer.body);
    quick_xml::de::from_str(&text).map_err(|error| format!("reading IAM's answer to {operation}: {error}"))
}

fn member(list: &str, index: usize) -> String {
    format!("{list}.member.{}", index + 1)
}

/// A document as its writer wrote it: IAM answers most of them percent-encoded, LocalStack not all.
fn document(text: &str) -> String {
    if text.contains('{') { text.to_owned() } else { percent_decode_str(text).decode_utf8_lossy().into_owned() }
}

#[derive(Deserialize)]
struct DetailsResponse {
    #[serde(rename = "GetAccountAuthorizationDetailsResult")]
    result: Details,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    #[serde(default)]
    role_detail_list: List<RoleDetail>,
    #[serde(default)]
    policies: List<ManagedPolicy>,
}

#[derive(Deserialize)]
struct List<T> {
    #[serde(default = "Vec::new")]
    member: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { member: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleDetail {
    role_name: String,
    path: String,
    assume_role_policy_document: String,
    #[serde(default)]
    role_policy_list: List<InlinePolicy>,
    #[serde(default)]
    attached_managed_policies: List<Attached>,
    permissions_boundary: Option<Boundary>,
    #[serde(default)]
    tags: List<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InlinePolicy {
    policy_name: String,
    policy_document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_name: String,
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary {
    permissions_boundary_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedPolicy {
    arn: String,
    policy_version_list: List<Revision>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Revision {
    document: String,
    version_id: String,
    is_default_version: bool,
}

impl ManagedPolicy {
    fn text(&self) -> String {
        let current = self.policy_version_list.member.iter().find(|version| version.is_default_version);
        current.map(|version| document(&version.document)).unwrap_or_default()
    }

    async fn delete(&self, localstack: &LocalStack) {
        let others = self.policy_version_list.member.iter().filter(|version| !version.is_default_version);
        for version in others {
            let input = [("PolicyArn", self.arn.as_str()), ("VersionId", &version.version_id)];
            _ = localstack.iam("DeletePolicyVersion", &input).await;
        }
        _ = localstack.iam("DeletePolicy", &[("PolicyArn", &self.arn)]).await;
    }
}

impl RoleDetail {
    async fn read(&self, localstack: &LocalStack, own: &BTreeMap<&str, String>) -> Result<(String, Role), String> {
        let mut policies: BTreeMap<_, _> = BTreeMap::new();
        for attached in &self.attached_managed_policies.member {
            policies.insert(attached.policy_name.clone(), managed(localstack, &attached.policy_arn, own).await?);
        }
        for inline in &self.role_policy_list.member {
            // A managed policy of the same name steps aside: it has an ARN to be called by.
            if let Some(text) = policies.insert(inline.policy_name.clone(), document(&inline.policy_document)) {
                let same = |attached: &&Attached| attached.policy_name == inline.policy_name;
                let arn = self.attached_managed_policies.member.iter().find(same).map(|attached| &attached.policy_arn);
                policies.extend(arn.map(|arn| (arn.clone(), text)));
            }
        }
        let boundary = match &self.permissions_boundary {
            None => None,
            Some(Boundary { permissions_boundary_arn: arn }) => {
                let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
                Some(Policy { name, text: managed(localstack, arn, own).await? })
            }
        };
        let role: RoleResponse = ask(localstack, "GetRole", &[("RoleName", &self.role_name)]).await?;
        let read = Role {
            path: self.path.clone(),
            trust: document(&self.assume_role_policy_document),
            policies,
            boundary,
            tags: self.tags.member.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
            max_session_seconds: role.result.role.max_session_duration,
        };
        Ok((self.role_name.clone(), read))
    }

    async fn delete(&self, localstack: &LocalStack) {
        let role = ("RoleName", self.role_name.as_str());
        for attached in &self.attached_managed_policies.member {
            _ = localstack.iam("DetachRolePolicy", &[role, ("PolicyArn", &attached.policy_arn)]).await;
        }
        for inline in &self.role_policy_list.member {
            _ = localstack.iam("DeleteRolePolicy", &[role, ("PolicyName", &inline.policy_name)]).await;
        }
        _ = localstack.iam("DeleteRole", &[role]).await;
    }
}

#[derive(Deserialize)]
struct RoleResponse {
    #[serde(rename = "GetRoleResult")]
    result: RoleResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleResult {
    role: RoleLimits,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleLimits {
    max_session_duration: u32,
}

/// The text of a managed policy of the account, or of AWS.
async fn managed(localstack: &LocalStack, arn: &str, own: &BTreeMap<&str, String>) -> Result<String, String> {
    if let Some(text) = own.get(arn) {
        return Ok(text.clone());
    }
    let policy: PolicyResponse = ask(localstack, "GetPolicy", &[("PolicyArn", arn)]).await?;
    let version = policy.result.policy.default_version_id;
    let input = [("PolicyArn", arn), ("VersionId", version.as_str())];
    let version: VersionResponse = ask(localstack, "GetPolicyVersion", &input).await?;
    Ok(document(&version.result.policy_version.document))
}

#[derive(Deserialize)]
struct PolicyResponse {
    #[serde(rename = "GetPolicyResult")]
    result: PolicyResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyResult {
    policy: PolicyVersions,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyVersions {
    default_version_id: String,
}

#[derive(Deserialize)]
struct VersionResponse {
    #[serde(rename = "GetPolicyVersionResult")]
    result: VersionResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionResult {
    policy_version: Revision,
}
