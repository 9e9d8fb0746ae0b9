//! The failure library: what goes wrong on real devices, each with its cause, its fix, how it is made to happen here and how
//! a log shows it.
//!
//! A failure is one file, `failures/FNN-slug.toml`: a scenario that reproduces it, the table `[failure]`, and its signs
//! (docs/FAILURES.md). The library travels inside the program; [`Library::write`] puts it on a disk, where its scenarios
//! are loaded from.
//!
//! ```
//! let library = greenproof::failure::Library::embedded();
//! assert_eq!(library.get("F38").unwrap().title, "GitHub refuses the token");
//! ```

mod sign;

pub use sign::{Of, Sign};

use crate::embedded;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The failures, in order of their ids.
#[derive(Debug)]
pub struct Library {
    failures: Vec<Failure>,
    origin: Origin,
}

/// Where a library's files are.
#[derive(Debug)]
enum Origin {
    Embedded,
    Folder(PathBuf),
}

/// One failure.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Its id, such as `F14`.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// Why it happens.
    pub cause: String,
    /// What to do about it.
    pub fix: String,
    /// Where it is known from.
    pub source: String,
    /// Why it can't be made to happen here, if so.
    pub cannot: Option<String>,
    /// Why no log shows it, if so.
    pub silent: Option<String>,
    /// Whether it only names what another failure leads to.
    pub consequence: bool,
    /// The failures than which it is the better answer, where a log shows both.
    pub before: Vec<String>,
    /// How a log shows it; any of them does.
    pub signs: Vec<Sign>,
    /// The scenario that reproduces it, a path below the library's folder, such as `failures/F14-….toml`.
    pub scenario: Option<String>,
    /// Further variants of it.
    pub more: Vec<More>,
}

/// A further variant of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct More {
    /// The scenario that reproduces it, a path below the library's folder.
    pub scenario: String,
    /// The failure that its logs show instead, where they can't be told from that one's.
    pub shows: Option<String>,
}

/// Why a library can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {message}")]
pub struct Error {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

/// A file of the library, as far as the library is about it: the rest is a scenario.
#[derive(Deserialize)]
struct File {
    base: Option<String>,
    failure: toml::Table,
}

/// The table `[failure]` of a further variant of a failure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    of: String,
    shows: Option<String>,
}

/// The table `[failure]` of a failure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    id: String,
    title: String,
    cause: String,
    fix: String,
    source: String,
    cannot: Option<String>,
    silent: Option<String>,
    #[serde(default)]
    consequence: bool,
    #[serde(default)]
    before: Vec<String>,
    #[serde(default, rename = "sign")]
    signs: Vec<Sign>,
}

impl Library {
    /// The library inside this program.
    ///
    /// # Panics
    /// Never: a test reads it.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
            let texts = embedded::files("failures").map(|(path, content)| (path.to_owned(), content.to_vec()));
            Library::read(texts, Origin::Embedded)
                .unwrap_or_else(|error| panic!("the embedded library is valid: {error}"))
        });
        &LIBRARY
    }

    /// The library of a folder that holds `failures/`, and what their scenarios name.
    ///
    /// # Errors
    /// When a file can't be read or is no failure.
    pub fn of_folder(folder: &Path) -> Result<Self, Error> {
        let failed = |error: io::Error| Error { file: folder.display().to_string(), message: error.to_string() };
        let mut files = Vec::new();
        collect(folder, Path::new("failures"), &mut files).map_err(failed)?;
        Self::read(files, Origin::Folder(folder.to_owned()))
    }

    fn read(files: impl IntoIterator<Item = (String, Vec<u8>)>, origin: Origin) -> Result<Self, Error> {
        // The embedded library is checked by a test: patterns take time.
        let check = !matches!(origin, Origin::Embedded);
        let mut failures = BTreeMap::new();
        let mut variants = Vec::new();
        let is_scenario = |path: &str| Path::new(path).extension().is_some_and(|extension| extension == "toml");
        for (path, content) in files.into_iter().filter(|(path, _)| is_scenario(path)) {
            let failed = |message: String| Error { file: path.clone(), message };
            let text = std::str::from_utf8(&content).map_err(|error| failed(error.to_string()))?;
            if !text.lines().any(|line| line.starts_with("[failure]")) {
                // A base that scenarios of the library share.
                continue;
            }
            let invalid = |error: toml::de::Error| failed(error.message().to_owned());
            let File { base, failure } = toml::from_str(text).map_err(invalid)?;
            if failure.contains_key("of") {
                let Variant { of, shows } = failure.try_into().map_err(invalid)?;
                variants.push((of, More { scenario: path, shows }));
                continue;
            }
            let stated: Stated = failure.try_into().map_err(invalid)?;
            let failure = stated.at(base.is_some().then(|| path.clone()), check).map_err(failed)?;
            if let Some(other) = failures.insert(failure.id.clone(), failure) {
                return Err(Error { file: path, message: format!("there is another `{}`", other.id) });
            }
        }
        for (of, more) in variants {
            let Some(failure) = failures.get_mut(&of) else {
                return Err(Error { file: more.scenario, message: format!("there is no failure `{of}`") });
            };
            failure.more.push(more);
        }
        Ok(Self { failures: failures.into_values().collect(), origin })
    }

    /// All failures, in order of their ids.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The failure that the logs of a scenario show; the scenario is a path below the library's folder.
    #[must_use]
    pub fn shown_by(&self, scenario: &str) -> Option<&str> {
        self.failures.iter().flat_map(Failure::scenarios).find(|(path, _)| *path == scenario).map(|(_, id)| id)
    }

    /// The failure of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.id.eq_ignore_ascii_case(id))
    }

    /// Writes the library below a folder, with all that its scenarios name, so that they can be loaded there.
    ///
    /// # Errors
    /// When a file can't be read or written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        match &self.origin {
            Origin::Embedded => embedded::write(folder),
            Origin::Folder(origin) => {
                let mut files = Vec::new();
                collect(origin, Path::new(""), &mut files)?;
                for (path, content) in files {
                    let path = folder.join(path);
                    std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
                    std::fs::write(path, content)?;
                }
                Ok(())
            }
        }
    }
}

impl Stated {
    fn at(self, scenario: Option<String>, check: bool) -> Result<Failure, String> {
        let Self { id, title, cause, fix, source, cannot, silent, consequence, before, signs } = self;
        for sign in signs.iter().filter(|_| check) {
            sign.check()?;
        }
        let more = Vec::new();
        Ok(Failure { id, title, cause, fix, source, cannot, silent, consequence, before, signs, scenario, more })
    }
}

impl Failure {
    /// Its scenarios, each with the failure that its logs show.
    pub fn scenarios(&self) -> impl Iterator<Item = (&str, &str)> {
        let more = self.more.iter().map(|more| (more.scenario.as_str(), more.shows.as_deref().unwrap_or(&self.id)));
        self.scenario.as_deref().map(|own| (own, self.id.as_str())).into_iter().chain(more)
    }

    /// The scenario that reproduces it, its own or else the first of its variants: a path below the library's folder.
    #[must_use]
    pub fn reproduction(&self) -> Option<&str> {
        self.scenario.as_deref().or_else(|| self.more.first().map(|more| more.scenario.as_str()))
    }
}

/// The files below `root/within`, by their paths below `root`, in order.
fn collect(root: &Path, within: &Path, files: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let mut names: Vec<_> =
        root.join(within).read_dir()?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let path = within.join(name);
        let whole = root.join(&path);
        if whole.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push((path.to_string_lossy().into_owned(), std::fs::read(whole)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
