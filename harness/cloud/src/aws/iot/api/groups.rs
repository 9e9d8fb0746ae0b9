//! Static thing groups and their members.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Group, Registry, State},
    },
    Answer, exists,
    input::{self, NAME, seconds},
    invalid, missing, page,
    things::{self, expected, named},
};
use serde_json::{Value, json};

/// Groups that a thing may be in, and groups above one another.
const MAX_GROUPS: usize = 10;
const MAX_DEPTH: usize = 7;

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "CreateThingGroup" => create,
        "DescribeThingGroup" => describe,
        "ListThingGroups" => list,
        "UpdateThingGroup" => update,
        "DeleteThingGroup" => delete,
        "AddThingToThingGroup" => add,
        "RemoveThingFromThingGroup" => remove,
        "ListThingsInThingGroup" => members,
        "ListThingGroupsForThing" => of_thing,
        _ => return None,
    })
}

/// The group of a name.
fn group<'s>(state: &'s State, name: &str) -> Result<&'s Group, Fault> {
    state.groups.get(name).ok_or_else(|| absent(name))
}

pub(super) fn absent(name: &str) -> Fault {
    missing(format!("Thing group {name} does not exist"))
}

fn create(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingGroupName", NAME)?;
    let parent = input::optional(call, "parentGroupName", NAME)?;
    let properties = &call.body["thingGroupProperties"];
    let wanted = Group {
        parent: parent.map(str::to_owned),
        description: properties["thingGroupDescription"].as_str().map(str::to_owned),
        attributes: input::attributes(&properties["attributePayload"])?.unwrap_or_default(),
        ..Group::default()
    };
    let arn = registry.arn("thinggroup", name);
    let mut state = registry.write();
    if let Some(parent) = parent {
        group(&state, parent)?;
        if state.parents(parent).len() + 2 > MAX_DEPTH {
            return Err(invalid(format!("A hierarchy of thing groups has at most {MAX_DEPTH} levels")));
        }
    }
    let known = state.groups.entry(name.to_owned()).or_insert_with(|| wanted.clone());
    let same = |one: &Group, other: &Group| {
        (&one.parent, &one.description, &one.attributes) == (&other.parent, &other.description, &other.attributes)
    };
    if !same(known, &wanted) {
        let message = format!("Thing Group {name} already exists in current account with different properties");
        return Err(exists(message, name, &arn));
    }
    let answer = json!({"thingGroupName": name, "thingGroupArn": arn, "thingGroupId": known.id});
    state.tags.entry(arn).or_default().extend(call.tags());
    Ok(answer)
}

fn describe(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingGroupName", NAME)?;
    let state = registry.read();
    let group = group(&state, name)?;
    let mut metadata = json!({"creationDate": seconds(group.created)});
    if let Some(parent) = &group.parent {
        let above: Vec<_> = state.parents(name).into_iter().map(|name| named_group(registry, name)).collect();
        metadata["parentGroupName"] = parent.as_str().into();
        metadata["rootToParentThingGroups"] = above.into();
    }
    let mut properties = json!({});
    if let Some(description) = &group.description {
        properties["thingGroupDescription"] = description.as_str().into();
    }
    if !group.attributes.is_empty() {
        properties["attributePayload"] = json!({"attributes": group.attributes});
    }
    Ok(json!({
        "thingGroupName": name, "thingGroupId": group.id, "thingGroupArn": registry.arn("thinggroup", name),
        "version": group.version, "thingGroupProperties": properties, "thingGroupMetadata": metadata,
    }))
}

fn named_group(registry: &Registry, name: &str) -> Value {
    json!({"groupName": name, "groupArn": registry.arn("thinggroup", name)})
}

fn list(registry: &Registry, call: &Call) -> Answer {
    let state = registry.read();
    let (parent, prefix) = (call.query("parentGroup"), call.query("namePrefixFilter").unwrap_or_default());
    if let Some(parent) = parent {
        group(&state, parent)?;
    }
    // Without a word of depth all of it is told.
    let direct = call.query("recursive") == Some("false");
    let fits = |name: &&String, known: &Group| {
        let below = match parent {
            None => !direct || known.parent.is_none(),
            Some(parent) if direct => known.parent.as_deref() == Some(parent),
            Some(parent) => state.parents(name).contains(&parent),
        };
        below && name.starts_with(prefix)
    };
    let names = state.groups.iter().filter(|(name, known)| fits(name, known)).map(|(name, _)| name);
    page::of(call, page::TOKEN, "thingGroups", names.map(|name| named_group(registry, name)).collect())
}

fn update(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingGroupName", NAME)?;
    let properties = &call.body["thingGroupProperties"];
    let attributes = input::attributes(&properties["attributePayload"])?;
    let mut state = registry.write();
    let group = state.groups.get_mut(name).ok_or_else(|| absent(name))?;
    expected(name, group.version, call.body["expectedVersion"].as_i64())?;
    group.description = properties["thingGroupDescription"].as_str().map(str::to_owned).or(group.description.take());
    if let Some(attributes) = attributes {
        if properties["attributePayload"]["merge"] != true {
            group.attributes.clear();
        }
        group.attributes.extend(attributes);
    }
    group.version += 1;
    Ok(json!({"version": group.version}))
}

fn delete(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingGroupName", NAME)?;
    let wanted = call.query("expectedVersion").and_then(|version| version.parse().ok());
    let mut state = registry.write();
    // A group that is not there is as good as deleted.
    let Some(group) = state.groups.get(name) else { return Ok(json!({})) };
    expected(name, group.version, wanted)?;
    if state.groups.values().any(|group| group.parent.as_deref() == Some(name)) {
        return Err(invalid(format!(
            "Cannot delete thing group : {name} when there are still child groups attached to it."
        )));
    }
    state.groups.remove(name);
    state.things.values_mut().for_each(|thing| thing.groups.retain(|group| group != name));
    state.tags.remove(&registry.arn("thinggroup", name));
    Ok(json!({}))
}

fn add(registry: &Registry, call: &Call) -> Answer {
    let (name, to) = (named(call, "thing", "thing")?, named(call, "thingGroup", "thinggroup")?);
    let mut state = registry.write();
    group(&state, to)?;
    let thing = things::thing(&state, name)?;
    if !thing.groups.iter().any(|group| group == to) && thing.groups.len() >= MAX_GROUPS {
        return Err(invalid(format!("Thing {name} is in {MAX_GROUPS} groups already")));
    }
    state.join(name, to);
    Ok(json!({}))
}

fn remove(registry: &Registry, call: &Call) -> Answer {
    let (name, from) = (named(call, "thing", "thing")?, named(call, "thingGroup", "thinggroup")?);
    let mut state = registry.write();
    group(&state, from)?;
    let thing = state.things.get_mut(name).ok_or_else(|| things::absent(name))?;
    thing.groups.retain(|group| group != from);
    Ok(json!({}))
}

fn members(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingGroupName", NAME)?;
    let state = registry.read();
    group(&state, name)?;
    let recursive = input::flag(call, "recursive");
    let is_in = |group: &String| group == name;
    let members = state
        .things
        .iter()
        .filter(|(_, thing)| if recursive { state.is_below(thing, name) } else { thing.groups.iter().any(is_in) });
    page::of(call, page::TOKEN, "things", things::values(members.map(|(name, _)| name.as_str())))
}

fn of_thing(registry: &Registry, call: &Call) -> Answer {
    let name = input::label(call, "thingName", NAME)?;
    let state = registry.read();
    let groups = things::thing(&state, name)?.groups.iter().map(|name| named_group(registry, name)).collect();
    page::of(call, page::TOKEN, "thingGroups", groups)
}
