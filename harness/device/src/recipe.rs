//! Component recipes of the format 2020-01-25, as far as the core acts on them.
//!
//! Bean keys are read without regard to case; platform keys, selections and selector keys are exact.

use crate::{
    platform::{self, Attributes},
    tree,
};
use semver::Version;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A recipe.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Lower-case component type, `aws.greengrass.generic` by default.
    pub(crate) kind: String,
    /// `DefaultConfiguration`, an object.
    pub(crate) defaults: Value,
    pub(crate) dependencies: Vec<Dependency>,
    manifests: Vec<Manifest>,
    lifecycle: Value,
    /// The recipe as it came.
    pub(crate) source: Value,
}

/// A dependency on another component.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The version requirement as written.
    pub(crate) requirement: String,
    /// Whether it is HARD.
    pub(crate) hard: bool,
}

#[derive(Clone, Debug)]
struct Manifest {
    platform: Option<Map<String, Value>>,
    lifecycle: Value,
    artifacts: Vec<Artifact>,
    selections: Vec<String>,
}

/// An artifact of the chosen manifest.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) uri: String,
    /// Whether it is unpacked as a zip file.
    pub(crate) unzip: bool,
    /// Mode of the file once it is in place.
    pub(crate) mode: u32,
    /// Base64 of the SHA-256.
    pub(crate) digest: Option<String>,
    pub(crate) algorithm: Option<String>,
}

/// What a recipe means on this device.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// The lifecycle, selectors resolved.
    pub(crate) lifecycle: Value,
    pub(crate) artifacts: Vec<Artifact>,
}

/// Why a recipe can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Failed to parse recipe: {0}")]
    Parse(String),
    #[error("Recipe file {0} is missing manifests")]
    NoManifest(String),
    #[error("Failed to find usable recipe for current platform {0}")]
    NoMatch(String),
}

impl Recipe {
    /// Reads a JSON or YAML recipe.
    ///
    /// # Errors
    /// If it isn't one.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Error> {
        let source: Value = serde_yaml_ng::from_slice(text).map_err(|error| Error::Parse(error.to_string()))?;
        let required = |key| tree::text(&source, key).ok_or_else(|| Error::Parse(format!("{key} is missing")));
        let name = required("ComponentName")?;
        let version =
            Version::parse(&required("ComponentVersion")?).map_err(|error| Error::Parse(error.to_string()))?;
        let kind = tree::text(&source, "ComponentType").unwrap_or_else(|| "aws.greengrass.generic".into());
        let defaults =
            tree::get(&source, "ComponentConfiguration").and_then(|c| tree::get(c, "DefaultConfiguration")).cloned();
        let manifests = match tree::get(&source, "Manifests") {
            Some(Value::Array(items)) => items.iter().map(manifest).collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        Ok(Self {
            name,
            version,
            kind: kind.to_ascii_lowercase(),
            defaults: defaults.filter(Value::is_object).unwrap_or_else(object),
            dependencies: dependencies(&source),
            manifests,
            lifecycle: tree::get(&source, "Lifecycle").cloned().unwrap_or_else(object),
            source,
        })
    }

    /// The parts that apply to a device.
    ///
    /// # Errors
    /// If no manifest fits.
    pub(crate) fn select(&self, device: &Attributes) -> Result<Selected, Error> {
        if self.manifests.is_empty() {
            return Err(Error::NoManifest(format!("{}-{}", self.name, self.version)));
        }
        let fitting = |manifest: &&Manifest| platform::matches(manifest.platform.as_ref(), device);
        let manifest = self.manifests.iter().find(fitting).ok_or_else(|| Error::NoMatch(format!("{device:?}")))?;
        let own = manifest.lifecycle.as_object().is_some_and(|map| !map.is_empty());
        let lifecycle = if own {
            manifest.lifecycle.clone()
        } else {
            let mut keywords: BTreeSet<&str> =
                self.manifests.iter().flat_map(|manifest| &manifest.selections).map(String::as_str).collect();
            keywords.insert("all");
            select(&self.lifecycle, &keywords, &manifest.selections).unwrap_or_else(object)
        };
        Ok(Selected { lifecycle, artifacts: manifest.artifacts.clone() })
    }
}

fn object() -> Value {
    Value::Object(Map::new())
}

fn manifest(source: &Value) -> Result<Manifest, Error> {
    if !source.is_object() {
        return Err(Error::Parse("Manifests contains null".into()));
    }
    let list = |key| tree::get(source, key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(Manifest {
        platform: tree::get(source, "Platform").and_then(Value::as_object).cloned(),
        lifecycle: tree::get(source, "Lifecycle").cloned().unwrap_or_else(object),
        artifacts: list("Artifacts").iter().map(artifact).collect::<Result<_, _>>()?,
        selections: list("Selections").iter().filter_map(Value::as_str).map(Into::into).collect(),
    })
}

fn artifact(source: &Value) -> Result<Artifact, Error> {
    let uri = tree::text(source, "Uri").ok_or_else(|| Error::Parse("Uri is missing".into()))?;
    let upper = |value: Option<String>| value.map(|value| value.to_ascii_uppercase());
    let permission = |key| upper(tree::get(source, "Permission").and_then(|p| tree::text(p, key)));
    let read = match permission("Read").as_deref() {
        Some("NONE") => 0o400,
        Some("ALL") => 0o444,
        _ => 0o440,
    };
    let execute = match permission("Execute").as_deref() {
        Some("OWNER") => 0o550,
        Some("ALL") => 0o555,
        _ => 0,
    };
    Ok(Artifact {
        uri,
        unzip: upper(tree::text(source, "Unarchive")).as_deref() == Some("ZIP"),
        mode: read | execute,
        digest: tree::text(source, "Digest"),
        algorithm: tree::text(source, "Algorithm"),
    })
}

fn dependencies(source: &Value) -> Vec<Dependency> {
    let map = tree::get(source, "ComponentDependencies").and_then(Value::as_object);
    let dependency = |(name, value): (&String, &Value)| Dependency {
        name: name.clone(),
        requirement: tree::text(value, "VersionRequirement").unwrap_or_default(),
        hard: !tree::text(value, "DependencyType").is_some_and(|kind| kind.eq_ignore_ascii_case("SOFT")),
    };
    map.into_iter().flatten().map(dependency).collect()
}

/// Resolves selector keys at every level; `None` where nothing was selected.
fn select(value: &Value, keywords: &BTreeSet<&str>, selections: &[String]) -> Option<Value> {
    let Value::Object(map) = value else { return (!value.is_null()).then(|| value.clone()) };
    if map.keys().any(|key| keywords.contains(key.as_str())) {
        let chosen = selections.iter().find_map(|selection| map.get(selection)).or_else(|| map.get("all"))?;
        return select(chosen, keywords, selections);
    }
    let kept = map.iter().filter_map(|(key, value)| Some((key.clone(), select(value, keywords, selections)?)));
    Some(Value::Object(kept.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RECIPE: &str = r"
recipeformatversion: '2020-01-25'
ComponentName: a.B
componentVersion: 1.0.0
Manifests:
  - {Platform: {os: linux, architecture: amd64}, Selections: [debian, linux], Artifacts: [{URI: s3://b/k.zip, unarchive: zip, Permission: {Execute: OWNER}}]}
  - {}
Lifecycle:
  setenv: {all: {MODE: plain}, debian: {MODE: deb}}
  run: {linux: echo lin, windows: {script: echo win}, all: echo other}
";

    // [core-recipe-3]
    #[test]
    fn selections_pick_from_the_global_lifecycle() {
        let recipe = Recipe::parse(RECIPE.as_bytes()).unwrap();
        let device =
            |arch: &str| Attributes::from([("os".into(), "linux".into()), ("architecture".into(), arch.into())]);
        let selected = recipe.select(&device("amd64")).unwrap();
        assert_eq!(selected.lifecycle, json!({"setenv": {"MODE": "deb"}, "run": "echo lin"}));
        assert!(selected.artifacts[0].unzip);
        assert_eq!(selected.artifacts[0].mode, 0o550);
        let other = recipe.select(&device("arm")).unwrap();
        assert_eq!(other.lifecycle["setenv"]["MODE"], "plain");
        assert_eq!(other.lifecycle["run"], "echo other");
    }

    #[test]
    fn a_recipe_without_manifests_is_refused() {
        let recipe = Recipe::parse(b"{\"ComponentName\": \"a\", \"ComponentVersion\": \"1.0.0\"}").unwrap();
        assert!(matches!(recipe.select(&Attributes::new()), Err(Error::NoManifest(_))));
    }
}
