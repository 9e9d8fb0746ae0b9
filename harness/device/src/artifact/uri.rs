//! Where an artifact comes from, by its URI.

use super::{job::Job, s3::Object};
use crate::{failure::Failure, recipe::Recipe};

/// The component without which `docker:` artifacts aren't taken.
const DOCKER: &str = "aws.greengrass.DockerApplicationManager";

/// Checks the URIs of a component's artifacts, before anything is downloaded; `has` tells whether a component is part of
/// the deployment.
///
/// # Errors
/// If a URI has no scheme that the nucleus knows, or needs a component that is missing.
pub(super) fn check(recipe: &Recipe, uri: &str, has: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let name = &recipe.name;
    let refuse = |reason: String, code| {
        let text = format!("Failed to download due to bad artifact URI: {uri} for component {name}");
        Err(Failure::new(text, &["COMPONENT_PACKAGE_LOADING_ERROR", "ARTIFACT_URI_NOT_VALID", code]).because(reason))
    };
    if uri.is_empty() {
        return refuse("Artifact URI is empty".into(), "EMPTY_ARTIFACT_URI");
    }
    match scheme(uri).map(str::to_ascii_lowercase).as_deref() {
        None => refuse(format!("Artifact URI {uri} is invalid. It does not have a scheme"), "EMPTY_ARTIFACT_SCHEME"),
        Some("s3" | "greengrass") => Ok(()),
        Some("docker") if has(DOCKER) => Ok(()),
        Some("docker") => {
            let text = format!("Deployments containing docker artifacts must include the {DOCKER} component");
            Err(Failure::new(text, &["MISSING_DOCKER_APPLICATION_MANAGER"]))
        }
        Some(_) => {
            let text =
                format!("Artifact URI {uri} is invalid. Only URI schemes supported are [GREENGRASS, S3, DOCKER]");
            refuse(text, "UNSUPPORTED_ARTIFACT_SCHEME")
        }
    }
}

/// The scheme of a URI.
pub(super) fn scheme(uri: &str) -> Option<&str> {
    uri.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| !scheme.contains(['/', '?', '#']))
}

/// The object that an `s3:` URI names.
///
/// # Errors
/// If it names none.
pub(super) fn object(job: &Job<'_>) -> Result<Object, Failure> {
    let uri = &job.artifact.uri;
    Object::parse(uri).ok_or_else(|| {
        let text = job.reason(&format!("Invalid artifact URI {uri}"));
        Failure::new(text, &["ARTIFACT_URI_NOT_VALID", "S3_ARTIFACT_URI_NOT_VALID"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(uri: &str) -> Failure {
        let text = br#"{"RecipeFormatVersion": "2020-01-25", "ComponentName": "a.B", "ComponentVersion": "1.0.0"}"#;
        check(&Recipe::parse(text).unwrap(), uri, |_| false).unwrap_err()
    }

    #[test]
    fn schemes_that_the_nucleus_does_not_know_are_refused_before_anything_is_downloaded() {
        fidelity::fidelity!("core-artifact-8");
        let cause = "Failed to download due to bad artifact URI: https://x/y for component a.B. Artifact URI https://x/y \
                     is invalid. Only URI schemes supported are [GREENGRASS, S3, DOCKER]";
        assert_eq!(refusal("https://x/y").cause(), cause);
        let stack = |code| ["DEPLOYMENT_FAILURE", "COMPONENT_PACKAGE_LOADING_ERROR", "ARTIFACT_URI_NOT_VALID", code];
        assert_eq!(refusal("https://x/y").stack(), stack("UNSUPPORTED_ARTIFACT_SCHEME"));
        assert_eq!(refusal("x.zip").stack(), stack("EMPTY_ARTIFACT_SCHEME"));
        assert_eq!(refusal("a/b:c").stack(), stack("EMPTY_ARTIFACT_SCHEME"));
        assert_eq!(refusal("").stack(), stack("EMPTY_ARTIFACT_URI"));
        assert_eq!(refusal("").kinds(), ["COMPONENT_RECIPE_ERROR"]);
        let docker = refusal("docker:alpine");
        assert_eq!(docker.stack(), ["DEPLOYMENT_FAILURE", "MISSING_DOCKER_APPLICATION_MANAGER"]);
        assert_eq!(docker.kinds(), ["REQUEST_ERROR"]);
    }
}
