//! Which certificates are attached to which things.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Registry, State},
    },
    Answer,
    input::{self, NAME},
    invalid, missing, page, things,
};
use serde_json::{Value, json};

/// The header that names a principal.
const PRINCIPAL: &str = "x-amzn-principal";

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "AttachThingPrincipal" => attach,
        "DetachThingPrincipal" => detach,
        "ListThingPrincipals" => of_thing,
        "ListThingPrincipalsV2" => of_thing_v2,
        "ListPrincipalThings" => of_principal,
        "ListPrincipalThingsV2" => of_principal_v2,
        _ => return None,
    })
}

/// The id of the certificate that an ARN names, if there is such a certificate.
pub(super) fn certificate(registry: &Registry, state: &State, arn: &str) -> Result<String, Fault> {
    let id = arn.strip_prefix(&registry.arn("cert", "")).ok_or_else(|| invalid(format!("Invalid principal: {arn}")))?;
    if state.certificates.contains_key(id) {
        return Ok(id.to_owned());
    }
    Err(missing("The certificate given in the principal does not exist."))
}

fn principal(call: &Call) -> Result<&str, Fault> {
    input::header(call, PRINCIPAL, "principal")
}

fn attach(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    let principal = principal(call)?;
    let mut state = registry.write();
    let id = certificate(registry, &state, principal)?;
    let thing = state.things.get_mut(name).ok_or_else(|| things::absent(name))?;
    if !thing.has(&id) {
        thing.principals.push(id);
    }
    Ok(json!({}))
}

fn detach(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    let principal = principal(call)?;
    let mut state = registry.write();
    let id = certificate(registry, &state, principal)?;
    let thing = state.things.get_mut(name).ok_or_else(|| things::absent(name))?;
    thing.principals.retain(|known| *known != id);
    Ok(json!({}))
}

fn arns(registry: &Registry, call: &Call) -> Result<Vec<String>, Fault> {
    let name = input::label(call, "thingName", NAME)?;
    let state = registry.read();
    Ok(things::thing(&state, name)?.principals.iter().map(|id| registry.arn("cert", id)).collect())
}

fn of_thing(registry: &Registry, call: &Call) -> Answer {
    let arns = arns(registry, call)?;
    page::of(call, page::TOKEN, "principals", arns.into_iter().map(Value::from).collect())
}

fn of_thing_v2(registry: &Registry, call: &Call) -> Answer {
    let shown = |arn: String| json!({"principal": arn, "thingPrincipalType": "NON_EXCLUSIVE_THING"});
    page::of(call, page::TOKEN, "thingPrincipalObjects", arns(registry, call)?.into_iter().map(shown).collect())
}

fn names(registry: &Registry, call: &Call) -> Result<Vec<String>, Fault> {
    let principal = principal(call)?;
    let state = registry.read();
    let id = certificate(registry, &state, principal)?;
    Ok(state.things.iter().filter(|(_, thing)| thing.has(&id)).map(|(name, _)| name.clone()).collect())
}

fn of_principal(registry: &Registry, call: &Call) -> Answer {
    let names = names(registry, call)?;
    page::of(call, page::TOKEN, "things", names.into_iter().map(Value::from).collect())
}

fn of_principal_v2(registry: &Registry, call: &Call) -> Answer {
    let shown = |name: String| json!({"thingName": name, "thingPrincipalType": "NON_EXCLUSIVE_THING"});
    page::of(call, page::TOKEN, "principalThingObjects", names(registry, call)?.into_iter().map(shown).collect())
}
