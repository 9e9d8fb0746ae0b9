//! Everything that greenproof asks of Docker: images, containers, networks, the shared LocalStack, and cleaning up.
//!
//! This module is the only one that knows the engine's API. It knows nothing of scenarios, AWS or Greengrass: a caller
//! hands it command lines and files and gets back log lines and exit codes.
//!
//! Whatever is created carries the labels of a [`Lease`], so that [`sweep()`] finds what a killed run left behind:
//!
//! ```no_run
//! # async fn example(cache: std::path::PathBuf) -> Result<(), greenproof::docker::Error> {
//! use greenproof::docker::{Endpoint, Engine, Lease, remove_environment, sweep};
//!
//! let engine = Engine::connect(cache, &Endpoint::default()).await?;
//! sweep(&engine, false).await?;
//! let lease = Lease::take(&engine, "3f2a9c")?;
//! let network = engine.create_network(&lease, 1).await?;
//! // … launch containers on `network` with the lease's labels …
//! remove_environment(&engine, lease.id()).await?;
//! # Ok(())
//! # }
//! ```

mod about;
mod archive;
mod attach;
mod bootstrap;
mod build;
mod container;
mod creation;
mod digest;
mod edge;
mod embedded;
mod endpoint;
mod error;
mod export;
mod helper;
mod images;
mod kept;
mod labels;
mod lease;
mod localstack;
mod lock;
mod logs;
mod network;
mod sweep;
mod tunnel;

pub use about::{About, answers};
pub use archive::{Entry, Upload};
pub use attach::{Attached, Errand, Printed};
pub use bootstrap::{Bootstrapping, bootstrapping};
pub use container::{Begun, Container, ContainerSpec, ExecOutput, State};
pub use edge::Published;
pub use endpoint::Endpoint;
pub use error::Error;
pub use images::{
    Build, Due, Held, Images, Own, Progress, System, Tags, Way, device, due, export, images, import, key, load, tags,
    wheels,
};
pub use kept::Kept;
pub use lease::Lease;
pub use localstack::{LocalStack, localstack, stop_localstack};
pub use logs::LogLines;
pub use network::Network;
pub(crate) use sweep::remove_abandoned;
pub use sweep::{Swept, leftovers, remove_environment, sweep};

use bollard::Docker;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tunnel::Tunnel;

/// A build or an import answers only when it is done, which on a slow line takes many minutes.
const BUILD_TIMEOUT: Duration = Duration::from_hours(1);

/// A connected Docker engine, with the folder where this user's greenproof processes agree on who owns what.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    cache: PathBuf,
    /// The part of the cache folder that is about this engine alone: what one engine has, another lacks.
    own: PathBuf,
    /// Its address.
    address: String,
    /// Random name of the cache folder, so that two users of one engine keep their hands off each other's things.
    owner: String,
    _tunnel: Option<Arc<Tunnel>>,
}

/// Where in the cache folder each engine has a folder.
const ENGINES: &str = "engines";

impl Engine {
    /// Connects to an engine.
    ///
    /// `cache` is the folder for locks, leases and small facts; it is created if it isn't there.
    ///
    /// # Errors
    /// [`Error::Endpoint`] if there is no such engine, [`Error::Unreachable`] if it does not answer, [`Error::Io`] if the
    /// folder can't be made.
    pub async fn connect(cache: PathBuf, endpoint: &Endpoint) -> Result<Self, Error> {
        let (docker, address, tunnel) = endpoint.client(&cache).await?;
        let (negotiated, info) = tokio::join!(docker.clone().negotiate_version(), docker.info());
        let docker = negotiated.map_err(Error::unreachable(&address))?;
        let info = info.map_err(Error::unreachable(&address))?;
        let owner = lease::owner(&cache)?;
        // Engines on one machine, or on copies of one, may share their ID.
        let facts = [info.id, info.docker_root_dir, info.name].map(Option::unwrap_or_default);
        let own = cache.join(ENGINES).join(digest::key(facts.iter().map(String::as_bytes)));
        Ok(Self { docker, cache, own, address, owner, _tunnel: tunnel.map(Arc::new) })
    }

    /// Its address, such as `unix:///var/run/docker.sock`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is reached without a network, so that its machine is taken for this one.
    pub(crate) fn is_here(&self) -> bool {
        self.address.starts_with("unix://")
    }

    /// The folders of all engines in the cache folder.
    fn folders(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.cache.join(ENGINES)).into_iter().flatten().flatten();
        folders.map(|folder| folder.path()).collect()
    }

    /// The cache folder that was given to [`Engine::connect`].
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The lock that one process holds while it makes images.
    fn build_lock(&self) -> PathBuf {
        self.cache.join("build.lock")
    }

    /// The same engine for requests that answer late.
    fn patient(&self) -> Docker {
        self.docker.clone().with_timeout(BUILD_TIMEOUT)
    }
}
