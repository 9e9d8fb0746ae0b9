//! The second way to point a nucleus at this cloud: an HTTP proxy that opens tunnels (`CONNECT`) to the world's own hosts.
//!
//! With it a nucleus needs no name server of ours: it names the host and the port, and nucleus lite trusts its own root CA
//! for S3 too. Lite's MQTT asks in HTTP/1.0 and without `Host`. Hosts that the world doesn't have are refused and written
//! down, as their names would be.

use super::{dns::Zone, limits};
use crate::event::{What, emit};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// The longest request that asks for a tunnel, in bytes.
const LONGEST: usize = 8192;

/// Where tunnels may go.
#[derive(Clone, Debug)]
pub(super) struct Tunnels {
    zone: Zone,
    /// The ports that hosts of AWS have, and where each of them is served.
    ports: BTreeMap<u16, u16>,
    patience: Duration,
}

/// Why a tunnel is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    BadRequest,
    Forbidden,
    NotAllowed,
    Unreachable,
}

impl Refusal {
    const fn status(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotAllowed => "405 Method Not Allowed",
            Self::Unreachable => "502 Bad Gateway",
        }
    }
}

impl Tunnels {
    /// To the hosts of a zone, on the ports that are served.
    pub(super) fn new(zone: Zone, ports: &[u16], patience: Duration) -> Self {
        Self { zone, ports: ports.iter().map(|port| (*port, *port)).collect(), patience }
    }

    /// Serves the proxy.
    pub(super) fn serve(self, listener: TcpListener) {
        let tunnels = Arc::new(self);
        limits::serve(listener, move |stream, _| Arc::clone(&tunnels).connection(stream));
    }

    async fn connection(self: Arc<Self>, mut stream: TcpStream) {
        let Ok(Some(head)) = timeout(self.patience, head(&mut stream)).await else { return };
        let version = if head.contains(" HTTP/1.0\r\n") { "1.0" } else { "1.1" };
        let opened = match self.destination(&head) {
            Ok(to) => timeout(self.patience, TcpStream::connect(to)).await.ok().and_then(Result::ok),
            Err(refusal) => return refuse(&mut stream, version, refusal).await,
        };
        let Some(mut there) = opened else { return refuse(&mut stream, version, Refusal::Unreachable).await };
        _ = there.set_nodelay(true);
        let answer = format!("HTTP/{version} 200 Connection established\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            // Either side may break off; that ends the tunnel.
            _ = copy_bidirectional(&mut stream, &mut there).await;
        }
    }

    /// Where a request wants to go.
    fn destination(&self, head: &str) -> Result<SocketAddr, Refusal> {
        let mut words = head.lines().next().unwrap_or_default().split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        if !version.is_some_and(|version| version.starts_with("HTTP/1.")) || words.next().is_some() {
            return Err(Refusal::BadRequest);
        }
        if method != Some("CONNECT") {
            return Err(Refusal::NotAllowed);
        }
        let (host, port) = target.and_then(|target| target.rsplit_once(':')).ok_or(Refusal::BadRequest)?;
        let asked = port.parse().map_err(|_| Refusal::BadRequest)?;
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        // What is local to the proxy is not what is local to the device.
        let address = self.zone.resolve(&name).filter(|_| name != "localhost");
        match (address, self.ports.get(&asked)) {
            (Some(address), Some(port)) => Ok((address, *port).into()),
            (None, _) if name.parse::<Ipv4Addr>().is_ok() => {
                emit(What::RawAddress { destination: format!("{name}:{asked}") });
                Err(Refusal::Forbidden)
            }
            (None, _) => {
                emit(What::Dns { name, record: "A".into(), answer: None });
                Err(Refusal::Forbidden)
            }
            (Some(_), None) => {
                emit(What::RawAddress { destination: format!("{name}:{asked}") });
                Err(Refusal::Forbidden)
            }
        }
    }
}

/// The head of a request, to its empty line; nothing if it never ends. Not a byte more is read: what follows is the
/// tunnel's.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST {
            return None;
        }
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn refuse(stream: &mut TcpStream, version: &str, refusal: Refusal) {
    let answer = format!("HTTP/{version} {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", refusal.status());
    _ = stream.write_all(answer.as_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy whose world has an echo on port 8883, and only there; gives what a client reads until the end.
    async fn told(request: &str, then: &[u8]) -> String {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = BTreeMap::from([(8883, echo.local_addr().unwrap().port()), (443, 1)]);
        tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await.unwrap();
            let mut heard = vec![0; 5];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(&heard).await.unwrap();
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        Tunnels { zone: Zone::local(), ports, patience: Duration::from_secs(5) }.serve(listener);
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        client.write_all(then).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn lites_own_bytes_open_a_tunnel() {
        fidelity::fidelity!("wire-4");
        let of_mqtt =
            "CONNECT data-ats.iot.us-east-1.amazonaws.com:8883 HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n\r\n";
        assert_eq!(told(of_mqtt, b"hello").await, "HTTP/1.0 200 Connection established\r\n\r\nhello");
        let host = "bucket.s3.us-east-1.amazonaws.com:8883";
        let of_curl = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nProxy-Connection: Keep-Alive\r\n\r\n");
        assert_eq!(told(&of_curl, b"hello").await, "HTTP/1.1 200 Connection established\r\n\r\nhello");
    }

    #[tokio::test]
    async fn tunnels_lead_to_the_worlds_hosts_and_ports_alone() {
        fidelity::fidelity!("wire-4");
        let cases = [
            ("CONNECT example.com:443 HTTP/1.1", "403 Forbidden"),
            ("CONNECT 192.0.2.1:443 HTTP/1.1", "403 Forbidden"),
            ("CONNECT data-ats.iot.us-east-1.amazonaws.com:22 HTTP/1.0", "403 Forbidden"),
            ("CONNECT data-ats.iot.us-east-1.amazonaws.com HTTP/1.0", "400 Bad Request"),
            ("GET http://data-ats.iot.us-east-1.amazonaws.com/ HTTP/1.1", "405 Method Not Allowed"),
            ("CONNECT data-ats.iot.us-east-1.amazonaws.com:443 HTTP/1.1", "502 Bad Gateway"),
            ("nonsense", "400 Bad Request"),
        ];
        for (line, status) in cases {
            let answer = told(&format!("{line}\r\n\r\n"), b"").await;
            assert!(answer.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(status)), "{line}: {answer}");
        }
    }
}
