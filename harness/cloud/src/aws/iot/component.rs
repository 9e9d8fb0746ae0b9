//! Component versions of the account: recipes read, made ready to be served, and matched with a platform.
//!
//! What `CreateComponentVersion` does is done here once: YAML becomes JSON with types and key case kept, each artifact
//! in S3 is hashed, a version whose artifact can't be read is never offered, and what the service refuses is refused.

use crate::world::{self, World};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use regex::Regex;
use semver::Version;
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A component version that can be deployed.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) arn: String,
    recipe: Value,
    /// Bucket and key of its `greengrass:` artifacts by name.
    artifacts: BTreeMap<String, (String, String)>,
}

/// The longest recipe that the service takes, in bytes.
const MAX_RECIPE: usize = 16_000;

/// How an artifact's URI may begin.
const SCHEMES: [&str; 3] = ["s3://", "docker:", "greengrass:"];

/// Reads every component of the world; one whose artifact is missing is left out with a warning, as AWS marks it FAILED.
///
/// # Errors
/// If a recipe can't be read or the service would refuse it; the text names the component by its position.
pub(super) fn read_all(world: &World) -> Result<Vec<Component>, String> {
    let mut components = Vec::new();
    for (index, component) in world.components.iter().enumerate() {
        let at = |error: String| format!("reading the recipe of component {index}: {error}");
        let recipe = parse(&component.recipe).map_err(at)?;
        let name = text(&recipe, "ComponentName").map_err(at)?.to_owned();
        let version = text(&recipe, "ComponentVersion").map_err(at)?;
        let parsed = version.parse().map_err(|error| at(format!("`{version}` is no semantic version: {error}")))?;
        let account = if component.public { "aws" } else { &world.account };
        let arn = format!("arn:aws:greengrass:{}:{account}:components:{name}:versions:{version}", world.region);
        check(component, &recipe).map_err(|error| at(format!("`{name}` {version}: {error}")))?;
        let split = |(name, place): (&String, &String)| {
            let place = place.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
            place.map(|place| (name.clone(), place)).ok_or_else(|| at(format!("artifact `{name}` has no BUCKET/KEY")))
        };
        let artifacts = component.artifacts.iter().map(split).collect::<Result<_, _>>()?;
        match served(recipe, &artifacts, world) {
            Ok(recipe) => components.push(Component { name, version: parsed, arn, recipe, artifacts }),
            Err(reason) => tracing::warn!(arn, reason, "the component version is FAILED"),
        }
    }
    Ok(components)
}

/// Refuses what `CreateComponentVersion` refuses.
fn check(component: &world::Component, recipe: &Value) -> Result<(), String> {
    let length = component.recipe.len();
    if length > MAX_RECIPE {
        return Err(format!("CreateComponentVersion refuses a recipe of {length} bytes; {MAX_RECIPE} is the limit"));
    }
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    for artifact in list(get(recipe, "Manifests")).iter().flat_map(|manifest| list(get(manifest, "Artifacts"))) {
        let uri = get(&artifact, "Uri").and_then(Value::as_str).unwrap_or_default();
        if !SCHEMES.iter().any(|scheme| uri.starts_with(scheme)) {
            return Err(format!(
                "CreateComponentVersion refuses the artifact `{uri}`; use a URI that starts with {}",
                SCHEMES.map(|scheme| format!("`{scheme}`")).join(" or ")
            ));
        }
    }
    Ok(())
}

impl Component {
    /// The recipe as base64 of JSON, as it is served.
    pub(super) fn blob(&self) -> String {
        BASE64.encode(self.recipe.to_string())
    }

    /// Bucket and key of the object behind a `greengrass:` artifact.
    pub(super) fn artifact(&self, name: &str) -> Option<(&str, &str)> {
        self.artifacts.get(name).map(|(bucket, key)| (bucket.as_str(), key.as_str()))
    }

    /// Whether a manifest matches the attributes of a platform.
    pub(super) fn claims(&self, attributes: &Map<String, Value>) -> bool {
        let manifests = get(&self.recipe, "Manifests").and_then(Value::as_array);
        manifests.is_some_and(|manifests| manifests.iter().any(|manifest| suits(manifest, attributes)))
    }
}

fn suits(manifest: &Value, attributes: &Map<String, Value>) -> bool {
    let Some(platform) = get(manifest, "Platform").and_then(Value::as_object) else { return true };
    platform.iter().all(|(key, wanted)| {
        let found = attributes.get(key).and_then(Value::as_str);
        match wanted.as_str() {
            None => wanted.is_null(),
            Some("*") => true,
            Some(wanted) => found.is_some_and(|found| attribute_suits(key, wanted, found)),
        }
    })
}

/// One platform attribute by the nucleus's rules: a regular expression in slashes, `all`, `any`, or plain text.
fn attribute_suits(key: &str, wanted: &str, found: &str) -> bool {
    if let Some(pattern) = wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(found));
    }
    let anything = matches!(wanted, "all" | "any") && matches!(key, "os" | "architecture");
    anything || (wanted.starts_with(char::is_alphanumeric) && wanted == found)
}

fn parse(recipe: &str) -> Result<Value, String> {
    if recipe.trim_start().starts_with('{') {
        return serde_json::from_str(recipe).map_err(|error| format!("it is no valid JSON: {error}"));
    }
    let invalid = |error: serde_yaml_ng::Error| format!("it is no valid YAML: {error}");
    let mut yaml: Yaml = serde_yaml_ng::from_str(recipe).map_err(invalid)?;
    yaml.apply_merge().map_err(invalid)?;
    Ok(json(yaml))
}

/// YAML as JSON: types stay, and a key that is no text becomes its text.
fn json(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.into(),
            (_, Some(integer)) => integer.into(),
            _ => number.as_f64().into(),
        },
        Yaml::String(text) => text.into(),
        Yaml::Sequence(list) => list.into_iter().map(json).collect(),
        Yaml::Mapping(map) => map.into_iter().map(|(key, value)| (key_text(key), json(value))).collect(),
        Yaml::Tagged(tagged) => json(tagged.value),
    }
}

fn key_text(key: Yaml) -> String {
    match json(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The recipe with what the cloud adds to it.
fn served(mut recipe: Value, artifacts: &BTreeMap<String, (String, String)>, world: &World) -> Result<Value, String> {
    let Some(manifests) = get_mut(&mut recipe, "Manifests").and_then(Value::as_array_mut) else { return Ok(recipe) };
    for manifest in manifests.iter_mut().filter_map(Value::as_object_mut) {
        let key = manifest.keys().find(|key| key.eq_ignore_ascii_case("Artifacts")).cloned();
        let listed = manifest.entry(key.unwrap_or_else(|| "Artifacts".to_owned())).or_insert(json!([]));
        if listed.is_null() {
            *listed = json!([]);
        }
        for artifact in listed.as_array_mut().into_iter().flatten() {
            let uri = get(artifact, "Uri").and_then(Value::as_str).unwrap_or_default();
            let place = match (uri.strip_prefix("s3://"), uri.strip_prefix("greengrass:")) {
                (Some(path), _) => path.split_once('/').ok_or("the URI names no key"),
                (_, Some(name)) => artifacts
                    .get(name)
                    .map(|(bucket, key)| (bucket.as_str(), key.as_str()))
                    .ok_or("there is no such artifact"),
                _ => continue,
            };
            let digest = place.map_err(str::to_owned).and_then(|(bucket, key)| digest(world, bucket, key));
            let digest = digest.map_err(|error| format!("artifact `{uri}`: {error}"))?;
            artifact["Digest"] = digest.into();
            artifact["Algorithm"] = "SHA-256".into();
        }
    }
    Ok(recipe)
}

/// Base64 of the SHA-256 of an object.
fn digest(world: &World, bucket: &str, key: &str) -> Result<String, String> {
    let bucket = world.buckets.iter().find(|known| known.name == bucket).ok_or("there is no such bucket")?;
    let content = bucket.objects.get(key).ok_or("there is no such object in the bucket")?;
    let content = BASE64.decode(content).map_err(|error| format!("its content is no base64: {error}"))?;
    Ok(BASE64.encode(Sha256::digest(content)))
}

fn text<'a>(recipe: &'a Value, name: &str) -> Result<&'a str, String> {
    get(recipe, name).and_then(Value::as_str).ok_or_else(|| format!("it has no text `{name}`"))
}

/// A property by name; the names of a recipe's properties have no case.
fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn get_mut<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    value.as_object_mut()?.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_keeps_types_and_key_case() {
        fidelity::fidelity!("iot-22");
        let recipe = parse("a: {Timeout: 5, ok: true, text: '5', yes: no, 1: x}\n").unwrap();
        assert_eq!(recipe, json!({"a": {"Timeout": 5, "ok": true, "text": "5", "yes": "no", "1": "x"}}));
        assert!(parse("a: [1\nb: 2").unwrap_err().contains("line"));
    }

    #[test]
    fn platforms_match_by_the_nucleus_rules() {
        fidelity::fidelity!("iot-21");
        let linux = json!({"os": "linux", "architecture": "amd64"});
        let linux = linux.as_object().unwrap();
        let cases = [
            (json!({}), true),
            (json!({"Platform": {"os": "linux"}}), true),
            (json!({"platform": {"os": "windows"}}), false),
            (json!({"Platform": {"os": "/windows|linux/"}}), true),
            (json!({"Platform": {"os": "/lin/"}}), false),
            (json!({"Platform": {"os": "all", "runtime": "*"}}), true),
            (json!({"Platform": {"runtime": "aws_nucleus_lite"}}), false),
            (json!({"Platform": {"os": "!windows"}}), false),
        ];
        for (manifest, matches) in cases {
            assert_eq!(suits(&manifest, linux), matches, "{manifest}");
        }
    }
}
