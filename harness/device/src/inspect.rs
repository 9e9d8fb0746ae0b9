//! What the nucleus makes of a recipe, for tools that have no device.

pub use crate::recipe::yaml::{Content, Key, Node, Place, Unreadable};

use crate::{
    deployment,
    interpolate::{Scope, Subject},
    platform::Attributes,
    recipe::Recipe,
    requirement::Requirement,
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// A recipe as one platform sees it.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which manifest is used, counted from 0.
    pub manifest: usize,
    /// The lifecycle, selectors resolved.
    pub lifecycle: Value,
}

/// Reads a recipe as the nucleus does and chooses for a platform of these attributes.
///
/// # Errors
/// The nucleus's reason to refuse it.
pub fn choose(recipe: &[u8], platform: &BTreeMap<String, String>) -> Result<Chosen, String> {
    let platform: &Attributes = platform;
    let recipe = Recipe::parse(recipe).map_err(|error| error.to_string())?;
    let selected = recipe.select(platform).map_err(|error| error.to_string())?;
    Ok(Chosen { manifest: selected.manifest, lifecycle: selected.lifecycle })
}

/// Reads a recipe as the nucleus does.
///
/// # Errors
/// The nucleus's reason to refuse it.
pub fn read(recipe: &[u8]) -> Result<(), String> {
    Recipe::parse(recipe).map(|_| ()).map_err(|error| error.to_string())
}

/// Whether the nucleus understands a version requirement.
#[must_use]
pub fn is_requirement(text: &str) -> bool {
    Requirement::parse(text).is_ok()
}

/// Replaces the recipe variables of a component that depends on these others, all with one configuration; also how many
/// ERROR lines it costs.
///
/// # Errors
/// If a pointer into the configuration is none, which ends the deployment.
pub fn interpolate(tree: &Value, configuration: &Value, dependencies: &[&str]) -> Result<(Value, usize), String> {
    let subject =
        |name: &str| Subject { name: name.into(), version: "1.0.0".into(), configuration: configuration.clone() };
    let dependencies = dependencies.iter().map(|name| ((*name).to_owned(), subject(name))).collect();
    let (own, root) = (subject("component"), Path::new("/greengrass/v2"));
    let scope = Scope { own: &own, dependencies: &dependencies, root, thing: "thing", configuration: true };
    let mut complaints = Vec::new();
    let replaced = scope.interpolate(tree, &mut complaints).map_err(|error| error.to_string())?;
    Ok((replaced, complaints.len()))
}

/// Whether a text is the document of a deployment that the nucleus takes.
#[must_use]
pub fn is_deployment(text: &[u8]) -> bool {
    serde_json::from_slice(text).is_ok_and(|document| deployment::is_document(&document))
}
