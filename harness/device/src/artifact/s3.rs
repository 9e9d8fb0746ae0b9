//! Downloads from S3 as the nucleus makes them: every step asks for the bucket's location first, nothing is cached.

use super::job::{Job, Problem};
use crate::{
    credentials::{Credentials, Provider, chain},
    failure::Failure,
};
use aws_credential_types::Credentials as Identity;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use reqwest::{Client, Method, Response};
use std::{sync::Arc, time::SystemTime};

pub(super) const LOGGER: &str = "com.aws.greengrass.componentmanager.builtins.S3Downloader";

/// An object in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// The S3 client of the core.
#[derive(Debug)]
pub(crate) struct S3 {
    pub(crate) client: Client,
    pub(crate) provider: Arc<Provider>,
    pub(crate) region: String,
    /// Scheme, host and port instead of the bucket's own, for tests.
    pub(crate) base: Option<String>,
}

/// The three calls, as failures name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    GetBucketLocation,
    HeadObject,
    GetObject,
}

impl Object {
    /// Reads an `s3://BUCKET/KEY` URI.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        (!bucket.is_empty() && !key.is_empty()).then(|| Self { bucket: bucket.into(), key: key.into() })
    }

    /// Name of the file that it becomes: the last part of the key that isn't empty.
    pub(crate) fn file_name(&self) -> &str {
        self.key.trim_end_matches('/').rsplit('/').next().unwrap_or(&self.key)
    }
}

impl S3 {
    /// Size of an object in bytes.
    ///
    /// # Errors
    /// As the deployment fails with it. Passing trouble is retried until the deployment is cancelled.
    pub(super) async fn size(&self, job: &Job<'_>, object: &Object) -> Result<u64, Failure> {
        let mut tries = job.tries("get-download-size-from-s3");
        loop {
            match self.ask(job, object, Call::HeadObject, None).await {
                Ok(response) => {
                    let length = response.headers().get("content-length").and_then(|length| length.to_str().ok());
                    return Ok(length.and_then(|length| length.parse().ok()).unwrap_or(0));
                }
                Err(problem) => tries.next(problem).await?,
            }
        }
    }

    /// Asks for a part of an object, both ends included.
    ///
    /// # Errors
    /// What to do about it.
    pub(super) async fn content(
        &self,
        job: &Job<'_>,
        object: &Object,
        (first, last): (u64, u64),
    ) -> Result<Response, Problem> {
        self.ask(job, object, Call::GetObject, Some(&format!("bytes={first}-{last}"))).await
    }

    /// Asks the region that the bucket is in, which is asked for each time.
    async fn ask(&self, job: &Job<'_>, object: &Object, call: Call, range: Option<&str>) -> Result<Response, Problem> {
        let region = self.location(job, object).await.map_err(|failure| failure.wrapped(job.reason(call.trouble())))?;
        self.send(job, call, object, &region, range).await
    }

    async fn location(&self, job: &Job<'_>, object: &Object) -> Result<String, Failure> {
        let mut tries = job.tries("get-bucket-location");
        let answer = loop {
            match self.located(job, object).await {
                Ok(answer) => break answer,
                Err(problem) => tries.next(problem).await?,
            }
        };
        if !answer.contains('<') {
            return Ok(answer);
        }
        let text = answer.split_once("<LocationConstraint").and_then(|(_, rest)| rest.split_once('>'));
        Ok(match text.and_then(|(_, rest)| rest.split_once('<')).map(|(region, _)| region.trim()) {
            None | Some("") => "us-east-1".into(),
            Some("EU") => "eu-west-1".into(),
            Some(region) => region.into(),
        })
    }

    /// What S3 says about the bucket: a document, or the region in a complaint about the wrong one.
    async fn located(&self, job: &Job<'_>, object: &Object) -> Result<String, Problem> {
        match self.send(job, Call::GetBucketLocation, object, &self.region, None).await {
            Ok(response) => response.text().await.map_err(|error| Problem::Again(chain(&error))),
            Err(Problem::Fatal(failure)) => expected_region(&failure.to_string()).ok_or(Problem::Fatal(failure)),
            Err(again) => Err(again),
        }
    }

    async fn send(
        &self,
        job: &Job<'_>,
        call: Call,
        object: &Object,
        region: &str,
        range: Option<&str>,
    ) -> Result<Response, Problem> {
        let Some(credentials) = self.provider.credentials().await else {
            return Err(Problem::Again(
                "software.amazon.awssdk.core.exception.SdkClientException: Failed to fetch credentials".into(),
            ));
        };
        let base = self.base.clone().unwrap_or_else(|| format!("https://{}.s3.{region}.amazonaws.com", object.bucket));
        let (method, url) = match call {
            Call::GetBucketLocation => (Method::GET, format!("{base}/?location")),
            Call::HeadObject => (Method::HEAD, format!("{base}/{}", encoded(&object.key))),
            Call::GetObject => (Method::GET, format!("{base}/{}", encoded(&object.key))),
        };
        let mut request = self.client.request(method.clone(), &url);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        for (name, value) in signature(method.as_str(), &url, range, region, &credentials) {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| Problem::Again(chain(&error)))?;
        judged(job, call, response).await
    }
}

async fn judged(job: &Job<'_>, call: Call, response: Response) -> Result<Response, Problem> {
    let status = response.status().as_u16();
    if response.status().is_success() {
        return Ok(response);
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("null").to_owned();
    let (request, extended) = (header("x-amz-request-id"), header("x-amz-id-2"));
    let body = response.text().await.unwrap_or_default();
    let text = body.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    let text = text.map_or("null", |(text, _)| text);
    let message =
        format!("{text} (Service: S3, Status Code: {status}, Request ID: {request}, Extended Request ID: {extended})");
    let stale = body.contains("token has expired")
        || body.contains("The AWS Access Key Id you provided does not exist in our records");
    if stale || matches!(status, 429 | 500..=599) {
        return Err(Problem::Again(message));
    }
    Err(Problem::Fatal(refusal(job, call, status, &message)))
}

fn refusal(job: &Job<'_>, call: Call, status: u16, message: &str) -> Failure {
    let name = call.name();
    let (reason, codes) = match status {
        403 => (format!("S3 {name} returns 403 Access Denied. {}", call.grant()), ["S3_ACCESS_DENIED", call.denied()]),
        404 if call == Call::GetBucketLocation => {
            (format!("S3 {name} returns 404 Resource Not Found"), ["S3_RESOURCE_NOT_FOUND", call.missing()])
        }
        404 => {
            let grant = call.grant();
            let text =
                format!("S3 {name} returns 404 Resource Not Found.{grant} and the artifact object uri is correct");
            (text, ["S3_RESOURCE_NOT_FOUND", call.missing()])
        }
        _ => (call.trouble().into(), ["S3_BAD_REQUEST"; 2]),
    };
    job.failure(&reason, &["S3_ERROR", codes[0], codes[1]]).because(message)
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::GetBucketLocation => "GetBucketLocation",
            Self::HeadObject => "HeadObject",
            Self::GetObject => "GetObject",
        }
    }

    /// What to do about a refusal.
    fn grant(self) -> String {
        let action = if self == Self::GetBucketLocation { "s3:GetBucketLocation" } else { "s3:GetObject" };
        format!("Ensure the IAM role associated with the core device has a policy granting {action}")
    }

    /// What failed with it.
    fn trouble(self) -> &'static str {
        match self {
            Self::GetBucketLocation => "Failed to determine S3 bucket location",
            Self::HeadObject => "Failed to head artifact object from S3",
            Self::GetObject => "Failed to download object from S3",
        }
    }

    fn denied(self) -> &'static str {
        match self {
            Self::GetBucketLocation => "S3_GET_BUCKET_LOCATION_ACCESS_DENIED",
            Self::HeadObject => "S3_HEAD_OBJECT_ACCESS_DENIED",
            Self::GetObject => "S3_GET_OBJECT_ACCESS_DENIED",
        }
    }

    fn missing(self) -> &'static str {
        match self {
            Self::GetBucketLocation => "S3_GET_BUCKET_LOCATION_RESOURCE_NOT_FOUND",
            Self::HeadObject => "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND",
            Self::GetObject => "S3_GET_OBJECT_RESOURCE_NOT_FOUND",
        }
    }
}

/// The region that S3 names in its complaint about the wrong one.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    Some(rest.split_once('\'')?.0.to_owned())
}

/// A text as part of a URL's path.
pub(crate) fn encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(byte).collect()
}

/// The headers that sign a request without a body.
fn signature(
    method: &str,
    url: &str,
    range: Option<&str>,
    region: &str,
    credentials: &Credentials,
) -> Vec<(String, String)> {
    let identity = Identity::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        Some(credentials.session_token.clone()),
        None,
        "greengrass",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .expect("all parameters are set")
        .into();
    let headers = range.map(|range| ("range", range));
    let request =
        SignableRequest::new(method, url, headers.into_iter(), SignableBody::Bytes(&[])).expect("our own URL is valid");
    let (instructions, _) = sign(request, &parameters).expect("a request without a body can be signed").into_parts();
    instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let object = Object::parse("s3://b/a/c d.zip").unwrap();
        assert_eq!((object.file_name(), encoded(&object.key).as_str()), ("c d.zip", "a/c%20d.zip"));
        assert_eq!(Object::parse("s3://b/a/b//").unwrap().file_name(), "b");
        assert_eq!(Object::parse("s3://b/"), None);
        assert_eq!(Object::parse("S3://b/k"), None);
        assert_eq!(Object::parse("https://b/k"), None);
    }
}
