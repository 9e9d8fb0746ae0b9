//! Plain HTTP: whoever comes to GitHub so is sent to the same address over HTTPS, which git, pip and curl `-L` follow.
//!
//! The package indexes have no plain HTTP: what is for any other host than GitHub's is reset.

use super::{
    api::API,
    directory::Directory,
    downloads::SITE,
    faulty::Reset,
    server::{Reply, authorization, host, reset_when_dropped},
};
use crate::event::{self, What};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::IpAddr, sync::Arc};
use tokio::net::{TcpListener, TcpStream};

/// Answers whoever connects; ends only by being dropped.
pub(super) async fn serve(directory: Arc<Directory>, listener: TcpListener) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(converse(Arc::clone(&directory), stream, peer.ip()))),
            Err(error) => tracing::warn!(%error, "accepting a connection of plain HTTP"),
        }
    }
}

async fn converse(directory: Arc<Directory>, stream: TcpStream, peer: IpAddr) {
    let service = service_fn(|request| std::future::ready(answer(&directory, &request, peer)));
    let mut connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = (&mut connection).await {
        tracing::debug!(%error, "connection of plain HTTP");
        reset_when_dropped(&connection.into_parts().io.into_inner(), true);
    }
}

/// Sends the caller to HTTPS, and writes it down.
fn answer(directory: &Directory, request: &Request<Incoming>, peer: IpAddr) -> Result<Reply, Reset> {
    let host = host(request).filter(|host| [SITE, API].contains(&host.as_str())).ok_or(Reset)?;
    let address = format!("{host}{}", request.uri().path_and_query().map_or("/", |it| it.as_str()));
    let reply = moved(&format!("https://{address}"));
    let credential = directory.caller_of_git(authorization(request)).credential();
    let (method, path) = (request.method().to_string(), directory.redact(&format!("http://{address}")));
    let status = reply.status().as_u16();
    event::emit_from(peer, What::Git { method, path, repository: None, credential, status });
    Ok(reply)
}

/// GitHub's answer is empty, as issues of public repositories show its headers.
fn moved(to: &str) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(to) = HeaderValue::from_str(to) {
        reply.headers_mut().insert(header::LOCATION, to);
    }
    reply
}
