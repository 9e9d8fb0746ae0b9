//! The deployments' folders: `deployments/ID` and the links to the one under way and to the last ones.

use crate::{
    log::{Line, Logs},
    queue::Kind,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

const LOGGER: &str = "com.aws.greengrass.deployment.DeploymentDirectoryManager";

/// The folder of all deployments.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    folder: PathBuf,
}

/// `deployment_metadata.json`: what is needed to go on with a deployment after a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    /// The document as it came.
    pub(super) deployment_document: Value,
    pub(super) deployment_type: String,
    pub(super) id: String,
    pub(super) deployment_stage: Stage,
    /// Why the deployment failed, once it has.
    pub(super) stage_details: Option<String>,
    pub(super) error_stack: Option<Vec<String>>,
    pub(super) error_types: Option<Vec<String>>,
}

/// How far a deployment that restarts the nucleus has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Stage {
    Default,
    Bootstrap,
    KernelActivation,
    KernelRollback,
    RollbackBootstrap,
}

impl Metadata {
    pub(super) fn new(kind: Kind, id: &str, document: &Value) -> Self {
        Self {
            deployment_document: document.clone(),
            deployment_type: kind.to_string(),
            id: id.into(),
            deployment_stage: Stage::Default,
            stage_details: None,
            error_stack: None,
            error_types: None,
        }
    }
}

impl Directory {
    pub(super) fn new(root: &Path) -> Self {
        Self { folder: root.join("deployments") }
    }

    /// Makes the folder of a deployment, and the one under way.
    pub(super) fn begin(&self, id: &str, logs: &Logs) -> io::Result<PathBuf> {
        self.forget("ongoing")?;
        let folder = self.folder.join(safe(id));
        if folder.exists() {
            let line = Line::warn(LOGGER)
                .message("Deployment directory already exists. Clean up outdated artifacts and create new");
            logs.nucleus(&line.with("directory", folder.to_string_lossy()));
            fs::remove_dir_all(&folder)?;
            for link in ["previous-success", "previous-failure"] {
                if self.target(link).as_deref() == Some(&folder) {
                    fs::remove_file(self.folder.join(link))?;
                }
            }
        }
        let line = Line::info(LOGGER).message("Create work directory for new deployment");
        let line = line.with("directory", folder.to_string_lossy()).with("deploymentId", id);
        logs.nucleus(&line.with("link", self.folder.join("ongoing").to_string_lossy()));
        fs::create_dir_all(&folder)?;
        symlink(&folder, self.folder.join("ongoing"))?;
        Ok(folder)
    }

    /// The deployment under way is over: its folder becomes the last one's, and earlier ones go.
    pub(super) fn finish(&self, name: &str, logs: &Logs) -> io::Result<()> {
        let line = Line::info(LOGGER).message("Persist link to last deployment");
        logs.nucleus(&line.with("link", self.folder.join(name).to_string_lossy()));
        self.forget("previous-success")?;
        self.forget("previous-failure")?;
        let Some(folder) = self.ongoing() else { return Ok(()) };
        symlink(folder, self.folder.join(name))?;
        fs::remove_file(self.folder.join("ongoing"))
    }

    /// The folder of the deployment under way.
    pub(super) fn ongoing(&self) -> Option<PathBuf> {
        self.target("ongoing")
    }

    /// Writes what a restart needs.
    pub(super) fn keep(&self, metadata: &Metadata) -> io::Result<()> {
        let folder = self.ongoing().ok_or_else(|| io::Error::other("no deployment is under way"))?;
        write(&folder.join("deployment_metadata.json"), metadata)
    }

    /// Reads what a restart needs.
    pub(super) fn kept(&self) -> io::Result<Metadata> {
        let folder = self.ongoing().ok_or_else(|| io::Error::other("no deployment is under way"))?;
        read(&folder.join("deployment_metadata.json"))
    }

    fn target(&self, link: &str) -> Option<PathBuf> {
        fs::read_link(self.folder.join(link)).ok()
    }

    fn forget(&self, link: &str) -> io::Result<()> {
        let Some(folder) = self.target(link) else { return Ok(()) };
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::remove_file(self.folder.join(link))
    }
}

/// A file that is at every instant the old one or the new one, whole.
pub(super) fn write(file: &Path, value: &impl Serialize) -> io::Result<()> {
    let new = file.with_extension("json+");
    fs::write(&new, serde_json::to_vec(value)?)?;
    fs::rename(new, file)
}

/// Reads such a file.
pub(super) fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// A deployment's id as the name of a file.
pub(super) fn safe(id: &str) -> String {
    id.replace(':', ".").replace('/', "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_under_way_and_one_before() {
        fidelity::fidelity!("core-deploy-11");
        let root = tempfile::tempdir().unwrap();
        let logs = Logs::new(&root.path().join("logs"));
        fs::create_dir_all(root.path().join("deployments")).unwrap();
        let directory = Directory::new(root.path());
        let names = || {
            let mut names: Vec<String> = fs::read_dir(root.path().join("deployments"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let first = directory.begin("arn:a/b", &logs).unwrap();
        assert_eq!(names(), ["arn.a+b", "ongoing"]);
        directory.keep(&Metadata::new(Kind::Job, "j", &serde_json::json!({"x": 1}))).unwrap();
        let kept = fs::read_to_string(first.join("deployment_metadata.json")).unwrap();
        assert!(kept.contains(r#""deploymentType":"IOT_JOBS","id":"j","deploymentStage":"DEFAULT""#), "{kept}");
        directory.finish("previous-success", &logs).unwrap();
        assert_eq!(names(), ["arn.a+b", "previous-success"]);
        // The same one again, interrupted, and then another.
        assert_eq!(directory.begin("arn:a/b", &logs).unwrap(), first);
        assert_eq!(names(), ["arn.a+b", "ongoing"]);
        directory.begin("c", &logs).unwrap();
        directory.finish("previous-failure", &logs).unwrap();
        assert_eq!(names(), ["c", "previous-failure"]);
    }
}
