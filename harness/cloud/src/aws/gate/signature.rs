//! Who a caller is: its request signed again with the credentials that it claims to have, and compared.
//!
//! The signature stands in the `Authorization` header or, for S3, in the query of a presigned URL. Of a body that is
//! signed chunk by chunk only the first signature is checked.

use super::{
    super::sessions::{Session, Sessions},
    Received,
    operation::{Answerer, Operation, Protocol, decoded},
    refusal::Refusal,
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime, PrimitiveDateTime, macros::format_description};

/// How far a signature's time may be from now; S3 takes 15 minutes.
const SKEW: Duration = Duration::minutes(5);
const S3_SKEW: Duration = Duration::minutes(15);

/// Operations of STS that nobody signs: another identity provider vouches for the caller.
const BY_OTHERS: [&str; 2] = ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"];

/// Services, by their hosts, of which some calls need no signature.
const WITHOUT: [&str; 6] = ["appsync-api", "cognito-identity", "cognito-idp", "execute-api", "oidc", "sso"];

/// What botocore's model of IoT called the service in signatures until 2023; Debian's AWS CLI 2.9 does.
pub(super) const OLD_IOT: &str = "execute-api";

/// What a signature's scope ends with.
const TERMINATOR: &str = "aws4_request";

/// Who signed, how, and for which region.
pub(super) struct Caller {
    /// Absent for who didn't sign, which S3 alone lets ask.
    pub(super) session: Option<Session>,
    pub(super) region: String,
    /// How long ago it was signed.
    pub(super) age: Duration,
    /// Whether the signature stands in the URL.
    pub(super) presigned: bool,
}

/// What a signed request says of its signature.
struct Claim {
    key: String,
    date: String,
    region: String,
    service: String,
    terminator: String,
    headers: Vec<String>,
    signature: String,
    token: String,
    time: String,
    /// How long a presigned URL holds; absent where the header is signed.
    expires: Option<Duration>,
}

impl Claim {
    /// Reads the header or, for S3, the query; `None` where neither holds a whole signature.
    fn of(received: &Received, protocol: Protocol) -> Option<Self> {
        if protocol == Protocol::S3 && received.query.contains("X-Amz-Signature=") {
            return Self::of_query(&received.query);
        }
        let fields = received.header("authorization").strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name));
        let token = received.header("x-amz-security-token").to_owned();
        let claim = Self::scoped(field("Credential=")?, field("SignedHeaders=")?, field("Signature=")?)?;
        Some(Self { token, time: received.header("x-amz-date").to_owned(), ..claim })
    }

    fn of_query(query: &str) -> Option<Self> {
        let pairs: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let field = |name: &str| pairs.get(name).map(|value| decoded(value));
        let credential = field("X-Amz-Credential")?;
        let claim = Self::scoped(&credential, &field("X-Amz-SignedHeaders")?, &field("X-Amz-Signature")?)?;
        Some(Self {
            token: field("X-Amz-Security-Token").unwrap_or_default(),
            time: field("X-Amz-Date")?,
            expires: Some(Duration::seconds(field("X-Amz-Expires")?.parse::<u32>().ok()?.into())),
            ..claim
        })
    }

    fn scoped(credential: &str, headers: &str, signature: &str) -> Option<Self> {
        let scope: Vec<_> = credential.split('/').map(str::to_owned).collect();
        let [key, date, region, service, terminator]: [String; 5] = scope.try_into().ok()?;
        Some(Self {
            key,
            date,
            region,
            service,
            terminator,
            headers: headers.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
            token: String::new(),
            time: String::new(),
            expires: None,
        })
    }

    fn signs(&self, header: &str) -> bool {
        self.headers.iter().any(|name| name == header)
    }
}

/// The service and the region that a request says it is signed for.
pub(super) fn scope(received: &Received) -> Option<(String, String)> {
    Claim::of(received, Protocol::S3).map(|claim| (claim.service, claim.region))
}

/// The caller, if the signature is one that only the session's holder could make, now.
pub(super) fn verify(received: &Received, operation: &Operation, sessions: &Sessions) -> Result<Caller, Refusal> {
    let protocol = operation.protocol;
    let Some(claim) = Claim::of(received, protocol) else {
        let unsigned = received.header("authorization").is_empty() && !received.query.contains("X-Amz-");
        let authorization = received.header("authorization");
        if authorization.starts_with("AWS4-HMAC-SHA256") {
            return Err(Refusal::incomplete(protocol, authorization));
        }
        if protocol == Protocol::S3 && is_version_2(received) {
            return Err(Refusal::signature_version_2());
        }
        if is_known_otherwise(received, operation) {
            return Err(Refusal::unknown_operation(operation));
        }
        if protocol != Protocol::S3 || !unsigned {
            return Err(Refusal::no_credentials(protocol));
        }
        return Ok(Caller { session: None, region: operation.region.clone(), age: Duration::ZERO, presigned: false });
    };
    let session = sessions.find(&claim.key).ok_or_else(|| Refusal::unknown_key(protocol))?;
    if !equal(&claim.token, &session.token) {
        return Err(Refusal::bad_token(protocol));
    }
    let now = sessions.now();
    if session.expires <= now {
        return Err(Refusal::expired(protocol));
    }
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = PrimitiveDateTime::parse(&claim.time, &format)
        .map(PrimitiveDateTime::assume_utc)
        .map_err(|_| Refusal::no_credentials(protocol))?;
    in_time(&claim, protocol, time, now)?;
    in_scope(received, &claim, operation)?;
    all_signed(received, &claim, protocol)?;
    let expected =
        signed_again(received, &claim, &session, time, protocol).ok_or_else(|| Refusal::signature(protocol))?;
    if !equal(&expected, &claim.signature) || !claim.time.starts_with(&claim.date) {
        return Err(Refusal::signature(protocol));
    }
    if !body_as_stated(received) {
        return Err(Refusal::body(protocol));
    }
    Ok(Caller { session: Some(session), age: now - time, presigned: claim.expires.is_some(), region: claim.region })
}

/// Whether AWS may know the caller by something else than a signature in the header: one in the URL or, at S3, in a form,
/// one with an asymmetric key, or what another identity provider says.
fn is_known_otherwise(received: &Received, operation: &Operation) -> bool {
    let is_s3 = operation.protocol == Protocol::S3;
    let in_url = !is_s3 && received.query.contains("X-Amz-Signature=");
    let in_form =
        is_s3 && received.method == "POST" && received.header("content-type").starts_with("multipart/form-data");
    let asymmetric = received.header("authorization").starts_with("AWS4-ECDSA-");
    let by_others = BY_OTHERS.contains(&operation.name.as_str()) || WITHOUT.contains(&operation.service.as_str());
    in_url || in_form || asymmetric || by_others
}

/// Whether an S3 request has a signature of the version before, in its header or its URL.
fn is_version_2(received: &Received) -> bool {
    let in_url = |name: &str| received.query.split('&').any(|pair| pair.split('=').next() == Some(name));
    received.header("authorization").starts_with("AWS ") || (in_url("AWSAccessKeyId") && in_url("Signature"))
}

fn in_time(claim: &Claim, protocol: Protocol, time: OffsetDateTime, now: OffsetDateTime) -> Result<(), Refusal> {
    let limit = if protocol == Protocol::S3 { S3_SKEW } else { SKEW };
    match claim.expires {
        Some(expires) if expires > Duration::WEEK => Err(Refusal::presigned_too_long()),
        Some(expires) if now > time + expires => Err(Refusal::presigned_over()),
        Some(_) if time - now <= limit => Ok(()),
        None if (now - time).abs() <= limit => Ok(()),
        _ => Err(Refusal::skewed(protocol, time, now, limit)),
    }
}

/// A signature holds for one service and one region; S3's global host takes every region's.
fn in_scope(received: &Received, claim: &Claim, operation: &Operation) -> Result<(), Refusal> {
    if claim.terminator != TERMINATOR {
        return Err(Refusal::terminator(operation.protocol, TERMINATOR, &claim.terminator));
    }
    if operation.protocol == Protocol::S3 {
        return if claim.service == "s3" { Ok(()) } else { Err(Refusal::signature(operation.protocol)) };
    }
    // What is not emulated may be signed by another name than its host has.
    if operation.answerer == Answerer::Unknown {
        return Ok(());
    }
    let is_old_iot = operation.service == "iot" && claim.service == OLD_IOT;
    if claim.service != operation.service && !is_old_iot {
        return Err(Refusal::scope(operation, &format!("correct service: '{}'.", operation.service)));
    }
    // IAM is everywhere: a client that was given an endpoint signs for the region that it is set to.
    let everywhere = received.is_at_endpoint() && operation.service == "iam";
    if claim.region != operation.region && !everywhere {
        return Err(Refusal::scope(operation, "a valid region."));
    }
    Ok(())
}

/// A signature holds the host and, at S3, every header of AWS's; a signed header besides states the body's hash there.
fn all_signed(received: &Received, claim: &Claim, protocol: Protocol) -> Result<(), Refusal> {
    const HASH: &str = "x-amz-content-sha256";
    let presigned = claim.expires.is_some();
    if protocol == Protocol::S3 && !presigned && received.header(HASH).is_empty() {
        return Err(Refusal::no_body_hash());
    }
    let of_aws = |name: &&str| protocol == Protocol::S3 && name.starts_with("x-amz-") && !(presigned && *name == HASH);
    let names = received.headers.keys().map(hyper::header::HeaderName::as_str);
    let unsigned: Vec<_> = ["host"].into_iter().chain(names.filter(of_aws)).filter(|name| !claim.signs(name)).collect();
    if unsigned.is_empty() { Ok(()) } else { Err(Refusal::unsigned_headers(protocol, &unsigned)) }
}

/// The signature that the holder of the session's key would have made; `None` when the request can't be signed.
fn signed_again(
    received: &Received,
    claim: &Claim,
    session: &Session,
    time: OffsetDateTime,
    protocol: Protocol,
) -> Option<String> {
    let token = Some(session.token.clone()).filter(|token| !token.is_empty());
    let identity = Credentials::new(&session.key, &session.secret, token, None, "gate").into();
    let stated = received.header("x-amz-content-sha256");
    let settings = settings(claim, protocol, !stated.is_empty());
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&claim.region)
        .name(&claim.service)
        .time(time.into())
        .settings(settings)
        .build()
        .ok()?
        .into();
    let headers = received
        .headers
        .iter()
        .filter(|(name, _)| claim.signs(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = match stated {
        "" if claim.expires.is_some() => SignableBody::UnsignedPayload,
        "" => SignableBody::Bytes(&received.body),
        stated => SignableBody::Precomputed(stated.to_owned()),
    };
    let own = |pair: &&str| claim.expires.is_none() || !SIGNING.contains(&pair.split('=').next().unwrap_or_default());
    let query: Vec<_> = received.query.split('&').filter(|pair| !pair.is_empty()).filter(own).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let uri = format!("https://{}{}{query}", received.header("host"), received.path);
    let request = SignableRequest::new(received.method.as_str(), uri, headers, body).ok()?;
    Some(sign(request, &parameters).ok()?.signature().to_owned())
}

/// What a presigned URL says of its signature; signing puts it in again.
const SIGNING: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

fn settings(claim: &Claim, protocol: Protocol, body_is_stated: bool) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if protocol == Protocol::S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    if body_is_stated && claim.signs("x-amz-content-sha256") {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if let Some(expires) = claim.expires {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires.unsigned_abs());
    }
    // The client says what it signed, so nothing that it signed may be left out.
    settings.excluded_headers = None;
    settings
}

/// Whether the body is what its stated hash says; some clients state none.
fn body_as_stated(received: &Received) -> bool {
    match received.header("x-amz-content-sha256") {
        hash if hash.len() == 64 => hash == hex::encode(Sha256::digest(&received.body)),
        "" | "UNSIGNED-PAYLOAD" => true,
        streaming => streaming.starts_with("STREAMING-"),
    }
}

/// Compares in a time that does not tell where they differ.
fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
