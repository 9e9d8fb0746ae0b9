//! Containers that do one thing to another container, from inside its namespaces, and go.

use super::{Container, ContainerSpec, Engine, Lease, error::Error, labels};
use futures_util::TryStreamExt;
use std::collections::HashMap;

/// What a helper needs to change a mount of another container.
const MOUNTING: [&str; 3] = ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"];

impl Engine {
    /// Runs a helper to its end and removes it; gives what it prints.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses, or the helper fails.
    pub(super) async fn help(&self, spec: &ContainerSpec, doing: String) -> Result<String, Error> {
        let helper = self.launch(spec).await?;
        let said = self.helped(&helper, doing).await;
        self.remove(&helper.id).await?;
        said
    }

    /// What a helper that was launched prints until its end.
    async fn helped(&self, helper: &Container, doing: String) -> Result<String, Error> {
        // Its output ends when it does.
        let said: Vec<String> = self.follow_logs(helper).try_collect().await?;
        tracing::debug!(?said, "{doing}");
        if self.state(&helper.id).await?.exit_code != Some(0) {
            let cause = self.last_lines(&helper.id, 5).await;
            return Err(Error::Engine { doing, cause });
        }
        Ok(said.join("\n"))
    }

    /// Runs a command in the mount namespace of a running container, with the right to change its mounts, which the
    /// container itself does not get.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses, or the command fails.
    pub(crate) async fn remount(&self, container: &Container, command: &[&str]) -> Result<(), Error> {
        const ENTER: [&str; 5] = ["nsenter", "--target", "1", "--mount", "--"];
        let inspected = self.docker.inspect_container(&container.id, None).await;
        let inspected = inspected.map_err(Error::engine(format!("inspecting container `{}`", container.name)))?;
        let config = inspected.config.unwrap_or_default();
        let role = (labels::ROLE.to_owned(), "mounter".to_owned());
        let labels: HashMap<_, _> = config.labels.unwrap_or_default().into_iter().chain([role]).collect();
        let spec = ContainerSpec {
            name: format!("{}-mounter", container.name),
            image: config.image.unwrap_or_default(),
            command: ENTER.iter().chain(command).map(|&word| word.to_owned()).collect(),
            labels,
            network: "none".to_owned(),
            capabilities: MOUNTING.map(str::to_owned).to_vec(),
            beside: Some(container.id.clone()),
            unfiltered: true,
            ..ContainerSpec::default()
        };
        self.help(&spec, format!("changing a mount of container `{}`", container.name)).await.map(drop)
    }

    /// What a command prints in a container of an image, which is of an environment of its own.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses, or the command fails; [`Error::Io`] if there is no lease.
    pub(crate) async fn ask(&self, image: &str, command: &[&str], environment: &str) -> Result<String, Error> {
        let lease = Lease::take(self, environment)?;
        let spec = ContainerSpec {
            name: format!("greenproof-{environment}-asked"),
            image: image.to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            labels: lease.labels("asked"),
            network: "none".to_owned(),
            ..ContainerSpec::default()
        };
        self.help(&spec, format!("asking `{}`", command.join(" "))).await
    }
}
