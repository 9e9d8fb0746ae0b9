//! The token exchange service's HTTP endpoint on loopback.

use crate::{
    credentials::Provider,
    log::{Line, Logs},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, body::Incoming, header::AUTHORIZATION, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashSet,
    convert::Infallible,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Name of the component.
pub(crate) const NAME: &str = "aws.greengrass.TokenExchangeService";
/// The one path that is served; the URL handed to components ends in it.
pub(crate) const PATH: &str = "/2016-11-01/credentialprovider/";
const LOGGER: &str = "com.aws.greengrass.tes.CredentialRequestHandler";
/// How long a request waits for another one's fetch.
const PATIENCE: Duration = Duration::from_secs(30);

/// The authorization tokens of the components (their SVCUIDs).
pub(crate) type Tokens = Arc<Mutex<HashSet<String>>>;

/// The running endpoint; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The port on loopback.
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What requests are answered from.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) provider: Arc<Provider>,
    pub(crate) tokens: Tokens,
    pub(crate) logs: Arc<Logs>,
}

impl Server {
    /// Listens on `port`, or a free one if it is 0.
    ///
    /// # Errors
    /// If the port is taken.
    pub(crate) async fn listen(self, port: u16) -> io::Result<Endpoint> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let server = Arc::new(self);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| server.respond(request));
                    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                        tracing::debug!(%error, "token exchange connection");
                    }
                });
            }
        });
        Ok(Endpoint { port, task })
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (status, body) = self.judge(request.method(), request.uri().path(), token).await;
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
        Ok(response)
    }

    async fn judge(&self, method: &Method, path: &str, token: Option<&str>) -> (u16, String) {
        let refuse = |status, line: Line| {
            self.logs.nucleus(&line);
            (status, String::new())
        };
        if method != Method::GET {
            let text = format!("Unsupported http method for {method}. GET is supported.");
            return refuse(405, Line::warn(LOGGER).message(text));
        }
        if path != PATH {
            return refuse(400, Line::warn(LOGGER).message(format!("Unexpected URI: {path}")));
        }
        let known =
            token.is_some_and(|token| self.tokens.lock().unwrap_or_else(PoisonError::into_inner).contains(token));
        if !known {
            return refuse(403, Line::info(LOGGER).message("Request denied due to invalid token"));
        }
        match tokio::time::timeout(PATIENCE, self.provider.answer()).await {
            Ok(answer) => (answer.status, answer.body.clone()),
            Err(_) => (504, String::new()),
        }
    }
}
