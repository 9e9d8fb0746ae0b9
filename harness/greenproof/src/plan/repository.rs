//! Git repositories made from folders, checkouts and bundles; the one home of `git2`.

use super::Error;
use crate::{scenario::Origin, scratch::Scratch};
use git2::{IndexAddOption, Oid, RepositoryInitOptions, Signature};
use std::{io::Write, path::Path};

/// What is taken over of a repository: branches and tags.
const REFERENCES: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// A bare repository.
#[derive(Clone, Debug)]
pub struct Bare {
    /// The commit that `HEAD` is at, in hex.
    pub head: String,
    /// The repository's folder as a tar archive.
    pub tar: Vec<u8>,
}

impl Bare {
    /// Makes a repository of where it comes from.
    pub(crate) fn of(origin: &Origin) -> Result<Self, Error> {
        let (what, path) = match origin {
            Origin::Source(path) => ("making a repository of", path),
            Origin::Path(path) => ("copying the repository", path),
            Origin::Bundle(path) => ("reading the bundle", path),
        };
        let doing = || format!("{what} `{}`", path.display());
        let scratch = Scratch::new("git").map_err(|e| Error::new(doing(), e))?;
        let folder = scratch.path().join("bare");
        let made = match origin {
            Origin::Source(path) => commit(path, &folder),
            Origin::Path(path) => copy(path, &folder),
            Origin::Bundle(path) => unbundle(path, &folder),
        };
        let head = made.map_err(|error| Error::new(doing(), error.message()))?;
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all(".", &folder).map_err(|error| Error::new(doing(), error))?;
        let tar = archive.into_inner().map_err(|error| Error::new(doing(), error))?;
        Ok(Self { head, tar })
    }
}

/// What a checkout or a bare repository is served with: its `HEAD`, branches and tags, each with what it is at.
pub(crate) fn references(path: &Path) -> Result<String, git2::Error> {
    let repository = git2::Repository::open(path)?;
    let head = repository.head()?;
    let mut told = vec![match head.shorthand() {
        Ok(branch) if head.is_branch() => format!("HEAD {branch}"),
        _ => format!("HEAD {}", head.peel_to_commit()?.id()),
    }];
    for reference in repository.references()?.flatten() {
        // A fetch makes of a symbolic one what it is at.
        let target = reference.resolve().ok().and_then(|resolved| resolved.target());
        let (Ok(name), Some(target)) = (reference.name(), target) else { continue };
        if name.starts_with("refs/heads/") || name.starts_with("refs/tags/") {
            told.push(format!("{name} {target}"));
        }
    }
    told[1..].sort();
    Ok(told.join(", "))
}

/// Commits a folder's content on `main` of a new repository.
fn commit(source: &Path, into: &Path) -> Result<String, git2::Error> {
    let repository = empty(into, "main")?;
    repository.set_workdir(source, false)?;
    let mut index = repository.index()?;
    index.add_all(["*"], IndexAddOption::FORCE, None)?;
    let tree = repository.find_tree(index.write_tree()?)?;
    // Always at the same time, so that the same content is the same commit.
    let author = Signature::new("cm-taro", "cm-taro@example.com", &git2::Time::new(1_647_997_200, 0))?;
    let id = repository.commit(Some("HEAD"), &author, &author, "Initial commit", &tree, &[])?;
    Ok(id.to_string())
}

/// Copies what is committed in a checkout or a bare repository: history, branches, tags. What is not committed is not
/// there, as it would not be on GitHub.
fn copy(from: &Path, into: &Path) -> Result<String, git2::Error> {
    let original = git2::Repository::open(from)?;
    let head = original.head()?;
    let id = head.peel_to_commit()?.id();
    // A checkout of a tag or a commit has no branch: what is served then is that commit.
    let branch = head.is_branch().then(|| head.shorthand().ok().map(str::to_owned)).flatten();
    let repository = empty(into, branch.as_deref().unwrap_or("main"))?;
    let url = from.to_str().ok_or_else(|| git2::Error::from_str("its path is not UTF-8"))?;
    repository.remote_anonymous(url)?.fetch(&REFERENCES, None, None)?;
    if branch.is_none() {
        repository.set_head_detached(id)?;
    }
    Ok(id.to_string())
}

/// Takes a bundle apart: a header with the references, then a pack (gitformat-bundle(5), versions 2 and 3).
fn unbundle(bundle: &Path, into: &Path) -> Result<String, git2::Error> {
    let wrong = |why: &str| git2::Error::from_str(why);
    let bytes = std::fs::read(bundle).map_err(|error| wrong(&error.to_string()))?;
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").ok_or_else(|| wrong("it is no bundle"))?;
    let header = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("it is no bundle"))?;
    let mut lines = header.lines();
    if !matches!(lines.next(), Some("# v2 git bundle" | "# v3 git bundle")) {
        return Err(wrong("it is no bundle"));
    }
    let mut references = Vec::new();
    for line in lines.filter(|line| !line.starts_with('@')) {
        if line.starts_with('-') {
            return Err(wrong("it lacks commits that it builds on; make it with `git bundle create FILE --all`"));
        }
        let (id, name) = line.split_once(' ').ok_or_else(|| wrong("it is no bundle"))?;
        references.push((Oid::from_str(id)?, name));
    }
    let of_head = references.iter().find(|(_, name)| *name == "HEAD").map(|(id, _)| *id);
    let branches: Vec<_> =
        references.iter().filter_map(|(id, name)| Some((*id, name.strip_prefix("refs/heads/")?))).collect();
    let fits = |id: Oid| of_head.is_none_or(|head| head == id);
    // A bundle does not say which branch was checked out, so of several at the same commit the usual one is taken.
    let usual = branches.iter().find(|(id, name)| fits(*id) && ["main", "master"].contains(name));
    let head = usual.or_else(|| branches.iter().find(|(id, _)| fits(*id)));
    let repository = empty(into, head.map_or("main", |(_, name)| name))?;
    let objects = repository.odb()?;
    let mut pack = objects.packwriter()?;
    pack.write_all(&bytes[end + 2..]).map_err(|error| wrong(&error.to_string()))?;
    pack.commit()?;
    for (id, name) in references.iter().filter(|(_, name)| *name != "HEAD") {
        repository.reference(name, *id, true, "bundle")?;
    }
    let id = of_head.or(head.map(|(id, _)| *id)).ok_or_else(|| wrong("it has no branch"))?;
    if head.is_none() {
        repository.set_head_detached(id)?;
    }
    Ok(id.to_string())
}

fn empty(into: &Path, branch: &str) -> Result<git2::Repository, git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head(branch);
    git2::Repository::init_opts(into, &options)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{path::PathBuf, process::Command};

    /// Runs Git in a folder; what it prints.
    pub(crate) fn git(folder: &Path, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-C"])
            .arg(folder)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A checkout with two commits on `trunk`, a tag at the first, and a change that is not committed.
    fn checkout(folder: &Path) -> PathBuf {
        let path = folder.join("checkout");
        std::fs::create_dir(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch", "trunk"]);
        for (number, tag) in [("1", Some("v1")), ("2", None)] {
            std::fs::write(path.join("file"), number).unwrap();
            git(&path, &["add", "file"]);
            git(&path, &["commit", "--quiet", "--message", number]);
            if let Some(tag) = tag {
                git(&path, &["tag", tag]);
            }
        }
        std::fs::write(path.join("file"), "3").unwrap();
        path
    }

    fn unpacked(bare: &Bare, into: &Path) -> PathBuf {
        let path = into.join("bare.git");
        tar::Archive::new(bare.tar.as_slice()).unpack(&path).unwrap();
        path
    }

    #[test]
    fn a_checkout_and_its_bundle_keep_history_branch_and_tags() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkout(folder.path());
        let head = git(&path, &["rev-parse", "HEAD"]);
        let bundle = folder.path().join("all.bundle");
        git(&path, &["bundle", "create", "--quiet", bundle.to_str().unwrap(), "--all"]);
        for (number, origin) in [Origin::Path(path.clone()), Origin::Bundle(bundle)].iter().enumerate() {
            let bare = Bare::of(origin).unwrap();
            assert_eq!(bare.head, head, "{origin:?}");
            let into = folder.path().join(number.to_string());
            std::fs::create_dir(&into).unwrap();
            let there = unpacked(&bare, &into);
            assert_eq!(git(&there, &["symbolic-ref", "HEAD"]), "refs/heads/trunk");
            assert_eq!(git(&there, &["log", "--format=%s"]), "2\n1");
            assert_eq!(git(&there, &["show", "HEAD:file"]), "2");
            assert_eq!(git(&there, &["show", "v1:file"]), "1");
            git(&there, &["fsck", "--strict"]);
        }
        git(&path, &["checkout", "--quiet", "--force", "v1"]);
        let bare = Bare::of(&Origin::Path(path.clone())).unwrap();
        assert_eq!(bare.head, git(&path, &["rev-parse", "v1"]), "a checkout of a tag is served at that tag");
    }

    #[test]
    fn what_is_no_repository_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = |origin: Origin| Bare::of(&origin).unwrap_err().to_string();
        let path = folder.path().join("plain");
        std::fs::create_dir(&path).unwrap();
        let told = error(Origin::Path(path.clone()));
        assert!(
            told.starts_with(&format!("copying the repository `{}`: could not find repository", path.display())),
            "{told}"
        );
        let file = folder.path().join("file");
        std::fs::write(&file, "text\n\n").unwrap();
        assert_eq!(
            error(Origin::Bundle(file.clone())),
            format!("reading the bundle `{}`: it is no bundle", file.display())
        );
        let checkout = checkout(folder.path());
        let thin = folder.path().join("thin.bundle");
        git(&checkout, &["bundle", "create", "--quiet", thin.to_str().unwrap(), "v1..trunk"]);
        assert!(error(Origin::Bundle(thin)).contains("it lacks commits that it builds on"));
    }
}
