//! URLs that AWS hands out: whoever holds one may read the object behind it for a while, whatever its own rights are.

use super::{sessions::Session, upstream::encoded};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use std::time::Duration;

/// A URL for an object, signed with a session's credentials; `host` is the bucket's.
///
/// # Errors
/// If it can't be signed, as a text for people.
pub(super) fn object(
    session: &Session,
    region: &str,
    host: &str,
    key: &str,
    lifetime: Duration,
) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("signing the URL of `{host}/{key}`: {error}");
    let identity = Credentials::new(&session.key, &session.secret, Some(session.token.clone()), None, "aws").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(lifetime);
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(session.issued.into())
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let url = format!("https://{host}/{}", encoded(key));
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::UnsignedPayload)
        .map_err(|error| failed(&error))?;
    let (instructions, _) = sign(request, &parameters).map_err(|error| failed(&error))?.into_parts();
    let query: Vec<_> =
        instructions.params().iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    Ok(format!("{url}?{}", query.join("&")))
}

/// A value as it stands in a URL's query, where a slash is escaped too.
fn escaped(value: &str) -> String {
    encoded(value).replace('/', "%2F")
}
