//! What a client is answered: AWS's errors in each service's wire form, and LocalStack's answers as AWS would give them.

use super::{
    super::upstream::Answer,
    operation::{Operation, Protocol},
};
use crate::event::Outcome;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Method, Response, StatusCode, header::HeaderValue};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, macros::format_description};

/// An error that AWS answers.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// The answer to a call that the caller's policies do not allow.
    pub(super) fn denied(operation: &Operation, principal: &str, outcome: Outcome) -> Self {
        let Operation { action, shown, protocol, .. } = operation;
        let on = shown.as_ref().map_or_else(String::new, |resource| format!(" on resource: {resource}"));
        let why = match outcome {
            Outcome::ExplicitlyDenied => "with an explicit deny in an identity-based policy".to_owned(),
            _ => format!("because no identity-based policy allows the {action} action"),
        };
        let message = format!("User: {principal} is not authorized to perform: {action}{on} {why}");
        match protocol {
            Protocol::Json => Self::new(400, "AccessDeniedException", message),
            Protocol::S3 => Self::new(403, "AccessDenied", message),
            Protocol::Query => {
                let message = format!("User: {principal} is not authorized to perform: {action}{on}");
                Self::new(403, "AccessDenied", message)
            }
            Protocol::Rest => Self::new(403, "AccessDeniedException", message),
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

    /// The answer to a request that was signed too far from now.
    pub(super) fn skewed(protocol: Protocol, signed: &str, now: OffsetDateTime) -> Self {
        if protocol == Protocol::S3 {
            let message = "The difference between the request time and the current time is too large.";
            return Self::new(403, "RequestTimeTooSkewed", message);
        }
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let at = |time: OffsetDateTime| time.format(&format).unwrap_or_default();
        let limit = Duration::minutes(5);
        let message = if *signed < *at(now) {
            format!("Signature expired: {signed} is now earlier than {} ({} - 5 min.)", at(now - limit), at(now))
        } else {
            format!(
                "Signature not yet current: {signed} is still later than {} ({} + 5 min.)",
                at(now + limit),
                at(now)
            )
        };
        match protocol {
            Protocol::Query => Self::new(403, "SignatureDoesNotMatch", message),
            Protocol::Json => Self::new(400, "InvalidSignatureException", message),
            _ => Self::new(403, "InvalidSignatureException", message),
        }
    }

    pub(super) fn no_such_bucket() -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist")
    }

    pub(super) fn internal() -> Self {
        Self::new(500, "InternalFailure", "We encountered an internal error. Please try again.")
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
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
                     <RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>",
                    escaped(message)
                );
                ("application/xml", body)
            }
            Protocol::Query => {
                let service = &operation.service;
                let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
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
        let response = identified(response, operation, request_id);
        response.body(Full::from(body)).expect("a status and plain headers make a response")
    }
}

fn identified(
    response: hyper::http::response::Builder,
    operation: &Operation,
    request_id: &str,
) -> hyper::http::response::Builder {
    match operation.protocol {
        Protocol::S3 => response
            .header("x-amz-request-id", request_id)
            .header("x-amz-id-2", request_id)
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

/// LocalStack's answer without what shows that it is LocalStack's.
pub(super) fn passed_on(answer: Answer, operation: &Operation, request_id: &str) -> Response<Full<Bytes>> {
    let mut response = identified(Response::builder().status(answer.status), operation, request_id);
    for (name, value) in &passed_on_headers(&answer.headers) {
        response = response.header(name, value);
    }
    response.body(Full::from(answer.body)).expect("LocalStack's own headers make a response")
}

fn passed_on_headers(headers: &HeaderMap) -> HeaderMap<HeaderValue> {
    const OURS: [&str; 9] = [
        "server",
        "x-amzn-requestid",
        "x-amz-request-id",
        "x-amz-id-2",
        "connection",
        "transfer-encoding",
        "date",
        "keep-alive",
        "x-amz-server-side-encryption-aws-kms-key-id",
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
