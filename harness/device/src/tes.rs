//! The token exchange service: its start, and its HTTP endpoint on loopback.
//!
//! The endpoint answers one request at a time, as the real one's single worker does.

use crate::{
    credentials::{Provider, Retry},
    kernel::Kernel,
    log::{Cause, Line, Logs},
    service::Service,
    step, tree,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    collections::HashSet,
    convert::Infallible,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// Name of the component.
pub(crate) const NAME: &str = "aws.greengrass.TokenExchangeService";
/// The one path that is served; the URL handed to components ends in it.
const PATH: &str = "/2016-11-01/credentialprovider/";
/// Logger of the service.
pub(crate) const LOGGER: &str = "com.aws.greengrass.tes.TokenExchangeService";
/// Logger of its requests.
const HANDLER: &str = "com.aws.greengrass.tes.CredentialRequestHandler";
/// How long a request waits for another one's fetch.
const PATIENCE: Duration = Duration::from_secs(30);
/// The seconds for which a refusal may be remembered.
const RETRY_RANGE: std::ops::RangeInclusive<u64> = 10..=42_900;

/// The authorization tokens of the components (their SVCUIDs).
pub(crate) type Tokens = Arc<Mutex<HashSet<String>>>;

/// The running endpoint; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Endpoint {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the service as its configuration says, and tells every component that is started from now on where it is.
///
/// # Errors
/// The exception that the start ends with: no role alias, or the port is taken.
pub(crate) async fn start(kernel: &Kernel, service: &Service) -> Result<Endpoint, Cause> {
    let port = port(&service.spec().configuration);
    let alias = kernel.provider.role_alias();
    let say = |line: Line| {
        let line = step::context(line.thread(step::thread(service)), service);
        kernel.logs.nucleus(&line.with("port", port.to_string()).with("iotRoleAlias", alias.as_deref().unwrap_or("")));
    };
    say(Line::info(LOGGER).message(format!("Attempting to start server at configured port {port}")));
    if alias.is_none() {
        let text = "iotRoleAlias parameter is either empty or not configured for TES";
        return Err(Cause::new("java.lang.IllegalArgumentException", text));
    }
    configure(kernel, service);
    let (provider, tokens, logs) = (kernel.provider.clone(), kernel.tokens.clone(), kernel.logs.clone());
    let server = Server { provider, tokens, logs, turn: tokio::sync::Mutex::default() };
    let endpoint = server.listen(port).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Cause::new("java.net.BindException", "Address already in use"),
        _ => Cause::io(&error),
    })?;
    kernel.set_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://localhost:{}{PATH}", endpoint.port));
    let line = Line::info(LOGGER).message(format!("Started server at port {}", endpoint.port));
    kernel.logs.nucleus(&step::context(line.thread(step::thread(service)), service));
    Ok(endpoint)
}

/// Stops the service.
pub(crate) fn stop(kernel: &Kernel, service: &Service, endpoint: Option<Endpoint>) {
    let say = |text: String| {
        let line = Line::info(LOGGER).thread(step::thread(service)).message(text);
        kernel.logs.nucleus(&step::context(line, service));
    };
    say("TokenExchangeService is shutting down!".into());
    if let Some(endpoint) = endpoint {
        let port = endpoint.port;
        drop(endpoint);
        say(format!("Stopped server at port {port}"));
    }
}

/// Takes `credentialRetryInSec` from the service's configuration.
pub(crate) fn configure(kernel: &Kernel, service: &Service) {
    let (defaults, spec) = (Retry::default(), service.spec());
    let section = tree::get(&spec.configuration, "credentialRetryInSec");
    let period = |key: &str, default: Duration| {
        let Some(given) = section.and_then(|section| tree::text(section, key)) else { return default };
        if let Some(seconds) = whole(&given).filter(|seconds| RETRY_RANGE.contains(seconds)) {
            return Duration::from_secs(seconds);
        }
        let text = format!(
            "Credential retry value must be between {} and {} seconds, setting credentialRetryInSec.{key} to default \
             value {}",
            RETRY_RANGE.start(),
            RETRY_RANGE.end(),
            default.as_secs()
        );
        let line = Line::error(LOGGER).thread(step::thread(service)).message(text);
        kernel.logs.nucleus(&step::context(line, service));
        default
    };
    kernel.provider.remember(Retry {
        client: period("clientError", defaults.client),
        server: period("serverError", defaults.server),
        unknown: period("unknownError", defaults.unknown),
    });
}

/// Follows a change of the service's configuration while it runs; says whether it must be restarted for that.
pub(crate) fn changed(kernel: &Kernel, service: &Service, old: &Value) -> bool {
    let spec = service.spec();
    let new = &spec.configuration;
    let retry = |of| tree::get(of, "credentialRetryInSec").cloned();
    if retry(old) != retry(new) {
        configure(kernel, service);
        let line = Line::info(LOGGER).event("tes-credential-retry-config-change");
        let line = line.message("TES credential retry configuration updated").with("why", "childChanged");
        kernel.logs.nucleus(&step::context(line, service));
    }
    if port(old) == port(new) {
        return false;
    }
    let line = Line::info(LOGGER).event("tes-port-config-change");
    let line = line.message("Restarting TES server due to port config change").with("port", port(new).to_string());
    kernel.logs.nucleus(&step::context(line.with("why", "childChanged"), service));
    true
}

/// The configured port; 0 is a free one.
fn port(configuration: &Value) -> u16 {
    let port = tree::text(configuration, "port").and_then(|port| whole(&port));
    port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default()
}

/// A whole number; those of IoT jobs are doubles.
fn whole(text: &str) -> Option<u64> {
    text.strip_suffix(".0").unwrap_or(text).trim().parse().ok()
}

/// What requests are answered from.
#[derive(Debug)]
struct Server {
    provider: Arc<Provider>,
    tokens: Tokens,
    logs: Arc<Logs>,
    /// Whose request is answered.
    turn: tokio::sync::Mutex<()>,
}

impl Server {
    async fn listen(self, port: u16) -> io::Result<Endpoint> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let server = Arc::new(self);
        let task = tokio::spawn(async move {
            // They end with the endpoint.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
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
        let turn = self.turn.lock().await;
        let (status, body) = self.judge(request.method(), request.uri().path(), token).await;
        drop(turn);
        let mut response = Response::new(Full::from(body));
        if status == 404 {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        }
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
        Ok(response)
    }

    async fn judge(&self, method: &Method, path: &str, token: Option<&str>) -> (u16, String) {
        let refuse = |status, line: Line| {
            self.logs.nucleus(&line.thread("HTTP-Dispatcher"));
            (status, String::new())
        };
        if !path.starts_with(PATH) {
            // Java's server answers for itself what is not below its one context.
            return (404, "<h1>404 Not Found</h1>No context found for request".to_owned());
        }
        if method != Method::GET {
            let text = format!("Unsupported http method for {method}. GET is supported.");
            return refuse(405, Line::warn(HANDLER).message(text));
        }
        if path != PATH {
            return refuse(400, Line::warn(HANDLER).message(format!("Unexpected URI: {path}.")));
        }
        let known =
            token.is_some_and(|token| self.tokens.lock().unwrap_or_else(PoisonError::into_inner).contains(token));
        if !known {
            return refuse(403, Line::info(HANDLER).message("Request denied due to invalid token"));
        }
        match self.provider.answer(PATIENCE).await {
            Some(answer) => (answer.status, answer.body.clone()),
            None => refuse(504, Line::debug(HANDLER).message("Client credential request timed out")),
        }
    }
}
