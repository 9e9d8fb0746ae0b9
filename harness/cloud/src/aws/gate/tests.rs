//! The gate over HTTP, with a stand-in for LocalStack and callers that sign as SDKs do.

mod callers;
mod endpoint;
mod faults;
mod kms;
mod layers;
mod logs;
mod objects;
mod records;
mod s3;
mod secrets;
mod sts;
mod tagged;
mod writes;

use super::{Door, Gate, Peer, Sessions};
use crate::{
    aws::{inventory::Inventory, presign, sessions::Session, upstream::LocalStack},
    event::{ApiCall, Outcome, What},
    faults::Faults,
    minted::Seed,
    world::World,
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::net::TcpListener;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "ap-northeast-1";
const SECRETS: &str = "secretsmanager.ap-northeast-1.amazonaws.com";
const S3: &str = "artifacts.s3.ap-northeast-1.amazonaws.com";
const ARN: &str = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:github-token-AbCdEf";
const CERTIFICATE: &str = "c0ffee";
/// The site's public address.
const SITE: &str = "203.0.113.10";

/// A gate that listens, and the LocalStack behind it.
struct Environment {
    address: SocketAddr,
    /// Where it listens as the endpoint.
    endpoint: SocketAddr,
    sessions: Arc<Sessions>,
    faults: Arc<Faults>,
    localstack: MockServer,
    /// What was written down.
    calls: Arc<Mutex<Vec<ApiCall>>>,
}

fn world(localstack: &str, statements: &Value) -> World {
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let trust = json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "credentials.iot.amazonaws.com"}}});
    let role = json!({"path": "/device/", "trust": trust.to_string(), "max_session_seconds": 3600,
        "policies": {"access": policy}});
    serde_json::from_value(json!({
        "environment": "e", "account": ACCOUNT, "region": REGION, "localstack": localstack,
        "aws": "10.0.0.2", "github": "10.0.0.3",
        "authority": {"certificate": "", "key": ""},
        "endpoints": {"data": "d-ats.iot.ap-northeast-1.amazonaws.com",
            "credentials": "c.credentials.iot.ap-northeast-1.amazonaws.com"},
        "thing": {"name": "core", "groups": [], "certificate": "", "policies": {}},
        "role_aliases": {}, "roles": {"DeviceRole": role}, "secrets": [],
        "buckets": [{"name": "artifacts", "objects": {}}], "components": [], "deployments": [],
    }))
    .unwrap()
}

/// Serves the gate; what it writes down is kept.
async fn listen(gate: &Arc<Gate>, calls: &Arc<Mutex<Vec<ApiCall>>>, door: Door) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gate, calls) = (Arc::clone(gate), Arc::clone(calls));
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (gate, written) = (Arc::clone(&gate), Arc::clone(&calls));
            let service = service_fn(move |request| {
                let (gate, written) = (Arc::clone(&gate), Arc::clone(&written));
                async move {
                    let peer = Peer { address: peer.ip(), tls: Some("1.3"), door };
                    let (response, call) = gate.serve(request, peer).await;
                    written.lock().unwrap().push(call);
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

impl Environment {
    /// A world whose role may do what the statements say.
    async fn raise(statements: Value) -> Self {
        Self::of(&statements, |_| {}).await
    }

    /// The same, changed before it is raised.
    async fn of(statements: &Value, change: impl FnOnce(&mut World)) -> Self {
        let localstack = MockServer::start().await;
        let mut world = world(&localstack.uri(), statements);
        change(&mut world);
        let world = Arc::new(world);
        let faults = Arc::new(Faults::default());
        let sessions = Arc::new(Sessions::by(faults.clock(), Seed::unknown()));
        let account = Arc::new(Inventory::new(&world, LocalStack::new(&world)).unwrap());
        let localstack_here = LocalStack::new(&world);
        if let Some(operator) = &world.operator {
            sessions.know_user(operator);
        }
        let gate = Gate::new(world, account, Arc::clone(&sessions), localstack_here, Arc::clone(&faults));
        let gate = Arc::new(gate.before(endpoint::services()));
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let address = listen(&gate, &calls, Door::Hosts).await;
        let endpoint = listen(&gate, &calls, Door::Endpoint).await;
        Self { address, endpoint, sessions, faults, localstack, calls }
    }

    fn session(&self) -> Session {
        self.sessions.issue_device("DeviceRole", CERTIFICATE, Some("core"), 900)
    }

    /// LocalStack knows the one secret.
    async fn holds_the_secret(&self) {
        let target = |operation: &str| matchers::header("x-amz-target", format!("secretsmanager.{operation}").as_str());
        Mock::given(target("DescribeSecret"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ARN": ARN, "Name": "github-token"})))
            .mount(&self.localstack)
            .await;
        let value = json!({"ARN": ARN, "Name": "github-token", "SecretString": "s3cr3t"});
        let answer =
            ResponseTemplate::new(200).insert_header("x-localstack", "true").insert_header("server", "Werkzeug");
        Mock::given(target("GetSecretValue")).respond_with(answer.set_body_json(value)).mount(&self.localstack).await;
    }

    async fn send(&self, call: Request<Full<Bytes>>) -> Answer {
        Self::send_to(self.address, call).await
    }

    async fn send_to(address: SocketAddr, call: Request<Full<Bytes>>) -> Answer {
        let (mut parts, body) = call.into_parts();
        let path = parts.uri.path_and_query().unwrap().clone();
        parts.uri = format!("http://{address}{path}").parse().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(Request::from_parts(parts, body)).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: format!("{:?}", parts.headers).to_lowercase(), text }
    }

    /// What was written down of the last call.
    fn last(&self) -> ApiCall {
        self.calls.lock().unwrap().last().cloned().unwrap()
    }

    async fn forwarded(&self, operation: &str) -> Vec<wiremock::Request> {
        let all = self.localstack.received_requests().await.unwrap();
        all.into_iter()
            .filter(|request| {
                request.headers.get("x-amz-target").is_some_and(|target| target.to_str().unwrap().ends_with(operation))
            })
            .collect()
    }
}

struct Answer {
    status: StatusCode,
    headers: String,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Status and error code of a JSON answer, whose text is the second part.
    fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let text = body["Message"].as_str().or(body["message"].as_str()).unwrap_or_default();
        (self.status.as_u16(), body["__type"].as_str().unwrap_or_default().to_owned(), text.to_owned())
    }
}

/// A call as an SDK signs it.
struct Call {
    service: &'static str,
    region: &'static str,
    method: &'static str,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    time: SystemTime,
}

fn secret(operation: &str, body: &Value) -> Call {
    Call {
        service: "secretsmanager",
        region: REGION,
        method: "POST",
        uri: format!("https://{SECRETS}/"),
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".into()),
            ("x-amz-target", format!("secretsmanager.{operation}")),
        ],
        body: body.to_string(),
        time: SystemTime::now(),
    }
}

fn get_secret(id: &str) -> Call {
    secret("GetSecretValue", &json!({"SecretId": id}))
}

fn s3(method: &'static str, target: &str) -> Call {
    Call {
        service: "s3",
        region: REGION,
        method,
        uri: format!("https://{S3}{target}"),
        headers: Vec::new(),
        body: String::new(),
        time: SystemTime::now(),
    }
}

impl Call {
    /// The same with a header.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same with a body.
    fn saying(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    fn unsigned(&self) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method).uri(&self.uri);
        let host = request.uri_ref().unwrap().authority().unwrap().to_string();
        request = request.header("host", host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::from(self.body.clone())).unwrap()
    }

    fn signed(&self, session: &Session) -> Request<Full<Bytes>> {
        let mut request = self.unsigned();
        self.instructions(session, None).apply_to_request_http1x(&mut request);
        request
    }

    fn presigned(&self, session: &Session, seconds: u64) -> Request<Full<Bytes>> {
        let mut request = self.unsigned();
        self.instructions(session, Some(Duration::from_secs(seconds))).apply_to_request_http1x(&mut request);
        request
    }

    fn instructions(&self, session: &Session, expires: Option<Duration>) -> SigningInstructions {
        let token = Some(session.token.clone()).filter(|token| !token.is_empty());
        let credentials = Credentials::from_keys(&session.key, &session.secret, token);
        let identity: Identity = credentials.into();
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if expires.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = expires;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let body = match expires {
            Some(_) => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(self.body.as_bytes()),
        };
        let signable = SignableRequest::new(self.method, &self.uri, headers, body).unwrap();
        sign(signable, &params).unwrap().into_parts().0
    }
}

/// A call of STS, with its parameters encoded.
fn sts(body: &str) -> Call {
    Call {
        service: "sts",
        region: "us-east-1",
        method: "POST",
        uri: "https://sts.amazonaws.com/".into(),
        headers: vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".into())],
        body: format!("{body}&Version=2011-06-15"),
        time: SystemTime::now(),
    }
}

fn text(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Who the device is.
fn device() -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/{CERTIFICATE}")
}

fn allow(action: &str, resource: &str) -> Value {
    json!([{"Sid": "It", "Effect": "Allow", "Action": action, "Resource": resource}])
}
