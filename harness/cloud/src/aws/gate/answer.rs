//! What a client is answered: AWS's errors in each service's wire form, and LocalStack's answers as AWS would give them.

use super::{
    super::upstream::Answer,
    operation::{Operation, Protocol},
};
use crate::{clock, policies::Decided};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, HeaderValue},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use time::{Duration, OffsetDateTime, macros::format_description};

/// An error that AWS answers.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    /// Further elements of S3's error document.
    details: Vec<(&'static str, String)>,
    /// S3's `x-amz-bucket-region`.
    bucket_region: Option<String>,
}

impl Refusal {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: Vec::new(), bucket_region: None }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// The answer to a call that the policies do not allow.
    pub(super) fn denied(operation: &Operation, decided: &Decided) -> Self {
        Self::not_authorized(operation, &decided.decision.principal, decided.clause.as_deref().unwrap_or_default())
    }

    /// The answer to a call on another account's resource, which no policy of that resource allows.
    pub(super) fn foreign(operation: &Operation, principal: &str) -> Self {
        let why = format!("because no resource-based policy allows the {} action", operation.action);
        Self::not_authorized(operation, principal, &why)
    }

    fn not_authorized(operation: &Operation, principal: &str, why: &str) -> Self {
        let Operation { action, shown, protocol, .. } = operation;
        let on = shown.as_ref().map_or_else(String::new, |resource| format!(" on resource: {resource}"));
        let message = format!("User: {principal} is not authorized to perform: {action}{on}");
        match protocol {
            Protocol::Json => Self::new(400, "AccessDeniedException", format!("{message} {why}")),
            Protocol::S3 => Self::new(403, "AccessDenied", format!("{message} {why}")),
            Protocol::Query => Self::new(403, "AccessDenied", message),
            Protocol::Rest => Self::new(403, "AccessDeniedException", format!("{message} {why}")),
        }
    }

    /// The answer to a signature for another service or region.
    pub(super) fn scope(operation: &Operation, expected: &str) -> Self {
        let refusal = Self::signature(operation.protocol);
        Self { message: format!("Credential should be scoped to {expected}"), ..refusal }
    }

    /// The answer to a body that is not the one that was signed.
    pub(super) fn body(protocol: Protocol) -> Self {
        if protocol != Protocol::S3 {
            return Self::signature(protocol);
        }
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        Self::new(400, "XAmzContentSHA256Mismatch", message)
    }

    /// The answer to a presigned URL that holds no more.
    pub(super) fn presigned_over() -> Self {
        Self::new(403, "AccessDenied", "Request has expired")
    }

    /// The answer to an operation that nobody here can serve.
    pub(super) fn unknown_operation(operation: &Operation) -> Self {
        let Operation { service, name, protocol, .. } = operation;
        tracing::warn!(service, name, "the operation is not emulated");
        match protocol {
            Protocol::Json => Self::new(400, "UnknownOperationException", ""),
            Protocol::S3 => {
                Self::new(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
            }
            Protocol::Query => {
                let version = version(service);
                Self::new(400, "InvalidAction", format!("Could not find operation {name} for version {version}"))
            }
            Protocol::Rest => Self::new(404, "UnknownOperationException", ""),
        }
    }

    pub(super) fn no_credentials(protocol: Protocol) -> Self {
        match protocol {
            Protocol::S3 => Self::new(403, "AccessDenied", "Access Denied"),
            Protocol::Query => Self::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
            Protocol::Json => Self::new(400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
            Protocol::Rest => Self::new(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        }
    }

    pub(super) fn unknown_key(protocol: Protocol) -> Self {
        let message = "The security token included in the request is invalid.";
        match protocol {
            Protocol::S3 => Self::new(
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            ),
            Protocol::Query => Self::new(403, "InvalidClientTokenId", message),
            Protocol::Json => Self::new(400, "UnrecognizedClientException", message),
            Protocol::Rest => Self::new(403, "UnrecognizedClientException", message),
        }
    }

    pub(super) fn bad_token(protocol: Protocol) -> Self {
        match protocol {
            Protocol::S3 => Self::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
            other => Self::unknown_key(other),
        }
    }

    pub(super) fn expired(protocol: Protocol) -> Self {
        let message = "The security token included in the request is expired";
        match protocol {
            Protocol::S3 => Self::new(400, "ExpiredToken", "The provided token has expired."),
            Protocol::Query => Self::new(403, "ExpiredToken", message),
            Protocol::Json => Self::new(400, "ExpiredTokenException", message),
            Protocol::Rest => Self::new(403, "ExpiredTokenException", message),
        }
    }

    pub(super) fn signature(protocol: Protocol) -> Self {
        const START: &str = "The request signature we calculated does not match the signature you provided. Check your";
        let long =
            format!("{START} AWS Secret Access Key and signing method. Consult the service documentation for details.");
        match protocol {
            Protocol::S3 => Self::new(403, "SignatureDoesNotMatch", format!("{START} key and signing method.")),
            Protocol::Query => Self::new(403, "SignatureDoesNotMatch", long),
            Protocol::Json => Self::new(400, "InvalidSignatureException", long),
            Protocol::Rest => Self::new(403, "InvalidSignatureException", long),
        }
    }

    /// The answer to a request that was signed further from now than the limit.
    pub(super) fn skewed(protocol: Protocol, signed: OffsetDateTime, now: OffsetDateTime, limit: Duration) -> Self {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let at = |time: OffsetDateTime| time.format(&format).unwrap_or_default();
        if protocol == Protocol::S3 {
            let message = "The difference between the request time and the current time is too large.";
            return Self::new(403, "RequestTimeTooSkewed", message)
                .with("RequestTime", at(signed))
                .with("ServerTime", clock::seconds(now))
                .with("MaxAllowedSkewMilliseconds", limit.whole_milliseconds().to_string());
        }
        let (word, sign, bound) =
            if signed < now { ("expired", '-', now - limit) } else { ("not yet current", '+', now + limit) };
        let side = if signed < now { "now earlier" } else { "still later" };
        let message = format!(
            "Signature {word}: {} is {side} than {} ({} {sign} {} min.)",
            at(signed),
            at(bound),
            at(now),
            limit.whole_minutes()
        );
        Self { message, ..Self::signature(protocol) }
    }

    pub(super) fn no_such_bucket(bucket: &str) -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket)
    }

    pub(super) fn no_such_secret() -> Self {
        Self::new(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    }

    /// The global host's answer to a signature for a region that the bucket is not in.
    pub(super) fn wrong_region(signed: &str, region: &str) -> Self {
        let message =
            format!("The authorization header is malformed; the region '{signed}' is wrong; expecting '{region}'");
        let refusal = Self::new(400, "AuthorizationHeaderMalformed", message).with("Region", region);
        Self { bucket_region: Some(region.to_owned()), ..refusal }
    }

    /// A region's answer to a call on a bucket that is in another one.
    pub(super) fn redirect(bucket: &str, region: &str) -> Self {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. \
                       Please send all future requests to this endpoint.";
        let endpoint = format!("{bucket}.s3.{region}.amazonaws.com");
        let refusal = Self::new(301, "PermanentRedirect", message).with("Endpoint", endpoint).with("Bucket", bucket);
        Self { bucket_region: Some(region.to_owned()), ..refusal }
    }

    pub(super) fn internal(protocol: Protocol) -> Self {
        let code = if protocol == Protocol::S3 { "InternalError" } else { "InternalFailure" };
        Self::new(500, code, "We encountered an internal error. Please try again.")
    }

    /// S3's usual answer with a status, where a fault wants it.
    pub(super) fn fault(status: u16) -> Self {
        match status {
            400 => Self::new(status, "InvalidRequest", "Invalid Request"),
            403 => Self::new(status, "AccessDenied", "Access Denied"),
            404 => Self::new(status, "NoSuchKey", "The specified key does not exist."),
            429 | 503 => Self::new(status, "SlowDown", "Please reduce your request rate."),
            _ => Self { status, ..Self::internal(Protocol::S3) },
        }
    }

    /// The refusal on the wire.
    pub(super) fn response(&self, operation: &Operation, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
        let Self { code, message, .. } = self;
        let (kind, body) = match operation.protocol {
            Protocol::Json => {
                let field = if code == "AccessDeniedException" { "Message" } else { "message" };
                ("application/x-amz-json-1.1", json!({ "__type": code, field: message }).to_string())
            }
            Protocol::Rest => ("application/json", json!({ "message": message }).to_string()),
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

fn version(service: &str) -> &'static str {
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

/// The gate's own answer to `GetCallerIdentity`.
pub(super) fn caller_identity(identity: &Value, request_id: &str) -> Answer {
    let text = |field: &str| identity[field].as_str().unwrap_or_default().to_owned();
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        text("arn"),
        text("principalId"),
        text("accountId")
    );
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/xml"));
    Answer { status: StatusCode::OK, headers, body: body.into() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
