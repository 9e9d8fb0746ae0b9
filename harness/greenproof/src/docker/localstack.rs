//! The LocalStack that all environments share, kept running between runs.
//!
//! Environments live apart in it by account, but bucket names are global in LocalStack, and two environments may insist
//! on the same account. So an environment claims the names that it needs for itself; who can't have them gets another
//! LocalStack, in the next *slot*.
//!
//! The first one stays. Another one goes at the next sweep after nobody has used it for [`IDLE`]. One in which [`NAMES`] were
//! claimed gives way to a new one as soon as nobody uses it.
//!
//! It listens on an internal network that only `aws` containers join; the host itself has no address there.

use super::{ContainerSpec, Engine, Kept, error::Error, labels, lock, network};
use bollard::query_parameters::InspectNetworkOptions;
use std::{
    collections::HashMap,
    fs::{self, File},
    net::Ipv4Addr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// How long a LocalStack beside the first may stay unused: it takes about 290 MiB, and a few seconds to start.
const IDLE: Duration = Duration::from_mins(10);

/// How many names are claimed in a LocalStack until it is replaced: it grows by about 4 MiB with the first secret of an
/// account, as many again when IAM is asked, and gives nothing back.
const NAMES: usize = 64;

/// LocalStack's own port.
const PORT: u16 = 4566;

/// Waits inside the container until the health endpoint answers, for at most a minute. One Python process, since
/// starting one a question costs more than the question.
const WAIT: &str = "
import time, urllib.request
end = time.monotonic() + 60
while True:
    try:
        urllib.request.urlopen('http://127.0.0.1:4566/_localstack/health', timeout=5).read()
        break
    except Exception as error:
        if time.monotonic() > end:
            raise SystemExit(str(error))
        time.sleep(0.05)
";

/// A LocalStack that is ready, and the claims on names in it. Dropping it gives the names back; LocalStack goes on.
#[derive(Debug)]
pub struct LocalStack {
    /// Base URL for containers on [`LocalStack::network`], such as `http://10.84.3.2:4566`.
    pub url: String,
    /// Name of the network to join.
    pub network: String,
    /// Name of its container, for logs.
    pub container: String,
    /// Which of several it is.
    pub(crate) slot: u32,
    _held: Vec<File>,
}

impl LocalStack {
    /// The same for somebody who makes no claims: whoever holds this one holds the names.
    pub(crate) fn without_claims(&self) -> Self {
        let Self { url, network, container, slot, .. } = self;
        let (url, network, container) = (url.clone(), network.clone(), container.clone());
        Self { url, network, container, slot: *slot, _held: Vec::new() }
    }

    /// The one that a kept environment uses, whose note holds its names.
    pub(crate) fn of_kept(url: String, kept: &Kept) -> Self {
        Self { url, network: String::new(), container: String::new(), slot: kept.slot, _held: Vec::new() }
    }
}

/// Finds or starts a LocalStack in which nobody else claims any of these names; says when it has to start one.
///
/// # Errors
/// [`Error::LocalStack`] if it doesn't become ready within a minute, [`Error::Engine`] or [`Error::Io`] before that.
pub async fn localstack(
    engine: &Engine,
    image: &str,
    claims: &[String],
    starting: &(dyn Fn() + Send + Sync),
) -> Result<LocalStack, Error> {
    let choosing = lock::exclusive(&start_lock(engine), || ()).await?;
    let network = format!("greenproof-localstack-{}", engine.owner);
    let subnet = shared_network(engine, &network).await?;
    let image_id =
        engine.docker.inspect_image(image).await.map_err(Error::engine(format!("inspecting image `{image}`")))?.id;
    for slot in 0.. {
        let kept: Vec<_> = engine.kept().into_iter().filter(|kept| kept.slot == slot).collect();
        if kept.iter().any(|kept| kept.claims.iter().any(|claim| claims.contains(claim))) {
            continue;
        }
        let users = folder(engine, slot).join("users");
        let container = container(engine, &slot.to_string());
        let address = Ipv4Addr::from_bits(subnet.to_bits() + 2 + slot);
        let found = Found::inspect(engine, &container).await?;
        let fits = claimed(engine, slot).count() < NAMES
            && found.is_some_and(|found| found.running && found.image == image_id && found.address == Some(address));
        let alone = if fits { None } else { lock::try_exclusive(&users)? };
        if !fits && (alone.is_none() || !kept.is_empty()) {
            continue;
        }
        let Some(mut held) = claim(engine, slot, claims)? else { continue };
        if let Some(_alone) = alone {
            starting();
            engine.remove(&container).await?;
            forget(engine, slot, claims)?;
            start(engine, image, &container, &network, address).await?;
        }
        let users = lock::shared(&users).await?;
        users.set_modified(SystemTime::now()).map_err(Error::io("noting the use of", folder(engine, slot)))?;
        held.push(users);
        // From here the shared lock guards the slot: who needs another one need not wait for this one.
        drop(choosing);
        wait(engine, slot, &container).await?;
        return Ok(LocalStack { url: format!("http://{address}:{PORT}"), network, container, slot, _held: held });
    }
    unreachable!("slots never end")
}

/// Keeps anybody from using a LocalStack of this cache folder as long as the answer lives; nothing if somebody does.
pub(crate) fn idle(engine: &Engine) -> Result<Option<File>, Error> {
    let Some(guard) = lock::try_exclusive(&start_lock(engine))? else { return Ok(None) };
    let slots = fs::read_dir(root(engine)).into_iter().flatten().flatten();
    for users in slots.map(|slot| slot.path().join("users")).filter(|users| users.exists()) {
        if lock::try_exclusive(&users)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(guard))
}

/// Removes those beside the first that nobody has used for a while; gives how many.
///
/// # Errors
/// [`Error::Engine`] or [`Error::Io`].
pub(crate) async fn trim(engine: &Engine) -> Result<usize, Error> {
    let Some(_guard) = lock::try_exclusive(&start_lock(engine))? else { return Ok(0) };
    let (kept, mut removed) = (engine.kept(), 0);
    for slot in fs::read_dir(root(engine)).into_iter().flatten().flatten() {
        let (name, users) = (slot.file_name().to_string_lossy().into_owned(), slot.path().join("users"));
        let Ok(number @ 1..) = name.parse::<u32>() else { continue };
        let unused = fs::metadata(&users).and_then(|file| file.modified()).ok().and_then(|used| used.elapsed().ok());
        let is_kept = kept.iter().any(|kept| kept.slot == number);
        if is_kept || unused.is_none_or(|unused| unused < IDLE) {
            continue;
        }
        let Some(_idle) = lock::try_exclusive(&users)? else { continue };
        engine.remove(&container(engine, &name)).await?;
        fs::remove_dir_all(slot.path()).map_err(Error::io("removing", slot.path()))?;
        removed += 1;
    }
    Ok(removed)
}

/// Stops every LocalStack of this cache folder, unless somebody uses one; says whether none runs any more.
///
/// # Errors
/// [`Error::Engine`] or [`Error::Io`].
pub async fn stop_localstack(engine: &Engine) -> Result<bool, Error> {
    let Some(_guard) = idle(engine)? else { return Ok(false) };
    for slot in fs::read_dir(root(engine)).into_iter().flatten().flatten() {
        engine.remove(&container(engine, &slot.file_name().to_string_lossy())).await?;
    }
    Ok(true)
}

/// Name of the container of a slot.
fn container(engine: &Engine, slot: &str) -> String {
    format!("greenproof-localstack-{}-{slot}", engine.owner)
}

fn root(engine: &Engine) -> PathBuf {
    engine.own.join("localstack")
}

fn start_lock(engine: &Engine) -> PathBuf {
    engine.own.join("localstack.lock")
}

fn folder(engine: &Engine, slot: u32) -> PathBuf {
    root(engine).join(slot.to_string())
}

/// Locks every name in a slot, or none.
fn claim(engine: &Engine, slot: u32, claims: &[String]) -> Result<Option<Vec<File>>, Error> {
    claims.iter().map(|name| lock::try_exclusive(&name_file(engine, slot, name))).collect()
}

fn name_file(engine: &Engine, slot: u32, name: &str) -> PathBuf {
    folder(engine, slot).join("claims").join(name.replace('/', "%"))
}

/// The files of the names that have been claimed in a slot since its LocalStack began.
fn claimed(engine: &Engine, slot: u32) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder(engine, slot).join("claims"));
    files.into_iter().flatten().flatten().map(|file| file.path())
}

/// Forgets the names in a slot, which nobody uses, but for those that are claimed now.
fn forget(engine: &Engine, slot: u32, claims: &[String]) -> Result<(), Error> {
    let now: Vec<_> = claims.iter().map(|name| name_file(engine, slot, name)).collect();
    claimed(engine, slot)
        .filter(|file| !now.contains(file))
        .try_for_each(|file| fs::remove_file(&file).map_err(Error::io("removing", file)))
}

async fn shared_network(engine: &Engine, name: &str) -> Result<Ipv4Addr, Error> {
    let found = engine.docker.inspect_network(name, None::<InspectNetworkOptions>).await;
    let subnet = match found {
        Ok(network) => network.ipam.and_then(|ipam| ipam.config?.pop()?.subnet),
        Err(error) if super::error::status(&error) == Some(404) => {
            return engine.create_internal(name, own_labels(engine), network::LOCALSTACK).await;
        }
        Err(error) => return Err(Error::engine(format!("inspecting network `{name}`"))(error)),
    };
    let first = subnet.as_deref().and_then(|subnet| subnet.split_once('/')?.0.parse().ok());
    Ok(first.expect("our own network has the subnet that it was created with"))
}

fn own_labels(engine: &Engine) -> HashMap<String, String> {
    [(labels::OURS, labels::OURS_VALUE), (labels::ROLE, labels::LOCALSTACK), (labels::OWNER, &engine.owner)]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into()
}

/// What a slot's container is, if there is one.
struct Found {
    running: bool,
    image: Option<String>,
    address: Option<Ipv4Addr>,
    /// Container id and start time: what was ready once stays so as long as this does not change.
    incarnation: String,
}

impl Found {
    async fn inspect(engine: &Engine, container: &str) -> Result<Option<Self>, Error> {
        let inspected = match engine.docker.inspect_container(container, None).await {
            Err(error) if super::error::status(&error) == Some(404) => return Ok(None),
            other => other.map_err(Error::engine(format!("inspecting container `{container}`")))?,
        };
        let state = inspected.state.unwrap_or_default();
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Ok(Some(Self {
            running: state.running.unwrap_or_default(),
            image: inspected.image,
            address: networks.into_values().find_map(|endpoint| endpoint.ip_address?.parse().ok()),
            incarnation: format!("{} {:?}", inspected.id.unwrap_or_default(), state.started_at),
        }))
    }
}

async fn start(engine: &Engine, image: &str, name: &str, network: &str, address: Ipv4Addr) -> Result<(), Error> {
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        labels: own_labels(engine),
        network: network.to_owned(),
        address: Some(address),
        ..ContainerSpec::default()
    };
    engine.launch(&spec).await.map(|_| ())
}

/// Waits until LocalStack is ready, unless it is known to be.
async fn wait(engine: &Engine, slot: u32, container: &str) -> Result<(), Error> {
    let note = folder(engine, slot).join("ready");
    let incarnation = Found::inspect(engine, container).await?.map(|found| found.incarnation).unwrap_or_default();
    if fs::read_to_string(&note).is_ok_and(|known| known == incarnation) {
        return Ok(());
    }
    let reason = match engine.exec(container, "", &["python3", "-c", WAIT], &[]).await {
        Ok(output) if output.exit_code == 0 => {
            return fs::write(&note, incarnation).map_err(Error::io("writing", note));
        }
        Ok(output) => output.stderr.lines().last().unwrap_or("it ended").to_owned(),
        // A container that ended meanwhile can't run the question; its log says more than the engine's answer.
        Err(_) => "its container ended".to_owned(),
    };
    let log = engine.last_lines(container, 40).await;
    Err(Error::LocalStack { container: container.to_owned(), reason, log })
}
