//! Who a caller is: its request signed again with the credentials that it claims to have, and compared.

use super::{
    super::sessions::{Session, Sessions},
    Received,
    answer::Refusal,
    operation::{Operation, Protocol},
};
use crate::clock;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime, PrimitiveDateTime, macros::format_description};

/// How far a signature's time may be from now.
const SKEW: Duration = Duration::minutes(5);

/// What an `Authorization` header says.
struct Claim<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn of(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name));
        let mut scope = field("Credential=")?.split('/');
        Some(Self {
            key: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            headers: field("SignedHeaders=")?,
            signature: field("Signature=")?,
        })
    }
}

/// The session of the caller.
pub(super) fn verify(received: &Received, operation: &Operation, sessions: &Sessions) -> Result<Session, Refusal> {
    let protocol = operation.protocol;
    let claim = Claim::of(received.header("authorization")).ok_or_else(|| Refusal::no_credentials(protocol))?;
    let session = sessions.find(claim.key).ok_or_else(|| Refusal::unknown_key(protocol))?;
    if received.header("x-amz-security-token") != session.token {
        return Err(Refusal::bad_token(protocol));
    }
    if session.expires <= clock::now() {
        return Err(Refusal::expired(protocol));
    }
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = PrimitiveDateTime::parse(received.header("x-amz-date"), &format)
        .map(PrimitiveDateTime::assume_utc)
        .map_err(|_| Refusal::no_credentials(protocol))?;
    let expected =
        signed_again(received, &claim, &session, time, protocol).ok_or_else(|| Refusal::signature(protocol))?;
    if !equal(&expected, claim.signature) || claim.service != operation.service || !body_as_stated(received) {
        return Err(Refusal::signature(protocol));
    }
    if (clock::now() - time).abs() > SKEW || !received.header("x-amz-date").starts_with(claim.date) {
        return Err(Refusal::skewed(protocol, received.header("x-amz-date"), clock::now()));
    }
    Ok(session)
}

/// The signature that the holder of the session's key would have made; `None` when the request can't be signed.
fn signed_again(
    received: &Received,
    claim: &Claim<'_>,
    session: &Session,
    time: OffsetDateTime,
    protocol: Protocol,
) -> Option<String> {
    let identity = Credentials::new(&session.key, &session.secret, Some(session.token.clone()), None, "gate").into();
    let mut settings = SigningSettings::default();
    if protocol == Protocol::S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let stated = received.header("x-amz-content-sha256");
    if !stated.is_empty() && claim.headers.split(';').any(|name| name == "x-amz-content-sha256") {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    // The client says what it signed, so nothing that it signed may be left out.
    settings.excluded_headers = None;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(claim.region)
        .name(claim.service)
        .time(time.into())
        .settings(settings)
        .build()
        .ok()?
        .into();
    let signed: Vec<_> = claim.headers.split(';').collect();
    let headers = received
        .headers
        .iter()
        .filter(|(name, _)| signed.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = match stated {
        "" => SignableBody::Bytes(&received.body),
        stated => SignableBody::Precomputed(stated.to_owned()),
    };
    let query = if received.query.is_empty() { String::new() } else { format!("?{}", received.query) };
    let uri = format!("https://{}{}{query}", received.header("host"), received.path);
    let request = SignableRequest::new(received.method.as_str(), uri, headers, body).ok()?;
    Some(sign(request, &parameters).ok()?.signature().to_owned())
}

/// Whether the body is what its stated hash says; some clients state none, or none for S3.
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
