//! The `aws` role: every `*.amazonaws.com` host that a device talks to.
//!
//! [`run`] starts DNS, TLS on 443, 8443 and 8883, and the catch-all for connections to raw addresses, puts the seeds
//! into LocalStack and says ready. The [`endpoint`] serves the same APIs to a person's tools. Who a caller is, is decided in [`tls`] (certificates) and [`gate`] (signatures);
//! what it may do by IAM and IoT policies.

pub mod alone;
mod control;
mod dns;
mod endpoint;
mod gate;
mod global_keys;
mod greengrass;
mod inventory;
mod iot;
mod limits;
mod place;
mod presign;
mod provider;
mod proxy;
mod rest;
mod roles;
mod seed;
mod sessions;
mod stray;
mod tls;
mod upstream;

use crate::{
    Part,
    control::SOCKET,
    event::{What, emit},
    faults::Faults,
    minted::Seed,
    world::{self, ENDPOINT_PORT, PROXY_PORT, World},
};
use dns::Zone;
use gate::{Gate, Services};
use greengrass::Greengrass;
use inventory::Inventory;
use iot::{Iot, Registry};
use limits::Limits;
use provider::Provider;
use proxy::Tunnels;
use sessions::Sessions;
use sha2::{Digest, Sha256};
use std::{io, net::SocketAddr, path::Path, sync::Arc};
use tls::Front;
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    signal::unix::{SignalKind, signal},
};
use upstream::LocalStack;

/// The ports on which devices find AWS: APIs and credentials, the data plane, MQTT.
const DEVICE_PORTS: [u16; 3] = [443, 8443, 8883];

/// Why the role can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The world file is missing or not of this version.
    #[error("reading the world: {0}")]
    World(String),
    /// A port can't be served.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Something of the world can't be used.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// Plays the role until SIGTERM or SIGINT; then takes its seeds out of LocalStack again.
///
/// # Errors
/// When the world can't be read, a port can't be served, or LocalStack refuses the seeds.
#[must_use]
pub fn run() -> Part<Error> {
    Box::pin(play())
}

async fn play() -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("listening for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::io("listening for SIGINT"))?;
    let text = std::fs::read(world::PATH).map_err(Error::io("reading the world"))?;
    let world: World = serde_json::from_slice(&text).map_err(|error| Error::World(error.to_string()))?;
    let world = Arc::new(world);
    let localstack = LocalStack::new(&world);
    let account = Arc::new(Inventory::new(&world, localstack.clone()).map_err(Error::Setup)?);
    let front = front(&world, &localstack, &account, Limits::default()).map_err(Error::Setup)?;
    dns::serve(&world, &front.faults, bind_udp(53).await?, bind(53).await?);
    stray::serve(world.aws, world.github).await?;
    for port in DEVICE_PORTS {
        tls::serve(&front, bind(port).await?, port);
    }
    endpoint::serve(&front, bind(ENDPOINT_PORT).await?);
    let tunnels = Tunnels::new(Zone::of(&world), &DEVICE_PORTS, front.limits.patience);
    tunnels.serve(bind(PROXY_PORT).await?);
    seed::sow(&world, &localstack).await.map_err(Error::Setup)?;
    tokio::spawn(Arc::clone(&front.iot).keep_time());
    control::serve(Arc::clone(&front.iot), Arc::clone(&account), Path::new(SOCKET))?;
    emit(What::Ready);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let held = account.held().await;
    tokio::join!(seed::reap(&held, &localstack), account.reap());
    Ok(())
}

/// All that is behind the front door.
fn front(
    world: &Arc<World>,
    localstack: &LocalStack,
    account: &Arc<Inventory>,
    limits: Limits,
) -> Result<Arc<Front>, String> {
    let faults = Arc::new(Faults::default());
    let seed = world.seed.as_ref().map_or_else(Seed::unknown, |seed| Seed::of(&seed.0));
    let sessions = Arc::new(Sessions::by(faults.clock(), seed));
    if let Some(operator) = &world.operator {
        sessions.know_user(operator);
    }
    world.faults.iter().cloned().for_each(|fault| faults.begin(fault));
    let registry = Arc::new(Registry::new(world, Arc::clone(account))?);
    let iot = Iot::new(Arc::clone(world), Arc::clone(&registry), Arc::clone(&sessions), Arc::clone(&faults))?;
    let greengrass = Greengrass::new(Arc::clone(&iot), Arc::clone(account), localstack.clone());
    let services = Services::from([
        ("iot", Arc::clone(&iot) as Arc<dyn rest::Service>),
        ("greengrass", Arc::new(greengrass) as Arc<dyn rest::Service>),
    ]);
    let provider =
        Provider::new(Arc::clone(world), Arc::clone(account), registry, Arc::clone(&sessions), Arc::clone(&faults));
    let gate = Gate::new(Arc::clone(world), Arc::clone(account), sessions, localstack.clone(), Arc::clone(&faults));
    Ok(Arc::new(Front {
        iot,
        provider,
        gate: gate.before(services).within(limits.clone()),
        endpoints: world.endpoints.clone(),
        region: world.region.clone(),
        certificates: tls::Certificates::new(&world.authority, faults.clock())?,
        faults,
        limits,
    }))
}

async fn bind(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind(("0.0.0.0", port)).await.map_err(Error::io("serving a port"))
}

async fn bind_udp(port: u16) -> Result<UdpSocket, Error> {
    UdpSocket::bind(("0.0.0.0", port)).await.map_err(Error::io("serving DNS over UDP"))
}

/// The next connection. That one could not be taken (its peer gave up, or descriptors ran out) does not end a server.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
        }
        tokio::task::yield_now().await;
    }
}

/// What IoT calls the id of a certificate: the SHA-256 of its DER form, in hex.
pub(crate) fn certificate_id(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}
