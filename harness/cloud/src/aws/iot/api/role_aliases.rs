//! Role aliases. `iam:PassRole` on the role is decided before they are made or changed ([`super::routes`]).

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Alias, Registry},
    },
    Answer, exists,
    input::{self, ALIAS, seconds},
    invalid, missing, page, things,
};
use crate::clock;
use serde_json::{Value, json};

/// How long credentials may last in seconds, and how long they do.
const SECONDS: (usize, usize) = (900, 43_200);
const USUAL: u32 = 3600;

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "CreateRoleAlias" => create,
        "DescribeRoleAlias" => describe,
        "UpdateRoleAlias" => update,
        "ListRoleAliases" => list,
        "DeleteRoleAlias" => delete,
        _ => return None,
    })
}

fn absent(name: &str) -> Fault {
    missing(format!("Role alias {name} does not exist"))
}

fn duration(call: &Call) -> Result<Option<u32>, Fault> {
    let Some(seconds) = call.body["credentialDurationSeconds"].as_u64() else { return Ok(None) };
    let seconds = usize::try_from(seconds).unwrap_or(usize::MAX);
    let seconds = input::bounded("credentialDurationSeconds", seconds, SECONDS.0, SECONDS.1)?;
    Ok(u32::try_from(seconds).ok())
}

/// A role's ARN.
fn role(arn: &str) -> Result<&str, Fault> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, role] if account.len() == 12 && role.starts_with("role/") => Ok(arn),
        _ => Err(invalid(format!("Invalid role ARN: {arn}"))),
    }
}

fn create(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "roleAlias", ALIAS)?;
    let role = role(input::text(call, "roleArn")?)?;
    let seconds = duration(call)?.unwrap_or(USUAL);
    let arn = registry.arn("rolealias", name);
    let mut state = registry.write();
    if state.aliases.contains_key(name) {
        return Err(exists(format!("Role alias {name} already exists"), name, &arn));
    }
    let now = clock::now();
    state.aliases.insert(name.to_owned(), Alias { role: role.to_owned(), seconds, created: now, modified: now });
    let answer = json!({"roleAlias": name, "roleAliasArn": arn});
    state.tags.entry(arn).or_default().extend(call.tags());
    Ok(answer)
}

fn describe(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "roleAlias", ALIAS)?;
    let state = registry.read();
    let alias = state.aliases.get(name).ok_or_else(|| absent(name))?;
    Ok(json!({"roleAliasDescription": {
        "roleAlias": name, "roleAliasArn": registry.arn("rolealias", name), "roleArn": alias.role,
        "owner": call.account, "credentialDurationSeconds": alias.seconds,
        "creationDate": seconds(alias.created), "lastModifiedDate": seconds(alias.modified),
    }}))
}

fn update(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "roleAlias", ALIAS)?;
    let role = call.text("roleArn").map(role).transpose()?;
    let seconds = duration(call)?;
    let mut state = registry.write();
    let alias = state.aliases.get_mut(name).ok_or_else(|| absent(name))?;
    alias.role = role.map_or_else(|| alias.role.clone(), str::to_owned);
    alias.seconds = seconds.unwrap_or(alias.seconds);
    alias.modified = clock::now();
    Ok(json!({"roleAlias": name, "roleAliasArn": registry.arn("rolealias", name)}))
}

fn list(registry: &Registry, call: &Call) -> Answer {
    let state = registry.read();
    let mut names: Vec<Value> = things::values(state.aliases.keys().map(String::as_str));
    if !input::flag(call, "isAscendingOrder") {
        names.reverse();
    }
    page::of(call, page::MARKER, "roleAliases", names)
}

fn delete(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "roleAlias", ALIAS)?;
    let mut state = registry.write();
    state.aliases.remove(name).ok_or_else(|| absent(name))?;
    state.tags.remove(&registry.arn("rolealias", name));
    Ok(json!({}))
}
