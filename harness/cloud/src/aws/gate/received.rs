//! A request as it came in.

use super::{
    super::limits::{self, Excess, Limits},
    Door, Peer, operation,
};
use bytes::Bytes;
use hyper::{HeaderMap, Method, Request, body::Incoming, header::HOST};

/// A request, read whole.
pub(in crate::aws) struct Received {
    pub(in crate::aws) method: Method,
    pub(in crate::aws) host: String,
    pub(in crate::aws) path: String,
    pub(in crate::aws) query: String,
    pub(in crate::aws) headers: HeaderMap,
    pub(in crate::aws) body: Bytes,
    pub(in crate::aws) peer: Peer,
    /// Why the body was not read.
    pub(super) excess: Option<Excess>,
}

impl Received {
    pub(super) async fn read(request: Request<Incoming>, peer: Peer, limits: &Limits) -> Self {
        let (parts, body) = request.into_parts();
        let named = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = parts.uri.host().unwrap_or(named).to_ascii_lowercase();
        let mut received = Self {
            host: host.split(':').next().unwrap_or_default().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            body: Bytes::new(),
            headers: parts.headers,
            peer,
            excess: None,
        };
        let most = if operation::is_s3(&received) { limits::OBJECT } else { limits::BODY };
        match limits.body(body, most).await {
            Ok(body) => received.body = body,
            Err(excess) => received.excess = Some(excess),
        }
        received
    }

    pub(super) fn is_at_endpoint(&self) -> bool {
        self.peer.door == Door::Endpoint
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
