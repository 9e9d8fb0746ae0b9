//! The gate over HTTP, with a stand-in for LocalStack and callers that sign as SDKs do.

use super::{Gate, Sessions};
use crate::{
    aws::{faults::Faults, presign, sessions::Session, upstream::LocalStack},
    event::{ApiCall, Outcome},
    policies::Account,
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

/// A gate that listens, and the LocalStack behind it.
struct Environment {
    address: SocketAddr,
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

impl Environment {
    async fn raise(statements: Value) -> Self {
        let localstack = MockServer::start().await;
        let world = Arc::new(world(&localstack.uri(), &statements));
        let sessions = Arc::new(Sessions::default());
        let faults = Arc::new(Faults::default());
        let account = Arc::new(Account::of(&world).unwrap());
        let localstack_here = LocalStack::new(&world);
        let gate = Gate::new(world, &account, Arc::clone(&sessions), localstack_here, Arc::clone(&faults));
        let gate = Arc::new(gate);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let written = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (gate, written) = (Arc::clone(&gate), Arc::clone(&written));
                let service = service_fn(move |request| {
                    let (gate, written) = (Arc::clone(&gate), Arc::clone(&written));
                    async move {
                        let (response, call) = gate.serve(request, peer.ip()).await;
                        written.lock().unwrap().push(call);
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, sessions, faults, localstack, calls }
    }

    fn session(&self) -> Session {
        self.sessions.issue("DeviceRole", CERTIFICATE, Some("core"), 900)
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
        let (mut parts, body) = call.into_parts();
        let path = parts.uri.path_and_query().unwrap().clone();
        parts.uri = format!("http://{}{path}", self.address).parse().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(Request::from_parts(parts, body)).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: format!("{:?}", parts.headers).to_lowercase(), text }
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
    fn unsigned(&self) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method).uri(&self.uri);
        let host = request.uri_ref().unwrap().host().unwrap().to_owned();
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
        let credentials = Credentials::from_keys(&session.key, &session.secret, Some(session.token.clone()));
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

fn allow(action: &str, resource: &str) -> Value {
    json!([{"Sid": "It", "Effect": "Allow", "Action": action, "Resource": resource}])
}

/// An allowed call reaches LocalStack in the account, without the caller's credentials.
#[tokio::test]
async fn an_allowed_call_is_forwarded_in_the_account() {
    fidelity::fidelity!("gate-1", "gate-9");
    let here =
        Environment::raise(allow("secretsmanager:GetSecretValue", &format!("{}??????", &ARN[..ARN.len() - 6]))).await;
    here.holds_the_secret().await;
    let session = here.session();
    for id in ["github-token", ARN] {
        let answer = here.send(get_secret(id).signed(&session)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["SecretString"], "s3cr3t");
        assert!(answer.headers.contains("x-amzn-requestid"));
        assert!(!answer.headers.contains("localstack") && !answer.headers.contains("werkzeug"), "{}", answer.headers);
    }
    let forwarded = &here.forwarded("GetSecretValue").await[0];
    let authorization = forwarded.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("Credential=111122223333/") && !authorization.contains(&session.key));
    assert!(!forwarded.headers.contains_key("x-amz-security-token"));
}

/// The resource is named as the caller named it, and existence is no excuse.
#[tokio::test]
async fn a_denied_secret_is_named_as_the_caller_named_it() {
    fidelity::fidelity!("gate-4");
    let here = Environment::raise(allow("s3:*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    for id in ["github-token", ARN] {
        let (status, code, text) = here.send(get_secret(id).signed(&session)).await.error();
        assert_eq!((status, code.as_str()), (400, "AccessDeniedException"));
        let user = format!("arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/{CERTIFICATE}");
        assert_eq!(
            text,
            format!(
                "User: {user} is not authorized to perform: secretsmanager:GetSecretValue on resource: {id} \
                 because no identity-based policy allows the secretsmanager:GetSecretValue action"
            )
        );
    }
    assert!(here.forwarded("GetSecretValue").await.is_empty());
}

#[tokio::test]
async fn an_explicit_deny_says_so() {
    fidelity::fidelity!("gate-4");
    let here = Environment::raise(json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}]))
    .await;
    let (_, _, text) = here.send(get_secret("x").signed(&here.session())).await.error();
    assert!(text.ends_with("on resource: x with an explicit deny in an identity-based policy"), "{text}");
    let (_, _, list) = here.send(secret("ListSecrets", &json!({})).signed(&here.session())).await.error();
    assert!(
        list.ends_with("perform: secretsmanager:ListSecrets with an explicit deny in an identity-based policy"),
        "{list}"
    );
}

#[tokio::test]
async fn who_is_not_known_is_refused_in_the_services_own_words() {
    fidelity::fidelity!("gate-2");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    let code = |answer: Answer| answer.error().1;
    assert_eq!(code(here.send(get_secret("x").unsigned()).await), "MissingAuthenticationTokenException");
    let stranger = Session { key: "ASIAAAAAAAAAAAAAAAAA".into(), ..session.clone() };
    assert_eq!(code(here.send(get_secret("x").signed(&stranger)).await), "UnrecognizedClientException");
    let forger = Session { token: "other".into(), ..session.clone() };
    assert_eq!(code(here.send(get_secret("x").signed(&forger)).await), "UnrecognizedClientException");
    let forger = Session { secret: "other".into(), ..session.clone() };
    assert_eq!(code(here.send(get_secret("x").signed(&forger)).await), "InvalidSignatureException");
    let mut altered = get_secret("x").signed(&session);
    *altered.body_mut() = Full::from(get_secret("y").body);
    assert_eq!(code(here.send(altered).await), "InvalidSignatureException");
    let over = here.sessions.issue("DeviceRole", CERTIFICATE, None, 0);
    assert_eq!(code(here.send(get_secret("x").signed(&over)).await), "ExpiredTokenException");
    let mut late = get_secret("x");
    late.time -= Duration::from_mins(6);
    let (_, code, text) = here.send(late.signed(&session)).await.error();
    assert_eq!(code, "InvalidSignatureException");
    assert!(text.starts_with("Signature expired: ") && text.ends_with(" - 5 min.)"), "{text}");
}

/// Strangers are refused in S3's form.
#[tokio::test]
async fn s3_refuses_strangers_in_xml() {
    fidelity::fidelity!("gate-2");
    let here = Environment::raise(allow("*", "*")).await;
    let session = here.session();
    let forger = Session { secret: "other".into(), ..session.clone() };
    let answer = here.send(s3("GET", "/a").signed(&forger)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("<Code>SignatureDoesNotMatch</Code>"), "{}", answer.text);
    assert!(answer.headers.contains("x-amz-request-id") && answer.headers.contains("application/xml"));
    let over = here.sessions.issue("DeviceRole", CERTIFICATE, None, 0);
    let answer = here.send(s3("GET", "/a").signed(&over)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("<Code>ExpiredToken</Code>"), "{}", answer.text);
    let mut altered = s3("PUT", "/a").signed(&session);
    *altered.body_mut() = Full::from("something else");
    assert_eq!(here.send(altered).await.status, 400);
}

/// The whole path is signed and forwarded as it came.
#[tokio::test]
async fn an_object_is_found_by_its_encoded_key() {
    fidelity::fidelity!("gate-5");
    let here = Environment::raise(allow("s3:GetObject", "arn:aws:s3:::artifacts/a b+c/*")).await;
    Mock::given(matchers::path("/artifacts/a%20b%2Bc/d"))
        .respond_with(ResponseTemplate::new(206).set_body_string("x"))
        .mount(&here.localstack)
        .await;
    let mut call = s3("GET", "/a%20b%2Bc/d");
    call.headers.push(("range", "bytes=0-0".into()));
    let answer = here.send(call.signed(&here.session())).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (206, "x"));
    assert!(answer.headers.contains("amazons3"), "{}", answer.headers);
}

/// Who may not list a bucket is not told that an object is missing.
#[tokio::test]
async fn a_missing_object_is_forbidden_to_those_who_may_not_list() {
    fidelity::fidelity!("gate-6");
    let missing = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
    for (statements, status) in [
        (allow("s3:GetObject", "*"), 403),
        (json!([{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]), 404),
    ] {
        let here = Environment::raise(statements).await;
        let not_found = |method| Mock::given(matchers::method(method));
        let xml = ResponseTemplate::new(404).set_body_raw(missing, "application/xml");
        not_found("GET").respond_with(xml).mount(&here.localstack).await;
        not_found("HEAD").respond_with(ResponseTemplate::new(404)).mount(&here.localstack).await;
        let session = here.session();
        let got = here.send(s3("GET", "/gone").signed(&session)).await;
        assert_eq!(got.status.as_u16(), status, "{}", got.text);
        assert_eq!(
            got.text.contains("s3:ListBucket on resource: &quot;arn:aws:s3:::artifacts&quot; because")
                || got.text.contains("s3:ListBucket on resource: \"arn:aws:s3:::artifacts\" because"),
            status == 403,
            "{}",
            got.text
        );
        let head = here.send(s3("HEAD", "/gone").signed(&session)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (status, ""));
    }
}

/// A call is written down with everything that decided it.
#[tokio::test]
async fn a_call_is_written_down_with_what_decided_it() {
    fidelity::fidelity!("gate-10");
    let here = Environment::raise(allow("s3:GetObject", "*")).await;
    let session = here.session();
    here.send(s3("HEAD", "/gone").signed(&session)).await;
    here.send(s3("GET", "/a").unsigned()).await;
    let calls = std::mem::take(&mut *here.calls.lock().unwrap());
    let [head, unsigned] = &calls[..] else { panic!("{calls:?}") };
    let principal = format!("arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/{CERTIFICATE}");
    assert_eq!((&head.decision.principal, head.decision.outcome), (&principal, Outcome::Allowed));
    assert_eq!(head.decision.statement.as_deref(), Some("access[It]"));
    assert_eq!(head.decision.resource_account.as_deref(), Some(ACCOUNT));
    assert_eq!(head.decision.context["aws:SourceIp"], "127.0.0.1");
    let [listing] = &head.further[..] else { panic!("{head:?}") };
    assert_eq!((listing.action.as_str(), listing.resource.as_str()), ("s3:ListBucket", "arn:aws:s3:::artifacts"));
    assert_eq!((listing.outcome, listing.layer.as_deref()), (Outcome::ImplicitlyDenied, Some("identity")));
    assert_eq!(
        (unsigned.decision.principal.as_str(), unsigned.decision.outcome),
        ("anonymous", Outcome::Unauthenticated)
    );
}

/// What other environments keep in the same LocalStack does not exist.
#[tokio::test]
async fn a_bucket_of_another_environment_does_not_exist() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("*", "*")).await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let mut call = s3("GET", "/theirs/k");
    call.uri = "https://s3.ap-northeast-1.amazonaws.com/theirs/k".into();
    let answer = here.send(call.signed(&here.session())).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("<Code>NoSuchBucket</Code>"), "{}", answer.text);
}

/// A secret lives in one region and one account.
#[tokio::test]
async fn a_secret_is_not_found_in_another_region_or_under_another_arn() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("*", "*")).await;
    let foreign =
        |region: &str| matchers::header_regex("authorization", &format!("Credential=[^,]*/{region}/secretsmanager/"));
    let error = json!({"__type": "ResourceNotFoundException",
        "Message": "Secrets Manager can't find the specified secret."});
    Mock::given(foreign("us-east-1"))
        .respond_with(ResponseTemplate::new(400).set_body_json(error))
        .mount(&here.localstack)
        .await;
    here.holds_the_secret().await;
    let session = here.session();
    let mut elsewhere = get_secret("github-token");
    elsewhere.region = "us-east-1";
    elsewhere.uri = "https://secretsmanager.us-east-1.amazonaws.com/".into();
    assert_eq!(here.send(elsewhere.signed(&session)).await.error().1, "ResourceNotFoundException");
    let wrong_suffix = ARN.replace("AbCdEf", "ZzZzZz");
    assert_eq!(here.send(get_secret(&wrong_suffix).signed(&session)).await.error().1, "ResourceNotFoundException");
    let (_, code, _) = here.send(get_secret(&ARN.replace(ACCOUNT, "999988887777")).signed(&session)).await.error();
    assert!(["AccessDeniedException", "ResourceNotFoundException"].contains(&code.as_str()), "{code}");
}

#[tokio::test]
async fn the_caller_learns_who_it_is_whatever_its_policies() {
    fidelity::fidelity!("gate-8");
    let here = Environment::raise(json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}])).await;
    let call = Call {
        service: "sts",
        region: "us-east-1",
        method: "POST",
        uri: "https://sts.amazonaws.com/".into(),
        headers: vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".into())],
        body: "Action=GetCallerIdentity&Version=2011-06-15".into(),
        time: SystemTime::now(),
    };
    let answer = here.send(call.signed(&here.session())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let arn = format!("<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/{CERTIFICATE}</Arn>");
    assert!(answer.text.contains(&arn), "{}", answer.text);
    let mut call = call;
    call.body =
        "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/x&RoleSessionName=y&Version=2011-06-15".into();
    let answer = here.send(call.signed(&here.session())).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("<Code>AccessDenied</Code>"), "{}", answer.text);
}

/// The keys that policies ask for.
#[tokio::test]
async fn policies_see_who_calls_from_where_and_for_which_version() {
    fidelity::fidelity!("gate-3");
    let condition = json!({
        "ArnEquals": {"aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:role/device/DeviceRole")},
        "StringEquals": {"credentials-iot:ThingName": "core", "aws:RequestedRegion": REGION},
        "IpAddress": {"aws:SourceIp": "127.0.0.0/8"},
        "Bool": {"aws:SecureTransport": "true"},
        "Null": {"secretsmanager:VersionStage": "true"},
    });
    let here =
        Environment::raise(json!([{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
        "Condition": condition}]))
        .await;
    here.holds_the_secret().await;
    let session = here.session();
    assert_eq!(here.send(get_secret("github-token").signed(&session)).await.status, 200);
    let staged = secret("GetSecretValue", &json!({"SecretId": "github-token", "VersionStage": "AWSCURRENT"}));
    assert_eq!(here.send(staged.signed(&session)).await.status, 400);
    let nameless = here.sessions.issue("DeviceRole", CERTIFICATE, None, 900);
    assert_eq!(here.send(get_secret("github-token").signed(&nameless)).await.status, 400);
}

/// A presigned URL is as good as its signature and its time.
#[tokio::test]
async fn a_presigned_url_holds_until_it_expires() {
    fidelity::fidelity!("gate-2");
    let here = Environment::raise(allow("s3:GetObject", "*")).await;
    Mock::given(matchers::path("/artifacts/a"))
        .respond_with(ResponseTemplate::new(200).set_body_string("x"))
        .mount(&here.localstack)
        .await;
    let session = here.session();
    let mut call = s3("GET", "/a?response-content-type=text%2Fplain");
    assert_eq!(here.send(call.presigned(&session, 60)).await.text, "x");
    let asked = &here.localstack.received_requests().await.unwrap()[0];
    assert_eq!(asked.url.query(), Some("response-content-type=text%2Fplain"));
    call.time -= Duration::from_secs(61);
    let answer = here.send(call.presigned(&session, 60)).await;
    assert!(answer.status == 403 && answer.text.contains("Request has expired"), "{}", answer.text);
    let forger = Session { secret: "other".into(), ..session };
    let answer = here.send(s3("GET", "/a").presigned(&forger, 60)).await;
    assert!(answer.text.contains("<Code>SignatureDoesNotMatch</Code>"), "{}", answer.text);
}

/// A bucket is in one region, and only its location may be asked elsewhere.
#[tokio::test]
async fn a_bucket_is_in_its_region() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("s3:*", "*")).await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let session = here.session();
    let ask = |uri: &str| Call { uri: uri.into(), region: "us-east-1", ..s3("GET", "") };
    let answer = here.send(ask("https://artifacts.s3.us-east-1.amazonaws.com/a").signed(&session)).await;
    assert!(
        answer.text.contains("expecting 'ap-northeast-1'</Message><Region>ap-northeast-1</Region>"),
        "{}",
        answer.text
    );
    assert!(answer.headers.contains("\"x-amz-bucket-region\": \"ap-northeast-1\""), "{}", answer.headers);
    let location = here.send(ask("https://artifacts.s3.us-east-1.amazonaws.com/?location").signed(&session)).await;
    assert_eq!(location.status, 200);
}

/// What can't be authorised as AWS does is not done.
#[tokio::test]
async fn what_is_not_emulated_is_refused_and_not_forwarded() {
    fidelity::fidelity!("gate-5");
    let here = Environment::raise(allow("*", "*")).await;
    let session = here.session();
    let mut copy = s3("PUT", "/a");
    copy.headers.push(("x-amz-copy-source", "/theirs/secret".into()));
    assert_eq!(here.send(copy.signed(&session)).await.status, 501);
    assert_eq!(here.send(s3("PUT", "/?policy").signed(&session)).await.status, 501);
    let batch = secret("BatchGetSecretValue", &json!({"SecretIdList": ["github-token"]}));
    assert_eq!(here.send(batch.signed(&session)).await.error().1, "UnknownOperationException");
    assert!(here.localstack.received_requests().await.unwrap().is_empty());
}

/// A URL that AWS hands out is good for what it names and nothing else, whatever the device's role may do.
#[tokio::test]
async fn a_url_of_awss_own_needs_no_right_of_the_role() {
    fidelity::fidelity!("iot-32");
    let here = Environment::raise(allow("s3:ListBucket", "*")).await;
    let object = ResponseTemplate::new(206).set_body_string("llo").insert_header("content-range", "bytes 2-4/5");
    Mock::given(matchers::path("/artifacts/lib/a%20b.zip"))
        .and(matchers::header("range", "bytes=2-"))
        .respond_with(object)
        .mount(&here.localstack)
        .await;
    let session = here.sessions.issue_service(60);
    let url = presign::object(&session, REGION, S3, "lib/a b.zip", Duration::from_mins(1)).unwrap();
    let get = |url: &str| {
        let request = Request::builder().uri(url).header("host", S3).header("range", "bytes=2-");
        request.body(Full::default()).unwrap()
    };
    let answer = here.send(get(&url)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (206, "llo"), "{}", answer.headers);
    assert!(answer.headers.contains("\"content-length\": \"3\""), "{}", answer.headers);
    let other = here.send(get(&url.replace("a%20b", "c"))).await;
    assert!(other.status == 403 && other.text.contains("SignatureDoesNotMatch"), "{}", other.text);
}

/// A fault of S3 comes before everything but who the caller is, and goes when it has struck often enough.
#[tokio::test]
async fn a_fault_answers_in_s3s_form_until_it_is_over() {
    fidelity::fidelity!("fault-1");
    let here = Environment::raise(allow("s3:GetObject", "*")).await;
    let found = ResponseTemplate::new(200).set_body_string("hello");
    Mock::given(matchers::path("/artifacts/a.zip")).respond_with(found).mount(&here.localstack).await;
    let session = here.session();
    here.faults.begin("s3.GetObject.503 times=1".parse().unwrap());
    here.faults.begin("s3.500 times=1 body=<html>".parse().unwrap());
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = here.send(s3("GET", "/a.zip").signed(&session)).await;
        seen.push((answer.status.as_u16(), answer.text));
    }
    assert!(seen[0].0 == 503 && seen[0].1.contains("<Code>SlowDown</Code>"), "{seen:?}");
    assert_eq!(seen[1..], [(500, "<html>".to_owned()), (200, "hello".to_owned())]);
}
