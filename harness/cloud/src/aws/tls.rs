//! TLS for every AWS host: certificates minted by name, client certificates where AWS asks for them, and who serves
//! what.
//!
//! A client certificate is taken if its holder proves to have the key; whether it is registered is decided above TLS,
//! as at AWS, where the answer to a foreign certificate is an HTTP status.

use super::{
    gate::{Door, Gate, Peer},
    iot::Iot,
    limits::{self, Limits},
    provider::Provider,
};
use crate::{
    certificates::{Flaw, Mint},
    clock::Clock,
    event::{What, emit_from},
    faults::Faults,
    world::{Authority, Endpoints},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ProtocolVersion, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        Acceptor,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// Everything behind the front door.
pub(super) struct Front {
    pub(super) iot: Arc<Iot>,
    pub(super) provider: Provider,
    pub(super) gate: Gate,
    pub(super) faults: Arc<Faults>,
    pub(super) endpoints: Endpoints,
    pub(super) region: String,
    pub(super) certificates: Certificates,
    pub(super) limits: Limits,
}

/// Serves what is on a port: 443 (APIs and credentials provider), 8443 (data plane) or 8883 (MQTT).
pub(super) fn serve(front: &Arc<Front>, listener: TcpListener, port: u16) {
    let front = Arc::clone(front);
    limits::serve(listener, move |stream, peer| {
        let front = Arc::clone(&front);
        async move {
            if let Err(error) = front.connection(stream, peer, port).await {
                tracing::debug!(%error, %peer, port, "a connection ended early");
            }
        }
    });
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Mqtt,
    DataPlane,
    Credentials,
    Gate,
}

impl Front {
    /// The data plane's own name.
    fn greengrass(&self) -> String {
        format!("greengrass-ats.iot.{}.amazonaws.com", self.region)
    }

    /// Whether a name is one by which MQTT and the data plane are served: `ID-ats.iot.REGION.amazonaws.com`. A certificate is
    /// known in its own region alone, and a name without `-ats` has a server certificate that Amazon's roots don't vouch for
    /// (<https://docs.aws.amazon.com/iot/latest/developerguide/register-device-cert.html>).
    fn is_of_iot(&self, name: &str) -> bool {
        name.strip_suffix(&format!("-ats.iot.{}.amazonaws.com", self.region)).is_some_and(|id| !id.contains('.'))
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, port: u16) -> Result<(), String> {
        let slow = |_| "the handshake took too long".to_owned();
        let patience = self.limits.patience;
        let start = timeout(patience, LazyConfigAcceptor::new(Acceptor::default(), stream)).await.map_err(slow)?;
        let start = start.map_err(|error| error.to_string())?;
        let hello = start.client_hello();
        let name = hello.server_name().map(str::to_ascii_lowercase).ok_or("the client named no server")?;
        if !name.ends_with(".amazonaws.com") {
            return Err(format!("`{name}` is no AWS host"));
        }
        if port != 443 && !self.is_of_iot(&name) {
            emit_from(peer.ip(), What::RawAddress { destination: format!("{name}:{port}") });
            return Err(format!("`{name}` serves nothing on port {port}"));
        }
        let mqtt_on_443 = hello.alpn().is_some_and(|mut names| names.any(|name| name == b"x-amzn-mqtt-ca"));
        let purpose = match port {
            8883 => Purpose::Mqtt,
            8443 => Purpose::DataPlane,
            _ if name == self.endpoints.data && mqtt_on_443 => Purpose::Mqtt,
            _ if name == self.endpoints.credentials => Purpose::Credentials,
            _ if name == self.greengrass() => Purpose::DataPlane,
            _ => Purpose::Gate,
        };
        let flaw = self.faults.of_certificate(&name);
        let config = self.certificates.config(&name, purpose, flaw)?;
        let stream = timeout(patience, start.into_stream(config)).await.map_err(slow)?;
        let stream = stream.map_err(|error| error.to_string())?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|der| der.to_vec());
        if purpose == Purpose::Mqtt {
            Arc::clone(&self.iot).serve_mqtt_within(patience, stream, name, certificate).await;
            return Ok(());
        }
        self.http(stream, peer, purpose, certificate).await
    }

    async fn http(
        self: Arc<Self>,
        stream: TlsStream<TcpStream>,
        peer: SocketAddr,
        purpose: Purpose,
        certificate: Option<Vec<u8>>,
    ) -> Result<(), String> {
        let tls = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Some("1.2"),
            Some(ProtocolVersion::TLSv1_3) => Some("1.3"),
            _ => None,
        };
        let peer = Peer { address: peer.ip(), tls, door: Door::Hosts };
        let service = service_fn(|request: Request<Incoming>| {
            let (front, certificate) = (Arc::clone(&self), certificate.clone());
            async move { Ok::<_, std::convert::Infallible>(front.answer(request, peer, purpose, certificate).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.limits.patience);
        let served = http.serve_connection(TokioIo::new(stream), service).await;
        served.map_err(|error| error.to_string())
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        purpose: Purpose,
        certificate: Option<Vec<u8>>,
    ) -> Response<Full<Bytes>> {
        match purpose {
            Purpose::DataPlane => {
                let iot = Arc::clone(&self.iot);
                iot.data_plane_within(&self.limits, request, certificate).await
            }
            Purpose::Credentials => self.provider.serve(&request, certificate.as_deref()).await,
            Purpose::Gate | Purpose::Mqtt => self.gate.answer(request, peer).await,
        }
    }
}

/// Host names whose certificates are kept.
const MAX_CONFIGS: usize = 256;

/// Server configurations by host name, with certificates minted on first use.
pub(super) struct Certificates {
    mint: Mint,
    clock: Arc<Clock>,
    provider: Arc<CryptoProvider>,
    configs: Mutex<HashMap<Presented, Arc<ServerConfig>>>,
}

/// What a server presents itself as.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Presented {
    name: String,
    asks: bool,
    mqtt: bool,
    flaw: Option<Flaw>,
    /// How far AWS's clock is ahead, in seconds.
    ahead: i64,
}

impl Certificates {
    pub(super) fn new(authority: &Authority, clock: Arc<Clock>) -> Result<Self, String> {
        let (mint, provider) = (Mint::new(authority)?, Arc::new(ring::default_provider()));
        Ok(Self { mint, clock, provider, configs: Mutex::default() })
    }

    fn config(&self, name: &str, purpose: Purpose, flaw: Option<Flaw>) -> Result<Arc<ServerConfig>, String> {
        let presented = Presented {
            name: name.to_owned(),
            asks: purpose != Purpose::Gate,
            mqtt: purpose == Purpose::Mqtt,
            flaw,
            ahead: self.clock.ahead().whole_seconds(),
        };
        if let Some(config) = self.configs.lock().unwrap_or_else(PoisonError::into_inner).get(&presented) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.made(&presented)?);
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if configs.len() >= MAX_CONFIGS {
            // A client that makes names up costs the others a new certificate, and no memory.
            configs.clear();
        }
        configs.insert(presented, Arc::clone(&config));
        Ok(config)
    }

    fn made(&self, presented: &Presented) -> Result<ServerConfig, String> {
        let (chain, private) = self.mint.certificate(&presented.name, presented.flaw, self.clock.now())?;
        let versions = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let clients = if presented.asks {
            versions.with_client_cert_verifier(Arc::new(AnyHolder(Arc::clone(&self.provider))))
        } else {
            versions.with_no_client_auth()
        };
        let mut config = clients.with_single_cert(chain, private).map_err(|error| error.to_string())?;
        let protocol = if presented.mqtt { b"x-amzn-mqtt-ca".to_vec() } else { b"http/1.1".to_vec() };
        config.alpn_protocols = vec![protocol];
        Ok(config)
    }
}

/// Accepts any certificate whose holder proves to have its key.
struct AnyHolder(Arc<CryptoProvider>);

impl fmt::Debug for AnyHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyHolder")
    }
}

impl ClientCertVerifier for AnyHolder {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
