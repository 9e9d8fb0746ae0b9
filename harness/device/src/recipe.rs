//! Component recipes of the format 2020-01-25.
//!
//! Property names and enumerations are read without regard to case, unknown properties are tolerated; platform keys,
//! selections and selector keys are exact, and the keys of a lifecycle keep their spelling.

mod artifact;
mod bean;
mod global;
mod stored;
pub(crate) mod yaml;

pub(crate) use artifact::Artifact;

use crate::{
    log::Line,
    platform::{self, Attributes},
    requirement::Requirement,
};
use bean::Bean;
use global::Filter;
use semver::Version;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, str};

const LOGGER: &str = "com.aws.greengrass.componentmanager.converter.RecipeLoader";
const KINDS: [&str; 4] =
    ["aws.greengrass.generic", "aws.greengrass.lambda", "aws.greengrass.plugin", "aws.greengrass.nucleus"];

/// A recipe.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// The component type, `aws.greengrass.generic` by default.
    pub(crate) kind: &'static str,
    /// `DefaultConfiguration`, an object.
    pub(crate) defaults: Value,
    pub(crate) dependencies: Vec<Dependency>,
    manifests: Vec<Manifest>,
    lifecycle: Map<String, Value>,
    /// The recipe as the nucleus keeps it: known properties only, in their usual spelling and order.
    pub(crate) source: Value,
}

/// A dependency on another component.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The version requirement in its canonical spelling.
    pub(crate) requirement: String,
    /// Whether it is HARD.
    pub(crate) hard: bool,
}

#[derive(Clone, Debug)]
struct Manifest {
    platform: Map<String, Value>,
    lifecycle: Map<String, Value>,
    artifacts: Vec<Artifact>,
    selections: Vec<String>,
}

/// What a recipe means on this device.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// The lifecycle, selectors resolved.
    pub(crate) lifecycle: Value,
    pub(crate) artifacts: Vec<Artifact>,
    /// What the nucleus logs about the choice.
    pub(crate) complaints: Vec<Line>,
    /// Which manifest was chosen, counted from 0.
    pub(crate) manifest: usize,
}

/// Why a recipe can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Failed to parse recipe file content to contract model. {0}")]
    Parse(String),
    #[error("Recipe file {0}.yaml is missing manifests")]
    NoManifest(String),
    #[error("Failed to find usable recipe for current platform: {0}, for package: '{1}' in the local package store")]
    NoMatch(String, String),
}

impl Error {
    fn parse(reason: impl Into<String>) -> Self {
        Self::Parse(reason.into())
    }

    /// What the parser said.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Parse(reason) => reason.clone(),
            other => other.to_string(),
        }
    }
}

impl Recipe {
    /// Reads a JSON or YAML recipe.
    ///
    /// # Errors
    /// If it isn't one.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Error> {
        let text = str::from_utf8(text).map_err(|error| Error::parse(format!("Invalid UTF-8: {error}")))?;
        if text.trim_start().starts_with('{')
            && let Ok(value) = serde_json::from_str(text)
        {
            return Self::read(&value);
        }
        Self::read(&yaml::Node::parse(text).map_err(|error| Error::parse(error.to_string()))?.value())
    }

    /// Reads a JSON recipe, which is to be JSON and not YAML.
    ///
    /// # Errors
    /// If it isn't one.
    pub(crate) fn parse_json(text: &[u8]) -> Result<Self, Error> {
        Self::read(&serde_json::from_slice(text).map_err(|error| Error::parse(error.to_string()))?)
    }

    /// Reads a recipe from its tree.
    ///
    /// # Errors
    /// If it isn't one.
    pub(crate) fn read(tree: &Value) -> Result<Self, Error> {
        let bean = Bean::of(tree, "ComponentRecipe")?;
        bean.choice("RecipeFormatVersion", &["2020-01-25"])?
            .ok_or_else(|| Error::parse("ComponentRecipe.RecipeFormatVersion is marked non-null but is null"))?;
        let name = component_name(&bean)?;
        let version = component_version(&bean)?;
        let kind = bean.choice("ComponentType", &KINDS)?.unwrap_or(KINDS[0]);
        let manifests = bean.objects("Manifests")?.iter().map(manifest).collect::<Result<_, _>>()?;
        let defaults = defaults(&bean)?;
        let dependencies = dependencies(&bean)?;
        let lifecycle = bean.map("Lifecycle")?.unwrap_or_default();
        let source = stored::form(&bean, kind, &dependencies)?;
        Ok(Self { name, version, kind, defaults, dependencies, manifests, lifecycle, source })
    }

    /// The recipe as the nucleus writes it to disk.
    pub(crate) fn to_yaml(&self) -> String {
        stored::yaml(&self.source)
    }

    /// The parts that apply to a device: of the first manifest that fits, whatever the others say.
    ///
    /// # Errors
    /// If no manifest fits.
    pub(crate) fn select(&self, device: &Attributes) -> Result<Selected, Error> {
        if self.manifests.is_empty() {
            return Err(Error::NoManifest(format!("{}-{}", self.name, self.version)));
        }
        let fitting = |manifest: &Manifest| platform::matches(&manifest.platform, device);
        let position = self
            .manifests
            .iter()
            .position(fitting)
            .ok_or_else(|| Error::NoMatch(platform::shown(device), format!("{}-v{}", self.name, self.version)))?;
        let manifest = &self.manifests[position];
        let (lifecycle, complaints) = if manifest.lifecycle.is_empty() {
            self.filtered(&manifest.selections)
        } else {
            (manifest.lifecycle.clone(), Vec::new())
        };
        let lifecycle = Value::Object(lifecycle);
        Ok(Selected { lifecycle, artifacts: manifest.artifacts.clone(), complaints, manifest: position })
    }

    /// The global lifecycle for a manifest with these selections.
    fn filtered(&self, selections: &[String]) -> (Map<String, Value>, Vec<Line>) {
        let all = self.manifests.iter().flat_map(|manifest| &manifest.selections).map(String::as_str);
        let keywords: BTreeSet<&str> = all.chain(["all"]).collect();
        let mut filter = Filter { keywords, selections, complaints: Vec::new() };
        let left = match filter.apply(&Value::Object(self.lifecycle.clone())) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let mut complaints = filter.complaints;
        if left.is_empty() && !self.lifecycle.is_empty() {
            let text = "Non-empty lifecycle section ignored after platform selection filtering";
            complaints.push(Line::warn(LOGGER).message(text));
        }
        (left, complaints)
    }
}

fn component_name(bean: &Bean<'_>) -> Result<String, Error> {
    let name = bean.text("ComponentName")?.ok_or_else(|| Error::parse("Component name is null"))?;
    if name.is_empty() {
        return Err(Error::parse("Component name is empty"));
    }
    if name.encode_utf16().count() > 128 {
        return Err(Error::parse("Component name length exceeds 128 characters"));
    }
    if !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c)) {
        return Err(Error::parse("Component name could only include characters of ALPHA/DIGIT/\"-\"/\".\"/\"_\""));
    }
    Ok(name)
}

fn component_version(bean: &Bean<'_>) -> Result<Version, Error> {
    let text = bean.text("ComponentVersion")?.ok_or_else(|| Error::parse("Component version is null"))?;
    if text.encode_utf16().count() > 64 {
        return Err(Error::parse("Component version length exceeds 64 characters"));
    }
    let version = Version::parse(&text).map_err(|error| Error::parse(format!("Invalid version: {text}: {error}")))?;
    if version.major.max(version.minor).max(version.patch) > 999_999 {
        return Err(Error::parse("Component version major, minor, patch can't exceed 6 digits"));
    }
    Ok(version)
}

fn defaults(bean: &Bean<'_>) -> Result<Value, Error> {
    let Some(configuration) = bean.get("ComponentConfiguration") else { return Ok(Value::Object(Map::new())) };
    let map = Bean::of(configuration, "ComponentConfiguration")?.node("DefaultConfiguration")?;
    Ok(Value::Object(map.cloned().unwrap_or_default()))
}

fn dependencies(bean: &Bean<'_>) -> Result<Vec<Dependency>, Error> {
    let dependency = |(name, value): (String, Value)| {
        let bean = Bean::of(&value, "DependencyProperties")?;
        let written = bean.required("VersionRequirement")?;
        let requirement = Requirement::parse(&written).map_err(|error| Error::parse(error.to_string()))?;
        let hard = bean.choice("DependencyType", &["HARD", "SOFT"])? != Some("SOFT");
        Ok(Dependency { name, requirement: requirement.to_string(), hard })
    };
    bean.map("ComponentDependencies")?.into_iter().flatten().map(dependency).collect()
}

fn manifest(source: &Value) -> Result<Manifest, Error> {
    let bean = Bean::of(source, "PlatformSpecificManifest")?;
    let platform = bean.map("Platform")?.unwrap_or_default();
    if let Some((key, _)) = platform.iter().find(|(_, value)| value.is_array() || value.is_object()) {
        return Err(Error::parse(format!("Platform.{key} is not a string")));
    }
    bean.text("Name")?;
    let selections = bean.list("Selections")?.iter().filter(|item| !item.is_null());
    let selections = selections.map(|item| bean::text(item).ok_or_else(|| Error::parse("Selections: not a string")));
    Ok(Manifest {
        platform,
        lifecycle: bean.map("Lifecycle")?.unwrap_or_default(),
        artifacts: bean.objects("Artifacts")?.iter().map(Artifact::read).collect::<Result<_, _>>()?,
        selections: selections.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests;
