//! Preparation of a component's artifacts: download, check, permissions, unpacking.

mod digest;
mod download;
mod job;
mod repository;
pub(crate) mod s3;
mod space;
mod unzip;
mod uri;

pub(crate) use job::pause;

use crate::{
    clock::Clock,
    dataplane::DataPlane,
    failure::Failure,
    log::{Line, Logs},
    recipe::{Artifact, Recipe, Selected},
    store::Store,
    tree,
};
use download::Source;
use job::Job;
use repository::Repository;
use s3::S3;
use serde_json::Value;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tokio::sync::watch;
use unzip::Trouble;

const LOGGER: &str = "com.aws.greengrass.componentmanager.ComponentManager";

/// What prepares artifacts.
#[derive(Debug)]
pub(crate) struct Artifacts {
    pub(crate) s3: S3,
    pub(crate) store: Store,
    pub(crate) logs: Arc<Logs>,
    pub(crate) clock: Clock,
}

impl Artifacts {
    /// Checks whether the artifacts of a component can be had at all; `has` tells whether a component is part of the
    /// deployment.
    ///
    /// # Errors
    /// As the deployment fails with it.
    pub(crate) fn check(recipe: &Recipe, selected: &Selected, has: impl Fn(&str) -> bool) -> Result<(), Failure> {
        selected.artifacts.iter().try_for_each(|artifact| uri::check(recipe, &artifact.uri, &has))
    }

    /// Puts the artifacts of one component version in place. `nucleus` is the nucleus's own configuration as it is now:
    /// the limit of the store and the endpoints of S3 may change while the core runs.
    ///
    /// # Errors
    /// As the deployment fails with it.
    pub(crate) async fn prepare(
        &self,
        data_plane: &DataPlane,
        nucleus: &Value,
        recipe: &Recipe,
        selected: &Selected,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let identifier = format!("{}-v{}", recipe.name, recipe.version);
        let thread = self.logs.pool_thread();
        let line = Line::info(LOGGER).thread(&thread).event("prepare-package-start");
        self.logs.nucleus(&line.with("packageIdentifier", &identifier));
        self.store.make_folders(&recipe.name, &recipe.version).map_err(|error| {
            let codes = ["COMPONENT_PACKAGE_LOADING_ERROR", "IO_ERROR", "IO_WRITE_ERROR"];
            Failure::new("Unable to create artifact path", &codes).because(error.to_string())
        })?;
        if selected.artifacts.is_empty() {
            let line = Line::warn(LOGGER)
                .thread(&thread)
                .message("Artifact list was null, expected non-null and non-empty")
                .with("packageIdentifier", &identifier);
            self.logs.nucleus(&line);
        }
        for artifact in &selected.artifacts {
            let mut job = self.job(recipe, artifact, cancelled);
            if let Err(failure) = self.place(&mut job, data_plane, nucleus).await {
                let line =
                    Line::error(LOGGER).thread(&thread).message(format!("Failed to prepare package {identifier}"));
                self.logs.nucleus(&line.cause(failure.to_string()));
                return Err(failure);
            }
        }
        Ok(())
    }

    fn job<'a>(&'a self, recipe: &'a Recipe, artifact: &'a Artifact, cancelled: &'a watch::Receiver<bool>) -> Job<'a> {
        Job { recipe, artifact, clock: self.clock, logs: &self.logs, cancelled, logger: s3::LOGGER }
    }

    async fn place(&self, job: &mut Job<'_>, data_plane: &DataPlane, nucleus: &Value) -> Result<(), Failure> {
        let uri = job.artifact.uri.as_str();
        let (source, name) = if uri::scheme(uri).is_some_and(|scheme| scheme.eq_ignore_ascii_case("greengrass")) {
            job.logger = repository::LOGGER;
            let arn = self.store.arn(&job.recipe.name, &job.recipe.version);
            let endpoint = tree::text(nucleus, "s3EndpointType").unwrap_or_else(|| "GLOBAL".into());
            let source = Repository { data_plane, client: &self.s3.client, arn, endpoint };
            let name = uri.rsplit([':', '/']).next().unwrap_or(uri);
            (Source::Repository(source, OnceLock::new()), name.to_owned())
        } else {
            let object = uri::object(job)?;
            let name = object.file_name().to_owned();
            (Source::S3(&self.s3, object), name)
        };
        let file = self.store.artifacts(&job.recipe.name, &job.recipe.version).join(&name);
        if download::is_required(job, &file) {
            let packages = self.store.root().join("packages");
            space::check_disk(job, &packages)?;
            let size = source.size(job).await?;
            space::check_store(job, &packages, size, space::maximum(nucleus))?;
            download::download(job, &source, &file).await?;
        }
        self.finish(job, &file, &name).await
    }

    /// Sets the permissions, and unpacks what is to be unpacked.
    async fn finish(&self, job: &Job<'_>, file: &Path, name: &str) -> Result<(), Failure> {
        let about = format!("of component {}-v{} artifact {}", job.recipe.name, job.recipe.version, job.artifact);
        let mode = job.artifact.mode();
        let unset = |error: io::Error| {
            let codes = ["ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "SET_PERMISSION_ERROR"];
            Failure::new(format!("Failed to change permissions {about}"), &codes).because(error.to_string())
        };
        // An empty object leaves no file.
        if file.exists() {
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).map_err(unset)?;
        }
        if !job.artifact.unzip {
            return Ok(());
        }
        let target = self.store.unarchived(&job.recipe.name, &job.recipe.version).join(unzip::folder_name(name));
        let room = space::usable(&self.store.root().join("packages")).unwrap_or(0).saturating_sub(space::LEAST);
        let (from, to): (PathBuf, PathBuf) = (file.into(), target.clone());
        let result = tokio::task::spawn_blocking(move || unzip::unzip(&from, &to, room)).await;
        result.unwrap_or_else(|error| Err(io::Error::other(error).into())).map_err(|trouble| {
            if let Trouble::Bomb { .. } = trouble {
                let line = Line::error(LOGGER).event("greenproof-unsupported");
                self.logs.nucleus(&line.message(format!("{}: {trouble}", job.artifact.uri)));
            }
            let text = format!("Failed to unarchive {}", about.trim_start_matches("of "));
            let codes = ["ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "IO_UNZIP_ERROR"];
            Failure::new(text, &codes).because(trouble.to_string())
        })?;
        unzip::set_modes(&target, mode).map_err(unset)
    }
}
