//! The TLS server: takes connections, sends each request to the host that it is for and writes down how it came out.

use super::{
    Error, Shelves,
    api::{self, API},
    directory::Directory,
    downloads::{self, SITE},
    faulty::{self, Reset, Sent},
    git::{self, Shown, Target},
    index,
};
use crate::{
    certificates::Mint,
    clock,
    event::{self, Credential, What},
    fault::Special,
    faults::Faults,
    world::{self, Hub, PrivateIndex},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::Acceptor,
};
use serde_json::Value;
use std::{convert::Infallible, error::Error as _, net::IpAddr, sync::Arc};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// An answer, read as a whole.
pub(super) type Reply = Response<Full<Bytes>>;

/// The longest request body, in bytes; a clone asks for a few hundred.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The server of all three hosts.
#[derive(Clone)]
pub(super) struct Server {
    directory: Arc<Directory>,
    shelves: Arc<Shelves>,
    tls: Arc<ServerConfig>,
    faults: Arc<Faults>,
    /// Whom a connection is from.
    peer: Option<IpAddr>,
}

impl Server {
    /// A server with the hub's certificate.
    pub(super) fn new(directory: Arc<Directory>, shelves: Shelves, faults: Arc<Faults>) -> Result<Self, Error> {
        let tls = Arc::new(usual(directory.hub())?);
        Ok(Self { directory, shelves: Arc::new(shelves), tls, faults, peer: None })
    }

    /// Answers whoever connects; ends only by being dropped.
    pub(super) async fn serve(&self, listener: TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let server = Self { peer: Some(peer.ip()), ..self.clone() };
                    drop(tokio::spawn(server.converse(stream)));
                }
                Err(error) => tracing::warn!(%error, "accepting a connection"),
            }
        }
    }

    async fn converse(self, stream: TcpStream) {
        let stream = match self.shake_hands(stream).await {
            Ok(stream) => TokioIo::new(stream),
            Err(error) => return tracing::warn!(error, "TLS handshake"),
        };
        let service = service_fn(|request| self.answer(request));
        let mut connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(stream, service);
        let Err(error) = (&mut connection).await else { return };
        if error.source().is_some_and(<dyn std::error::Error>::is::<Reset>) {
            reset_when_dropped(connection.into_parts().io.into_inner().get_ref().0, true);
        }
        tracing::debug!(%error, "connection");
    }

    /// The encrypted stream, with the certificate that the client shall see.
    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        // Until it is known which host a connection is for, one that ends here ends as if nobody listened.
        let faulty = self.faults.any();
        reset_when_dropped(&stream, faulty);
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(|error| error.to_string())?;
        let name = start.client_hello().server_name().unwrap_or_default().to_ascii_lowercase();
        let index = name == world::INDEX_HOST || self.directory.index(&name).is_some();
        if index && self.faults.special(Special::IndexDown, "").is_some() {
            return Err("reset by a fault".to_owned());
        }
        let stream = start.into_stream(self.configuration(&name)?).await.map_err(|error| error.to_string())?;
        if faulty {
            reset_when_dropped(stream.get_ref().0, false);
        }
        Ok(stream)
    }

    fn configuration(&self, name: &str) -> Result<Arc<ServerConfig>, String> {
        let Some(flaw) = self.faults.of_certificate(name) else { return Ok(Arc::clone(&self.tls)) };
        let (chain, key) = Mint::new(&self.directory.hub().authority)?.certificate(name, Some(flaw), clock::now())?;
        Ok(Arc::new(presenting(chain, key).map_err(|error| error.to_string())?))
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Sent, Reset> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return Ok(faulty::whole(text(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large")));
        };
        let request = Request::from_parts(head, body.to_bytes());
        match host(&request).as_deref() {
            Some(SITE) => self.answer_git(&request).await,
            Some(API) => Ok(faulty::whole(self.answer_api(&request))),
            Some(world::INDEX_HOST) => self.answer_index(&request, None).await.map(faulty::whole),
            Some(host) if let Some(index) = self.directory.index(host) => {
                self.answer_index(&request, Some(index)).await.map(faulty::whole)
            }
            _ => Ok(faulty::whole(text(StatusCode::MISDIRECTED_REQUEST, "Misdirected Request"))),
        }
    }

    async fn answer_git(&self, request: &Request<Bytes>) -> Result<Sent, Reset> {
        let (directory, uri) = (&self.directory, request.uri());
        let caller = directory.caller_of_git(authorization(request));
        let target = Target::parse(request.method(), uri.path(), uri.query());
        let reply = match (faulty::of_git(&self.faults, target, &caller).await?, target) {
            (Some(reply), _) => reply,
            (None, Some(target)) => {
                let shown = Shown { repositories: &self.shelves.repositories, hidden: faulty::hidden(&self.faults) };
                git::answer(target, &caller, directory, shown, request).await
            }
            (None, None) => downloads::of(SITE, uri.path()).map_or_else(
                || text(StatusCode::NOT_FOUND, "Not Found"),
                |what| text(StatusCode::NOT_IMPLEMENTED, what),
            ),
        };
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        self.tell(request.method().to_string(), path, target.map(Target::repository), caller.credential(), &reply);
        Ok(faulty::sent(&self.faults, target, request, reply).await)
    }

    fn answer_api(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let api::Answered { reply, credential } = api::answer(request, authorization(request), &self.directory);
        let shown = format!("{API}{path}");
        self.tell(request.method().to_string(), &shown, api::repository(path), credential, &reply);
        reply
    }

    async fn answer_index(&self, request: &Request<Bytes>, private: Option<&PrivateIndex>) -> Result<Reply, Reset> {
        let path = request.uri().path();
        let credential = private.map(|index| index::credential(index, authorization(request)));
        let reply = match (faulty::of_index(&self.faults).await?, credential) {
            (Some(reply), _) => reply,
            (None, Some(Credential::None | Credential::Unknown)) => index::unauthorized(),
            (None, _) => {
                let own = private.map(|_| self.shelves.private.clone());
                let folders: Vec<_> = own.into_iter().chain([self.shelves.packages.clone()]).collect();
                index::answer(request.method(), path, &folders, &self.faults).await
            }
        };
        let (host, status) = (private.map(|index| index.host.clone()), reply.status().as_u16());
        event::emit_from(self.peer, What::Index { host, path: self.redact(path), credential, status });
        Ok(reply)
    }

    fn tell(&self, method: String, path: &str, repository: Option<String>, credential: Credential, reply: &Reply) {
        let (path, repository) = (self.redact(path), repository.map(|name| self.redact(&name)));
        let status = reply.status().as_u16();
        event::emit_from(self.peer, What::Git { method, path, repository, credential, status });
    }

    fn redact(&self, text: &str) -> String {
        self.directory.redact(text)
    }
}

/// What is presented unless a fault wants something else.
fn usual(hub: &Hub) -> Result<ServerConfig, Error> {
    let chain = CertificateDer::pem_slice_iter(hub.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::Pem)?;
    let key = PrivateKeyDer::from_pem_slice(hub.key.0.as_bytes()).map_err(Error::Pem)?;
    presenting(chain, key).map_err(Error::Tls)
}

fn presenting(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, rustls::Error> {
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(configuration)
}

/// Whether a connection that is dropped is reset, in place of being closed.
pub(super) fn reset_when_dropped(stream: &TcpStream, reset: bool) {
    #[expect(deprecated, reason = "what is deprecated is to linger; this ends it")]
    let set = if reset { stream.set_zero_linger() } else { stream.set_linger(None) };
    if let Err(error) = set {
        tracing::warn!(%error, "a connection's end could not be chosen");
    }
}

/// The host that a request is for, lower case, without a port.
pub(super) fn host<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers().get(header::HOST)?.to_str().ok()?;
    let name = value.rsplit_once(':').map_or(value, |(name, _)| name);
    Some(name.to_ascii_lowercase())
}

/// The `Authorization` header of a request, if it has one.
pub(super) fn authorization<B>(request: &Request<B>) -> Option<&[u8]> {
    request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes)
}

/// A plain text answer.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    of_type(status, "text/plain; charset=utf-8", body.into())
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    of_type(status, "application/json; charset=utf-8", body.to_string().into())
}

/// A page of HTML with the given body.
pub(super) fn page(body: &str) -> Reply {
    page_of(StatusCode::OK, format!("<!DOCTYPE html>\n<html><body>\n{body}</body></html>\n"))
}

/// A page of HTML.
pub(super) fn page_of(status: StatusCode, html: impl Into<Bytes>) -> Reply {
    of_type(status, "text/html; charset=utf-8", html.into())
}

/// An answer of some type of content.
pub(super) fn of_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Reply::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    reply
}
