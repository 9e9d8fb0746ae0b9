//! Component versions: created, shown, listed and deleted.

use super::{
    Answer, Greengrass, conflict,
    input::{self, Broken},
    not_found, recipe, seconds,
};
use crate::aws::{
    iot::component::Component,
    rest::{Call, Fault},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

impl Greengrass {
    /// Makes a component version of a recipe. Its artifacts are read before it is answered, so that it is DEPLOYABLE as
    /// soon as anybody looks.
    pub(super) async fn create_component_version(&self, call: &Call) -> Answer {
        let mut broken = Broken::default();
        broken.tags(call);
        broken.none()?;
        let draft = recipe::draft(call)?;
        recipe::check(&draft)?;
        let digests = self.digests(call, &draft).await?;
        let made = draft.made(&call.region, &call.account, &digests);
        let tags: BTreeMap<_, _> = call.tags().into_iter().collect();
        let taken = |known: Arc<Component>| {
            let end = if tags.is_empty() {
                format!("already exists with state: [{}]", state(&known))
            } else {
                "already exists and can't be created again with tags.".to_owned()
            };
            let Component { name, version, arn, .. } = &*known;
            conflict(format!("Component [{name} : {version}] for account [{}] {end}", call.account), "Component", arn)
        };
        let component = self.iot.components().add(made).map_err(taken)?;
        if !tags.is_empty() {
            self.state().tags.insert(component.arn.clone(), tags);
        }
        Ok(json!({
            "arn": component.arn,
            "componentName": component.name,
            "componentVersion": component.version.to_string(),
            "creationTimestamp": seconds(component.created),
            "status": {"componentState": "REQUESTED", "message": "NONE", "errors": {}, "vendorGuidance": "ACTIVE"},
        }))
    }

    pub(super) fn get_component(&self, call: &Call) -> Answer {
        let format = call.query("recipeOutputFormat");
        let mut broken = Broken::default();
        broken.one_of("recipeOutputFormat", format, &["JSON", "YAML"]);
        broken.none()?;
        let component = self.component(call)?;
        let format = format.unwrap_or(if component.is_yaml { "YAML" } else { "JSON" });
        let recipe = if format == "YAML" {
            let yaml = serde_yaml_ng::to_string(&component.recipe);
            let yaml = yaml.map_err(|error| {
                tracing::warn!(%error, arn = component.arn, "a recipe could not be written as YAML");
                Fault::new(500, "InternalServerException", "Internal server error")
            })?;
            // Plain, readers of YAML 1.1 take the version of the format for a date.
            format!("---\n{}", yaml.replacen(": 2020-01-25\n", ": \"2020-01-25\"\n", 1))
        } else {
            component.recipe.to_string()
        };
        let tags = self.tags_of(&component.arn);
        Ok(json!({"recipeOutputFormat": format, "recipe": BASE64.encode(recipe), "tags": tags}))
    }

    pub(super) fn describe_component(&self, call: &Call) -> Answer {
        let component = self.component(call)?;
        let errors = component.failure.as_ref().map(|reason| json!({"Artifacts": reason}));
        let mut described = json!({
            "arn": component.arn,
            "componentName": component.name,
            "componentVersion": component.version.to_string(),
            "creationTimestamp": seconds(component.created),
            "status": {
                "componentState": state(&component),
                "message": component.failure.as_deref().unwrap_or("NONE"),
                "errors": errors.unwrap_or_else(|| json!({})),
                "vendorGuidance": "ACTIVE",
            },
            "platforms": platforms(&component),
            "tags": self.tags_of(&component.arn),
        });
        told(&mut described, &component);
        Ok(described)
    }

    pub(super) fn delete_component(&self, call: &Call) -> Answer {
        let component = self.component(call)?;
        if component.is_public {
            let message =
                format!("Component [{} : {}] is public and can't be deleted", component.name, component.version);
            return Err(input::invalid("OTHER", message));
        }
        self.iot.components().remove(&component.arn);
        self.state().tags.remove(&component.arn);
        Ok(Value::Null)
    }

    /// The account's components, or AWS's, each with its highest version.
    pub(super) fn list_components(&self, call: &Call) -> Answer {
        let scope = call.query("scope").unwrap_or("PRIVATE");
        let mut broken = Broken::default();
        broken.one_of("scope", Some(scope), &["PRIVATE", "PUBLIC"]);
        broken.none()?;
        let mut latest: BTreeMap<String, Arc<Component>> = BTreeMap::new();
        for component in self.iot.components().all() {
            let older = latest.get(&component.name).is_none_or(|known| known.version < component.version);
            if component.is_public == (scope == "PUBLIC") && older {
                latest.insert(component.name.clone(), component);
            }
        }
        let listed = latest.into_values().map(|component| {
            let mut version = json!({
                "arn": component.arn,
                "componentVersion": component.version.to_string(),
                "creationTimestamp": seconds(component.created),
                "platforms": platforms(&component),
            });
            told(&mut version, &component);
            json!({
                "arn": without_version(&component.arn), "componentName": component.name, "latestVersion": version,
            })
        });
        input::page(call, "components", &listed.collect::<Vec<_>>())
    }

    /// A component's versions, the highest first; of a component that nobody knows there are none.
    pub(super) fn list_component_versions(&self, call: &Call) -> Answer {
        let arn = call.label("arn");
        input::fits("arn", arn, input::COMPONENT)?;
        let mut versions = self.iot.components().all();
        versions.retain(|component| without_version(&component.arn) == arn);
        versions.sort_by(|one, other| other.version.cmp(&one.version));
        let listed = versions.iter().map(|component| {
            let version = component.version.to_string();
            json!({"componentName": component.name, "componentVersion": version, "arn": component.arn})
        });
        input::page(call, "componentVersions", &listed.collect::<Vec<_>>())
    }

    pub(super) fn get_component_version_artifact(&self, call: &Call) -> Answer {
        self.component(call)?;
        let mut broken = Broken::default();
        broken.one_of("s3EndpointType", call.query("s3EndpointType"), &["REGIONAL", "GLOBAL"]);
        broken.none()?;
        self.iot.artifact_url(call.label("arn"), call.label("artifactName"), call.query("s3EndpointType"))
    }

    pub(super) fn resolve_component_candidates(&self, call: &Call) -> Answer {
        self.iot.resolve_candidates(&call.body)
    }

    /// The component version whose ARN a call names.
    fn component(&self, call: &Call) -> Result<Arc<Component>, Fault> {
        let arn = call.label("arn");
        input::fits("arn", arn, input::COMPONENT_VERSION)?;
        let missing = || {
            let mut parts = arn.split(':').skip(4).step_by(2);
            let (account, name, version) = (parts.next(), parts.next(), parts.next());
            let [account, name, version] = [account, name, version].map(Option::unwrap_or_default);
            not_found(
                format!("Component [{name} : {version}] for account [{account}] does not exist"),
                "Component",
                arn,
            )
        };
        self.iot.components().find(arn).ok_or_else(missing)
    }
}

fn state(component: &Component) -> &'static str {
    if component.failure.is_some() { "FAILED" } else { "DEPLOYABLE" }
}

/// The ARN of a component version without its version.
fn without_version(arn: &str) -> &str {
    arn.split_once(":versions:").map_or(arn, |(component, _)| component)
}

fn platforms(component: &Component) -> Vec<Value> {
    let platform = |(name, attributes): (Option<&str>, BTreeMap<&str, &str>)| {
        let mut platform = json!({ "attributes": attributes });
        if let Some(name) = name {
            platform["name"] = name.into();
        }
        platform
    };
    component.platforms().into_iter().map(platform).collect()
}

/// Puts in what a recipe tells of itself.
fn told(into: &mut Value, component: &Component) {
    for (member, property) in [("description", "ComponentDescription"), ("publisher", "ComponentPublisher")] {
        if let Some(text) = component.property(property).filter(|text| !text.is_empty()) {
            into[member] = text.into();
        }
    }
}
