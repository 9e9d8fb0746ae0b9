//! The deployment document that an IoT job carries.

use crate::{failure::Failure, tree};
use semver::Version;
use serde_json::Value;
use std::collections::BTreeMap;

/// Capabilities that the nucleus has.
const CAPABILITIES: [&str; 3] = ["LARGE_CONFIGURATION", "LINUX_RESOURCE_LIMITS", "SUB_DEPLOYMENTS"];

/// A deployment as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) id: String,
    /// The configuration's ARN with its revision.
    pub(super) arn: String,
    /// `thinggroup/NAME` or `thing/NAME`.
    pub(super) group: String,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) roots: BTreeMap<String, Root>,
    /// Whether a failure is rolled back.
    pub(super) rollback: bool,
    capabilities: Vec<String>,
}

/// A component that a deployment names.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) version: Version,
    /// What to merge into the configuration.
    pub(super) merge: Option<Value>,
    /// JSON pointers to reset before.
    pub(super) reset: Vec<String>,
    /// `runWith.posixUser`.
    pub(super) user: Option<String>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// As the deployment fails with it.
    pub(super) fn parse(document: &Value) -> Result<Self, Failure> {
        let text = |key: &str| document[key].as_str().map(str::to_owned);
        let (Some(id), Some(arn)) = (text("deploymentId"), text("configurationArn")) else {
            let codes = ["DEPLOYMENT_DOCUMENT_NOT_VALID", "DEPLOYMENT_DOCUMENT_PARSE_ERROR"];
            return Err(Failure::new("Error parsing deployment document", &codes).kind("CLOUD_SERVICE_ERROR"));
        };
        let target = arn.split(":configuration:").nth(1).unwrap_or(&arn);
        let group = target.rsplit_once(':').map_or(target, |(group, _)| group).to_owned();
        let components = document["components"].as_object().into_iter().flatten();
        Ok(Self {
            id,
            group,
            arn,
            created: document["creationTimestamp"].as_i64().unwrap_or_default(),
            roots: components
                .map(|(name, value)| Ok((name.clone(), Root::parse(name, value)?)))
                .collect::<Result<_, _>>()?,
            rollback: text("failureHandlingPolicy").as_deref() != Some("DO_NOTHING"),
            capabilities: texts(&document["requiredCapabilities"]),
        })
    }

    /// Checks that the nucleus can do what the deployment needs.
    ///
    /// # Errors
    /// If it can't.
    pub(super) fn check_capabilities(&self) -> Result<(), Failure> {
        let missing: Vec<&str> =
            self.capabilities.iter().map(String::as_str).filter(|name| !CAPABILITIES.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!(
            "The current nucleus version doesn't support one or more capabilities that are required by this \
             deployment: {}",
            missing.join(", ")
        );
        Err(Failure::new(text, &["NUCLEUS_MISSING_REQUIRED_CAPABILITIES"]))
    }
}

impl Root {
    fn parse(name: &str, value: &Value) -> Result<Self, Failure> {
        let version = value["version"].as_str().unwrap_or_default();
        let version = Version::parse(version).map_err(|error| {
            Failure::new(
                format!("Unsupported component version {version} of {name}: {error}"),
                &["COMPONENT_VERSION_NOT_VALID"],
            )
        })?;
        let update = &value["configurationUpdate"];
        Ok(Self {
            version,
            merge: update.get("merge").filter(|merge| !merge.is_null()).map(tree::doubles),
            reset: texts(&update["reset"]),
            user: value["runWith"]["posixUser"].as_str().map(str::to_owned),
        })
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // [core-deploy-1]
    #[test]
    fn a_job_document() {
        let document = Document::parse(&json!({
            "deploymentId": "d", "configurationArn": "arn:aws:greengrass:r:1:configuration:thinggroup/G:3",
            "creationTimestamp": 5, "requiredCapabilities": ["X"],
            "components": {"a.B": {"version": "1.0.0", "configurationUpdate": {"merge": {"n": 5}, "reset": ["/o"]}}},
        }))
        .unwrap();
        assert_eq!(document.group, "thinggroup/G");
        assert!(document.rollback);
        assert_eq!(document.roots["a.B"].merge, Some(json!({"n": 5.0})));
        assert_eq!(document.check_capabilities().unwrap_err().kinds(), ["REQUEST_ERROR"]);
    }
}
