//! A client that does what it is told, byte by byte, and one that behaves.

use super::world::{CREDENTIALS, DATA, Identity, Raised};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{net::SocketAddr, sync::Arc, time::Duration, time::SystemTime};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// What can go wrong in a test.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long a test waits for an answer.
const WAIT: Duration = Duration::from_secs(30);

/// How to connect: plain, or with TLS for a name.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    to: SocketAddr,
    name: Option<String>,
    identity: Option<Identity>,
    protocol: Option<&'static str>,
}

impl Tls {
    pub(crate) fn none(to: SocketAddr) -> Self {
        Self { to, name: None, identity: None, protocol: None }
    }

    pub(crate) fn to(to: SocketAddr, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::none(to) }
    }

    pub(crate) fn showing(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    pub(crate) fn speaking(mut self, protocol: &'static str) -> Self {
        self.protocol = Some(protocol);
        self
    }

    fn config(&self) -> Result<ClientConfig, Failure> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes())?];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?)?
            }
        };
        config.alpn_protocols.extend(self.protocol.map(|name| name.as_bytes().to_vec()));
        Ok(config)
    }
}

/// Takes any server for what it says: tools that check are tested elsewhere.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection.
pub(crate) struct Stream(Box<dyn Duplex>);

impl Stream {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        timeout(WAIT, async { self.0.write_all(bytes).await.and(self.0.flush().await) }).await??;
        Ok(())
    }

    pub(crate) async fn read(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; length];
        timeout(WAIT, self.0.read_exact(&mut bytes)).await??;
        Ok(bytes)
    }

    pub(crate) async fn read_to_end(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        match timeout(WAIT, self.0.read_to_end(&mut bytes)).await? {
            // That the other side did not say goodbye is no matter here.
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Ok(bytes),
        }
    }
}

/// Connects.
pub(crate) async fn connect(tls: &Tls) -> Result<Stream, Failure> {
    let stream = TcpStream::connect(tls.to).await?;
    let Some(name) = &tls.name else { return Ok(Stream(Box::new(stream))) };
    let connector = TlsConnector::from(Arc::new(tls.config()?));
    let stream = timeout(WAIT, connector.connect(ServerName::try_from(name.clone())?, stream)).await??;
    Ok(Stream(Box::new(stream)))
}

/// The certificate that a server shows, as text as far as it is text: the names in it can be read.
pub(crate) async fn shown(tls: &Tls) -> Result<String, Failure> {
    let name = tls.name.clone().ok_or("no server is named")?;
    let connector = TlsConnector::from(Arc::new(tls.config()?));
    let stream = TcpStream::connect(tls.to).await?;
    let stream = timeout(WAIT, connector.connect(ServerName::try_from(name)?, stream)).await??;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).ok_or("it shows none")?;
    Ok(String::from_utf8_lossy(certificate).into_owned())
}

/// Waits until the other side ends the connection, having said nothing but an alert or an error of its protocol.
pub(crate) async fn silence(stream: &mut Stream, patience: Duration) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    _ = timeout(patience, stream.0.read_to_end(&mut bytes)).await.map_err(|_| "it is still open")?;
    if bytes.len() > 512 { Err(format!("it said {} bytes", bytes.len()).into()) } else { Ok(()) }
}

/// A CONNECT of MQTT 3.1.1 with a clean session and an hour to be silent.
pub(crate) fn mqtt_connect(client: &str) -> Vec<u8> {
    let length = u8::try_from(client.len()).unwrap_or(u8::MAX);
    [&[0x10, 12 + length, 0, 4][..], b"MQTT", &[4, 2, 0x0e, 0x10, 0, length], client.as_bytes()].concat()
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads one, whether or not the connection goes on.
    pub(crate) async fn read(stream: &mut Stream) -> Result<Self, Failure> {
        let mut text = Vec::new();
        let head = loop {
            if let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
                break String::from_utf8(text[..end].to_vec())?;
            }
            text.push(stream.read(1).await?[0]);
        };
        let length = head.lines().filter_map(|line| line.split_once(": "));
        let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
        let body = stream.read(length.next().unwrap_or("0").parse()?).await?;
        let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        Ok(Self { status, head, body: String::from_utf8(body)? })
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Call {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn post(path: &str, body: &str) -> Self {
        Self { method: "POST", body: body.to_owned(), ..Self::get(path) }
    }

    /// A request of any method.
    pub(crate) fn of(method: &'static str, path: &str, body: &str) -> Self {
        Self { method, ..Self::post(path, body) }
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn target(name: &str, body: &str) -> Self {
        let mut call = Self::post("/", body);
        call.headers.push(("x-amz-target".to_owned(), name.to_owned()));
        call.headers.push(("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()));
        call
    }

    /// Signs it in the operator's name.
    pub(crate) fn signed(mut self, service: &str) -> Result<Self, Failure> {
        let identity = Credentials::from_keys("AKIAOLIVE", "hush", None).into();
        if service == "sts" {
            let form = "application/x-www-form-urlencoded; charset=utf-8";
            self.headers.push(("content-type".to_owned(), form.to_owned()));
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("ap-northeast-1")
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let uri = format!("http://localhost{}", self.path);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(self.method, &uri, headers, SignableBody::Bytes(self.body.as_bytes()))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.headers.extend(signed.collect::<Vec<_>>());
        Ok(self)
    }

    pub(crate) async fn send(&self, tls: &Tls, host: &str) -> Result<Answer, Failure> {
        let mut stream = connect(tls).await?;
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers = headers.collect::<Vec<_>>().concat();
        let Self { method, path, body, .. } = self;
        let length = body.len();
        let text =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        stream.write(text.as_bytes()).await?;
        Answer::read(&mut stream).await
    }
}

/// What a client that behaves does at every door.
pub(crate) trait Healthy {
    /// Does it, and fails if one door doesn't serve it.
    async fn healthy(&self) -> Result<(), Failure>;

    /// Sends something to DNS over UDP, and nothing more.
    async fn send_dns(&self, question: &[u8]) -> Result<(), Failure>;
}

impl Healthy for Raised {
    async fn healthy(&self) -> Result<(), Failure> {
        let data = Tls::to(self.doors.data_plane, DATA).showing(&self.device);
        let groups = Call::get("/greengrass/v2/coreDevices/Core/thingGroups").send(&data, DATA).await?;
        let provider = Tls::to(self.doors.apis, CREDENTIALS).showing(&self.device);
        let credentials = Call::get("/role-aliases/Alias/credentials").send(&provider, CREDENTIALS).await?;
        let who = Call::post("/", "Action=GetCallerIdentity&Version=2011-06-15").signed("sts")?;
        let who = who.send(&Tls::none(self.doors.endpoint), "localhost").await?;
        for (door, answer) in [("data plane", groups), ("provider", credentials), ("endpoint", who)] {
            if answer.status != 200 {
                return Err(format!("{door}: {} {}", answer.status, answer.body).into());
            }
        }
        let mut mqtt = connect(&Tls::to(self.doors.mqtt, DATA).showing(&self.device)).await?;
        mqtt.write(&mqtt_connect("Healthy")).await?;
        if mqtt.read(4).await? != [0x20, 2, 0, 0] {
            return Err("mqtt: no CONNACK".into());
        }
        mqtt.write(&[0xe0, 0]).await?;
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let question =
            b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02s3\x09amazonaws\x03com\x00\x00\x01\x00\x01";
        socket.send_to(question, self.doors.dns).await?;
        let mut answer = [0; 512];
        let (length, _) = timeout(WAIT, socket.recv_from(&mut answer)).await??;
        let ends_right = answer[..length].ends_with(&[10, 0, 0, 2]);
        if ends_right { Ok(()) } else { Err("DNS: not the address of aws".into()) }
    }

    async fn send_dns(&self, question: &[u8]) -> Result<(), Failure> {
        UdpSocket::bind("127.0.0.1:0").await?.send_to(question, self.doors.dns).await?;
        Ok(())
    }
}
