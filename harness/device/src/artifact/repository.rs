//! Downloads of `greengrass:` artifacts: the data plane signs a URL for each step, which is asked without credentials.

use super::job::{Job, Problem};
use crate::{
    credentials::chain,
    dataplane::{DataPlane, Error},
    failure::Failure,
};
use reqwest::{Client, Response};

pub(super) const LOGGER: &str = "com.aws.greengrass.componentmanager.builtins.GreengrassRepositoryDownloader";
/// The codes of an answer to the URL that ends a download.
const REFUSED: [&str; 2] = ["DOWNLOAD_GREENGRASS_ARTIFACT_ERROR", "HTTP_REQUEST_ERROR"];

/// An artifact of a component that the cloud hands out.
#[derive(Debug)]
pub(super) struct Repository<'a> {
    pub(super) data_plane: &'a DataPlane,
    pub(super) client: &'a Client,
    /// The ARN of the component version, if it came from the cloud.
    pub(super) arn: Option<String>,
    /// `s3EndpointType` of the nucleus's configuration.
    pub(super) endpoint: String,
}

impl Repository<'_> {
    /// Size of the artifact in bytes.
    ///
    /// # Errors
    /// As the deployment fails with it. Passing trouble is retried until the deployment is cancelled.
    pub(super) async fn size(&self, job: &Job<'_>) -> Result<u64, Failure> {
        let mut tries = job.tries("get-artifact-size");
        loop {
            match self.asked_size(job).await {
                Ok(size) => return Ok(size),
                Err(problem) => tries.next(problem).await?,
            }
        }
    }

    async fn asked_size(&self, job: &Job<'_>) -> Result<u64, Problem> {
        let url = self.url(job).await?;
        let response = self.client.get(url).send().await.map_err(|error| Problem::Again(chain(&error)))?;
        match response.status().as_u16() {
            200 => {
                let length = response.headers().get("content-length").and_then(|length| length.to_str().ok());
                let length = length.and_then(|length| length.parse().ok());
                let missing = || job.failure("Failed to get download size", &["GREENGRASS_ARTIFACT_SIZE_NOT_FOUND"]);
                length.ok_or_else(|| Problem::Fatal(missing()))
            }
            status @ (429 | 500..) => {
                Err(Problem::Again(format!("Failed to get download size with retryable error. Error code{status}")))
            }
            status => {
                let text = format!("Failed to get download size. HTTP response: {status}");
                Err(job.failure(&text, &["GET_GREENGRASS_ARTIFACT_SIZE_ERROR", "HTTP_REQUEST_ERROR"]).into())
            }
        }
    }

    /// Asks for a part of the artifact, both ends included; also how much of the answer lies before it.
    ///
    /// # Errors
    /// What to do about it.
    pub(super) async fn content(&self, job: &Job<'_>, (first, last): (u64, u64)) -> Result<(Response, u64), Problem> {
        let url = self.url(job).await?;
        let request = self.client.get(url).header("range", format!("bytes={first}-{last}"));
        let response = request.send().await.map_err(|error| Problem::Again(chain(&error)))?;
        match response.status().as_u16() {
            206 => Ok((response, 0)),
            // A server that doesn't know ranges sends all of it.
            200 => {
                let length = response.content_length().unwrap_or(last);
                let text =
                    format!("Artifact size mismatch. Expected artifact size {last}. HTTP contentLength {length}");
                if length < last { Err(job.failure(&text, &REFUSED).into()) } else { Ok((response, first)) }
            }
            status @ (429 | 500..) => {
                Err(Problem::Again(format!("Failed to download artifact with retryable error, error code:{status}")))
            }
            status => {
                let text = format!("Unable to download Greengrass artifact. HTTP Error: {status}");
                Err(job.failure(&text, &REFUSED).into())
            }
        }
    }

    async fn url(&self, job: &Job<'_>) -> Result<String, Failure> {
        let Some(arn) = &self.arn else {
            let codes = ["COMPONENT_PACKAGE_LOADING_ERROR", "LOCAL_RECIPE_METADATA_NOT_FOUND"];
            return Err(job.failure("Failed to get component version arn from component store", &codes));
        };
        let (_, name) = job.artifact.uri.split_once(':').unwrap_or_default();
        let mut tries = job.tries("get-artifact-size");
        loop {
            let error = match self.data_plane.artifact(arn, name, &self.endpoint).await {
                Ok(url) => return Ok(url),
                Err(error) => error,
            };
            let problem = match &error {
                Error::Transient(cause) => Problem::Again(cause.clone()),
                Error::Refused { status, .. } => refusal(job, *status, &error).into(),
                Error::Invalid => job.failure(FAILED, &["CLOUD_API_ERROR"]).because(error.to_string()).into(),
            };
            tries.next(problem).await?;
        }
    }
}

const FAILED: &str = "Failed to call GetComponentVersionArtifact and get component artifact's pre-signed url";

fn refusal(job: &Job<'_>, status: u16, error: &Error) -> Failure {
    let denied = "Access denied when calling GetComponentVersionArtifact. Ensure certificate policy grants \
                  greengrass:GetComponentVersionArtifact";
    let failure = match status {
        403 => {
            let codes = ["CLOUD_API_ERROR", "ACCESS_DENIED", "GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED"];
            job.failure(denied, &codes)
        }
        404 => job.failure(FAILED, &["CLOUD_API_ERROR", "RESOURCE_NOT_FOUND"]),
        400 => job.failure(FAILED, &["CLOUD_API_ERROR", "BAD_REQUEST"]),
        _ => job.failure(FAILED, &["CLOUD_API_ERROR"]),
    };
    failure.because(error.to_string())
}
