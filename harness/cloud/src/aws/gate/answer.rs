//! What a client is answered: AWS's errors in each service's wire form, and LocalStack's answers as AWS would give them.

use super::{
    super::{sessions::Session, upstream::Answer},
    operation::{Operation, Protocol},
    refusal::Refusal,
};
use crate::clock;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, HeaderValue},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

impl Refusal {
    /// The refusal on the wire.
    pub(super) fn response(&self, operation: &Operation, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
        let Self { code, message, .. } = self;
        let (kind, body) = match operation.protocol {
            Protocol::Json => {
                let field = if code == "AccessDeniedException" { "Message" } else { "message" };
                ("application/x-amz-json-1.1", json!({ "__type": code, field: message }).to_string())
            }
            Protocol::Rest => {
                let mut body = (*self.members).clone();
                body.insert("message".to_owned(), message.as_str().into());
                ("application/json", Value::Object(body).to_string())
            }
            Protocol::S3 => {
                let detail = |(name, value): &(&str, String)| format!("<{name}>{}</{name}>", escaped(value));
                let details = self.details.iter().map(detail).collect::<Vec<_>>().concat();
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>{details}\
                     <RequestId>{request_id}</RequestId><HostId>{}</HostId></Error>",
                    escaped(message),
                    host_id(request_id)
                );
                ("application/xml", body)
            }
            Protocol::Query => {
                let service = &operation.service;
                let version = version(service);
                let body = format!(
                    "<ErrorResponse xmlns=\"https://{service}.amazonaws.com/doc/{version}/\"><Error><Type>Sender</Type>\
                     <Code>{code}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                    escaped(message)
                );
                ("text/xml", body)
            }
        };
        let body = if *method == Method::HEAD { String::new() } else { body };
        let mut response = Response::builder().status(self.status).header("content-type", kind);
        if operation.protocol == Protocol::Rest {
            response = response.header("x-amzn-errortype", code.as_str());
        }
        if let Some(region) = &self.bucket_region {
            response = response.header("x-amz-bucket-region", region);
        }
        let response = identified(response, operation, request_id);
        response.body(Full::from(body)).expect("a status and plain headers make a response")
    }
}

/// The version of a query service's model.
pub(super) fn version(service: &str) -> &'static str {
    if service == "iam" { "2010-05-08" } else { "2011-06-15" }
}

/// A request id in the service's form.
pub(super) fn request_id(protocol: Protocol) -> String {
    let id = uuid::Uuid::new_v4();
    match protocol {
        Protocol::S3 => id.simple().to_string()[..16].to_ascii_uppercase(),
        _ => id.to_string(),
    }
}

/// S3's second request id: 56 bytes in base64.
fn host_id(request_id: &str) -> String {
    let digest = Sha512::digest(request_id);
    STANDARD.encode(&digest[..56])
}

fn identified(
    response: hyper::http::response::Builder,
    operation: &Operation,
    request_id: &str,
) -> hyper::http::response::Builder {
    match operation.protocol {
        Protocol::S3 => response
            .header("x-amz-request-id", request_id)
            .header("x-amz-id-2", host_id(request_id))
            .header("server", "AmazonS3"),
        _ => response.header("x-amzn-requestid", request_id),
    }
}

/// The error code and text of LocalStack's answer, if it is an error.
pub(super) fn error_of(answer: &Answer, operation: &Operation) -> Option<(String, String)> {
    if answer.status.as_u16() < 400 {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let tag = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| value.to_owned())
    };
    if matches!(operation.protocol, Protocol::Json | Protocol::Rest) {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = body["__type"].as_str().unwrap_or("Unknown").rsplit('#').next().unwrap_or_default().to_owned();
        let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
        return Some((code, message.to_owned()));
    }
    let by_status = if answer.status == StatusCode::NOT_FOUND { "NoSuchKey" } else { "Unknown" };
    Some((tag("Code").unwrap_or_else(|| by_status.to_owned()), tag("Message").unwrap_or_default()))
}

/// Whether S3 says that the object is missing; the answer to HEAD has no code.
pub(super) fn lacks_the_key(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND
        && (answer.body.is_empty() || String::from_utf8_lossy(&answer.body).contains("<Code>NoSuchKey</Code>"))
}

/// LocalStack's answer with S3's host for its own; `None` if it speaks of itself, as it does of what it lacks.
pub(super) fn disguised(answer: Answer, authority: &str, region: &str) -> Option<Answer> {
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status.as_u16() >= 400 && text.to_ascii_lowercase().contains("localstack") {
        return None;
    }
    if !text.contains(authority) {
        return Some(answer);
    }
    let body = text.replace(&format!("http://{authority}"), &format!("https://s3.{region}.amazonaws.com"));
    Some(Answer { body: body.into(), ..answer })
}

/// LocalStack's answer without what shows that it is LocalStack's.
pub(super) fn passed_on(
    answer: Answer,
    operation: &Operation,
    request_id: &str,
    method: &Method,
) -> Response<Full<Bytes>> {
    let mut response = identified(Response::builder().status(answer.status), operation, request_id);
    for (name, value) in &passed_on_headers(&answer.headers) {
        // The length of what HEAD leaves out is the one that hyper can't know.
        if name != CONTENT_LENGTH || *method == Method::HEAD {
            response = response.header(name, value);
        }
    }
    response.body(Full::from(answer.body)).expect("LocalStack's own headers make a response")
}

fn passed_on_headers(headers: &HeaderMap) -> HeaderMap<HeaderValue> {
    const OURS: [&str; 8] = [
        "server",
        "x-amzn-requestid",
        "x-amz-request-id",
        "x-amz-id-2",
        "connection",
        "transfer-encoding",
        "date",
        "keep-alive",
    ];
    let keeps =
        |name: &str| !OURS.contains(&name) && !name.starts_with("x-localstack") && !name.starts_with("access-control");
    headers.iter().filter(|(name, _)| keeps(name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a service of the control plane answered.
pub(super) fn of_service(status: u16, answer: &Value) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let body = if answer.is_null() { Bytes::new() } else { answer.to_string().into() };
    Answer { status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK), headers, body }
}

/// The gate's own answer of STS: what stands in the element that is called after the operation.
fn of_sts(operation: &str, result: &str, request_id: &str) -> Answer {
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{result}\
         </{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    );
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/xml"));
    Answer { status: StatusCode::OK, headers, body: body.into() }
}

/// The answer to `GetCallerIdentity`.
pub(super) fn caller_identity(identity: &Value, request_id: &str) -> Answer {
    let text = |field: &str| escaped(identity[field].as_str().unwrap_or_default());
    let (arn, id, account) = (text("arn"), text("principalId"), text("accountId"));
    let result = format!("<Arn>{arn}</Arn><UserId>{id}</UserId><Account>{account}</Account>");
    of_sts("GetCallerIdentity", &result, request_id)
}

/// The answer to `AssumeRole`; `packed` says in per cent how much of what it may carry the session carries.
pub(super) fn assumed(session: &Session, identity: &Value, packed: Option<usize>, request_id: &str) -> Answer {
    let text = |field: &str| escaped(identity[field].as_str().unwrap_or_default());
    let credentials = format!(
        "<AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>{}",
        text("principalId"),
        text("arn"),
        credentials(session)
    );
    let packed = packed.map(|packed| format!("<PackedPolicySize>{packed}</PackedPolicySize>"));
    let source =
        session.source_identity.as_ref().map(|name| format!("<SourceIdentity>{}</SourceIdentity>", escaped(name)));
    let result = [Some(credentials), packed, source].into_iter().flatten().collect::<String>();
    of_sts("AssumeRole", &result, request_id)
}

/// The answer to `GetSessionToken`.
pub(super) fn session_token(session: &Session, request_id: &str) -> Answer {
    of_sts("GetSessionToken", &credentials(session), request_id)
}

fn credentials(session: &Session) -> String {
    let Session { key, secret, token, .. } = session;
    format!(
        "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{}</Expiration></Credentials>",
        clock::seconds(session.expires)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
