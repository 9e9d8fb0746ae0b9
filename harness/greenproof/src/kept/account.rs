//! Calls of AWS's APIs at a kept environment's port, signed as its operator: what a person's own tools would do.

use crate::{
    component::{Component, Place},
    environment::Standing,
    plan,
    stage::Error,
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use std::{fmt::Write, time::SystemTime};

/// The account of a kept environment, as its operator reaches it.
pub(super) struct Account<'a> {
    standing: &'a Standing,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl<'a> Account<'a> {
    pub(super) fn of(standing: &'a Standing) -> Self {
        Self { standing, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Puts a component's artifacts into S3, as its author would.
    pub(super) async fn upload(&self, component: &Component) -> Result<(), Error> {
        for object in &component.objects {
            if let Place::S3 { bucket, key } = &object.place {
                let bytes = plan::artifact(object)
                    .map_err(|error| Error::surrounding("publishing", error, "correct the scenario's `artifacts`"))?;
                self.expect("s3", "PUT", &format!("/{bucket}/{}", escaped(key, true)), bytes, &[200]).await?;
            }
        }
        Ok(())
    }

    /// Puts a component version in place of the one of that number, once its artifacts are there: the old version deleted,
    /// since AWS never changes one, the recipe as it is.
    pub(super) async fn publish(&self, Component { name, version, recipe, .. }: &Component) -> Result<(), Error> {
        let (region, account) = (&self.standing.world.region, &self.standing.world.account);
        let arn = format!("arn:aws:greengrass:{region}:{account}:components:{name}:versions:{version}");
        let path = format!("/greengrass/v2/components/{}", escaped(&arn, false));
        self.expect("greengrass", "DELETE", &path, Vec::new(), &[204, 404]).await?;
        let body = json!({"inlineRecipe": STANDARD.encode(recipe)}).to_string().into_bytes();
        self.expect("greengrass", "POST", "/greengrass/v2/createComponentVersion", body, &[200, 201]).await
    }

    async fn expect(&self, service: &str, method: &str, path: &str, body: Vec<u8>, good: &[u16]) -> Result<(), Error> {
        let doing = format!("calling {service} of the environment: {method} {path}");
        let failed = |cause: &dyn std::fmt::Display| Error::surrounding(&doing, cause, "");
        let request = self.signed(service, method, path, body).map_err(|error| failed(&error))?;
        let answer = self.client.request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        if good.contains(&status) {
            return Ok(());
        }
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        Err(failed(&format!("answered {status} {}", text.lines().collect::<Vec<_>>().join(" "))))
    }

    fn signed(
        &self,
        service: &str,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<hyper::Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let operator = self.standing.world.operator.as_ref().ok_or("nobody may call it")?;
        let port = self.standing.port.ok_or("its port is gone: it does not run")?;
        let (key, secret) = (&operator.access_key_id, &operator.secret_access_key.0);
        let identity = Credentials::new(key, secret, None, None, "greenproof").into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.standing.world.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let url = format!("http://127.0.0.1:{port}{path}");
        let host = format!("127.0.0.1:{port}");
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let signable = SignableRequest::new(method, &url, headers.into_iter(), SignableBody::Bytes(&body))?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        let mut request = hyper::Request::builder().method(method).uri(&url);
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(body.into()))?)
    }
}

/// A text in a path; its slashes stay if they divide the path.
fn escaped(text: &str, divided: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (divided && byte == b'/');
    text.bytes().fold(String::new(), |mut path, byte| {
        if plain(byte) {
            path.push(byte.into());
        } else {
            _ = write!(path, "%{byte:02X}");
        }
        path
    })
}
