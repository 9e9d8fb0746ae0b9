//! Git repositories made from folders; the one home of `git2`.

use super::Error;
use git2::{IndexAddOption, RepositoryInitOptions, Signature};
use std::path::Path;

/// A bare repository with one commit.
#[derive(Clone, Debug)]
pub struct Bare {
    /// The commit that `HEAD` is at, in hex.
    pub head: String,
    /// The repository's folder as a tar archive.
    pub tar: Vec<u8>,
}

impl Bare {
    /// Commits a folder's content on `main` of a new repository.
    pub(super) fn from_folder(source: &Path) -> Result<Self, Error> {
        let doing = || format!("making a repository of `{}`", source.display());
        let folder =
            tempfile::Builder::new().prefix("greenproof-git-").tempdir().map_err(|e| Error::new(doing(), e))?;
        let head = commit(source, folder.path()).map_err(|error| Error::new(doing(), error.message()))?;
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all(".", folder.path()).map_err(|error| Error::new(doing(), error))?;
        let tar = archive.into_inner().map_err(|error| Error::new(doing(), error))?;
        Ok(Self { head, tar })
    }
}

fn commit(source: &Path, into: &Path) -> Result<String, git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("main");
    let repository = git2::Repository::init_opts(into, &options)?;
    repository.set_workdir(source, false)?;
    let mut index = repository.index()?;
    index.add_all(["*"], IndexAddOption::FORCE, None)?;
    let tree = repository.find_tree(index.write_tree()?)?;
    let author = Signature::now("cm-taro", "cm-taro@example.com")?;
    let id = repository.commit(Some("HEAD"), &author, &author, "Initial commit", &tree, &[])?;
    Ok(id.to_string())
}
