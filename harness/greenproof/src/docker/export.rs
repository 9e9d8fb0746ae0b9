//! Any container, whoever made it, and its disk as a tar.

use super::{Container, Engine, error::Error};
use bollard::query_parameters::InspectContainerOptions;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;

impl Engine {
    /// The container of a name or id, whoever made it; and the folders in it that are not of its disk, such as volumes.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is none.
    pub async fn find(&self, name: &str) -> Result<(Container, Vec<String>), Error> {
        let inspected = self.docker.inspect_container(name, None::<InspectContainerOptions>).await;
        let found = inspected.map_err(Error::engine(format!("looking for container `{name}`")))?;
        let volumes = found.mounts.unwrap_or_default().into_iter().filter_map(|mount| mount.destination);
        let memory = found.host_config.and_then(|host| host.tmpfs).unwrap_or_default().into_keys();
        let mut mounts: Vec<_> = volumes.chain(memory).collect();
        mounts.sort();
        let container = Container { id: found.id.unwrap_or_else(|| name.to_owned()), name: name.to_owned() };
        Ok((container, mounts))
    }

    /// Sends a container's disk as a tar, running or not, without what is mounted into it. Ends early when nobody listens.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub async fn export(&self, container: &Container, into: Sender<Bytes>) -> Result<(), Error> {
        let mut parts = self.docker.export_container(&container.id).boxed();
        while let Some(part) = parts.next().await {
            let part = part.map_err(Error::engine(format!("exporting container `{}`", container.name)))?;
            if into.send(part).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
