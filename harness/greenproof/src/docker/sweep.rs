//! Removing what was created: one environment at its end, or everything that dead processes left behind.

use super::{
    Engine, creation,
    error::Error,
    labels,
    lease::{self, Holder},
    localstack,
};
use crate::scratch;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions,
};
use futures_util::{StreamExt, future::join_all, stream};
use std::{collections::HashMap, fs::File, path::PathBuf};

/// Seconds that an `aws` container has to delete its seeds.
const GRACE: u16 = 10;

/// How many containers are removed at a time. Of a hundred at once the engine may forget to detach one from its network, which then
/// can't be removed.
const AT_ONCE: usize = 8;

/// What a sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// Number of containers.
    pub containers: usize,
    /// Number of networks.
    pub networks: usize,
    /// Number of volumes.
    pub volumes: usize,
    /// Number of temporary folders.
    pub folders: usize,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.containers += other.containers;
        self.networks += other.networks;
        self.volumes += other.volumes;
        self.folders += other.folders;
    }
}

impl Swept {
    /// Whether there was nothing to remove.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What there was, such as `3 containers, 1 network`.
impl std::fmt::Display for Swept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [
            (self.containers, "container"),
            (self.networks, "network"),
            (self.volumes, "volume"),
            (self.folders, "folder"),
        ];
        let told: Vec<_> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        f.write_str(&told.join(", "))
    }
}

type Labels = HashMap<String, String>;

/// A container with what matters for its removal.
struct Found {
    id: String,
    labels: Labels,
}

/// All objects of ours in the engine that a filter lets through.
struct Inventory {
    containers: Vec<Found>,
    networks: Vec<Found>,
    volumes: Vec<Found>,
}

impl Inventory {
    async fn list(engine: &Engine, filter: &HashMap<String, Vec<String>>) -> Result<Self, Error> {
        let containers = ListContainersOptionsBuilder::new().all(true).filters(filter).build();
        let networks = ListNetworksOptionsBuilder::new().filters(filter).build();
        let volumes = ListVolumesOptionsBuilder::new().filters(filter).build();
        let (containers, networks, volumes) = tokio::join!(
            engine.docker.list_containers(Some(containers)),
            engine.docker.list_networks(Some(networks)),
            engine.docker.list_volumes(Some(volumes)),
        );
        let found = |id, labels: Option<Labels>| Found { id, labels: labels.unwrap_or_default() };
        Ok(Self {
            containers: containers
                .map_err(Error::engine("listing containers"))?
                .into_iter()
                .filter_map(|it| Some(found(it.id?, it.labels)))
                .collect(),
            networks: networks
                .map_err(Error::engine("listing networks"))?
                .into_iter()
                .filter_map(|it| Some(found(it.id?, it.labels)))
                .collect(),
            volumes: volumes
                .map_err(Error::engine("listing volumes"))?
                .volumes
                .unwrap_or_default()
                .into_iter()
                .map(|it| found(it.name, Some(it.labels)))
                .collect(),
        })
    }

    fn count(&self, folders: &[PathBuf]) -> Swept {
        Swept {
            containers: self.containers.len(),
            networks: self.networks.len(),
            volumes: self.volumes.len(),
            folders: folders.len(),
        }
    }

    fn retain(&mut self, keep: impl Fn(&Labels) -> bool) {
        for list in [&mut self.containers, &mut self.networks, &mut self.volumes] {
            list.retain(|found| keep(&found.labels));
        }
    }
}

/// Removes an environment: its containers, the `aws` one after a moment to clean up behind itself, then its networks
/// and volumes. What isn't there is no error, so it may be called at any time, twice too.
///
/// # Errors
/// [`Error::Engine`] with the first thing that could not be removed; the rest is tried nevertheless.
pub async fn remove_environment(engine: &Engine, id: &str) -> Result<(), Error> {
    let inventory = Inventory::list(engine, &labels::filter(labels::ENVIRONMENT, id)).await?;
    remove(engine, &inventory).await?;
    lease::forget(&engine.own, id);
    Ok(())
}

/// The same for one whose making was given up, with what is still being created of it.
///
/// # Errors
/// As [`remove_environment`].
pub(crate) async fn remove_abandoned(engine: &Engine, id: &str) -> Result<(), Error> {
    creation::all_carried_out().await;
    remove_environment(engine, id).await
}

async fn remove(engine: &Engine, inventory: &Inventory) -> Result<(), Error> {
    let containers = stream::iter(inventory.containers.iter().map(|found| end(engine, found)));
    let containers: Vec<_> = containers.buffer_unordered(AT_ONCE).collect().await;
    let networks = join_all(inventory.networks.iter().map(|found| engine.remove_network(&found.id))).await;
    let volumes = join_all(inventory.volumes.iter().map(|found| remove_volume(engine, &found.id))).await;
    containers.into_iter().chain(networks).chain(volumes).collect()
}

async fn end(engine: &Engine, found: &Found) -> Result<(), Error> {
    if found.labels.get(labels::ROLE).is_some_and(|role| role == labels::AWS) {
        engine.stop(&found.id, GRACE).await?;
    }
    engine.remove(&found.id).await
}

async fn remove_volume(engine: &Engine, name: &str) -> Result<(), Error> {
    let removed = super::error::gone(engine.docker.remove_volume(name, None::<RemoveVolumeOptions>).await);
    removed.map_err(Error::engine(format!("removing volume `{name}`")))
}

/// Removes what dead processes of this cache folder left in the engine and in the folder.
///
/// With `everything` also what was kept on request, what ended processes of this machine with other cache folders left, and the
/// LocalStack containers of this cache folder. An environment whose owner lives is never touched, nor one whose owner can't be
/// seen from here, nor is a LocalStack while an owner lives; one beside the first goes
/// when nobody has used it for a while.
///
/// # Errors
/// [`Error::Engine`] if the engine does not say what is there, or refuses a removal; [`Error::Io`] for a folder. The rest is tried
/// nevertheless.
pub async fn sweep(engine: &Engine, everything: bool) -> Result<Swept, Error> {
    creation::all_carried_out().await;
    let (inventory, guard) = removable(engine, everything).await?;
    // Something stuck hinders nothing else.
    let removed = remove(engine, &inventory).await;
    if removed.is_ok() {
        for id in inventory.containers.iter().filter_map(|found| found.labels.get(labels::ENVIRONMENT)) {
            lease::forget(&engine.own, id);
        }
    }
    lease::prune(&engine.own);
    let folders = folders(engine)?;
    let emptied = folders.iter().map(|folder| scratch::remove(folder).map_err(Error::io("removing", folder)));
    let emptied: Vec<_> = emptied.collect();
    // Under the guard there is none left.
    let unused = if guard.is_some() { Ok(0) } else { localstack::trim(engine).await };
    [removed].into_iter().chain(emptied).collect::<Result<(), _>>()?;
    let mut swept = inventory.count(&folders);
    swept.containers += unused?;
    Ok(swept)
}

/// What [`sweep`] would remove, without everything.
///
/// # Errors
/// [`Error::Engine`] if the engine does not say what is there; [`Error::Io`] for a folder.
pub async fn leftovers(engine: &Engine) -> Result<Swept, Error> {
    let (inventory, _) = removable(engine, false).await?;
    Ok(inventory.count(&folders(engine)?))
}

/// What may be removed, and what keeps LocalStack from being put to use meanwhile.
async fn removable(engine: &Engine, everything: bool) -> Result<(Inventory, Option<File>), Error> {
    let mut inventory = Inventory::list(engine, &labels::ours()).await?;
    let mut standing = inventory.containers.iter().chain(&inventory.networks);
    let alive = standing.any(|found| judge(engine, &found.labels) == Owner::Alive);
    let guard = if everything && !alive { localstack::idle(engine)? } else { None };
    inventory.retain(|labels| match judge(engine, labels) {
        Owner::Alive | Owner::Stranger => false,
        Owner::Dead => true,
        Owner::Unknown => everything,
        Owner::Everybody => guard.is_some(),
    });
    Ok((inventory, guard))
}

/// What is known of the process that owns something.
#[derive(PartialEq, Eq)]
enum Owner {
    Alive,
    Dead,
    /// It was kept on request, or it belongs to another cache folder and its process has ended.
    Unknown,
    /// The shared LocalStack of our cache folder, and its network.
    Everybody,
    /// It belongs to another cache folder, and whether its process runs can't be seen from here; or it is that one's LocalStack.
    Stranger,
}

fn judge(engine: &Engine, labels: &Labels) -> Owner {
    if labels.get(labels::ROLE).is_some_and(|role| role == labels::LOCALSTACK) {
        let ours = labels.get(labels::OWNER).is_none_or(|owner| *owner == engine.owner);
        return if ours { Owner::Everybody } else { Owner::Stranger };
    }
    let holder = labels.get(labels::LEASE).and_then(|label| Holder::parse(label));
    match (holder, labels.get(labels::ENVIRONMENT)) {
        (Some(holder), Some(id)) if holder.owner == engine.owner => {
            // An engine that has another name since, such as its machine's, has another folder.
            let folders = engine.folders();
            if folders.iter().any(|folder| lease::is_held(folder, id)) {
                Owner::Alive
            } else if folders.iter().any(|folder| lease::is_kept(folder, id)) {
                Owner::Unknown
            } else {
                Owner::Dead
            }
        }
        (Some(holder), _) if holder.is_running() => Owner::Alive,
        (Some(holder), _) if !holder.is_here() => Owner::Stranger,
        _ => Owner::Unknown,
    }
}

/// Temporary folders of dead processes.
fn folders(engine: &Engine) -> Result<Vec<PathBuf>, Error> {
    let places = [engine.cache.clone(), std::env::temp_dir()].into_iter();
    let left = places.map(|place| scratch::left(&place).map_err(Error::io("reading", place)));
    Ok(left.collect::<Result<Vec<_>, _>>()?.concat())
}
