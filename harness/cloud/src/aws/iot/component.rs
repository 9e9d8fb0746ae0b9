//! Component versions of the account: recipes read, made ready to be served, and matched with a platform.
//!
//! What `CreateComponentVersion` does is done here: YAML becomes JSON with types and key case kept, each artifact in S3 is
//! hashed, a version whose artifact can't be read is never offered, and what the service refuses is refused.

use crate::{
    clock,
    world::{self, World},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use regex::Regex;
use semver::Version;
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use time::OffsetDateTime;

/// A component version of the account, or of AWS.
#[derive(Debug)]
pub(in crate::aws) struct Component {
    pub(in crate::aws) name: String,
    pub(in crate::aws) version: Version,
    pub(in crate::aws) arn: String,
    /// The recipe as it is served, with the digests of its artifacts.
    pub(in crate::aws) recipe: Value,
    /// Whether its text was YAML.
    pub(in crate::aws) is_yaml: bool,
    pub(in crate::aws) is_public: bool,
    pub(in crate::aws) created: OffsetDateTime,
    /// Why it is FAILED, if it is.
    pub(in crate::aws) failure: Option<String>,
    /// Bucket and key of its `greengrass:` artifacts by name.
    artifacts: BTreeMap<String, Place>,
}

/// The bucket and the key of an object.
pub(in crate::aws) type Place = (String, String);

/// The longest recipe that the service takes, in bytes.
pub(in crate::aws) const MAX_RECIPE: usize = 16_000;

/// How an artifact's URI may begin.
const SCHEMES: [&str; 3] = ["s3://", "docker:", "greengrass:"];

/// Every component version that there is, in the order in which they were created.
#[derive(Debug, Default)]
pub(in crate::aws) struct Components(Mutex<Vec<Arc<Component>>>);

impl Components {
    /// Reads every component of the world; one whose artifact is missing is FAILED, as at AWS.
    ///
    /// # Errors
    /// If a recipe can't be read or the service would refuse it; the text names the component by its position.
    pub(super) fn of(world: &World) -> Result<Self, String> {
        let read = |(index, component): (usize, &world::Component)| {
            let at = |error: String| format!("reading the recipe of component {index}: {error}");
            of_world(world, component).map(Arc::new).map_err(at)
        };
        let components = world.components.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self(Mutex::new(components)))
    }

    /// Those that can be deployed.
    pub(super) fn deployable(&self) -> Vec<Arc<Component>> {
        self.lock().iter().filter(|component| component.failure.is_none()).cloned().collect()
    }

    /// All of them.
    pub(in crate::aws) fn all(&self) -> Vec<Arc<Component>> {
        self.lock().clone()
    }

    /// The one with an ARN.
    pub(in crate::aws) fn find(&self, arn: &str) -> Option<Arc<Component>> {
        self.lock().iter().find(|component| component.arn == arn).cloned()
    }

    /// Takes a new one, unless there is one with its ARN.
    pub(in crate::aws) fn add(&self, component: Component) -> Result<Arc<Component>, Arc<Component>> {
        let mut all = self.lock();
        if let Some(known) = all.iter().find(|known| known.arn == component.arn) {
            return Err(Arc::clone(known));
        }
        let component = Arc::new(component);
        all.push(Arc::clone(&component));
        Ok(component)
    }

    /// Forgets the one with an ARN; says whether there was one.
    pub(in crate::aws) fn remove(&self, arn: &str) -> bool {
        let mut all = self.lock();
        let before = all.len();
        all.retain(|component| component.arn != arn);
        all.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Component>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A component of the world, whose objects the world has.
fn of_world(world: &World, component: &world::Component) -> Result<Component, String> {
    let draft = Draft::read(&component.recipe)?;
    let (name, version) = (&draft.name, &draft.version);
    if let Some(refused) = draft.refused().first() {
        return Err(format!("`{name}` {version}: CreateComponentVersion refuses {refused}"));
    }
    let split = |(name, place): (&String, &String)| {
        let place = place.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
        place.map(|place| (name.clone(), place)).ok_or_else(|| format!("artifact `{name}` has no BUCKET/KEY"))
    };
    let artifacts: BTreeMap<_, _> = component.artifacts.iter().map(split).collect::<Result<_, _>>()?;
    let places = draft.objects(&artifacts);
    let digest = |(uri, place): (String, Result<Place, String>)| {
        let digest = place.and_then(|(bucket, key)| object_digest(world, &bucket, &key));
        digest.map(|digest| (uri.clone(), digest)).map_err(|error| format!("artifact `{uri}`: {error}"))
    };
    let digests: Result<BTreeMap<_, _>, _> = places.into_iter().map(digest).collect();
    let (digests, failure) = match digests {
        Ok(digests) => (digests, None),
        Err(reason) => (BTreeMap::new(), Some(reason)),
    };
    let account = if component.public { "aws" } else { &world.account };
    let made = draft.made(&world.region, account, &digests);
    if let Some(reason) = &failure {
        tracing::warn!(arn = made.arn, reason, "the component version is FAILED");
    }
    Ok(Component { failure, artifacts, ..made })
}

/// A recipe that was read and not yet made a component version.
#[derive(Debug)]
pub(in crate::aws) struct Draft {
    pub(in crate::aws) name: String,
    pub(in crate::aws) version: Version,
    recipe: Value,
    length: usize,
    is_yaml: bool,
}

impl Draft {
    /// Reads the text of a recipe.
    ///
    /// # Errors
    /// If it is neither JSON nor YAML, or names no component and version.
    pub(in crate::aws) fn read(recipe: &str) -> Result<Self, String> {
        let (length, is_yaml) = (recipe.len(), !is_json(recipe));
        let recipe = parse(recipe)?;
        let name = text(&recipe, "ComponentName")?.to_owned();
        let version = text(&recipe, "ComponentVersion")?;
        let version = version.parse().map_err(|error| format!("`{version}` is no semantic version: {error}"))?;
        Ok(Self { name, version, recipe, length, is_yaml })
    }

    /// What `CreateComponentVersion` refuses of it, each with what to do instead.
    pub(in crate::aws) fn refused(&self) -> Vec<String> {
        let length = self.length;
        let long = (length > MAX_RECIPE).then(|| format!("a recipe of {length} bytes; {MAX_RECIPE} is the limit"));
        let schemes = SCHEMES.map(|scheme| format!("`{scheme}`")).join(" or ");
        let uris = self.uris().filter(|uri| !SCHEMES.iter().any(|scheme| uri.starts_with(scheme)));
        let uris = uris.map(|uri| format!("the artifact `{uri}`; use a URI that starts with {schemes}"));
        long.into_iter().chain(uris).collect()
    }

    /// Where the objects behind its artifacts are, by URI; `kept` are those that AWS keeps, by name.
    pub(in crate::aws) fn objects(&self, kept: &BTreeMap<String, Place>) -> Vec<(String, Result<Place, String>)> {
        let place = |uri: &str| match (uri.strip_prefix("s3://"), uri.strip_prefix("greengrass:")) {
            (Some(path), _) => {
                let split = path.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
                Some(split.ok_or_else(|| "the URI names no key".to_owned()))
            }
            (_, Some(name)) => Some(kept.get(name).cloned().ok_or_else(|| "there is no such artifact".to_owned())),
            _ => None,
        };
        self.uris().filter_map(|uri| Some((uri.to_owned(), place(uri)?))).collect()
    }

    /// The component version, with the digests of its artifacts by URI.
    pub(in crate::aws) fn made(self, region: &str, account: &str, digests: &BTreeMap<String, String>) -> Component {
        let Self { name, version, recipe, is_yaml, .. } = self;
        Component {
            arn: format!("arn:aws:greengrass:{region}:{account}:components:{name}:versions:{version}"),
            recipe: served(recipe, digests),
            is_yaml,
            is_public: account == "aws",
            created: clock::now(),
            failure: None,
            artifacts: BTreeMap::new(),
            name,
            version,
        }
    }

    /// A text of the recipe by its property's name.
    pub(in crate::aws) fn property(&self, name: &str) -> Option<&str> {
        get(&self.recipe, name).and_then(Value::as_str)
    }

    /// Whether it has a property that is no null.
    pub(in crate::aws) fn has(&self, name: &str) -> bool {
        get(&self.recipe, name).is_some_and(|value| !value.is_null())
    }

    fn uris(&self) -> impl Iterator<Item = &str> {
        let artifacts = list(&self.recipe, "Manifests").flat_map(|manifest| list(manifest, "Artifacts"));
        artifacts.map(|artifact| get(artifact, "Uri").and_then(Value::as_str).unwrap_or_default())
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    get(value, name).and_then(Value::as_array).into_iter().flatten()
}

/// Base64 of the SHA-256 of an object, as a recipe states it.
pub(in crate::aws) fn digest(content: &[u8]) -> String {
    BASE64.encode(Sha256::digest(content))
}

impl Component {
    /// The recipe as base64 of JSON, as it is served to devices.
    pub(super) fn blob(&self) -> String {
        BASE64.encode(self.recipe.to_string())
    }

    /// Bucket and key of the object behind a `greengrass:` artifact.
    pub(in crate::aws) fn artifact(&self, name: &str) -> Option<(&str, &str)> {
        self.artifacts.get(name).map(|(bucket, key)| (bucket.as_str(), key.as_str()))
    }

    /// A text of the recipe by its property's name.
    pub(in crate::aws) fn property(&self, name: &str) -> Option<&str> {
        get(&self.recipe, name).and_then(Value::as_str)
    }

    /// The platforms of its manifests: the name, and the attributes that are texts.
    pub(in crate::aws) fn platforms(&self) -> Vec<(Option<&str>, BTreeMap<&str, &str>)> {
        let platform = |manifest| {
            let name = get(manifest, "Name").and_then(Value::as_str);
            let attributes = get(manifest, "Platform").and_then(Value::as_object).into_iter().flatten();
            (name, attributes.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect())
        };
        list(&self.recipe, "Manifests").map(platform).collect()
    }

    /// Whether a manifest matches the attributes of a platform.
    pub(super) fn claims(&self, attributes: &Map<String, Value>) -> bool {
        list(&self.recipe, "Manifests").any(|manifest| suits(manifest, attributes))
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

fn is_json(recipe: &str) -> bool {
    recipe.trim_start().starts_with('{')
}

fn parse(recipe: &str) -> Result<Value, String> {
    if is_json(recipe) {
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
fn served(mut recipe: Value, digests: &BTreeMap<String, String>) -> Value {
    let Some(manifests) = get_mut(&mut recipe, "Manifests").and_then(Value::as_array_mut) else { return recipe };
    for manifest in manifests.iter_mut().filter_map(Value::as_object_mut) {
        let key = manifest.keys().find(|key| key.eq_ignore_ascii_case("Artifacts")).cloned();
        let listed = manifest.entry(key.unwrap_or_else(|| "Artifacts".to_owned())).or_insert(json!([]));
        if listed.is_null() {
            *listed = json!([]);
        }
        for artifact in listed.as_array_mut().into_iter().flatten() {
            let uri = get(artifact, "Uri").and_then(Value::as_str).unwrap_or_default();
            if let Some(digest) = digests.get(uri) {
                artifact["Digest"] = digest.as_str().into();
                artifact["Algorithm"] = "SHA-256".into();
            }
        }
    }
    recipe
}

/// The digest of an object of the world.
fn object_digest(world: &World, bucket: &str, key: &str) -> Result<String, String> {
    let bucket = world.buckets.iter().find(|known| known.name == bucket).ok_or("there is no such bucket")?;
    let content = bucket.objects.get(key).ok_or("there is no such object in the bucket")?;
    let content = BASE64.decode(content).map_err(|error| format!("its content is no base64: {error}"))?;
    Ok(digest(&content))
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
