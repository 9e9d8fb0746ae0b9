//! The Greengrass data plane over mutual TLS.

use crate::{artifact::s3::encoded, config::Config, credentials::chain, platform::Attributes};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The device's side of the data plane.
#[derive(Debug)]
pub(crate) struct DataPlane {
    client: Client,
    base: String,
    thing: String,
}

/// The component version that the cloud chose.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) arn: String,
    /// The recipe's bytes, JSON.
    pub(crate) recipe: Vec<u8>,
}

/// A call that didn't succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No answer, 429 or 5xx: worth another try.
    #[error("{0}")]
    Transient(String),
    /// An answer of status 400 to 499.
    #[error("{message} (Service: GreengrassV2Data, Status Code: {status}, Request ID: {request})")]
    Refused { status: u16, message: String, request: String },
    /// An answer that doesn't hold what it should.
    #[error("Component service returns invalid response. It should have one resolved component version")]
    Invalid,
}

impl DataPlane {
    pub(crate) fn new(config: &Config, client: Client) -> Self {
        Self { client, base: config.data_plane.clone(), thing: config.thing.clone() }
    }

    /// One that talks to a plain HTTP server.
    #[cfg(test)]
    pub(crate) fn plain(base: &str, client: Client) -> Self {
        Self { client, base: base.into(), thing: "T".into() }
    }

    /// `ResolveComponentCandidates` for one component on a device with these platform attributes.
    ///
    /// # Errors
    /// As the kinds of [`Error`].
    pub(crate) async fn resolve(
        &self,
        name: &str,
        requirements: &BTreeMap<String, String>,
        candidate: Option<&str>,
        platform: &Attributes,
    ) -> Result<Resolved, Error> {
        let mut component = json!({"componentName": name, "versionRequirements": requirements});
        if let Some(version) = candidate {
            component["componentVersion"] = version.into();
        }
        let body = json!({"platform": {"attributes": platform}, "componentCandidates": [component]});
        let url = format!("{}/greengrass/v2/resolveComponentCandidates", self.base);
        let answer = call(self.client.post(url).json(&body)).await?;
        let Some([resolved]) = answer["resolvedComponentVersions"].as_array().map(Vec::as_slice) else {
            return Err(Error::Invalid);
        };
        let recipe = resolved["recipe"].as_str().and_then(|recipe| STANDARD.decode(recipe).ok());
        let arn = resolved["arn"].as_str().map(str::to_owned);
        recipe.zip(arn).map(|(recipe, arn)| Resolved { arn, recipe }).ok_or(Error::Invalid)
    }

    /// `GetComponentVersionArtifact`: a presigned URL for an artifact of a component version.
    ///
    /// # Errors
    /// As the kinds of [`Error`].
    pub(crate) async fn artifact(&self, arn: &str, name: &str, endpoint: &str) -> Result<String, Error> {
        let (arn, name) = (encoded(arn).replace('/', "%2F"), encoded(name));
        let url = format!("{}/greengrass/v2/components/{arn}/artifacts/{name}?s3EndpointType={endpoint}", self.base);
        let answer = call(self.client.get(url)).await?;
        answer["preSignedUrl"].as_str().map(str::to_owned).ok_or(Error::Invalid)
    }

    /// `ListThingGroupsForCoreDevice`, all pages: names as `thinggroup/NAME`, parents too.
    ///
    /// # Errors
    /// As the kinds of [`Error`].
    pub(crate) async fn thing_groups(&self) -> Result<Vec<String>, Error> {
        let mut groups = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut url = format!("{}/greengrass/v2/coreDevices/{}/thingGroups", self.base, encoded(&self.thing));
            if let Some(token) = &token {
                url = format!("{url}?nextToken={}", encoded(token));
            }
            let answer = call(self.client.get(url)).await?;
            for group in answer["thingGroups"].as_array().into_iter().flatten() {
                let parents = group["rootToParentThingGroups"].as_array();
                for group in std::iter::once(group).chain(parents.into_iter().flatten()) {
                    groups.extend(group["thingGroupName"].as_str().map(|name| format!("thinggroup/{name}")));
                }
            }
            token = answer["nextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                return Ok(groups);
            }
        }
    }
}

async fn call(request: RequestBuilder) -> Result<Value, Error> {
    let response = request.send().await.map_err(|error| Error::Transient(chain(&error)))?;
    let status = response.status().as_u16();
    let request = response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok()).unwrap_or("null");
    let request = request.to_owned();
    let body = response.bytes().await.map_err(|error| Error::Transient(chain(&error)))?;
    let read: Result<Value, serde_json::Error> =
        if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    if (200..=299).contains(&status) {
        // A captive portal's page, say; the SDK's client takes it for trouble on the way, which may pass.
        let no_json = |error: serde_json::Error| {
            format!("Unable to unmarshall response ({error}). Response Code: {status}, Response Text: OK")
        };
        return read.map_err(|error| Error::Transient(no_json(error)));
    }
    let answer = read.unwrap_or_default();
    let message = ["message", "Message"].iter().find_map(|key| answer[*key].as_str()).unwrap_or("null").to_owned();
    Err(match status {
        429 | 500..=599 => Error::Transient(format!("{message} (Status Code: {status})")),
        _ => Error::Refused { status, message, request },
    })
}
