//! Why a deployment failed, with the codes and types that are reported to the cloud.

use std::borrow::Cow;

/// A failed deployment: the messages of the cause chain and the codes that it collected.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", messages.join(". "))]
pub(crate) struct Failure {
    messages: Vec<String>,
    codes: Vec<Cow<'static, str>>,
    kinds: Vec<Cow<'static, str>>,
    unforeseen: bool,
}

impl Failure {
    /// A failure with its outermost message.
    pub(crate) fn new(message: impl Into<String>, codes: &[&'static str]) -> Self {
        let codes = codes.iter().map(|code| Cow::Borrowed(*code)).collect();
        Self { messages: vec![message.into()], codes, kinds: Vec::new(), unforeseen: false }
    }

    /// A failure that was kept over a restart.
    pub(crate) fn kept(message: String, stack: Vec<String>, kinds: Vec<String>) -> Self {
        let owned = |texts: Vec<String>| texts.into_iter().map(Cow::Owned).collect();
        Self { messages: vec![message], codes: owned(stack), kinds: owned(kinds), unforeseen: false }
    }

    /// Adds the message of the next cause.
    pub(crate) fn because(mut self, message: impl Into<String>) -> Self {
        self.messages.push(message.into());
        self
    }

    /// Puts a message in front.
    pub(crate) fn wrapped(mut self, message: impl Into<String>) -> Self {
        self.messages.insert(0, message.into());
        self
    }

    /// Adds a type that doesn't follow from the codes.
    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.kinds.push(Cow::Borrowed(kind));
        self
    }

    /// Marks it as one that the nucleus doesn't foresee, so that it has no detailed status.
    pub(crate) fn unforeseen(self) -> Self {
        Self { unforeseen: true, ..self }
    }

    pub(crate) fn is_unforeseen(&self) -> bool {
        self.unforeseen
    }

    /// The messages of the whole cause chain.
    pub(crate) fn cause(&self) -> String {
        self.to_string()
    }

    /// The error stack, outermost first.
    pub(crate) fn stack(&self) -> Vec<&str> {
        let mut stack = vec!["DEPLOYMENT_FAILURE"];
        for code in &self.codes {
            if !stack.contains(&code.as_ref()) {
                stack.push(code);
            }
        }
        stack
    }

    /// The error types without repetition.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let mut kinds = Vec::new();
        for kind in self.kinds.iter().map(AsRef::as_ref).chain(self.codes.iter().filter_map(|code| kind_of(code))) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

/// The error type of a code; structural codes have none.
fn kind_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "NUCLEUS_MISSING_REQUIRED_CAPABILITIES"
        | "COMPONENT_CIRCULAR_DEPENDENCY_ERROR"
        | "MULTIPLE_NUCLEUS_RESOLVED_ERROR"
        | "CONFLICTED_REQUEST"
        | "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"
        | "RESOURCE_NOT_FOUND"
        | "RUN_WITH_CONFIG_NOT_VALID"
        | "MISSING_DOCKER_APPLICATION_MANAGER"
        | "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND"
        | "S3_GET_BUCKET_LOCATION_RESOURCE_NOT_FOUND"
        | "S3_GET_OBJECT_RESOURCE_NOT_FOUND" => "REQUEST_ERROR",
        "ACCESS_DENIED"
        | "RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED"
        | "GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED"
        | "S3_ACCESS_DENIED"
        | "S3_HEAD_OBJECT_ACCESS_DENIED"
        | "S3_GET_BUCKET_LOCATION_ACCESS_DENIED"
        | "S3_GET_OBJECT_ACCESS_DENIED" => "PERMISSION_ERROR",
        "BAD_REQUEST" => "NUCLEUS_ERROR",
        "IO_WRITE_ERROR"
        | "IO_READ_ERROR"
        | "IO_UNZIP_ERROR"
        | "IO_FILE_ATTRIBUTE_ERROR"
        | "SET_PERMISSION_ERROR"
        | "DISK_SPACE_CRITICAL"
        | "LOCAL_RECIPE_NOT_FOUND"
        | "LOCAL_RECIPE_METADATA_NOT_FOUND"
        | "HASHING_ALGORITHM_UNAVAILABLE" => "DEVICE_ERROR",
        "GET_GREENGRASS_ARTIFACT_SIZE_ERROR" | "DOWNLOAD_GREENGRASS_ARTIFACT_ERROR" | "HTTP_REQUEST_ERROR" => {
            "HTTP_ERROR"
        }
        "RECIPE_PARSE_ERROR"
        | "ARTIFACT_URI_NOT_VALID"
        | "S3_ARTIFACT_URI_NOT_VALID"
        | "EMPTY_ARTIFACT_URI"
        | "EMPTY_ARTIFACT_SCHEME"
        | "UNSUPPORTED_ARTIFACT_SCHEME"
        | "RECIPE_MISSING_MANIFEST"
        | "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"
        | "ARTIFACT_CHECKSUM_MISMATCH"
        | "COMPONENT_DEPENDENCY_NOT_VALID"
        | "COMPONENT_VERSION_NOT_VALID" => "COMPONENT_RECIPE_ERROR",
        "S3_ERROR" | "S3_RESOURCE_NOT_FOUND" | "S3_BAD_REQUEST" => "DEPENDENCY_ERROR",
        "RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE" | "GREENGRASS_ARTIFACT_SIZE_NOT_FOUND" => "CLOUD_SERVICE_ERROR",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_object_403() {
        fidelity::fidelity!("core-deploy-5");
        let codes = ["ARTIFACT_DOWNLOAD_ERROR", "S3_ERROR", "S3_ACCESS_DENIED", "S3_HEAD_OBJECT_ACCESS_DENIED"];
        let failure = Failure::new("a", &codes).because("b");
        assert_eq!(failure.to_string(), "a. b");
        assert_eq!(failure.stack()[0], "DEPLOYMENT_FAILURE");
        assert_eq!(failure.kinds(), ["DEPENDENCY_ERROR", "PERMISSION_ERROR"]);
    }
}
