//! Whether a run did what a scenario says: a verdict on something else than what was done would mean nothing.

use super::{Error, filled};
use crate::{bundle, evidence::Evidence, redact::MASK, scenario::Scenario};
use std::path::Path;
use toml::{Table, Value};

const HINT: &str = "only expectations can be judged anew; run the scenario if it does something else";

/// What a file says for a reader alone, or expects; of all else a run is made.
const BESIDE: [&str; 9] =
    ["base", "summary", "reference", "tags", "fidelity", "failure", "expect", "leaks", "must_fail"];

/// Whether the run carried out the scenario's steps, as they are told.
pub(super) fn steps(scenario: &Scenario, evidence: &Evidence) -> Result<(), Error> {
    for (index, seen) in evidence.steps.iter().enumerate() {
        if index >= scenario.steps.len() {
            let (done, has) = (evidence.steps.len(), scenario.steps.len());
            return Err(Error::new(format!("the run carried out {done} steps, and the scenario has {has}"), HINT));
        }
        let action = filled(scenario, index, evidence).action.to_string();
        if action != seen.action && !seen.action.contains(MASK) {
            let number = index + 1;
            let message = format!("step {number} of the run was `{}`, and the scenario says `{action}`", seen.action);
            return Err(Error::new(message, HINT));
        }
    }
    Ok(())
}

/// Of a package that pip was not asked for nothing is known.
pub(super) fn packages(scenario: &Scenario, evidence: &Evidence) -> Result<(), Error> {
    let asked = |name: &str| evidence.devices.iter().chain([evidence]).any(|one| one.packages.contains_key(name));
    let Some(package) = scenario.expect.packages.iter().find(|package| !asked(&package.name)) else { return Ok(()) };
    let message = format!("the run did not look for the package `{}`", package.name);
    Err(Error::new(message, "run the scenario, which then looks for it"))
}

/// Whether the scenario in a file has the world and the steps of the one that ran, down to the content of each file that
/// it names. Layers that only expect something else may lie over it.
pub(super) fn world(ran: &Scenario, other: &Scenario, file: &Path) -> Result<(), Error> {
    let of = |scenario: &Scenario| {
        let layers = bundle::layers(scenario).map_err(|error| {
            Error::new(format!("reading what `{}` names: {error}", file.display()), "name files that can be read")
        })?;
        Ok(layers.into_iter().map(without_expectations).filter(|layer| !layer.is_empty()).collect::<Vec<_>>())
    };
    let as_value = |layers: Vec<Table>| Value::Array(layers.into_iter().map(Value::Table).collect());
    let Some(key) = difference(&as_value(of(ran)?), &as_value(of(other)?)) else { return Ok(()) };
    let what = if key.is_empty() { "other layers".to_owned() } else { format!("another `{key}`") };
    Err(Error::new(format!("`{}` says {what} than the run had", file.display()), HINT))
}

/// What a layer says of the run alone.
fn without_expectations(mut layer: Table) -> Table {
    layer.retain(|key, _| !BESIDE.contains(&key));
    let fleet = layer.get_mut("fleet").and_then(Value::as_table_mut);
    let except = fleet.into_iter().filter_map(|fleet| {
        fleet.remove("expect");
        fleet.get_mut("except")?.as_array_mut()
    });
    let except: Vec<_> = except.flatten().collect();
    for each in except.into_iter().filter_map(Value::as_table_mut) {
        each.remove("expect");
    }
    let steps = layer.get_mut("step").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten().filter_map(Value::as_table_mut) {
        step.remove("expect");
    }
    layer
}

/// Where two values differ first: keys divided by dots, none where they differ as wholes.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &str, within: String| if within.is_empty() { key.to_owned() } else { format!("{key}.{within}") };
    match (one, other) {
        (Value::Table(one), Value::Table(other)) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            keys.into_iter().find_map(|key| match (one.get(key), other.get(key)) {
                (Some(one), Some(other)) => difference(one, other).map(|within| below(key, within)),
                _ => Some(key.clone()),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).find_map(|(one, other)| difference(one, other))
        }
        _ => (one != other).then(String::new),
    }
}
