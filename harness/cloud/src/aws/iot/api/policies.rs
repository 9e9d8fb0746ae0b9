//! IoT policies and their versions.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Policy, Registry, State, Version},
    },
    Answer, conflict, exists,
    input::{self, POLICY, VERSION, seconds},
    missing, page,
};
use crate::clock;
use serde_json::{Value, json};

/// Versions that a policy may have.
const MAX_VERSIONS: usize = 5;

/// The longest document in characters, white space not counted.
const MAX_DOCUMENT: usize = 2048;

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "CreatePolicy" => create,
        "GetPolicy" => get,
        "ListPolicies" => list,
        "DeletePolicy" => delete,
        "CreatePolicyVersion" => create_version,
        "GetPolicyVersion" => get_version,
        "ListPolicyVersions" => versions,
        "SetDefaultPolicyVersion" => set_default,
        "DeletePolicyVersion" => delete_version,
        _ => return None,
    })
}

pub(super) fn absent() -> Fault {
    missing("Policy not found")
}

fn no_version(name: &str, number: &str) -> Fault {
    missing(format!("Policy version not found (name={name}, version={number})"))
}

fn policy<'s>(state: &'s State, name: &str) -> Result<&'s Policy, Fault> {
    state.policies.get(name).ok_or_else(absent)
}

/// A document, unless AWS would refuse it.
fn document<'c>(name: &str, call: &'c Call) -> Result<(&'c str, Version), Fault> {
    let text = input::text(call, "policyDocument")?;
    let malformed = |why: String| Fault::new(400, "MalformedPolicyException", why);
    if text.chars().filter(|c| !c.is_whitespace()).count() > MAX_DOCUMENT {
        return Err(malformed(format!("Policy document is longer than {MAX_DOCUMENT} characters")));
    }
    let version =
        Version::new(name, text).map_err(|error| malformed(format!("Policy document is Malformed: {error}")))?;
    Ok((text, version))
}

fn create(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let (text, version) = document(name, call)?;
    let arn = registry.arn("policy", name);
    let mut state = registry.write();
    if state.policies.contains_key(name) {
        let message = format!("Policy cannot be created - name already exists (name={name})");
        return Err(exists(message, name, &arn));
    }
    state.policies.insert(name.to_owned(), Policy::new(version));
    let answer = json!({"policyName": name, "policyArn": arn, "policyDocument": text, "policyVersionId": "1"});
    state.tags.entry(arn).or_default().extend(call.tags());
    Ok(answer)
}

fn get(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let state = registry.read();
    let policy = policy(&state, name)?;
    Ok(json!({
        "policyName": name, "policyArn": registry.arn("policy", name), "policyDocument": policy.current().text,
        "defaultVersionId": policy.default.to_string(), "creationDate": seconds(policy.created),
        "lastModifiedDate": seconds(policy.modified), "generationId": policy.generation,
    }))
}

/// A policy as lists show it.
pub(super) fn shown(registry: &Registry, name: &str) -> Value {
    json!({"policyName": name, "policyArn": registry.arn("policy", name)})
}

fn list(registry: &Registry, call: &Call) -> Answer {
    let state = registry.read();
    let mut names: Vec<_> = state.policies.iter().collect();
    names.sort_by_key(|(_, policy)| policy.created);
    if !input::flag(call, "isAscendingOrder") {
        names.reverse();
    }
    page::of(call, page::MARKER, "policies", names.into_iter().map(|(name, _)| shown(registry, name)).collect())
}

fn delete(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let mut state = registry.write();
    let policy = policy(&state, name)?;
    if policy.versions.len() > 1 {
        let message =
            format!("The policy cannot be deleted as versions other than than default version exist (name={name})");
        return Err(conflict(message));
    }
    if !state.targets(name).is_empty() {
        let message =
            format!("The policy cannot be deleted as the policy is attached to one or more principals (name={name})");
        return Err(conflict(message));
    }
    state.policies.remove(name);
    state.tags.remove(&registry.arn("policy", name));
    Ok(Value::Null)
}

fn create_version(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let becomes_default = input::flag(call, "setAsDefault");
    let mut state = registry.write();
    policy(&state, name)?;
    let (text, version) = document(name, call)?;
    let policy = state.policies.get_mut(name).ok_or_else(absent)?;
    if policy.versions.len() >= MAX_VERSIONS {
        let message = format!("The policy {name} already has the maximum number of versions ({MAX_VERSIONS})");
        return Err(Fault::new(409, "VersionsLimitExceededException", message));
    }
    policy.newest += 1;
    policy.modified = clock::now();
    policy.versions.insert(policy.newest, version);
    if becomes_default {
        policy.default = policy.newest;
    }
    Ok(json!({
        "policyArn": registry.arn("policy", name), "policyDocument": text,
        "policyVersionId": policy.newest.to_string(), "isDefaultVersion": becomes_default,
    }))
}

/// Name and number of the version that a call is about, with the number as the call has it.
fn numbered(call: &Call) -> Result<(&str, u32, &str), Fault> {
    let name = input::label(call, "policyName", POLICY)?;
    let number = input::label(call, "policyVersionId", VERSION)?;
    Ok((name, number.parse().unwrap_or(0), number))
}

fn get_version(registry: &Registry, call: &Call) -> Answer {
    let (name, number, shown) = numbered(call)?;
    let state = registry.read();
    let policy = policy(&state, name)?;
    let version = policy.versions.get(&number).ok_or_else(|| no_version(name, shown))?;
    Ok(json!({
        "policyArn": registry.arn("policy", name), "policyName": name, "policyDocument": version.text,
        "policyVersionId": number.to_string(), "isDefaultVersion": policy.default == number,
        "creationDate": seconds(version.created), "lastModifiedDate": seconds(version.created),
        "generationId": policy.generation,
    }))
}

fn versions(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let state = registry.read();
    let policy = policy(&state, name)?;
    let shown = |(number, version): (&u32, &Version)| -> Value {
        json!({
            "versionId": number.to_string(), "isDefaultVersion": policy.default == *number,
            "createDate": seconds(version.created),
        })
    };
    Ok(json!({"policyVersions": policy.versions.iter().rev().map(shown).collect::<Vec<_>>()}))
}

fn set_default(registry: &Registry, call: &Call) -> Answer {
    let (name, number, shown) = numbered(call)?;
    let mut state = registry.write();
    let policy = state.policies.get_mut(name).ok_or_else(absent)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(name, shown));
    }
    policy.default = number;
    policy.modified = clock::now();
    Ok(Value::Null)
}

fn delete_version(registry: &Registry, call: &Call) -> Answer {
    let (name, number, shown) = numbered(call)?;
    let mut state = registry.write();
    let policy = state.policies.get_mut(name).ok_or_else(absent)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(name, shown));
    }
    if policy.default == number {
        let message = format!("Cannot delete the default version of a policy (name={name}, version={number})");
        return Err(conflict(message));
    }
    policy.versions.remove(&number);
    policy.modified = clock::now();
    Ok(Value::Null)
}
