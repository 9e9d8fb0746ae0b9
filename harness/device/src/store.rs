//! The nucleus's folders and the component store on disk.

use crate::recipe::Recipe;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use semver::Version;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{PermissionsExt, chown, lchown},
    path::{Path, PathBuf},
};

/// The folders under the nucleus's root.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    /// Makes the folders with the nucleus's modes.
    ///
    /// # Errors
    /// If a folder can't be made.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        for folder in ["", "packages", "packages/artifacts", "packages/artifacts-unarchived", "work", "bin"] {
            make(&root.join(folder), 0o755)?;
        }
        for folder in ["packages/recipes", "config", "deployments", "alts", "plugins", "telemetry", "logs"] {
            make(&root.join(folder), 0o700)?;
        }
        Ok(Self { root: root.into() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.root.join("work").join(name)
    }

    pub(crate) fn artifacts(&self, name: &str, version: &Version) -> PathBuf {
        self.root.join("packages/artifacts").join(name).join(version.to_string())
    }

    pub(crate) fn unarchived(&self, name: &str, version: &Version) -> PathBuf {
        self.root.join("packages/artifacts-unarchived").join(name).join(version.to_string())
    }

    /// Makes the folders of one component version.
    ///
    /// # Errors
    /// If a folder can't be made.
    pub(crate) fn make_folders(&self, name: &str, version: &Version) -> io::Result<()> {
        for folder in [self.artifacts(name, version), self.unarchived(name, version)] {
            if let Some(parent) = folder.parent() {
                make(parent, 0o755)?;
            }
            make(&folder, 0o755)?;
        }
        self.make_work(name)
    }

    /// Makes a component's work folder if it is gone, and sets its mode back, as the nucleus does whenever it names the
    /// folder (`NucleusPaths.workPath`). Its owner isn't touched, so a folder made here is the core's own.
    ///
    /// # Errors
    /// If it can't be made, or not be changed.
    pub(crate) fn make_work(&self, name: &str) -> io::Result<()> {
        make(&self.work(name), 0o700)
    }

    /// Gives a component's artifacts and its work folder to the user that runs it; what is missing is made first
    /// (`RunWithPathOwnershipHandler.updateOwner`).
    ///
    /// # Errors
    /// If a file can't be given away.
    pub(crate) fn give(&self, name: &str, version: &Version, uid: u32, gid: u32) -> io::Result<()> {
        self.make_folders(name, version)?;
        for folder in [self.artifacts(name, version), self.unarchived(name, version)] {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                chown_tree(&entry?.path(), uid, gid)?;
            }
        }
        chown_tree(&self.work(name), uid, gid)
    }

    /// Keeps a recipe, as YAML, and the ARN that it came with from the cloud.
    ///
    /// # Errors
    /// If a file can't be written.
    pub(crate) fn keep_recipe(&self, recipe: &Recipe, arn: Option<&str>) -> io::Result<()> {
        let text = recipe.to_yaml();
        let file = self.recipe_file(&recipe.name, &recipe.version.to_string(), "recipe.yaml");
        if fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            fs::write(file, text)?;
        }
        let Some(arn) = arn else { return Ok(()) };
        let metadata = json!({"componentVersionArn": arn}).to_string();
        fs::write(self.recipe_file(&recipe.name, &recipe.version.to_string(), "metadata.json"), metadata)
    }

    /// Takes in an artifact file of the device at its place below the artifacts' folder.
    ///
    /// # Errors
    /// If it can't be copied.
    pub(crate) fn bring_artifact(&self, file: &Path, place: &Path) -> io::Result<()> {
        let target = self.root.join("packages/artifacts").join(place);
        target.parent().map_or(Ok(()), |parent| make(parent, 0o755))?;
        fs::copy(file, target).map(|_| ())
    }

    /// A stored recipe.
    pub(crate) fn recipe(&self, name: &str, version: &Version) -> Option<Recipe> {
        Recipe::parse(&fs::read(self.recipe_file(name, &version.to_string(), "recipe.yaml")).ok()?).ok()
    }

    /// The stored versions of a component.
    pub(crate) fn versions(&self, name: &str) -> Vec<Version> {
        let prefix = format!("{}@", hash(name));
        let entries = fs::read_dir(self.root.join("packages/recipes")).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let file = entry.file_name().into_string().ok()?;
                Version::parse(file.strip_prefix(&prefix)?.strip_suffix(".recipe.yaml")?).ok()
            })
            .collect()
    }

    /// The ARN of a stored component version from the cloud.
    pub(crate) fn arn(&self, name: &str, version: &Version) -> Option<String> {
        let text = fs::read(self.recipe_file(name, &version.to_string(), "metadata.json")).ok()?;
        let metadata: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some(metadata["componentVersionArn"].as_str()?.to_owned())
    }

    /// Removes every component version but those in `keep`.
    pub(crate) fn clean(&self, keep: &BTreeSet<(String, Version)>) {
        let files: BTreeSet<String> = keep.iter().map(|(name, version)| format!("{}@{version}.", hash(name))).collect();
        for entry in fs::read_dir(self.root.join("packages/recipes")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !files.iter().any(|kept| name.starts_with(kept)) {
                _ = fs::remove_file(entry.path());
            }
        }
        for folder in ["packages/artifacts", "packages/artifacts-unarchived"] {
            for component in fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten() {
                let name = component.file_name().to_string_lossy().into_owned();
                for version in fs::read_dir(component.path()).into_iter().flatten().flatten() {
                    let parsed = Version::parse(&version.file_name().to_string_lossy());
                    if !parsed.is_ok_and(|version| keep.contains(&(name.clone(), version))) {
                        _ = fs::remove_dir_all(version.path());
                    }
                }
                // Only an empty folder goes.
                _ = fs::remove_dir(component.path());
            }
        }
    }

    fn recipe_file(&self, name: &str, version: &str, kind: &str) -> PathBuf {
        self.root.join("packages/recipes").join(format!("{}@{version}.{kind}", hash(name)))
    }
}

fn hash(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(name))
}

fn make(folder: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
}

fn chown_tree(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return lchown(path, Some(uid), Some(gid));
    }
    chown(path, Some(uid), Some(gid))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            chown_tree(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipe_names() {
        fidelity::fidelity!("core-store-1");
        assert_eq!(hash("com.example.GithubCustomPack"), "SG4XbuJKzJL0pAxX7vyQ6MwDhj2rA4oT4eh3PbzRGvA");
        assert_eq!(hash("aws.greengrass.Nucleus"), "89r1-ak7xPauDt4O7EG03sSXVUO8ysdHTk-YdF0NAAc");
    }

    #[test]
    fn recipes_come_back_and_old_versions_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let text = br#"{"RecipeFormatVersion":"2020-01-25","ComponentName":"a.B","ComponentVersion":"1.0.0","Manifests":[{}]}"#;
        store.keep_recipe(&Recipe::parse(text).unwrap(), Some("arn:x")).unwrap();
        let version = Version::new(1, 0, 0);
        store.make_folders("a.B", &version).unwrap();
        assert_eq!(store.versions("a.B"), [Version::new(1, 0, 0)]);
        assert_eq!(store.arn("a.B", &version).as_deref(), Some("arn:x"));
        store.clean(&BTreeSet::new());
        assert!(store.recipe("a.B", &version).is_none());
        assert!(!store.artifacts("a.B", &version).exists());
    }
}
