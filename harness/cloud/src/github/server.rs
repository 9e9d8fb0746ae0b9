//! The TLS server: takes connections, sends each request to the host that it is for and writes down how it came out.

use super::{
    Error, Shelves,
    access::Caller,
    api,
    git::{self, Target},
    index,
};
use crate::{
    event::{self, What},
    world::{self, Hub},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An answer, read as a whole.
pub(super) type Reply = Response<Full<Bytes>>;

/// The longest request body, in bytes; a clone asks for a few hundred.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The server of all three hosts.
#[derive(Clone)]
pub(super) struct Server {
    hub: Arc<Hub>,
    shelves: Arc<Shelves>,
    tls: TlsAcceptor,
}

impl Server {
    /// A server with the hub's certificate.
    pub(super) fn new(hub: Hub, shelves: Shelves) -> Result<Self, Error> {
        let tls = TlsAcceptor::from(Arc::new(configuration(&hub)?));
        Ok(Self { hub: Arc::new(hub), shelves: Arc::new(shelves), tls })
    }

    /// Answers whoever connects; ends only by being dropped.
    pub(super) async fn serve(&self, listener: TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(self.clone().converse(stream))),
                Err(error) => tracing::warn!(%error, "accepting a connection"),
            }
        }
    }

    async fn converse(self, stream: TcpStream) {
        let stream = match self.tls.accept(stream).await {
            Ok(stream) => TokioIo::new(stream),
            Err(error) => return tracing::warn!(%error, "TLS handshake"),
        };
        let service = service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(stream, service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large");
        };
        let request = Request::from_parts(head, body.to_bytes());
        match host(&request).as_deref() {
            Some("github.com") => self.answer_git(request).await,
            Some("api.github.com") => self.answer_api(&request),
            Some(world::INDEX_HOST) => self.answer_index(&request).await,
            _ => text(StatusCode::MISDIRECTED_REQUEST, "Misdirected Request"),
        }
    }

    async fn answer_git(&self, request: Request<Bytes>) -> Reply {
        let hub = &self.hub;
        let uri = request.uri().clone();
        let method = request.method().to_string();
        let caller = Caller::of_git(authorization(&request), hub);
        let target = Target::parse(request.method(), uri.path(), uri.query());
        let reply = match target {
            Some(target) => git::answer(target, caller, hub, &self.shelves.repositories, request).await,
            None => text(StatusCode::NOT_FOUND, "Not Found"),
        };
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        self.tell(method, path, target.map(Target::repository), caller, &reply);
        reply
    }

    fn answer_api(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let caller = Caller::of_api(authorization(request), &self.hub);
        let reply = api::answer(request.method(), path, caller, &self.hub);
        let shown = format!("api.github.com{path}");
        self.tell(request.method().to_string(), &shown, api::repository(path), caller, &reply);
        reply
    }

    async fn answer_index(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let reply = index::answer(request.method(), path, &self.shelves.packages).await;
        event::emit(What::Index { path: self.redact(path), status: reply.status().as_u16() });
        reply
    }

    fn tell(&self, method: String, path: &str, repository: Option<String>, caller: Caller<'_>, reply: &Reply) {
        event::emit(What::Git {
            method,
            path: self.redact(path),
            repository: repository.map(|name| self.redact(&name)),
            credential: caller.credential(),
            status: reply.status().as_u16(),
        });
    }

    /// The text without any token: a caller may have put one into the path.
    fn redact(&self, text: &str) -> String {
        let values = self.hub.tokens.iter().map(|token| token.value.0.as_str()).filter(|value| !value.is_empty());
        values.fold(text.to_owned(), |text, value| text.replace(value, "***"))
    }
}

fn configuration(hub: &Hub) -> Result<ServerConfig, Error> {
    let chain = CertificateDer::pem_slice_iter(hub.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::Pem)?;
    let key = PrivateKeyDer::from_pem_slice(hub.key.0.as_bytes()).map_err(Error::Pem)?;
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(Error::Tls)?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(configuration)
}

/// The host that a request is for, lower case, without a port.
fn host(request: &Request<Bytes>) -> Option<String> {
    let value = request.headers().get(header::HOST)?.to_str().ok()?;
    let name = value.rsplit_once(':').map_or(value, |(name, _)| name);
    Some(name.to_ascii_lowercase())
}

fn authorization(request: &Request<Bytes>) -> Option<&[u8]> {
    request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes)
}

/// A plain text answer.
pub(super) fn text(status: StatusCode, body: &'static str) -> Reply {
    of_type(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    of_type(status, "application/json; charset=utf-8", body.to_string().into())
}

/// A page of HTML with the given body.
pub(super) fn page(body: &str) -> Reply {
    of_type(
        StatusCode::OK,
        "text/html; charset=utf-8",
        format!("<!DOCTYPE html>\n<html><body>\n{body}</body></html>\n").into(),
    )
}

fn of_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Reply::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    reply
}
