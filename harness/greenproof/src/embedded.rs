//! The fixtures inside the program, so that it runs from an empty folder: the failure library and the reference scenario,
//! with all that their scenarios name. `build.rs` lists them.

use crate::scratch::Scratch;
use std::{
    io,
    path::{Path, PathBuf},
};

const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// The reference scenario's file.
const REFERENCE: &str = "scenarios/private-package.toml";

/// That and what it names.
const OF_REFERENCE: [&str; 4] = [REFERENCE, "components/com.example.GithubCustomPack", "packages", "policies"];

/// The embedded files below a folder of the fixtures: path and content, in order of path.
pub(crate) fn files(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().copied().filter(move |(path, _)| Path::new(path).starts_with(folder))
}

/// What the name of the folder has that the reference scenario is written into.
const FOLDER: &str = "reference";

/// Whether a file is in a folder that the reference scenario was written into.
pub(crate) fn is_reference(file: &Path) -> bool {
    let prefix = format!("greenproof-{FOLDER}-");
    file.ancestors().filter_map(Path::file_name).any(|name| name.to_string_lossy().starts_with(&prefix))
}

/// The reference scenario in a temporary folder, with what it names.
#[derive(Debug)]
pub struct Reference(Scratch);

impl Reference {
    /// Writes it.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new() -> io::Result<Self> {
        let folder = Scratch::new(FOLDER)?;
        reference(folder.path())?;
        Ok(Self(folder))
    }

    /// The scenario's file.
    #[must_use]
    pub fn scenario(&self) -> PathBuf {
        self.0.path().join(REFERENCE)
    }
}

/// Writes the fixtures below `folder`.
///
/// # Errors
/// When a file can't be written.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    put(FILES.iter().copied(), folder)
}

/// Writes the reference scenario and what it names below `folder`; gives the scenario file's path.
///
/// # Errors
/// When a file can't be written.
pub fn reference(folder: &Path) -> io::Result<PathBuf> {
    put(OF_REFERENCE.into_iter().flat_map(files), folder)?;
    Ok(folder.join(REFERENCE))
}

fn put(files: impl Iterator<Item = (&'static str, &'static [u8])>, folder: &Path) -> io::Result<()> {
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, content)?;
    }
    Ok(())
}
