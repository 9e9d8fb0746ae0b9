//! Environments that stay when the process that raised them has ended.
//!
//! A note in the cache folder stands in for the lease: a sweep spares what it names, and LocalStack keeps the names that
//! it claims. The note says nothing secret. The engine, not a process of ours, keeps what is kept running.

use super::{Container, Engine, LocalStack, error::Error, labels, lease, lock};
use bollard::{
    models::{ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{ListContainersOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs::File};

/// A kept environment as its note has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The environment's id.
    #[serde(skip)]
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// The LocalStack that it uses.
    pub(crate) slot: u32,
    /// The names that it claims there.
    pub(crate) claims: Vec<String>,
}

impl Kept {
    /// The note of an environment that is about to be kept.
    #[must_use]
    pub fn new(id: &str, name: &str, localstack: &LocalStack, claims: Vec<String>) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), slot: localstack.slot, claims }
    }
}

impl Engine {
    /// All kept environments of this cache folder, by name.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        let mut kept = lease::all_kept(&self.own);
        kept.sort_by(|a, b| a.name.cmp(&b.name));
        kept
    }

    /// Keeps a name for an environment that is being raised, as long as the answer lives; nothing if it is taken.
    ///
    /// # Errors
    /// [`Error::Io`] if the lock can't be made.
    pub fn reserve(&self, name: &str) -> Result<Option<File>, Error> {
        let lock = lock::try_exclusive(&self.own.join("names").join(name))?;
        Ok(lock.filter(|_| !self.kept().iter().any(|kept| kept.name == name)))
    }

    /// Lets the engine start a container again whenever it ends with an exit code other than 0, from now on.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses.
    pub async fn keep_running(&self, container: &Container) -> Result<(), Error> {
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::ON_FAILURE), maximum_retry_count: None };
        let update = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        let updated = self.docker.update_container(&container.id, update).await;
        updated.map_err(Error::engine(format!("keeping container `{}` running", container.name)))
    }

    /// Waits until a container ends the next time, whether or not it is started again; its exit code, if that is known.
    pub async fn next_end(&self, container: &Container) -> Option<i64> {
        let options = WaitContainerOptionsBuilder::new().condition("next-exit").build();
        match self.docker.wait_container(&container.id, Some(options)).next().await? {
            Ok(answer) => Some(answer.status_code),
            Err(bollard::errors::Error::DockerContainerWaitError { code, .. }) => Some(code),
            Err(_) => None,
        }
    }

    /// How often the engine has started a container again.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container.
    pub async fn restarts(&self, container: &Container) -> Result<u64, Error> {
        let inspected = self.docker.inspect_container(&container.id, None).await;
        let inspected = inspected.map_err(Error::engine(format!("inspecting container `{}`", container.name)))?;
        Ok(inspected.restart_count.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    /// The containers of an environment, by the part that each plays.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine does not say.
    pub async fn containers_of(&self, environment: &str) -> Result<BTreeMap<String, Container>, Error> {
        let filters = labels::filter(labels::ENVIRONMENT, environment);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await.map_err(Error::engine("listing containers"))?;
        let found = listed.into_iter().filter_map(|it| {
            let role = it.labels?.get(labels::ROLE)?.clone();
            let name = it.names?.first()?.trim_start_matches('/').to_owned();
            Some((role, Container { id: it.id?, name }))
        });
        Ok(found.collect())
    }
}
