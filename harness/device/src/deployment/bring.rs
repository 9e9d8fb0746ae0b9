//! What a local deployment brings along: recipes and artifacts from folders of the device.

use super::{Deployer, LOGGER, document::Document};
use crate::{failure::Failure, log::Line, recipe::Recipe};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Something that can't be done with a file.
#[derive(Debug)]
struct Unusable {
    path: PathBuf,
    error: io::Error,
}

impl Unusable {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |error| Self { path, error }
    }

    /// The message that Java's exception has.
    fn message(&self) -> String {
        let path = self.path.display();
        match self.error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => path.to_string(),
            _ => format!("{path}: {}", self.error.to_string().split(" (os error").next().unwrap_or_default()),
        }
    }
}

impl Deployer {
    /// Takes in the recipes and artifacts that a local deployment brings.
    pub(super) fn bring(&self, document: &Document) -> Result<(), Failure> {
        let Some((recipes, artifacts)) = &document.folders else { return Ok(()) };
        let brought = recipes.as_deref().map_or(Ok(()), |folder| self.bring_recipes(folder));
        brought.and_then(|()| artifacts.as_deref().map_or(Ok(()), |folder| self.bring_artifacts(folder))).map_err(
            |failure| {
                let failure = failure.wrapped("Error copying recipes and artifacts");
                let line = Line::error(LOGGER).message("Error copying recipes and artifacts");
                self.kernel.logs.nucleus(&line.cause(failure.to_string()));
                failure
            },
        )
    }

    fn bring_recipes(&self, folder: &Path) -> Result<(), Failure> {
        for file in files(folder).map_err(|unusable| failure(unusable.message()))? {
            let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            let text = fs::read(&file).map_err(Unusable::at(&file)).map_err(|unusable| failure(unusable.message()))?;
            if text.is_empty() || !matches!(extension.as_deref(), Some("yaml" | "yml" | "json")) {
                let text = format!("Skipping file {} because it was not recognized as a recipe", file.display());
                self.kernel.logs.nucleus(&Line::error(LOGGER).message(text));
                continue;
            }
            let read = if extension.as_deref() == Some("json") { Recipe::parse_json } else { Recipe::parse };
            let recipe = read(&text).map_err(|error| {
                let reason = error.reason();
                let text = format!("Unable to parse {} as a recipe due to: {reason}", file.display());
                Failure::new(text, &["IO_ERROR", "IO_WRITE_ERROR", "IO_MAPPING_ERROR"]).because(reason)
            })?;
            self.kernel.store.keep_recipe(&recipe, None).map_err(|error| failure(error.to_string()))?;
        }
        Ok(())
    }

    fn bring_artifacts(&self, folder: &Path) -> Result<(), Failure> {
        let copied = files(folder).and_then(|files| {
            files.into_iter().try_for_each(|file| {
                let inside = file.strip_prefix(folder).unwrap_or(&file);
                self.kernel.store.bring_artifact(&file, inside).map_err(Unusable::at(&file))
            })
        });
        copied.map_err(|unusable| {
            let message = unusable.message();
            failure(format!("Unable to copy artifacts from  {} due to: {message}", folder.display())).because(message)
        })
    }
}

fn failure(message: String) -> Failure {
    Failure::new(message, &["IO_ERROR", "IO_WRITE_ERROR"])
}

/// The files below a folder, or the one file that it is.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Unusable> {
    if folder.is_file() {
        return Ok(vec![folder.into()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Unusable::at(folder))? {
        let path = entry.map_err(Unusable::at(folder))?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
