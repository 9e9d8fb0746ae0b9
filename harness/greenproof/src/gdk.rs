//! A GDK project: a folder with `gdk-config.json` and a recipe template, made into a component as `gdk component build`
//! and `publish` make it.
//!
//! What GDK left in `greengrass-build/` is taken as it is, the published recipe byte for byte. Without it the template is
//! resolved in place, so that everything else stays as its author wrote it, and the folder is zipped by GDK's rules. Other
//! build systems are GDK's to run.

mod archive;
mod build;
mod schema;
mod template;

use crate::{
    component::{self, Component, Files},
    scenario::Error,
};
use build::Build;
use device::inspect::{Content, Node, Place};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The file that makes a folder a GDK project.
pub const CONFIG: &str = "gdk-config.json";

/// The version that GDK gives a component that was never published.
const FIRST: &str = "1.0.0";
const NEXT_PATCH: &str = "NEXT_PATCH";

/// A project, as its `gdk-config.json` says.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    config: Config,
    /// The component's name.
    pub name: String,
    /// Its version; what GDK would count up is the first.
    pub version: String,
    /// Its publisher.
    pub author: String,
    /// Where it is published.
    pub region: Option<String>,
    /// What the name of the bucket begins with.
    bucket: Option<String>,
    /// `version` as written, which names the folder of the built artifacts.
    written: String,
    system: String,
    options: Value,
}

/// `gdk-config.json`, read once for its values and once for their places.
#[derive(Debug)]
struct Config {
    path: PathBuf,
    value: Value,
    node: Option<Node>,
}

impl Project {
    /// Reads the project in a folder.
    ///
    /// # Errors
    /// When `gdk-config.json` can't be read, is no JSON, or lacks what GDK needs; with the line.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let config = Config::read(folder.join(CONFIG))?;
        let components = config.value["component"].as_object();
        let Some((name, given)) = components.filter(|all| all.len() == 1).and_then(|all| all.iter().next()) else {
            let hint = "GDK wants `\"component\": { \"com.example.Name\": { … } }`";
            return Err(config.error(&["component"], "`component` names no component, or several", hint));
        };
        let (name, path) = (name.clone(), ["component", name.as_str()]);
        let text = |key: &str| given[key].as_str().map(str::to_owned);
        let needed = |key: &str, hint: &str| {
            text(key).ok_or_else(|| config.error(&path, format!("`{key}` of `{name}` is missing"), hint))
        };
        let author = needed("author", "add `\"author\": \"…\"`, the component's publisher")?;
        let written = needed("version", "add `\"version\": \"1.0.0\"`, or `\"NEXT_PATCH\"`")?;
        let build = &given["build"];
        let system = build["build_system"].as_str().map(str::to_owned).ok_or_else(|| {
            let hint = "add `\"build\": { \"build_system\": \"zip\" }`";
            config.error(&path, format!("`build.build_system` of `{name}` is missing"), hint)
        })?;
        let publish = |key: &str| given["publish"][key].as_str().map(|value| value.trim().to_owned());
        let (bucket, region, options) = (publish("bucket"), publish("region"), build["options"].clone());
        let version = if written == NEXT_PATCH { FIRST.to_owned() } else { written.clone() };
        let folder = folder.to_owned();
        Ok(Self { folder, config, name, version, author, region, bucket, written, system, options })
    }

    /// The recipe's template.
    ///
    /// # Errors
    /// When there is none, or two.
    pub fn recipe(&self) -> Result<PathBuf, Error> {
        let there: Vec<_> = ["recipe.json", "recipe.yaml"]
            .iter()
            .map(|name| self.folder.join(name))
            .filter(|path| path.is_file())
            .collect();
        match there.as_slice() {
            [recipe] => Ok(recipe.clone()),
            found => Err(Error {
                place: self.folder.display().to_string(),
                message: if found.is_empty() {
                    "no recipe.yaml or recipe.json"
                } else {
                    "recipe.yaml beside recipe.json"
                }
                .into(),
                hint: "a GDK project has one recipe, beside its gdk-config.json".into(),
            }),
        }
    }

    /// The bucket that GDK publishes to from an account; `None` where the configuration names none.
    #[must_use]
    pub fn bucket(&self, account: &str) -> Option<String> {
        Some(format!("{}-{}-{account}", self.bucket.as_ref()?, self.region.as_ref()?))
    }

    /// The component as GDK publishes it from an account. `stated` says what further artifacts are made of, by name.
    ///
    /// # Errors
    /// When it is not built, was changed since, or its recipe can't be resolved; with the file and line.
    pub fn component(&self, account: Option<&str>, stated: &BTreeMap<String, PathBuf>) -> Result<Component, Error> {
        let build = Build::of(self)?;
        let text = build::text(&build.recipe)?;
        if build.recipe.extension().is_some_and(|ending| ending == "json") {
            json(&build.recipe, &text)?;
        }
        let text = if build.published { text } else { self.resolved(&build, &text, account)? };
        let made = build.artifacts.iter().map(|(name, made)| (name.clone(), made.source.clone()));
        let used = made.filter(|(name, _)| text.contains(&format!("/{name}")));
        let sources = used.chain(stated.iter().map(|(name, path)| (name.clone(), path.clone()))).collect();
        let mut component = Component::parse(text, &sources).map_err(|error| located(&build.recipe, error))?;
        for object in &mut component.objects {
            object.only = build.artifacts.get(object.place.file()).and_then(|made| made.only.clone());
        }
        component.project = Some(Files { folder: self.folder.clone(), files: build.files });
        Ok(component)
    }

    /// What the component's artifacts are made of: the files of its zip, relative to the folder; none for what GDK builds.
    ///
    /// # Errors
    /// As [`Project::component`].
    pub fn sources(&self) -> Result<Vec<PathBuf>, Error> {
        if self.system == "zip" { self.zipped() } else { Ok(Vec::new()) }
    }
}

impl Config {
    fn read(path: PathBuf) -> Result<Self, Error> {
        let text = build::text(&path)?;
        let value = json(&path, &text)?;
        // Its places are for errors alone.
        Ok(Self { node: Node::parse(&text).ok(), path, value })
    }

    /// An error at the innermost of these keys that is there.
    fn error(&self, keys: &[&str], message: impl Into<String>, hint: impl Into<String>) -> Error {
        let mut place = Place { line: 1, column: 1 };
        let mut node = self.node.as_ref();
        for key in keys {
            let Some(Content::Map(entries)) = node.map(|node| &node.content) else { break };
            let Some((key, value)) = entries.iter().find(|(known, _)| known.text == *key) else { break };
            (place, node) = (key.place, Some(value));
        }
        let place = format!("{}:{}:{}", self.path.display(), place.line, place.column);
        Error { place, message: message.into(), hint: hint.into() }
    }
}

/// A JSON file's values. A recipe is read as YAML, which takes more than JSON is.
pub(crate) fn json(path: &Path, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error {
        place: format!("{}:{}:{}", path.display(), error.line(), error.column()),
        message: format!("no JSON: {error}"),
        hint: "correct the file's syntax".into(),
    })
}

/// An error of a recipe with its file.
pub(crate) fn located(file: &Path, error: component::Error) -> Error {
    let component::Error { location, message, hint } = error;
    let file = file.display();
    let place = location.map_or_else(|| file.to_string(), |(line, column)| format!("{file}:{line}:{column}"));
    Error { place, message, hint }
}

#[cfg(test)]
mod tests;
