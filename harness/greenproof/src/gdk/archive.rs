//! Which files `gdk component build` puts into the zip of a project.

use super::Project;
use crate::scenario::Error;
use glob::{MatchOptions, Pattern};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What is left out unless `build.options` says something else: tests, hidden files, what npm installs.
const USUAL: [&str; 3] = ["**/test*", "**/.*", "**/node_modules"];

/// What GDK and greenproof make, which no fresh checkout has; and `.git`, which GDK zips too where `build.options` don't
/// exclude it, and which no component needs on a device.
const MADE: [&str; 4] = ["greengrass-build", "zip-build", "greenproof-evidence", ".git"];

/// As Python's `glob` reads a pattern.
const LIKE_PYTHON: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

impl Project {
    /// What the zip is called.
    pub(super) fn zip_name(&self) -> String {
        let folder = || self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = match self.options["zip_name"].as_str() {
            None => folder(),
            Some("") => self.name.clone(),
            Some(name) => name.to_owned(),
        };
        format!("{stem}.zip")
    }

    /// The files of the zip, relative to the folder and in order.
    pub(super) fn zipped(&self) -> Result<Vec<PathBuf>, Error> {
        let recipe = self.recipe()?;
        let recipe = recipe.file_name().unwrap_or_default().to_string_lossy();
        let given = self.options.as_object().filter(|options| !options.is_empty());
        let excludes: Vec<String> = match given.map(|options| options.get("excludes")) {
            None => USUAL.map(str::to_owned).into(),
            Some(excludes) => {
                let excludes = excludes.and_then(|excludes| excludes.as_array()).into_iter().flatten();
                excludes.filter_map(|pattern| Some(pattern.as_str()?.to_owned())).collect()
            }
        };
        let patterns = excludes.iter().map(|text| {
            Pattern::new(text.trim_end_matches('/')).map_err(|error| {
                let message = format!("`{text}` of `build.options.excludes` is no pattern: {error}");
                self.config.error(&["component", &self.name, "build", "options", "excludes"], message, "correct it")
            })
        });
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        let left_out = |path: &Path| {
            let top = path.to_string_lossy();
            let own = top == super::CONFIG || top == recipe || MADE.contains(&top.as_ref());
            own || patterns.iter().any(|pattern| pattern.matches_path_with(path, LIKE_PYTHON))
        };
        let mut files = Vec::new();
        collect(&self.folder, Path::new(""), &left_out, &mut files).map_err(|error| Error {
            place: self.folder.display().to_string(),
            message: format!("can't be read: {error}"),
            hint: "make it readable".into(),
        })?;
        files.sort();
        Ok(files)
    }
}

fn collect(root: &Path, within: &Path, left_out: &dyn Fn(&Path) -> bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in root.join(within).read_dir()? {
        let path = within.join(entry?.file_name());
        if left_out(&path) {
            continue;
        }
        if root.join(&path).is_dir() { collect(root, &path, left_out, files)? } else { files.push(path) }
    }
    Ok(())
}
