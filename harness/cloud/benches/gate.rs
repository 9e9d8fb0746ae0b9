//! What the gate costs: the time that it adds to `GetSecretValue`, and how many signed calls it decides and writes down
//! a second, before an upstream that answers at once.
//!
//! Records go to standard output as in a container, so send that to a file; the figures go to standard error:
//! `cargo bench -p cloud --bench gate > target/gate.jsonl`.

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use cloud::{aws::alone, world::World};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};
use tokio::net::TcpListener;

const HOST: &str = "secretsmanager.ap-northeast-1.amazonaws.com";
const ARN: &str = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:token-AbCdEf";

/// Calls one after the other, and calls in all at once.
const ROUNDS: usize = 2000;
const CALLS: usize = 5000;
const AT_ONCE: usize = 16;

type Http = Client<HttpConnector, Full<Bytes>>;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a benchmark tells its figures")]
async fn main() {
    let upstream = upstream().await;
    let listener = listener().await;
    let gate = listener.local_addr().expect("a bound socket has an address");
    let credentials = alone::serve(world(upstream), "Device", listener).expect("the world's policies are good");
    let client: Http = Client::builder(TokioExecutor::new()).build_http();

    let (mut direct, mut gated) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        direct.push(timed(&client, signed(&credentials, upstream)).await);
        gated.push(timed(&client, signed(&credentials, gate)).await);
    }
    let (direct, gated) = (Spread::of(direct), Spread::of(gated));
    eprintln!("GetSecretValue without the gate: {direct}");
    eprintln!("GetSecretValue with the gate:    {gated}");
    eprintln!("added at the median: {:.3} ms", milliseconds(gated.median.saturating_sub(direct.median)));

    let calls: Vec<_> = (0..CALLS).map(|_| signed(&credentials, gate)).collect();
    let begun = Instant::now();
    stream::iter(calls).for_each_concurrent(AT_ONCE, |call| async { _ = timed(&client, call).await }).await;
    let took = begun.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand calls")]
    let rate = CALLS as f64 / took.as_secs_f64();
    eprintln!("{CALLS} signed calls, {AT_ONCE} at once: {rate:.0} a second");
}

/// A middle value and what only one of a hundred exceeds.
struct Spread {
    median: Duration,
    high: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { median: times[times.len() / 2], high: times[times.len() * 99 / 100] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:.3} ms, 99 % {:.3} ms", milliseconds(self.median), milliseconds(self.high))
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A world with one role that every layer of policies bears on.
fn world(upstream: SocketAddr) -> World {
    let policy = |statement: Value| json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let everything = policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let read = policy(json!([
        {"Effect": "Allow", "Action": ["s3:GetObject", "logs:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": &ARN.replace("AbCdEf", "??????"),
            "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"},
                "StringLike": {"credentials-iot:ThingName": "core-*"}}},
    ]));
    let trust = policy(json!({"Effect": "Allow", "Principal": {"Service": "credentials.iot.amazonaws.com"},
        "Action": "sts:AssumeRole"}));
    let of_secret = policy(json!({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:Delete*",
        "Resource": "*"}));
    let world = json!({
        "environment": "bench", "account": "111122223333", "region": "ap-northeast-1",
        "localstack": format!("http://{upstream}"), "aws": "10.0.0.2", "github": "10.0.0.3",
        "authority": {"certificate": "", "key": ""}, "endpoints": {"data": "", "credentials": ""},
        "thing": {"name": "core-1", "groups": [], "certificate": "", "policies": {}}, "role_aliases": {},
        "roles": {"Device": {"path": "/", "trust": trust, "policies": {"read": read}, "max_session_seconds": 3600,
            "boundary": {"name": "bound", "text": everything}}},
        "secrets": [{"name": "token", "value": "x", "policy": of_secret}], "scps": [{"all": everything}],
        "buckets": [], "components": [], "deployments": [],
    });
    serde_json::from_value(world).expect("the world is written as one")
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port")
}

/// What stands for LocalStack: it has the one secret and answers at once.
async fn upstream() -> SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            _ = stream.set_nodelay(true);
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    _ = request.into_body().collect().await;
    let body = json!({"ARN": ARN, "Name": "token", "SecretString": "x"}).to_string();
    Ok(Response::new(Full::from(body)))
}

/// A call as the AWS CLI signs it.
fn signed(credentials: &alone::Credentials, to: SocketAddr) -> Request<Full<Bytes>> {
    const BODY: &str = r#"{"SecretId":"token"}"#;
    const HEADERS: [(&str, &str); 2] =
        [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];
    let mut request = Request::post(format!("http://{to}/")).header("host", HOST);
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    let mut request = request.body(Full::from(BODY)).expect("the headers are plain ASCII");
    let alone::Credentials { key, secret, token } = credentials.clone();
    let identity: Identity = aws_credential_types::Credentials::from_keys(key, secret, Some(token)).into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("ap-northeast-1")
        .name("secretsmanager")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .expect("every parameter is given")
        .into();
    let body = SignableBody::Bytes(BODY.as_bytes());
    let signable = SignableRequest::new("POST", format!("https://{HOST}/"), HEADERS.into_iter(), body);
    let instructions = sign(signable.expect("the request can be signed"), &parameters).expect("it can be signed");
    instructions.into_parts().0.apply_to_request_http1x(&mut request);
    request
}

/// How long a call takes, which has to succeed.
async fn timed(client: &Http, call: Request<Full<Bytes>>) -> Duration {
    let begun = Instant::now();
    let response = client.request(call).await.expect("the call is answered");
    let status = response.status();
    let body = response.into_body().collect().await.expect("the answer is whole").to_bytes();
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    begun.elapsed()
}
