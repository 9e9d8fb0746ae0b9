//! What a deployment asks for, from the document that its channel brings.

use super::groups::{self, LOCAL};
use crate::{configuration::Node, failure::Failure, queue::Kind, tree};
use semver::Version;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

/// Capabilities that the nucleus has.
const CAPABILITIES: [&str; 3] = ["LARGE_CONFIGURATION", "LINUX_RESOURCE_LIMITS", "SUB_DEPLOYMENTS"];

/// A deployment as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// The configuration's ARN with its revision; empty for a local deployment.
    pub(super) arn: String,
    /// `thinggroup/NAME`, `thing/NAME` or `LOCAL_DEPLOYMENT`.
    pub(super) group: String,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) roots: BTreeMap<String, Root>,
    /// Whether a failure is rolled back.
    pub(super) rollback: bool,
    /// Whether components may be asked before they are updated.
    pub(super) notify: bool,
    /// Where a local deployment brings recipes and artifacts from.
    pub(super) folders: Option<(Option<PathBuf>, Option<PathBuf>)>,
    /// What is wrong with it that shows only once it is carried out.
    pub(super) faulty: Option<Failure>,
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
    /// What `runWith` is to be, if it isn't to stay.
    pub(super) run_with: Option<Value>,
}

impl Document {
    /// Reads a document as its channel has it; a local one changes the roots that `tree` keeps of its group.
    ///
    /// # Errors
    /// As the deployment fails with it.
    pub(super) fn read(kind: Kind, document: &Value, tree: &Node) -> Result<Self, Failure> {
        match kind {
            // The parser of IoT job documents makes every number a floating one.
            Kind::Job => Self::cloud(kind, &tree::doubles(document), document),
            Kind::Shadow => Self::cloud(kind, document, document),
            Kind::Local => Self::local(document, tree),
        }
    }

    fn cloud(kind: Kind, document: &Value, exact: &Value) -> Result<Self, Failure> {
        let text = |key: &str| document[key].as_str().map(str::to_owned);
        let (Some(id), Some(arn)) = (text("deploymentId"), text("configurationArn")) else {
            return Err(unreadable("CLOUD_SERVICE_ERROR"));
        };
        let parent = text("onBehalfOf").and_then(|arn| Some(arn.rsplit_once(":thinggroup/")?.1.to_owned()));
        let target = arn.split(":configuration:").nth(1).unwrap_or(&arn);
        // The SDK's ARNs end a resource at its first colon, be it one of the group's name.
        let own = target.split(':').next().unwrap_or(target);
        let group = parent.map_or_else(|| own.to_owned(), |name| format!("thinggroup/{name}"));
        let components = document["components"].as_object().into_iter().flatten();
        Ok(Self {
            kind,
            id,
            group,
            arn,
            created: exact["creationTimestamp"].as_i64().unwrap_or_default(),
            roots: components
                .map(|(name, value)| Ok((name.clone(), Root::parse(name, value)?)))
                .collect::<Result<_, _>>()?,
            rollback: text("failureHandlingPolicy").as_deref() != Some("DO_NOTHING"),
            notify: document["componentUpdatePolicy"]["action"] != "SKIP_NOTIFY_COMPONENTS",
            folders: None,
            faulty: None,
            capabilities: texts(&document["requiredCapabilities"]),
        })
    }

    fn local(request: &Value, tree: &Node) -> Result<Self, Failure> {
        let Some(id) = request["requestId"].as_str() else {
            return Err(unreadable("NUCLEUS_ERROR"));
        };
        let named = request["groupName"].as_str().filter(|name| !name.is_empty());
        let group = named.map_or_else(|| LOCAL.to_owned(), |name| format!("thinggroup/{name}"));
        let mut versions = groups::roots(tree).remove(&group).unwrap_or_default();
        let removed = texts(&request["componentsToRemove"]);
        versions.retain(|name, _| !removed.contains(name));
        let mut faulty = None;
        for (name, version) in request["componentsToMerge"].as_object().into_iter().flatten() {
            match parse_version(name, version.as_str().unwrap_or_default()) {
                Ok(version) => _ = versions.insert(name.clone(), version),
                Err(failure) => faulty = Some(failure),
            }
        }
        let root = |(name, version): (String, Version)| {
            let update = &request["configurationUpdate"][&name];
            let run_with = &request["componentToRunWithInfo"][&name];
            let root = Root {
                version,
                merge: update.get("MERGE").filter(|merge| !merge.is_null()).cloned(),
                reset: texts(&update["RESET"]),
                run_with: (!run_with.is_null()).then(|| run_with.clone()),
            };
            (name, root)
        };
        let folder = |key: &str| request[key].as_str().filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self {
            kind: Kind::Local,
            id: id.into(),
            arn: String::new(),
            group,
            created: request["requestTimestamp"].as_i64().unwrap_or_default(),
            roots: versions.into_iter().map(root).collect(),
            rollback: request["failureHandlingPolicy"] == "ROLLBACK",
            notify: false,
            folders: Some((folder("recipeDirectoryPath"), folder("artifactsDirectoryPath"))),
            faulty,
            capabilities: texts(&request["requiredCapabilities"]),
        })
    }

    /// Whether the document is only a shell, whose content the nucleus asks for.
    pub(super) fn is_large(&self) -> bool {
        self.capabilities.iter().any(|name| name == CAPABILITIES[0])
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
        let update = &value["configurationUpdate"];
        Ok(Self {
            version: parse_version(name, value["version"].as_str().unwrap_or_default())?,
            merge: update.get("merge").filter(|merge| !merge.is_null()).cloned(),
            reset: texts(&update["reset"]),
            // One that says nothing means the defaults.
            run_with: Some(value.get("runWith").filter(|run_with| run_with.is_object()).cloned().unwrap_or(json!({}))),
        })
    }
}

/// The failure of a document that isn't one.
fn unreadable(kind: &'static str) -> Failure {
    let codes = ["DEPLOYMENT_DOCUMENT_NOT_VALID", "IO_ERROR", "IO_MAPPING_ERROR", "DEPLOYMENT_DOCUMENT_PARSE_ERROR"];
    Failure::new("Unable to parse the deployment document", &codes).kind(kind)
}

fn parse_version(name: &str, version: &str) -> Result<Version, Failure> {
    Version::parse(version).map_err(|error| {
        let text = format!(
            "Unsupported component version '{version}' for component '{name}'. For pre-release versions, please start \
             the version tag with a non-numeric character"
        );
        Failure::new(text, &["COMPONENT_VERSION_NOT_VALID"]).because(error.to_string())
    })
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_document() {
        fidelity::fidelity!("core-deploy-1");
        let document = json!({
            "deploymentId": "d", "configurationArn": "arn:aws:greengrass:r:1:configuration:thinggroup/G:3",
            "creationTimestamp": 5, "requiredCapabilities": ["X"],
            "components": {"a.B": {"version": "1.0.0", "configurationUpdate": {"merge": {"n": 5}, "reset": ["/o"]}}},
        });
        let document = Document::read(Kind::Job, &document, &Node::empty()).unwrap();
        assert_eq!((document.group.as_str(), document.created), ("thinggroup/G", 5));
        assert!(document.rollback);
        assert_eq!(document.roots["a.B"].merge, Some(json!({"n": 5.0})));
        assert_eq!(document.check_capabilities().unwrap_err().kinds(), ["REQUEST_ERROR"]);
        let of_colons =
            json!({"deploymentId": "d", "configurationArn": "arn:aws:greengrass:r:1:configuration:thinggroup/a:b:3"});
        assert_eq!(Document::read(Kind::Job, &of_colons, &Node::empty()).unwrap().group, "thinggroup/a");
    }

    #[test]
    fn a_local_request_changes_the_roots_of_its_group() {
        fidelity::fidelity!("core-deploy-10");
        let mut tree = Node::empty();
        let request = |merge: Value, remove: Value| {
            json!({"requestId": "r", "requestTimestamp": 7, "componentsToMerge": merge, "componentsToRemove": remove,
                "configurationUpdate": {"a": {"MERGE": {"n": 5}, "RESET": ["/o"]}},
                "componentToRunWithInfo": {"a": {"posixUser": "u"}}})
        };
        let read = |tree: &Node, request: &Value| Document::read(Kind::Local, request, tree).unwrap();
        let first = read(&tree, &request(json!({"a": "1.0.0", "b": "1.0.0"}), json!([])));
        assert_eq!((first.group.as_str(), first.rollback, first.notify), (LOCAL, false, false));
        assert_eq!(first.roots["a"].merge, Some(json!({"n": 5})), "numbers stay whole");
        groups::record(&mut tree, &first);
        let second = read(&tree, &request(json!({"a": "2.0.0"}), json!(["b"])));
        assert_eq!(second.roots.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(second.roots["a"].version, Version::new(2, 0, 0));
    }

    #[test]
    fn documents_that_are_none() {
        fidelity::fidelity!("core-deploy-5");
        let failure = |kind| Document::read(kind, &json!({}), &Node::empty()).unwrap_err();
        assert_eq!(failure(Kind::Job).kinds(), ["CLOUD_SERVICE_ERROR"]);
        assert_eq!(failure(Kind::Local).kinds(), ["NUCLEUS_ERROR"]);
    }
}
