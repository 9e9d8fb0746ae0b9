//! Things.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Registry, State, Thing},
    },
    Answer, exists,
    input::{self, NAME},
    invalid, missing, page,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Attributes of a thing without a type.
const MAX_ATTRIBUTES: usize = 3;

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "CreateThing" => create,
        "DescribeThing" => describe,
        "ListThings" => list,
        "UpdateThing" => update,
        "DeleteThing" => delete,
        _ => return None,
    })
}

/// The thing of a name.
pub(super) fn thing<'s>(state: &'s State, name: &str) -> Result<&'s Thing, Fault> {
    state.things.get(name).ok_or_else(|| absent(name))
}

pub(super) fn absent(name: &str) -> Fault {
    missing(format!("Thing {name} is not found."))
}

fn create(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    no_type(call)?;
    let attributes = input::attributes(&call.body["attributePayload"])?.unwrap_or_default();
    few(attributes.len())?;
    let arn = registry.arn("thing", name);
    let mut state = registry.write();
    // The same call again is no error.
    let thing = state
        .things
        .entry(name.to_owned())
        .or_insert_with(|| Thing { attributes: attributes.clone(), ..Thing::default() });
    if thing.attributes != attributes {
        return Err(exists(format!("Thing {name} already exists in account with different attributes"), name, &arn));
    }
    Ok(json!({"thingName": name, "thingArn": arn, "thingId": thing.id}))
}

fn describe(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    let state = registry.read();
    let Thing { id, attributes, version, .. } = thing(&state, name)?;
    Ok(json!({
        "defaultClientId": name, "thingName": name, "thingId": id, "thingArn": registry.arn("thing", name),
        "attributes": attributes, "version": version,
    }))
}

fn list(registry: &Registry, call: &Call) -> Answer {
    let (attribute, value) = (call.query("attributeName"), call.query("attributeValue"));
    let by_prefix = input::flag(call, "usePrefixAttributeValue");
    let fits = |thing: &Thing| match (attribute.and_then(|name| thing.attributes.get(name)), value) {
        (Some(found), Some(wanted)) => {
            if by_prefix {
                found.starts_with(wanted)
            } else {
                found == wanted
            }
        }
        (None, _) => attribute.is_none(),
        (Some(_), None) => true,
    };
    let state = registry.read();
    let things = state.things.iter().filter(|(_, thing)| fits(thing) && call.query("thingTypeName").is_none());
    let shown = |(name, thing): (&String, &Thing)| {
        json!({
            "thingName": name, "thingArn": registry.arn("thing", name), "attributes": thing.attributes,
            "version": thing.version,
        })
    };
    page::of(call, page::TOKEN, "things", things.map(shown).collect())
}

fn update(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    no_type(call)?;
    let payload = &call.body["attributePayload"];
    let change = input::attributes(payload)?;
    let mut state = registry.write();
    let thing = state.things.get_mut(name).ok_or_else(|| absent(name))?;
    expected(name, thing.version, call.body["expectedVersion"].as_i64())?;
    if let Some(change) = change {
        let mut attributes = if payload["merge"] == true { thing.attributes.clone() } else { BTreeMap::new() };
        for (key, value) in change {
            // An empty value takes an attribute away.
            if value.is_empty() { drop(attributes.remove(&key)) } else { drop(attributes.insert(key, value)) }
        }
        few(attributes.len())?;
        thing.attributes = attributes;
    }
    thing.version += 1;
    Ok(json!({}))
}

fn delete(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    let wanted = call.query("expectedVersion").and_then(|version| version.parse().ok());
    let mut state = registry.write();
    let thing = thing(&state, name)?;
    expected(name, thing.version, wanted)?;
    if !thing.principals.is_empty() {
        return Err(invalid(format!("Cannot delete. Thing {name} is still attached to one or more principals")));
    }
    state.things.remove(name);
    Ok(json!({}))
}

/// Refuses a change of another version than the one that was meant.
pub(super) fn expected(name: &str, version: i64, wanted: Option<i64>) -> Result<(), Fault> {
    if wanted.is_none_or(|wanted| wanted == version) {
        return Ok(());
    }
    let message = format!("The version for thing {name} does not match the expected version.");
    Err(Fault::new(409, "VersionConflictException", message))
}

fn no_type(call: &Call) -> Result<(), Fault> {
    let named = input::optional(call, "thingTypeName", NAME)?;
    named.map_or(Ok(()), |name| Err(missing(format!("Thing type {name} is not found."))))
}

fn few(attributes: usize) -> Result<(), Fault> {
    if attributes <= MAX_ATTRIBUTES {
        return Ok(());
    }
    Err(invalid(format!("Thing without a thing type can have at most {MAX_ATTRIBUTES} attributes")))
}

/// The name of a thing that a call names by name or by ARN.
pub(super) fn named<'c>(call: &'c Call, what: &str, kind: &str) -> Result<&'c str, Fault> {
    let (name, arn) = (format!("{what}Name"), format!("{what}Arn"));
    let by_arn = call.text(&arn).and_then(|arn| arn.split_once(&format!(":{kind}/"))).map(|(_, name)| name);
    match (call.text(&name), by_arn) {
        (Some(one), Some(other)) if one != other => Err(invalid(format!("{name} and {arn} do not match"))),
        (Some(found), _) | (None, Some(found)) => input::checked(&name, found, NAME),
        (None, None) => Err(input::violated(&name, "null", "Member must not be null")),
    }
}

/// Names as a list of values.
pub(super) fn values<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Value> {
    names.map(Value::from).collect()
}
