//! The component that a first scenario is for.

use super::{Request, here};
use crate::{
    component::Component,
    gdk::{self, Project},
    scenario::Error,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A component in its folder.
pub(super) struct Subject {
    pub(super) folder: PathBuf,
    /// The file that a person edits.
    pub(super) recipe: PathBuf,
    /// Its text as the device gets it.
    pub(super) component: Component,
    /// The recipe's values.
    pub(super) values: Value,
    /// Its sources, relative to the folder.
    pub(super) sources: Vec<PathBuf>,
    /// Whether it is a GDK project.
    pub(super) gdk: bool,
    pub(super) account: String,
    pub(super) region: String,
    /// Whether the region is only a guess.
    pub(super) region_guessed: bool,
    /// Artifacts by file name: what each is made of, if it was found.
    pub(super) artifacts: BTreeMap<String, Option<PathBuf>>,
}

impl Subject {
    pub(super) fn read(request: &Request) -> Result<Self, Error> {
        let (folder, named) = if request.folder.is_file() {
            (request.folder.parent().unwrap_or(Path::new("")).to_owned(), Some(request.folder.clone()))
        } else {
            (request.folder.clone(), None)
        };
        if !here(&folder).is_dir() {
            let hint = "name the folder of a component: with gdk-config.json, or with a recipe";
            return Err(error(&folder, "there is no such folder", hint));
        }
        if named.is_none() && folder.join(gdk::CONFIG).is_file() {
            Self::gdk(request, folder)
        } else {
            Self::plain(request, folder, named)
        }
    }

    fn gdk(request: &Request, folder: PathBuf) -> Result<Self, Error> {
        // Its zip is called as its folder, whose name `.` does not say.
        let whole =
            here(&folder).canonicalize().map_err(|cause| error(&folder, &cause.to_string(), "make it readable"))?;
        let project = Project::read(&whole)?;
        let (account, sources, recipe) = (request.account.clone(), project.sources()?, project.recipe()?);
        let component = project.component(Some(&account), &BTreeMap::new())?;
        let recipe = folder.join(recipe.file_name().unwrap_or_default());
        let guessed = request.region.is_none() && project.region.is_none();
        let region = request.region.clone().or(project.region);
        Self {
            folder,
            recipe,
            component,
            values: Value::Null,
            sources,
            gdk: true,
            account,
            region: String::new(),
            region_guessed: guessed,
            artifacts: BTreeMap::new(),
        }
        .read_on(region)
    }

    fn plain(request: &Request, folder: PathBuf, named: Option<PathBuf>) -> Result<Self, Error> {
        let recipe = named.map_or_else(|| only_recipe(&folder), Ok)?;
        if recipe.extension().is_some_and(|ending| ending == "json") {
            gdk::json(&recipe, &std::fs::read_to_string(&recipe).unwrap_or_default())?;
        }
        let bare = Component::load(&recipe, &BTreeMap::new()).map_err(|cause| gdk::located(&recipe, cause))?;
        let values: Value = serde_yaml_ng::from_str(&bare.recipe).unwrap_or_default();
        let ours = uris(&values).into_iter().filter(|uri| uri.starts_with("s3://") || uri.starts_with("greengrass:"));
        let called: Vec<_> = ours.filter_map(|uri| Some(uri.rsplit(['/', ':']).next()?.to_owned())).collect();
        let artifacts: BTreeMap<_, _> =
            called.into_iter().map(|name| (name.clone(), source(&folder, &bare, &name))).collect();
        let found = artifacts.iter().filter_map(|(name, path)| Some((name.clone(), path.clone()?))).collect();
        let component = Component::load(&recipe, &found).map_err(|cause| gdk::located(&recipe, cause))?;
        let sources = artifacts.values().flatten().flat_map(|path| below(&folder, path)).collect();
        let (account, guessed) = (request.account.clone(), request.region.is_none());
        Self {
            folder,
            recipe,
            component,
            values,
            sources,
            gdk: false,
            account,
            region: String::new(),
            region_guessed: guessed,
            artifacts,
        }
        .read_on(request.region.clone())
    }

    /// Takes the recipe's values in, and the region, which a bucket's name may say.
    fn read_on(mut self, region: Option<String>) -> Result<Self, Error> {
        self.values = serde_yaml_ng::from_str(&self.component.recipe)
            .map_err(|cause| error(&self.recipe, &cause.to_string(), "correct the recipe's syntax"))?;
        let known = uris(&self.values).iter().find_map(|uri| REGION.find(uri).map(|found| found.as_str().to_owned()));
        self.region = region.or(known).unwrap_or_else(|| "us-east-1".to_owned());
        Ok(self)
    }

    /// The line of the recipe file that has a text.
    pub(super) fn line(&self, text: &str) -> String {
        let written = std::fs::read_to_string(&self.recipe).unwrap_or_default();
        let name = self.recipe.file_name().unwrap_or_default().to_string_lossy();
        let number = written.lines().position(|line| line.contains(text));
        number.map_or_else(|| name.clone().into_owned(), |number| format!("{name}:{}", number + 1))
    }
}

static REGION: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
    regex::Regex::new(r"\b(?:us|eu|ap|sa|ca|af|me|cn|il|mx)(?:-gov)?-[a-z]+-[0-9]\b").expect("the pattern is valid")
});

/// The URIs of the artifacts of all manifests.
pub(super) fn uris(values: &Value) -> Vec<String> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let manifests = list(crate::component::field(values, "Manifests"));
    let artifacts = manifests.iter().flat_map(|manifest| list(crate::component::field(manifest, "Artifacts")));
    artifacts.filter_map(|artifact| Some(crate::component::field(&artifact, "Uri")?.as_str()?.to_owned())).collect()
}

/// The one recipe of a folder.
fn only_recipe(folder: &Path) -> Result<PathBuf, Error> {
    let mut found = Vec::new();
    for within in [folder.to_owned(), folder.join("recipes")] {
        let entries = here(&within).read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        for path in
            entries.filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json"))
        {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // A recipe that can't be parsed is still one, and is told with its line.
            if path.file_stem().is_some_and(|stem| stem == "recipe")
                || text.to_ascii_lowercase().contains("recipeformatversion")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    match found.as_slice() {
        [recipe] => Ok(recipe.clone()),
        [] => Err(error(
            folder,
            "there is no component: neither gdk-config.json nor a recipe",
            "name a component's folder, or its recipe file",
        )),
        [first, ..] => {
            let hint = format!("name the one that is meant: `greenproof init {}`", super::shown(first));
            Err(error(folder, &format!("there are {} recipes", found.len()), &hint))
        }
    }
}

/// What an artifact of a plain recipe is made of: the file, or for a zip the folder of its name, where people keep them.
fn source(folder: &Path, component: &Component, name: &str) -> Option<PathBuf> {
    let versioned = format!("artifacts/{}/{}", component.name, component.version);
    let places = ["", "artifacts", versioned.as_str(), "build", "dist"].map(|place| folder.join(place));
    let file = places.iter().map(|place| place.join(name)).find(|path| path.is_file());
    let stem = name.strip_suffix(".zip");
    file.or_else(|| stem.and_then(|stem| places.iter().map(|place| place.join(stem)).find(|path| path.is_dir())))
}

/// The files that are, or are below, a path; relative to the folder.
fn below(folder: &Path, path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = path.read_dir().into_iter().flatten().flatten();
        return entries.flat_map(|entry| below(folder, &entry.path())).collect();
    }
    path.strip_prefix(folder).map(Path::to_owned).into_iter().collect()
}

fn error(path: &Path, message: &str, hint: &str) -> Error {
    Error { place: here(path).display().to_string(), message: message.to_owned(), hint: hint.to_owned() }
}
