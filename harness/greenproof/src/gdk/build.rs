//! What there is of a project's build, or what stands in for it.

use super::{FIRST, NEXT_PATCH, Project};
use crate::scenario::Error;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The folder that GDK builds into.
const FOLDER: &str = "greengrass-build";

/// A recipe and the artifacts that go with it.
pub(super) struct Build {
    pub(super) recipe: PathBuf,
    /// Whether it is the text that was published.
    pub(super) published: bool,
    /// Whether GDK, or what it ran, wrote it.
    pub(super) built: bool,
    /// By file name.
    pub(super) artifacts: BTreeMap<String, Made>,
    /// All of the project that it needs, relative to the folder.
    pub(super) files: Vec<PathBuf>,
}

/// What an artifact is made of.
pub(super) struct Made {
    pub(super) source: PathBuf,
    /// Of a folder to zip, the files that count.
    pub(super) only: Option<Vec<PathBuf>>,
}

impl Build {
    pub(super) fn of(project: &Project) -> Result<Self, Error> {
        let recipes = project.folder.join(FOLDER).join("recipes");
        if recipes.is_dir() { Self::left_by_gdk(project, &recipes) } else { Self::of_sources(project) }
    }

    fn left_by_gdk(project: &Project, recipes: &Path) -> Result<Self, Error> {
        let again = "run `gdk component build`, or remove greengrass-build";
        let is_recipe = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml" || ending == "json");
        let recipes: Vec<_> = entries(recipes)?.into_iter().filter(is_recipe).collect();
        let named = |stem: &str| recipes.iter().find(|path| path.file_stem().is_some_and(|name| name == stem));
        let prefix = format!("{}-", project.name);
        let is_published =
            |path: &&PathBuf| path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        let Some(built) = named("recipe") else {
            return Err(project.error(format!("greengrass-build has no recipe of `{}`", project.name), again));
        };
        let published = recipes.iter().find(is_published);
        let folder = Path::new(FOLDER).join("artifacts").join(&project.name).join(&project.written);
        let artifacts =
            if project.folder.join(&folder).is_dir() { entries(&project.folder.join(&folder))? } else { Vec::new() };
        project.check_fresh(built)?;
        let recipe = published.unwrap_or(built).clone();
        let used = artifacts.iter().chain([built, &recipe]);
        let relative = |path: &PathBuf| path.strip_prefix(&project.folder).ok().map(Path::to_owned);
        let mut files: Vec<_> = used.filter_map(relative).chain([super::CONFIG.into()]).collect();
        files.sort();
        files.dedup();
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let artifacts = artifacts.iter().map(|path| (name(path), Made { source: path.clone(), only: None })).collect();
        Ok(Self { recipe, published: published.is_some(), built: true, artifacts, files })
    }

    /// As GDK would build it, for the one build system that runs nothing.
    fn of_sources(project: &Project) -> Result<Self, Error> {
        if project.system != "zip" {
            let message =
                format!("`{}` is built by `{}`, and greengrass-build is missing", project.name, project.system);
            return Err(project.error(message, "run `gdk component build` first"));
        }
        let (recipe, zipped) = (project.recipe()?, project.zipped()?);
        let name = recipe.file_name().unwrap_or_default().into();
        let files = zipped.iter().cloned().chain([super::CONFIG.into(), name]).collect();
        let made = Made { source: project.folder.clone(), only: Some(zipped) };
        Ok(Self {
            recipe,
            published: false,
            built: false,
            artifacts: BTreeMap::from([(project.zip_name(), made)]),
            files,
        })
    }
}

impl Project {
    /// Refuses a build that is older than what it was made of: the device would run something else than the sources say.
    fn check_fresh(&self, built: &Path) -> Result<(), Error> {
        // A bundle has the build alone.
        let Ok(recipe) = self.recipe() else { return Ok(()) };
        let made = changed(built)?;
        // What people and tools write beside the sources makes no build stale.
        let beside = |file: &PathBuf| {
            let hidden = file.iter().any(|part| part.to_string_lossy().starts_with('.'));
            hidden || file.starts_with(crate::init::FOLDER)
        };
        let sources = self.sources()?.into_iter().filter(|file| !beside(file));
        let sources = sources.map(|file| self.folder.join(file)).chain([recipe]);
        for source in sources {
            if changed(&source)? > made {
                let name = source.strip_prefix(&self.folder).unwrap_or(&source).display();
                let message = format!("`{name}` was changed after the build in greengrass-build");
                return Err(self.error(message, "run `gdk component build` again, or remove greengrass-build"));
            }
        }
        Ok(())
    }

    fn error(&self, message: impl Into<String>, hint: &str) -> Error {
        self.config.error(&["component", &self.name, "build", "build_system"], message, hint)
    }

    /// The version that goes into a recipe of the build.
    pub(super) fn counted(&self) -> &str {
        if self.written == NEXT_PATCH { FIRST } else { &self.written }
    }
}

/// A file's text.
pub(super) fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn changed(path: &Path) -> Result<SystemTime, Error> {
    path.metadata().and_then(|metadata| metadata.modified()).map_err(|error| unreadable(path, &error))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut entries = read().map_err(|error| unreadable(folder, &error))?;
    entries.sort();
    Ok(entries)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let hint = "name a folder with a readable gdk-config.json and recipe";
    Error { place: path.display().to_string(), message: format!("can't be read: {error}"), hint: hint.into() }
}
