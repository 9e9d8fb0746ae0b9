//! What AWS refuses, in its own words: who is not known, what is not allowed, what is not there.

mod excess;
mod fault;
mod kms;
mod sts;

use super::{
    answer::version,
    operation::{Operation, Protocol},
};
use crate::{aws::rest::Fault, clock, event::Decision, policies::Decided};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime, macros::format_description};

/// An error that AWS answers.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    /// Further elements of S3's error document.
    pub(super) details: Vec<(&'static str, String)>,
    /// S3's `x-amz-bucket-region`.
    pub(super) bucket_region: Option<String>,
    /// Further members of a control-plane service's exception.
    pub(super) members: Box<Map<String, Value>>,
    /// Whether AWS could have answered, and this world can't.
    pub(super) not_emulated: bool,
}

impl From<Fault> for Refusal {
    fn from(Fault { status, code, message, members }: Fault) -> Self {
        Self { members: Box::new(members), ..Self::new(status, code, message) }
    }
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
            bucket_region: None,
            members: Box::default(),
            not_emulated: false,
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// The answer to a call that the policies do not allow, naming the resource as the caller did.
    pub(super) fn denied(operation: &Operation, decided: &Decided) -> Self {
        let Decision { principal, action, resource_account, .. } = &decided.decision;
        let home = principal.split(':').nth(4);
        let foreign = resource_account.as_deref() != home;
        let on = operation.shown.as_ref().map_or_else(String::new, |resource| format!(" on resource: {resource}"));
        let message = format!("User: {principal} is not authorized to perform: {action}{on}");
        let why = decided.clause.as_deref().unwrap_or_default();
        match (operation.protocol, operation.service.as_str()) {
            // S3 explains itself within an account only.
            (Protocol::S3, _) if foreign => Self::new(403, "AccessDenied", "Access Denied"),
            (Protocol::Json, _) => Self::new(400, "AccessDeniedException", format!("{message} {why}")),
            (Protocol::Query, "sts") => Self::new(403, "AccessDenied", message),
            (Protocol::S3 | Protocol::Query, _) => Self::new(403, "AccessDenied", format!("{message} {why}")),
            (Protocol::Rest, _) => Self::new(403, "AccessDeniedException", format!("{message} {why}")),
        }
    }

    /// The answer to a signature for another service or region.
    pub(super) fn scope(operation: &Operation, expected: &str) -> Self {
        let refusal = Self::signature(operation.protocol);
        Self { message: format!("Credential should be scoped to {expected}"), ..refusal }
    }

    /// The answer to a signature whose scope has another end.
    pub(super) fn terminator(protocol: Protocol, expected: &str, found: &str) -> Self {
        let message = format!("Credential should be scoped with a valid terminator: '{expected}', not '{found}'.");
        Self { message, ..Self::signature(protocol) }
    }

    /// The answer to a body that is not the one that was signed.
    pub(super) fn body(protocol: Protocol) -> Self {
        if protocol != Protocol::S3 {
            return Self::signature(protocol);
        }
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        Self::new(400, "XAmzContentSHA256Mismatch", message)
    }

    /// The answer to an input that can't be read, or lacks what the operation is about.
    pub(super) fn unreadable(operation: &Operation) -> Self {
        match operation.protocol {
            Protocol::Json if operation.name.is_empty() => Self::new(400, "UnknownOperationException", ""),
            Protocol::Json if operation.input.is_object() => {
                let member = if operation.name == "CreateSecret" { "name" } else { "secretId" };
                Self { code: "ValidationException".to_owned(), ..Self::missing(member) }
            }
            Protocol::Json | Protocol::Rest => Self::new(400, "SerializationException", ""),
            Protocol::S3 => {
                let message =
                    "The XML you provided was not well-formed or did not validate against our published schema";
                Self::new(400, "MalformedXML", message)
            }
            Protocol::Query => {
                Self::new(400, "MissingAction", "The request is missing an action or a required parameter.")
            }
        }
    }

    /// The answer to a signature that lacks parts, or whose scope does.
    pub(super) fn incomplete(protocol: Protocol, authorization: &str) -> Self {
        let has = |name: &str| authorization.contains(name);
        let lacks = ["Credential", "Signature", "SignedHeaders"].into_iter().filter(|name| !has(&format!("{name}=")));
        let lacks: Vec<_> = lacks.map(|name| format!("Authorization header requires '{name}' parameter.")).collect();
        let credential = authorization.split("Credential=").nth(1).and_then(|rest| rest.split(',').next());
        let message = match credential {
            Some(credential) if lacks.is_empty() => format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                credential.trim()
            ),
            _ => format!("{} Authorization={authorization}", lacks.join(" ")),
        };
        match protocol {
            Protocol::S3 => {
                let expecting = "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"";
                let what = format!("the Credential is mal-formed; expecting {expecting}.");
                Self::new(400, "AuthorizationHeaderMalformed", format!("The authorization header is malformed; {what}"))
            }
            Protocol::Query => Self::new(400, "IncompleteSignature", message),
            Protocol::Json => Self::new(400, "IncompleteSignatureException", message),
            Protocol::Rest => Self::new(403, "IncompleteSignatureException", message),
        }
    }

    /// Secrets Manager's answer to a value beyond what its model allows; the value is not told.
    pub(super) fn too_long(member: &str, limit: usize) -> Self {
        let constraint = format!("Member must have length less than or equal to {limit}");
        let what = format!("Value at '{member}' failed to satisfy constraint: {constraint}");
        Self::new(400, "ValidationException", format!("1 validation error detected: {what}"))
    }

    /// The answer to a signature that leaves headers out which it has to hold (S3's texts as seen in
    /// <https://github.com/soto-project/soto-core/issues/99> and <https://github.com/lucacasonato/deno_s3/issues/47>).
    pub(super) fn unsigned_headers(protocol: Protocol, names: &[&str]) -> Self {
        if protocol != Protocol::S3 {
            let message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
            return Self { message: message.to_owned(), ..Self::signature(protocol) };
        }
        let message = "There were headers present in the request which were not signed";
        Self::new(403, "AccessDenied", message).with("HeadersNotSigned", names.join(", "))
    }

    /// S3's answer to a signed header without the body's hash.
    pub(super) fn no_body_hash() -> Self {
        Self::new(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    }

    /// S3's answer to a presigned URL that is to hold for more than a week.
    pub(super) fn presigned_too_long() -> Self {
        let message = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds";
        Self::new(400, "AuthorizationQueryParametersError", message)
    }

    /// The answer to a presigned URL that holds no more.
    pub(super) fn presigned_over() -> Self {
        Self::new(403, "AccessDenied", "Request has expired")
    }

    /// The answer to an operation that nobody here can serve.
    pub(super) fn unknown_operation(operation: &Operation) -> Self {
        let Operation { service, name, protocol, .. } = operation;
        tracing::warn!(service, name, "the operation is not emulated");
        let refusal = match protocol {
            Protocol::Json => Self::new(400, "UnknownOperationException", ""),
            Protocol::S3 => {
                Self::new(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
            }
            Protocol::Query => {
                let version = version(service);
                Self::new(400, "InvalidAction", format!("Could not find operation {name} for version {version}"))
            }
            Protocol::Rest => Self::new(404, "UnknownOperationException", ""),
        };
        Self { not_emulated: true, ..refusal }
    }

    /// S3's answer to Signature Version 2, which older buckets of older regions take.
    pub(super) fn signature_version_2() -> Self {
        let message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
        Self { not_emulated: true, ..Self::new(400, "InvalidRequest", message) }
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

    /// The answer to a policy that the service refuses.
    pub(super) fn malformed_document(protocol: Protocol, message: &str) -> Self {
        let code = match protocol {
            Protocol::S3 => "MalformedPolicy",
            Protocol::Query => "MalformedPolicyDocument",
            Protocol::Json | Protocol::Rest => "MalformedPolicyDocumentException",
        };
        Self::new(400, code, message)
    }

    pub(super) fn no_such_bucket(bucket: &str) -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket)
    }

    pub(super) fn no_acls() -> Self {
        Self::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    }

    pub(super) fn no_such_secret() -> Self {
        Self::new(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    }

    /// The answer to who wants to use a secret that is marked for deletion.
    pub(super) fn marked_for_deletion() -> Self {
        let message = "You can't perform this operation on the secret because it was marked for deletion.";
        Self::new(400, "InvalidRequestException", message)
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
}
