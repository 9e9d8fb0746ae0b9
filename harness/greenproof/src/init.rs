//! The first scenario of a component: what can be read from its recipe and sources, written as files that a person goes on
//! with: a scenario, the least policy, and a CI job.
//!
//! What is guessed says so in a comment; what can't be known is a value that begins with `FILL IN: `, which
//! `greenproof run` refuses with its line. No file is overwritten.

mod ci;
mod needs;
mod policy;
mod scenario;
mod subject;

pub use ci::Ci;

use crate::scenario::Error;
use needs::Needs;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use subject::Subject;

/// Where a component's scenarios go; GDK leaves a folder of this name out of the component's zip.
pub(crate) const FOLDER: &str = "tests/greenproof";

/// The account that AWS's own examples have.
pub const ACCOUNT: &str = "123456789012";

/// What a person says beside the folder.
#[derive(Clone, Debug)]
pub struct Request {
    /// A component's folder, or its recipe.
    pub folder: PathBuf,
    /// The CI to write a job for; what the folder's git remote suggests when absent.
    pub ci: Option<Ci>,
    /// The account that the policies name.
    pub account: String,
    /// The region, instead of the one that GDK publishes to.
    pub region: Option<String>,
    /// Where repositories are that the recipe needs, by `OWNER/NAME`: a checkout, or a folder to commit.
    pub repositories: BTreeMap<String, PathBuf>,
    /// The action that a GitHub workflow uses, `OWNER/REPOSITORY@REF`.
    pub action: Option<String>,
    /// Whether files that are there may be replaced.
    pub force: bool,
}

/// What was written, and what to look at.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The component's name.
    pub component: String,
    /// The files, the scenario first.
    pub files: Vec<PathBuf>,
    /// What a person should look at, in order.
    pub notes: Vec<String>,
    /// Whether the scenario has something to fill in before it runs.
    pub unfilled: bool,
}

/// Reads a component and writes its first scenario.
///
/// # Errors
/// When there is no component, it can't be read, or a file that is to be written is there already.
pub fn init(request: &Request) -> Result<Written, Error> {
    let subject = Subject::read(request)?;
    let needs = Needs::of(&subject, request);
    let short = subject.component.name.rsplit('.').next().unwrap_or_default().to_owned();
    let folder = subject.folder.join(FOLDER);
    let file = folder.join(format!("{short}.toml"));
    let policy = policy::least(&subject, &needs);
    let text = scenario::text(&subject, &needs, policy.as_ref().map(|_| policy::NAME));
    let mut files = vec![(file.clone(), text)];
    files.extend(policy.map(|text| (folder.join(policy::NAME), text)));
    files.push((folder.join(policy::CORE), policy::core(&subject)));
    if !needs.packages.is_empty() {
        files.push((folder.join(scenario::REQUIREMENTS), needs.packages.join("\n") + "\n"));
    }
    let mut notes = needs.notes.clone();
    if let Some(job) = ci::job(request, &subject.folder, &file) {
        notes.extend(job.note);
        files.push((job.file, job.text));
    }
    let unfilled = files[0].1.contains(crate::scenario::UNFILLED);
    write(&files, request.force)?;
    let files = files.into_iter().map(|(path, _)| path).collect();
    Ok(Written { component: subject.component.name, files, notes, unfilled })
}

/// Writes all files, or none when one is there.
fn write(files: &[(PathBuf, String)], force: bool) -> Result<(), Error> {
    let there: Vec<_> = files.iter().filter(|(path, _)| path.exists()).map(|(path, _)| shown(path)).collect();
    if let Some(first) = there.first().filter(|_| !force) {
        let more = if there.len() > 1 { format!(", and {} more", there.len() - 1) } else { String::new() };
        return Err(Error {
            place: first.clone(),
            message: format!("this file is there already{more}"),
            hint: "`--force` replaces what is there, and `--ci none` writes no CI job".into(),
        });
    }
    for (path, text) in files {
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text));
        written.map_err(|error| Error {
            place: shown(path),
            message: format!("can't be written: {error}"),
            hint: "make the folder writable".into(),
        })?;
    }
    Ok(())
}

/// A folder that can be asked for; the one that commands run in has no name.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// A path as a person types it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    text.strip_prefix("./").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
