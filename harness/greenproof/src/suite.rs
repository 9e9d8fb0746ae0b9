//! The scenarios of files and folders, and which of them are wanted.
//!
//! A file that is named is a scenario, whatever it says. Below a folder every `.toml` file is one that says at its top level
//! what happens, what is to be seen or what it starts from. What else lies there (worlds that others start
//! from, other programs' files) is left out, and so are hidden folders and evidence folders.

mod partition;
mod wanted;

pub use partition::Partition;
pub use wanted::{Filter, Wanted};

use crate::{
    evidence::folder,
    scenario::{Error, Scenario},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

/// What makes a file below a folder a scenario.
const MARKS: [&str; 8] = ["base", "deployment", "step", "expect", "faults", "fleet", "leaks", "must_fail"];
/// How many folders a name has at most.
const DEEPEST: usize = 64;

/// Scenarios that were found and are wanted.
#[derive(Debug, Default)]
pub struct Suite {
    /// The scenarios, in order of the places, and in each by path. Their names differ.
    pub scenarios: Vec<Scenario>,
    /// The file of each.
    pub files: Vec<PathBuf>,
    /// How many scenarios there are, wanted or not.
    pub seen: usize,
    /// The folders, tags and filters by which none was chosen.
    pub idle: Vec<String>,
}

impl Suite {
    /// Finds the scenarios of files and folders, and reads those that are wanted. `evidence` is a folder that is left out.
    ///
    /// # Errors
    /// When a place can't be read, or a scenario that is wanted can't be used.
    pub fn of(places: &[PathBuf], wanted: &Wanted, evidence: &Path) -> Result<Self, Error> {
        let evidence = evidence.canonicalize().ok();
        let (mut files, mut idle) = (Vec::new(), Vec::new());
        for place in places {
            if place.is_dir() {
                let before = files.len();
                below(place, evidence.as_deref(), &mut files)?;
                if files.len() == before {
                    idle.push(format!("`{}`", place.display()));
                }
            } else {
                files.push(place.clone());
            }
        }
        let mut known = BTreeSet::new();
        files.retain(|file| known.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
        let names = names(&files);
        idle.extend(wanted.idle_filters(&names));
        let (mut suite, mut tags) = (Self { seen: files.len(), ..Self::default() }, BTreeSet::new());
        for (file, name) in files.iter().zip(names) {
            if !wanted.name(&name) {
                continue;
            }
            let mut scenario = Scenario::load(file)?;
            scenario.name = name;
            tags.extend(scenario.tags.iter().cloned());
            if wanted.tags(&scenario) {
                suite.scenarios.push(scenario);
                suite.files.push(file.clone());
            }
        }
        idle.extend(wanted.idle_tags(&tags));
        Ok(Self { idle, ..suite })
    }
}

/// The scenario files below a folder, by path.
fn below(folder: &Path, evidence: Option<&Path>, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |path: &Path, error: &io::Error| Error {
        place: path.display().to_string(),
        message: format!("can't read it: {error}"),
        hint: "make it readable, or name the files".to_owned(),
    };
    let entries = folder.read_dir().map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| (entry.file_type(), entry.path())).collect();
    paths.sort_by(|(_, a), (_, b)| a.cmp(b));
    for (kind, path) in paths {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_folder = kind.map_err(|error| unreadable(&path, &error))?.is_dir();
        if hidden {
            continue;
        }
        if is_folder {
            let of_evidence = path.join(folder::NAME).exists()
                || (evidence.is_some() && path.canonicalize().ok().as_deref() == evidence);
            if !of_evidence {
                below(&path, evidence, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "toml")
            && is_scenario(&std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?)
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a file below a folder is a scenario. One that is no TOML may have been meant as one, and is told of when it is
/// read.
fn is_scenario(text: &str) -> bool {
    text.parse::<toml::Table>().map_or(true, |table| MARKS.iter().any(|mark| table.contains_key(*mark)))
}

/// What the files' scenarios are called: as the files, with as many of the folders before it as it takes to tell them
/// apart.
fn names(files: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<_> = files.iter().map(|file| named(file, 0)).collect();
    for folders in 1..DEEPEST {
        let mut count: BTreeMap<_, usize> = BTreeMap::new();
        for name in &names {
            *count.entry(name.clone()).or_default() += 1;
        }
        if count.values().all(|count| *count == 1) {
            break;
        }
        for (name, file) in names.iter_mut().zip(files).filter(|(name, _)| count[*name] > 1) {
            *name = named(file, folders);
        }
    }
    names
}

/// The name of a file with so many of its folders.
fn named(file: &Path, folders: usize) -> String {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let folders = folder.ancestors().take(folders);
    let mut words: Vec<_> =
        folders.filter_map(|folder| folder.file_name()).map(|name| name.to_string_lossy()).collect();
    words.reverse();
    words.push(file.file_stem().unwrap_or_default().to_string_lossy());
    words.join("-")
}

#[cfg(test)]
mod tests;
