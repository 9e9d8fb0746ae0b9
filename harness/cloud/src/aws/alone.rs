//! The gate without everything around it: plain HTTP on one socket, for measurements.

use super::{
    faults::Faults,
    gate::{Door, Gate, Peer},
    inventory::Inventory,
    sessions::Sessions,
    upstream::LocalStack,
};
use crate::world::World;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, sync::Arc};
use tokio::net::TcpListener;

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
