//! Downloads from S3 as the nucleus makes them: every step asks for the bucket's location first, nothing is cached.

use crate::{
    credentials::{Credentials, Provider, chain},
    failure::Failure,
    log::{Line, Logs},
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
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.componentmanager.builtins.S3Downloader";

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
    pub(crate) logs: Arc<Logs>,
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

/// A call that didn't succeed.
#[derive(Debug)]
enum Problem {
    /// Worth another try, for ever.
    Again(String),
    /// An answer that ends the deployment.
    Refused { call: Call, status: u16, message: String },
}

impl Object {
    /// Reads an `s3://BUCKET/KEY` URI.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        let valid = !bucket.is_empty() && !key.is_empty() && !key.ends_with('/');
        valid.then(|| Self { bucket: bucket.into(), key: key.into() })
    }

    /// Name of the file that it becomes.
    pub(crate) fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }
}

impl S3 {
    /// Size of an object in bytes.
    ///
    /// # Errors
    /// As the deployment fails with it. Transient troubles are retried until `cancelled`.
    pub(crate) async fn size(&self, object: &Object, cancelled: &watch::Receiver<bool>) -> Result<u64, Failure> {
        let region = self
            .location(object, cancelled)
            .await
            .map_err(|failure| failure.wrapped("Failed to head artifact object from S3"))?;
        let response = self
            .retried("get-download-size-from-s3", cancelled, || self.send(Call::HeadObject, object, &region, None))
            .await?;
        let length = response.headers().get("content-length").and_then(|length| length.to_str().ok());
        Ok(length.and_then(|length| length.parse().ok()).unwrap_or(0))
    }

    /// Content of an object from `offset` on, given its size.
    ///
    /// # Errors
    /// As the deployment fails with it. Transient troubles are retried until `cancelled`.
    pub(crate) async fn content(
        &self,
        object: &Object,
        size: u64,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<Vec<u8>, Failure> {
        let region = self.location(object, cancelled).await?;
        let range = format!("bytes=0-{}", size.saturating_sub(1));
        self.retried("download-S3-artifact", cancelled, || async {
            let response = self.send(Call::GetObject, object, &region, Some(&range)).await?;
            response.bytes().await.map(|body| body.to_vec()).map_err(|error| Problem::Again(chain(&error)))
        })
        .await
    }

    async fn location(&self, object: &Object, cancelled: &watch::Receiver<bool>) -> Result<String, Failure> {
        let answer = self
            .retried("get-bucket-location", cancelled, || async {
                let call = Call::GetBucketLocation;
                let response = match self.send(call, object, &self.region, None).await {
                    Ok(response) => response,
                    Err(Problem::Refused { status, message, .. }) if expected_region(&message).is_some() => {
                        return expected_region(&message).ok_or(Problem::Refused {
                            call,
                            status,
                            message: message.clone(),
                        });
                    }
                    Err(problem) => return Err(problem),
                };
                response.text().await.map_err(|error| Problem::Again(chain(&error)))
            })
            .await?;
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

    /// Retries as the nucleus does, until it works, is refused, or the deployment is cancelled.
    async fn retried<T, F: Future<Output = Result<T, Problem>>>(
        &self,
        task: &str,
        cancelled: &watch::Receiver<bool>,
        attempt: impl Fn() -> F,
    ) -> Result<T, Failure> {
        let mut count = 0_u32;
        loop {
            let cause = match attempt().await {
                Ok(value) => return Ok(value),
                Err(Problem::Refused { call, status, message }) => return Err(refusal(call, status, &message)),
                Err(Problem::Again(cause)) => cause,
            };
            count += 1;
            if count % 20 == 1 {
                let line = Line::info(LOGGER).event(task).message("task failed and will be retried");
                self.logs.nucleus(&line.with("task-attempt", count.to_string()).cause(cause));
            }
            super::pause(cancelled, Duration::from_secs(30), Duration::from_mins(1)).await?;
        }
    }

    async fn send(&self, call: Call, object: &Object, region: &str, range: Option<&str>) -> Result<Response, Problem> {
        let answer = self.provider.answer().await;
        let Some(credentials) = &answer.credentials else {
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
        for (name, value) in signature(method.as_str(), &url, range, region, credentials) {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| Problem::Again(chain(&error)))?;
        judged(call, response).await
    }
}

async fn judged(call: Call, response: Response) -> Result<Response, Problem> {
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
    Err(Problem::Refused { call, status, message })
}

fn refusal(call: Call, status: u16, message: &str) -> Failure {
    let (name, code, action) = match call {
        Call::GetBucketLocation => ("GetBucketLocation", "S3_GET_BUCKET_LOCATION", "s3:GetBucketLocation"),
        Call::HeadObject => ("HeadObject", "S3_HEAD_OBJECT", "s3:GetObject"),
        Call::GetObject => ("GetObject", "S3_GET_OBJECT", "s3:GetObject"),
    };
    let grant = format!("Ensure the IAM role associated with the core device has a policy granting {action}");
    let (reason, codes): (String, [&'static str; 2]) = match status {
        403 => (format!("S3 {name} returns 403 Access Denied. {grant}"), ["S3_ACCESS_DENIED", denied(code)]),
        404 => (format!("S3 {name} returns 404 Resource Not Found.{grant}"), ["S3_RESOURCE_NOT_FOUND", missing(code)]),
        _ => (format!("S3 {name} returns {status}"), ["S3_ERROR", "S3_BAD_REQUEST"]),
    };
    Failure::new(reason, &["ARTIFACT_DOWNLOAD_ERROR", "S3_ERROR", codes[0], codes[1]]).because(message)
}

fn denied(call: &str) -> &'static str {
    match call {
        "S3_GET_BUCKET_LOCATION" => "S3_GET_BUCKET_LOCATION_ACCESS_DENIED",
        "S3_HEAD_OBJECT" => "S3_HEAD_OBJECT_ACCESS_DENIED",
        _ => "S3_GET_OBJECT_ACCESS_DENIED",
    }
}

fn missing(call: &str) -> &'static str {
    match call {
        "S3_GET_BUCKET_LOCATION" => "S3_GET_BUCKET_LOCATION_RESOURCE_NOT_FOUND",
        "S3_HEAD_OBJECT" => "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND",
        _ => "S3_GET_OBJECT_RESOURCE_NOT_FOUND",
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
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{header, method, path, query_param},
    };

    #[test]
    fn uris() {
        let object = Object::parse("s3://b/a/c d.zip").unwrap();
        assert_eq!((object.file_name(), encoded(&object.key).as_str()), ("c d.zip", "a/c%20d.zip"));
        assert_eq!(Object::parse("s3://b/"), None);
        assert_eq!(Object::parse("https://b/k"), None);
    }

    #[test]
    fn refusals_become_codes() {
        fidelity::fidelity!("core-artifact-3");
        let failure = refusal(Call::HeadObject, 404, "null");
        assert!(failure.cause().starts_with("S3 HeadObject returns 404 Resource Not Found.Ensure the IAM role"));
        assert_eq!(failure.kinds(), ["DEPENDENCY_ERROR", "REQUEST_ERROR"]);
        let failure = refusal(Call::GetBucketLocation, 403, "Access Denied");
        assert_eq!(failure.stack()[4], "S3_GET_BUCKET_LOCATION_ACCESS_DENIED");
    }

    #[tokio::test]
    async fn calls_and_refusals() {
        fidelity::fidelity!("core-artifact-2", "core-artifact-3");
        let server = MockServer::start().await;
        let good = r#"{"credentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":"2999-01-01T00:00:00Z"}}"#;
        let answer = |status| ResponseTemplate::new(status);
        let credentials =
            Mock::given(path("/role-aliases/A/credentials")).respond_with(answer(200).set_body_string(good));
        server.register(credentials.expect(1)).await;
        let location = "<LocationConstraint>eu-west-1</LocationConstraint>";
        let located = Mock::given(query_param("location", "")).respond_with(answer(200).set_body_string(location));
        server.register(located.expect(3)).await;
        let found = Mock::given(method("HEAD")).and(path("/k")).respond_with(answer(200).set_body_string("abc"));
        server.register(found.expect(1)).await;
        let content = Mock::given(method("GET")).and(path("/k")).and(header("range", "bytes=0-2"));
        server.register(content.respond_with(answer(206).set_body_string("abc")).expect(1)).await;
        let missing = Mock::given(method("HEAD")).and(path("/none")).respond_with(answer(403));
        server.register(missing.expect(1)).await;

        let folder = tempfile::tempdir().unwrap();
        let logs = Arc::new(Logs::new(folder.path()));
        let provider = Arc::new(Provider::without_client_certificate(&server.uri(), "A", logs.clone()));
        let s3 = S3 {
            client: Provider::plain_client(),
            provider,
            region: "eu-west-1".into(),
            logs,
            base: Some(server.uri()),
        };
        let (_cancel, cancelled) = watch::channel(false);
        let object = |key: &str| Object { bucket: "b".into(), key: key.into() };
        assert_eq!(s3.size(&object("k"), &cancelled).await.unwrap(), 3);
        assert_eq!(s3.content(&object("k"), 3, &cancelled).await.unwrap(), b"abc");
        let failure = s3.size(&object("none"), &cancelled).await.unwrap_err().prefixed("P: ");
        assert!(failure.cause().starts_with("P: S3 HeadObject returns 403 Access Denied. Ensure"), "{failure}");
        assert!(failure.cause().contains(". null (Service: S3, Status Code: 403, Request ID: null"));
    }
}
