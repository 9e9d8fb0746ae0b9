//! A component version as its author has it: the recipe's own bytes and the files behind its artifacts.
//!
//! The recipe is never changed. It is only read for its name, its version and the places of its artifacts, so that
//! the harness can fill the buckets as `gdk component publish` would.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Name of the public component that gives components the device's credentials.
pub const TOKEN_EXCHANGE_SERVICE: &str = "aws.greengrass.TokenExchangeService";

/// Name of the public component that brings the command line.
pub const CLI: &str = "aws.greengrass.Cli";

/// Name of the public component that is nucleus lite itself.
pub const NUCLEUS_LITE: &str = "aws.greengrass.NucleusLite";

/// One component version.
#[derive(Clone, Debug)]
pub struct Component {
    /// `ComponentName`.
    pub name: String,
    /// `ComponentVersion`.
    pub version: String,
    /// The recipe, byte for byte.
    pub recipe: String,
    /// The recipe's artifacts that have a source.
    pub objects: Vec<Object>,
    /// The GDK project that it was made of, if it was.
    pub project: Option<Files>,
}

/// Files of a folder.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder.
    pub folder: PathBuf,
    /// The files, relative to it.
    pub files: Vec<PathBuf>,
}

/// One artifact.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where the recipe says it is.
    pub place: Place,
    /// A file to upload as it is, or a folder whose content is zipped.
    pub source: PathBuf,
    /// Of a folder, the files that count, relative to it; all when absent.
    pub only: Option<Vec<PathBuf>>,
}

/// What an artifact's URI names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `s3://BUCKET/KEY`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// `greengrass:NAME`, an artifact that AWS keeps.
    Greengrass(String),
}

impl Place {
    fn of(uri: &str) -> Option<Self> {
        if let Some(name) = uri.strip_prefix("greengrass:") {
            return Some(Self::Greengrass(name.to_owned()));
        }
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        Some(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The last part of the URI.
    pub(crate) fn file(&self) -> &str {
        let (Self::S3 { key: path, .. } | Self::Greengrass(path)) = self;
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// Why a recipe can't be used.
#[derive(Debug)]
pub struct Error {
    /// Line and column in the recipe, where known.
    pub location: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Component {
    /// Reads a recipe; `artifacts` says by file name (the last part of an `s3:` or `greengrass:` URI) what each artifact is made of.
    ///
    /// # Errors
    /// When the recipe can't be read or parsed, lacks its name or version, or names an artifact without a source.
    pub fn load(recipe: &Path, artifacts: &BTreeMap<String, PathBuf>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(recipe).map_err(|error| Error {
            location: None,
            message: format!("can't read the recipe: {error}"),
            hint: "name a readable file".into(),
        })?;
        Self::parse(text, artifacts)
    }

    /// Takes a recipe's own text, as [`Component::load`] does.
    ///
    /// # Errors
    /// As [`Component::load`].
    pub fn parse(text: String, artifacts: &BTreeMap<String, PathBuf>) -> Result<Self, Error> {
        let fail = |message: String, hint: &str| Error { location: None, message, hint: hint.into() };
        let document: Value = serde_yaml_ng::from_str(&text).map_err(|error| Error {
            location: error.location().map(|place| (place.line(), place.column())),
            message: format!("not a recipe: {error}"),
            hint: "a recipe is a YAML or JSON document of format 2020-01-25".into(),
        })?;
        let text_field = |name: &str| {
            field(&document, name)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| fail(format!("`{name}` is missing"), "a recipe states its name and version as texts"))
        };
        let (name, version) = (text_field("ComponentName")?, text_field("ComponentVersion")?);
        let mut objects = Vec::new();
        for place in places(&document) {
            if let Some(source) = artifacts.get(place.file()) {
                objects.push(Object { place, source: source.clone(), only: None });
            }
        }
        if let Some(unused) =
            artifacts.keys().find(|name| !objects.iter().any(|object| object.place.file() == name.as_str()))
        {
            return Err(fail(
                format!("no artifact of the recipe is called `{unused}`"),
                "name artifacts by the last part of their `s3:` or `greengrass:` URI",
            ));
        }
        Ok(Self { name, version, recipe: text, objects, project: None })
    }

    /// Whether this is that version of that component.
    #[must_use]
    pub fn is(&self, name: &str, version: &str) -> bool {
        self.name == name && self.version == version
    }

    /// A public component that a core has built in and the cloud lists; nothing for any other.
    #[must_use]
    pub fn public(name: &str, version: &str) -> Option<String> {
        let description = match name {
            TOKEN_EXCHANGE_SERVICE => "Enable Greengrass devices to interact with AWS services using certificates",
            NUCLEUS_LITE => "Run components on constrained devices",
            CLI => "The Greengrass CLI: local development and deployments on the core device",
            _ => return None,
        };
        let (kind, manifest) = match name {
            // What it asks for itself by name, it takes only for its own runtime.
            NUCLEUS_LITE => {
                let platform = serde_json::json!({"os": "linux", "runtime": "aws_nucleus_lite"});
                ("aws.greengrass.nucleus", serde_json::json!({ "Platform": platform, "Lifecycle": {} }))
            }
            _ => ("aws.greengrass.generic", serde_json::json!({})),
        };
        let recipe = serde_json::json!({
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "ComponentDescription": description,
            "ComponentPublisher": "AWS",
            "ComponentType": kind,
            "Manifests": [manifest],
        });
        Some(recipe.to_string())
    }
}

/// Where every artifact is.
fn places(recipe: &Value) -> Vec<Place> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    list(field(recipe, "Manifests"))
        .iter()
        .flat_map(|manifest| list(field(manifest, "Artifacts")))
        .filter_map(|artifact| Place::of(field(&artifact, "Uri")?.as_str()?))
        .collect()
}

/// A field of a recipe, whose keys are case-insensitive.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
