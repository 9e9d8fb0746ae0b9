//! The endpoint for people's tools: AWS's APIs over plain HTTP on one port, as an `AWS_ENDPOINT_URL`.
//!
//! Which service and which region a call is for stands in its signature, so one port serves all; see
//! [`super::gate`]. It listens in the container, on the address that the harness publishes. The device reaches it too and
//! gains nothing: the same gate decides.

use super::{
    Error,
    gate::{Door, Peer},
    tls::Front,
};
use crate::world::ENDPOINT_PORT;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// How long a client may take to send the head of a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the endpoint.
///
/// # Errors
/// If the port can't be had.
pub(super) async fn serve(front: Arc<Front>) -> Result<(), Error> {
    let listener = TcpListener::bind(("0.0.0.0", ENDPOINT_PORT)).await.map_err(Error::io("serving the endpoint"))?;
    tokio::spawn(async move {
        loop {
            let (stream, peer) = super::accept(&listener).await;
            _ = stream.set_nodelay(true);
            let front = Arc::clone(&front);
            let service = service_fn(move |request: Request<Incoming>| {
                let front = Arc::clone(&front);
                let peer = Peer { address: peer.ip(), tls: None, door: Door::Endpoint };
                async move { Ok::<_, Infallible>(front.gate.answer(request, peer).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(())
}
