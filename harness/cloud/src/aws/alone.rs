//! The role without a container around it: the gate on one socket, for measurements, or every door on a port of its own.

use super::{
    dns, endpoint,
    gate::{Door, Gate, Peer},
    inventory::Inventory,
    limits::Limits,
    sessions::Sessions,
    tls,
    upstream::LocalStack,
};
use crate::{faults::Faults, world::World};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::{TcpListener, UdpSocket};

/// Credentials of a role session, as a device has them.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key id.
    pub key: String,
    /// The secret access key.
    pub secret: String,
    /// The session token.
    pub token: String,
}

/// Serves the gate of a world on a socket until the runtime ends, and gives an hour's credentials of one of its roles.
///
/// # Errors
/// If a policy can't be read; the text names it.
pub fn serve(world: World, role: &str, listener: TcpListener) -> Result<Credentials, String> {
    let localstack = LocalStack::new(&world);
    let inventory = Arc::new(Inventory::new(&world, localstack.clone())?);
    let world = Arc::new(world);
    let sessions = Arc::new(Sessions::default());
    let session = sessions.issue_device(role, "c0ffee", Some(&world.thing.name), 3600);
    let gate = Arc::new(Gate::new(world, inventory, sessions, localstack, Arc::<Faults>::default()));
    tokio::spawn(async move {
        loop {
            let (stream, peer) = super::accept(&listener).await;
            _ = stream.set_nodelay(true);
            let gate = Arc::clone(&gate);
            let service = service_fn(move |request| {
                let gate = Arc::clone(&gate);
                let peer = Peer { address: peer.ip(), tls: None, door: Door::Hosts };
                async move { Ok::<_, Infallible>(gate.answer(request, peer).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(Credentials { key: session.key, secret: session.secret, token: session.token })
}

/// Where each door of a role that was raised is, all on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// 443: APIs and credentials provider.
    pub apis: SocketAddr,
    /// 8443: the Greengrass data plane.
    pub data_plane: SocketAddr,
    /// 8883: MQTT.
    pub mqtt: SocketAddr,
    /// The endpoint for people's tools.
    pub endpoint: SocketAddr,
    /// DNS, over UDP and TCP.
    pub dns: SocketAddr,
}

/// Serves every door of a world until the runtime ends; clients have so much patience with each. Nothing is put into
/// LocalStack.
///
/// # Errors
/// If something of the world can't be read, or there is no port.
pub async fn raise(world: World, patience: Duration) -> Result<Doors, String> {
    let localstack = LocalStack::new(&world);
    let inventory = Arc::new(Inventory::new(&world, localstack.clone())?);
    let world = Arc::new(world);
    let front = super::front(&world, &localstack, &inventory, Limits::of(patience))?;
    let failed = |error: io::Error| format!("listening: {error}");
    let mut addresses = Vec::new();
    for port in [443, 8443, 8883] {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        addresses.push(listener.local_addr().map_err(failed)?);
        tls::serve(&front, listener, port);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let endpoint = listener.local_addr().map_err(failed)?;
    endpoint::serve(&front, listener);
    let tcp = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let dns = tcp.local_addr().map_err(failed)?;
    dns::serve(&world, &front.faults, UdpSocket::bind(dns).await.map_err(failed)?, tcp);
    Ok(Doors { apis: addresses[0], data_plane: addresses[1], mqtt: addresses[2], endpoint, dns })
}
