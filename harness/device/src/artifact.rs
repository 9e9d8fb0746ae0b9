//! Preparation of a component's artifacts: download, check, permissions, unpacking.

pub(crate) mod s3;

use crate::{
    failure::Failure,
    log::{Line, Logs},
    recipe::{Artifact, Recipe, Selected},
    store::Store,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngExt;
use s3::{Object, S3};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.componentmanager.ComponentManager";
/// How often a download whose digest is wrong is tried.
const CHECKSUM_TRIES: u32 = 10;

/// What prepares artifacts.
#[derive(Debug)]
pub(crate) struct Artifacts {
    pub(crate) s3: S3,
    pub(crate) store: Store,
    pub(crate) logs: Arc<Logs>,
}

impl Artifacts {
    /// Puts the artifacts of one component version in place.
    ///
    /// # Errors
    /// As the deployment fails with it.
    pub(crate) async fn prepare(
        &self,
        recipe: &Recipe,
        selected: &Selected,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let identifier = format!("{}-v{}", recipe.name, recipe.version);
        let thread = self.logs.pool_thread();
        let line = Line::info(LOGGER).thread(&thread).event("prepare-package-start");
        self.logs.nucleus(&line.with("packageIdentifier", &identifier));
        self.store.make_folders(&recipe.name, &recipe.version).map_err(|error| disk(&error))?;
        if selected.artifacts.is_empty() {
            let line = Line::warn(LOGGER)
                .thread(&thread)
                .message("Artifact list was null, expected non-null and non-empty")
                .with("packageIdentifier", &identifier);
            self.logs.nucleus(&line);
        }
        for artifact in &selected.artifacts {
            let prefix = format!(
                "Failed to download artifact name: '{}' for component {}-{}, reason: ",
                artifact.uri, recipe.name, recipe.version
            );
            self.place(recipe, artifact, cancelled).await.map_err(|failure| failure.prefixed(&prefix))?;
        }
        Ok(())
    }

    async fn place(
        &self,
        recipe: &Recipe,
        artifact: &Artifact,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let object = object(&artifact.uri)?;
        let file = self.store.artifacts(&recipe.name, &recipe.version).join(object.file_name());
        if !fs::read(&file).is_ok_and(|content| artifact.digest.as_deref() == Some(&digest(&content))) {
            self.download(&object, artifact, &file, cancelled).await?;
        }
        set_mode(&file, artifact.mode).map_err(|error| disk(&error))?;
        if artifact.unzip {
            let stem = object.file_name().rsplit_once('.').map_or(object.file_name(), |(stem, _)| stem);
            let target = self.store.unarchived(&recipe.name, &recipe.version).join(stem);
            let (from, mode) = (file, artifact.mode);
            let result = tokio::task::spawn_blocking(move || {
                unzip(&from, &target, mode).inspect_err(|_| _ = fs::remove_dir_all(&target))
            });
            result.await.map_err(io::Error::other).flatten().map_err(|error| {
                let codes = ["ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "IO_UNZIP_ERROR"];
                Failure::new("Failed to unarchive", &codes).because(error.to_string())
            })?;
        }
        Ok(())
    }

    async fn download(
        &self,
        object: &Object,
        artifact: &Artifact,
        file: &Path,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let Some(expected) = artifact.digest.as_deref().filter(|_| artifact.algorithm.is_some()) else {
            let codes = ["ARTIFACT_DOWNLOAD_ERROR", "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"];
            return Err(Failure::new("Algorithm missing from artifact", &codes));
        };
        // First for the size of the store, then again by the download itself.
        self.s3.size(object, cancelled).await?;
        for attempt in 1..=CHECKSUM_TRIES {
            let size = self.s3.size(object, cancelled).await?;
            let content = self.s3.content(object, size, cancelled).await?;
            if digest(&content) == expected {
                _ = fs::remove_file(file);
                return fs::write(file, content).map_err(|error| disk(&error));
            }
            if attempt < CHECKSUM_TRIES {
                let minute = Duration::from_mins(1);
                pause(cancelled, minute, minute + Duration::from_secs(1)).await?;
            }
        }
        let text = "Failed integrity check for the downloaded artifact. Artifact contents may have changed after \
                    component version was created";
        Err(Failure::new(text, &["ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH"]))
    }
}

/// Waits for a random time within the limits, or until the deployment is cancelled.
///
/// # Errors
/// If it is cancelled.
pub(crate) async fn pause(cancelled: &watch::Receiver<bool>, least: Duration, most: Duration) -> Result<(), Failure> {
    let wait = rand::rng().random_range(least..=most);
    let mut cancelled = cancelled.clone();
    let cancellation = async {
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            // Nobody is left that could cancel.
            std::future::pending::<()>().await;
        }
    };
    match tokio::time::timeout(wait, cancellation).await {
        Ok(()) => Err(Failure::new("Deployment was cancelled", &["DEPLOYMENT_INTERRUPTED"])),
        Err(_) => Ok(()),
    }
}

fn object(uri: &str) -> Result<Object, Failure> {
    let refuse = |message: &str, code| Failure::new(message, &["ARTIFACT_DOWNLOAD_ERROR", code]);
    if uri.is_empty() {
        return Err(refuse("Artifact URI is empty", "EMPTY_ARTIFACT_URI"));
    }
    match uri.split_once(':') {
        None => Err(refuse("Artifact URI scheme is empty", "EMPTY_ARTIFACT_SCHEME")),
        Some((scheme, _)) if !scheme.eq_ignore_ascii_case("s3") => {
            Err(refuse(&format!("artifact URI scheme {scheme} is not supported yet"), "UNSUPPORTED_ARTIFACT_SCHEME"))
        }
        Some(_) => Object::parse(uri).ok_or_else(|| refuse("Invalid artifact URI", "S3_ARTIFACT_URI_NOT_VALID")),
    }
}

fn digest(content: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(content))
}

fn disk(error: &io::Error) -> Failure {
    let codes = ["ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "IO_WRITE_ERROR"];
    Failure::new("Failed to write artifact", &codes).because(error.to_string())
}

fn set_mode(file: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(mode))
}

/// Unpacks without the modes and links of the archive; a file of the same size stays.
fn unzip(archive: &Path, target: &Path, mode: u32) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive)?).map_err(io::Error::other)?;
    make(target)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let Some(name) = entry.enclosed_name() else {
            return Err(io::Error::other(format!("Bad zip entry {}", entry.name())));
        };
        let path = target.join(name);
        if entry.is_dir() {
            make(&path)?;
            continue;
        }
        path.parent().map(make).transpose()?;
        if fs::metadata(&path).is_ok_and(|known| known.len() == entry.size()) {
            continue;
        }
        _ = fs::remove_file(&path);
        io::copy(&mut entry, &mut fs::File::create(&path)?)?;
        set_mode(&path, mode)?;
    }
    Ok(())
}

fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<PathBuf> = folder.ancestors().take_while(|folder| !folder.exists()).map(Into::into).collect();
    fs::create_dir_all(folder)?;
    missing.iter().try_for_each(|folder| set_mode(folder, 0o755))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn archive(path: &Path, name: &str) {
        let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
        archive.start_file(name, SimpleFileOptions::default().unix_permissions(0o777)).unwrap();
        archive.write_all(b"print()").unwrap();
        archive.finish().unwrap();
    }

    #[test]
    fn unzip_drops_modes_and_rejects_slips() {
        fidelity::fidelity!("core-artifact-4");
        let folder = tempfile::tempdir().unwrap();
        let (file, target) = (folder.path().join("p.zip"), folder.path().join("p"));
        archive(&file, "sub/main.py");
        unzip(&file, &target, 0o440).unwrap();
        let mode = fs::metadata(target.join("sub/main.py")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o440);
        archive(&file, "../out.py");
        assert!(unzip(&file, &target, 0o440).is_err());
        assert!(!folder.path().join("out.py").exists());
    }

    #[test]
    fn schemes() {
        assert_eq!(object("https://x/y").unwrap_err().stack()[2], "UNSUPPORTED_ARTIFACT_SCHEME");
        assert_eq!(object("x.zip").unwrap_err().stack()[2], "EMPTY_ARTIFACT_SCHEME");
        assert_eq!(object("s3://x").unwrap_err().stack()[2], "S3_ARTIFACT_URI_NOT_VALID");
    }
}
