//! Tags of groups, policies, role aliases and jobs. Things and certificates have none.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Registry, State},
    },
    Answer, input, invalid, missing,
};
use serde_json::json;

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "TagResource" => put,
        "UntagResource" => take,
        "ListTagsForResource" => list,
        _ => return None,
    })
}

/// Refuses an ARN of what is not there or can't have tags.
fn tagged(registry: &Registry, state: &State, arn: &str) -> Result<(), Fault> {
    let rest = arn.strip_prefix(registry.arn("", "").trim_end_matches('/'));
    let (kind, name) =
        rest.and_then(|rest| rest.split_once('/')).ok_or_else(|| invalid(format!("Invalid resource ARN: {arn}")))?;
    let there = match kind {
        "thinggroup" => state.groups.contains_key(name),
        "policy" => state.policies.contains_key(name),
        "rolealias" => state.aliases.contains_key(name),
        "job" => true,
        _ => return Err(invalid(format!("Tagging is not supported for resource {arn}"))),
    };
    if there { Ok(()) } else { Err(missing(format!("Resource {arn} does not exist"))) }
}

fn put(registry: &Registry, call: &Call) -> Answer {
    let arn = input::text(call, "resourceArn")?;
    let mut state = registry.write();
    tagged(registry, &state, arn)?;
    state.tags.entry(arn.to_owned()).or_default().extend(call.tags());
    Ok(json!({}))
}

fn take(registry: &Registry, call: &Call) -> Answer {
    let arn = input::text(call, "resourceArn")?;
    let mut state = registry.write();
    tagged(registry, &state, arn)?;
    let tags = state.tags.entry(arn.to_owned()).or_default();
    let keys = call.body["tagKeys"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    keys.for_each(|key| drop(tags.remove(key)));
    Ok(json!({}))
}

fn list(registry: &Registry, call: &Call) -> Answer {
    let null = || input::violated("resourceArn", "null", "Member must not be null");
    let arn = call.query("resourceArn").ok_or_else(null)?;
    let state = registry.read();
    tagged(registry, &state, arn)?;
    let tags = state.tags.get(arn).into_iter().flatten();
    Ok(json!({"tags": tags.map(|(key, value)| json!({"Key": key, "Value": value})).collect::<Vec<_>>()}))
}
