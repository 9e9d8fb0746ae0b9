//! The endpoint for people's tools: AWS's APIs over plain HTTP on one port, as an `AWS_ENDPOINT_URL`.
//!
//! Which service and which region a call is for stands in its signature, so one port serves all; see
//! [`super::gate`]. It listens in the container, on the address that the harness publishes. The device reaches it too and
//! gains nothing: the same gate decides.

use super::{
    gate::{Door, Peer},
    limits,
    tls::Front,
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, sync::Arc};
use tokio::net::TcpListener;

/// Serves the endpoint.
pub(super) fn serve(front: &Arc<Front>, listener: TcpListener) {
    let front = Arc::clone(front);
    limits::serve(listener, move |stream, peer| {
        let (front, patience) = (Arc::clone(&front), front.limits.patience);
        let service = service_fn(move |request: Request<Incoming>| {
            let front = Arc::clone(&front);
            let peer = Peer { address: peer.ip(), tls: None, door: Door::Endpoint };
            async move { Ok::<_, Infallible>(front.gate.answer(request, peer).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(patience);
        let serving = http.serve_connection(TokioIo::new(stream), service);
        async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection to the endpoint ended early");
            }
        }
    });
}
