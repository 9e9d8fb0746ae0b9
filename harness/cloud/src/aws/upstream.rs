//! LocalStack, as the gate forwards to it: plain HTTP, in the environment's account.
//!
//! LocalStack reads the account off a 12-digit access key id and verifies no signature.

use crate::world::World;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// The tag by which LocalStack is told the id of a new key, or the suffix of a new secret.
pub(super) const CUSTOM_ID: &str = "_custom_id_";

/// A LocalStack and the account that it is asked in.
#[derive(Clone, Debug)]
pub(super) struct LocalStack {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    account: String,
}

/// What LocalStack answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer if it is a success.
    ///
    /// # Errors
    /// If it is none; the text says what was done and what LocalStack answered.
    pub(super) fn done(self, doing: &str) -> Result<Self, String> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(format!("{doing}: LocalStack answered {}: {}", self.status, String::from_utf8_lossy(&self.body)))
    }
}

impl LocalStack {
    pub(super) fn new(world: &World) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: world.localstack.trim_end_matches('/').to_owned(),
            account: world.account.clone(),
        }
    }

    /// Host and port, which no client may see.
    pub(super) fn authority(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, authority)| authority)
    }

    /// Sends a request in the account. `target` is path and query; S3's is path-style.
    ///
    /// # Errors
    /// If LocalStack can't be reached or breaks off, as a text for people.
    pub(super) async fn send(
        &self,
        (service, region): (&str, &str),
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, String> {
        let failed = |error: String| format!("asking LocalStack for {service}: {error}");
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{target}", self.url)
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| failed(error.to_string()))?;
        *request.headers_mut() = headers;
        let scope = format!("{}/20260101/{region}/{service}/aws4_request", self.account);
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let authorization = HeaderValue::from_str(&authorization).map_err(|error| failed(error.to_string()))?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let response = self.client.request(request).await.map_err(|error| failed(error.to_string()))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Asks S3 with a method that changes nothing. `target` is path and query, path-style.
    pub(super) async fn s3(&self, region: &str, method: Method, target: &str) -> Result<Answer, String> {
        self.send(("s3", region), method, target, HeaderMap::new(), Bytes::new()).await
    }

    /// Calls an operation of IAM, such as `CreateRole`.
    pub(super) async fn iam(&self, operation: &str, input: &[(&str, &str)]) -> Result<Answer, String> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", operation)
            .append_pair("Version", "2010-05-08")
            .extend_pairs(input)
            .finish();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(("iam", "us-east-1"), Method::POST, "/", headers, form.into()).await
    }

    /// Calls an operation of a JSON service, such as `secretsmanager.DescribeSecret`.
    pub(super) async fn json(&self, region: &str, target: &str, input: &serde_json::Value) -> Result<Answer, String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
        let name = HeaderValue::from_str(target).map_err(|error| error.to_string())?;
        headers.insert("x-amz-target", name);
        let service = match target.split('.').next().unwrap_or_default() {
            "TrentService" => "kms",
            service => service,
        };
        self.send((service, region), Method::POST, "/", headers, input.to_string().into()).await
    }
}

/// A key as it stands in a URL's path.
pub(super) fn encoded(key: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    key.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
