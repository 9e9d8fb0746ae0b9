//! Which policies are attached to which certificates and groups, by today's names and by the older ones.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Registry, State},
    },
    Answer, groups,
    input::{self, POLICY},
    limit, page,
    policies::{self, shown},
    principals,
};
use serde_json::{Value, json};

/// Policies that a certificate or group may have.
const MAX_ATTACHED: usize = 10;

/// The headers of the older operations.
const PRINCIPAL: &str = "x-amzn-iot-principal";
const POLICY_HEADER: &str = "x-amzn-iot-policy";

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "AttachPolicy" => |registry, call| attach(registry, call, input::text(call, "target")?),
        "AttachPrincipalPolicy" => |registry, call| attach(registry, call, principal(call)?),
        "DetachPolicy" => |registry, call| detach(registry, call, input::text(call, "target")?),
        "DetachPrincipalPolicy" => detach_principal,
        "ListAttachedPolicies" => |registry, call| list(registry, call, call.label("target")),
        "ListPrincipalPolicies" => |registry, call| list(registry, call, principal(call)?),
        "ListTargetsForPolicy" => {
            |registry, call| targets(registry, call, input::label(call, "policyName", POLICY)?, "targets")
        }
        "ListPolicyPrincipals" => |registry, call| {
            let name = input::header(call, POLICY_HEADER, "policyName")?;
            targets(registry, call, input::checked("policyName", name, POLICY)?, "principals")
        },
        "GetEffectivePolicies" => effective,
        _ => return None,
    })
}

fn principal(call: &Call) -> Result<&str, Fault> {
    input::header(call, PRINCIPAL, "principal")
}

/// What a policy can be attached to.
enum Target {
    Certificate(String),
    Group(String),
}

impl Target {
    fn of(registry: &Registry, state: &State, arn: &str) -> Result<Self, Fault> {
        match arn.strip_prefix(&registry.arn("thinggroup", "")) {
            Some(group) if state.groups.contains_key(group) => Ok(Self::Group(group.to_owned())),
            Some(group) => Err(groups::absent(group)),
            None => principals::certificate(registry, state, arn).map(Self::Certificate),
        }
    }

    /// The names of the attached policies.
    fn policies<'s>(&self, state: &'s mut State) -> Option<&'s mut Vec<String>> {
        match self {
            Self::Certificate(id) => state.certificates.get_mut(id).map(|certificate| &mut certificate.policies),
            Self::Group(name) => state.groups.get_mut(name).map(|group| &mut group.policies),
        }
    }
}

fn attach(registry: &Registry, call: &Call, target: &str) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let mut state = registry.write();
    if !state.policies.contains_key(name) {
        return Err(policies::absent());
    }
    let found = Target::of(registry, &state, target)?;
    let Some(attached) = found.policies(&mut state) else { return Ok(Value::Null) };
    if attached.iter().any(|known| known == name) {
        return Ok(Value::Null);
    }
    if attached.len() >= MAX_ATTACHED {
        return Err(limit(format!("The maximum number of policies attached to {target} is {MAX_ATTACHED}")));
    }
    attached.push(name.to_owned());
    Ok(Value::Null)
}

/// What is not there is as good as detached; the older operation wants it to be there.
fn detach(registry: &Registry, call: &Call, target: &str) -> Answer {
    let name = input::label(call, "policyName", POLICY)?;
    let mut state = registry.write();
    match Target::of(registry, &state, target) {
        Err(fault) if fault.status == 404 => Ok(Value::Null),
        Err(fault) => Err(fault),
        Ok(found) => {
            found.policies(&mut state).into_iter().for_each(|attached| attached.retain(|known| known != name));
            Ok(Value::Null)
        }
    }
}

fn detach_principal(registry: &Registry, call: &Call) -> Answer {
    let target = principal(call)?;
    let name = input::label(call, "policyName", POLICY)?;
    if !registry.read().policies.contains_key(name) {
        return Err(policies::absent());
    }
    principals::certificate(registry, &registry.read(), target)?;
    detach(registry, call, target)
}

fn list(registry: &Registry, call: &Call, target: &str) -> Answer {
    let state = registry.read();
    let mut names: Vec<&String> = Vec::new();
    match Target::of(registry, &state, target)? {
        Target::Certificate(id) => names.extend(state.certificates.get(&id).into_iter().flat_map(|one| &one.policies)),
        Target::Group(name) => {
            let above = if input::flag(call, "recursive") { state.parents(&name) } else { Vec::new() };
            let groups = std::iter::once(name.as_str()).chain(above).filter_map(|name| state.groups.get(name));
            names.extend(groups.flat_map(|group| &group.policies));
        }
    }
    page::of(call, page::MARKER, "policies", names.into_iter().map(|name| shown(registry, name)).collect())
}

fn targets(registry: &Registry, call: &Call, name: &str, member: &str) -> Answer {
    let state = registry.read();
    if !state.policies.contains_key(name) {
        return Err(policies::absent());
    }
    let arns = state.targets(name).into_iter().map(|(kind, name)| registry.arn(kind, name).into());
    page::of(call, page::MARKER, member, arns.collect())
}

fn effective(registry: &Registry, call: &Call) -> Answer {
    let state = registry.read();
    let mut names: Vec<&str> = Vec::new();
    if let Some(principal) = call.text("principal") {
        let id = principals::certificate(registry, &state, principal)?;
        names.extend(state.certificates.get(&id).into_iter().flat_map(|one| one.policies.iter().map(String::as_str)));
    }
    if let Some(thing) = call.query("thingName") {
        for group in &super::things::thing(&state, thing)?.groups {
            let groups = std::iter::once(group.as_str()).chain(state.parents(group));
            let groups = groups.filter_map(|name| state.groups.get(name));
            names.extend(groups.flat_map(|group| group.policies.iter().map(String::as_str)));
        }
    }
    names.sort_unstable();
    names.dedup();
    let shown = |name: &str| {
        let text = state.policies.get(name).map(|policy| policy.current().text.as_str());
        json!({"policyName": name, "policyArn": registry.arn("policy", name), "policyDocument": text})
    };
    Ok(json!({"effectivePolicies": names.into_iter().map(shown).collect::<Vec<_>>()}))
}
