//! Deployments: ordered, shown, listed, cancelled and deleted. How they reach devices is IoT's matter.

use super::{
    Answer, Greengrass, conflict,
    input::{self, Broken, invalid},
    not_found, seconds,
};
use crate::{
    aws::{
        iot::view::Deployed,
        rest::{Call, Fault},
    },
    world::{Deployment, FailureHandling, JobConfiguration, Target, UpdateAction, UpdatePolicy, Wanted},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a deployment was asked with that no device is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    name: Option<String>,
    /// As they were sent.
    components: Option<Value>,
    job_configuration: Option<Value>,
    parent: Option<String>,
}

impl Greengrass {
    pub(super) fn create_deployment(&self, call: &Call) -> Answer {
        check(call)?;
        let target = self.target(call)?;
        let components = wanted(&call.body["components"])?;
        self.are_there(call, &components)?;
        let policies = &call.body["deploymentPolicies"];
        let fresh = || Uuid::new_v4().to_string();
        let name = call.text("deploymentName").map(str::to_owned);
        let deployment = Deployment {
            id: fresh(),
            job: if matches!(target, Target::Group(_)) { fresh() } else { String::new() },
            name: name.clone(),
            target,
            components,
            failure_handling: failure_handling(policies),
            update: update(policies),
            validation_timeout: number(&policies["configurationValidationPolicy"]["timeoutInSeconds"]),
            required_capabilities: Vec::new(),
            job_configuration: job_configuration(call)?,
        };
        let order = Order {
            name,
            components: Some(call.body["components"].clone()).filter(|components| !components.is_null()),
            job_configuration: Some(call.body["iotJobConfiguration"].clone()).filter(|value| !value.is_null()),
            parent: call.text("parentTargetArn").map(str::to_owned),
        };
        self.iot.deploy(&deployment).map_err(|reason| invalid("OTHER", format!("Invalid Input: {reason}")))?;
        self.state().orders.insert(deployment.id.clone(), order);
        self.keep_tags(call, &call.arn("greengrass", &format!("deployments:{}", deployment.id)));
        let mut answer = json!({ "deploymentId": deployment.id });
        if !deployment.job.is_empty() {
            answer["iotJobId"] = deployment.job.as_str().into();
            answer["iotJobArn"] = call.arn("iot", &format!("job/{}", deployment.job)).into();
        }
        Ok(answer)
    }

    pub(super) fn get_deployment(&self, call: &Call) -> Answer {
        let deployed = self.deployment(call.label("deploymentId"))?;
        let order = self.order(&deployed.id);
        let mut answer = self.summary(call, &deployed);
        let document = &deployed.document;
        answer["components"] = order.components.unwrap_or_else(|| components_of(document));
        let (update, validation) = (&document["componentUpdatePolicy"], &document["configurationValidationPolicy"]);
        answer["deploymentPolicies"] = json!({
            "failureHandlingPolicy": document["failureHandlingPolicy"],
            "componentUpdatePolicy": {"timeoutInSeconds": update["timeout"], "action": update["action"]},
            "configurationValidationPolicy": {"timeoutInSeconds": validation["timeout"]},
        });
        answer["iotJobConfiguration"] = order.job_configuration.unwrap_or_else(|| json!({}));
        if !deployed.job.is_empty() {
            answer["iotJobId"] = deployed.job.as_str().into();
            answer["iotJobArn"] = call.arn("iot", &format!("job/{}", deployed.job)).into();
        }
        answer["tags"] = json!(self.tags_of(&call.arn("greengrass", &format!("deployments:{}", deployed.id))));
        Ok(answer)
    }

    /// The newest first.
    pub(super) fn list_deployments(&self, call: &Call) -> Answer {
        let history = call.query("historyFilter").unwrap_or("LATEST_ONLY");
        let (target, parent) = (call.query("targetArn"), call.query("parentTargetArn"));
        let mut broken = Broken::default();
        broken.one_of("historyFilter", Some(history), &["ALL", "LATEST_ONLY"]);
        broken.pattern("targetArn", target, input::TARGET);
        broken.pattern("parentTargetArn", parent, input::GROUP);
        broken.none()?;
        let mut deployments = self.deployments();
        deployments.sort_by_key(|deployed| std::cmp::Reverse(deployed.created));
        let listed = deployments.iter().filter(|deployed| history == "ALL" || deployed.is_latest);
        let listed = listed.map(|deployed| self.summary(call, deployed));
        let listed = listed
            .filter(|listed| target.is_none_or(|target| listed["targetArn"] == target))
            .filter(|listed| parent.is_none_or(|parent| listed["parentTargetArn"] == parent));
        input::page(call, "deployments", &listed.collect::<Vec<_>>())
    }

    pub(super) fn cancel_deployment(&self, call: &Call) -> Answer {
        let deployed = self.deployment(call.label("deploymentId"))?;
        let status = self.status(&deployed);
        if status != "ACTIVE" {
            let message = format!("Deployment [{}] is in state [{status}] and can't be canceled", deployed.id);
            return Err(conflict(message, "Deployment", &deployed.id));
        }
        self.iot.cancel_deployment(&deployed.id).map_err(|reason| invalid("OTHER", reason))?;
        self.state().canceled.insert(deployed.id);
        Ok(json!({ "message": "SUCCESS" }))
    }

    pub(super) fn delete_deployment(&self, call: &Call) -> Answer {
        let deployed = self.deployment(call.label("deploymentId"))?;
        if self.status(&deployed) == "ACTIVE" {
            let message = format!("Deployment [{}] is active. Cancel the deployment before you delete it", deployed.id);
            return Err(conflict(message, "Deployment", &deployed.id));
        }
        self.state().gone.insert(deployed.id);
        Ok(Value::Null)
    }

    /// Every deployment that was not deleted.
    pub(super) fn deployments(&self) -> Vec<Deployed> {
        let deployments = self.iot.deployments();
        let state = self.state();
        deployments.into_iter().filter(|deployed| !state.gone.contains(&deployed.id)).collect()
    }

    pub(super) fn deployment(&self, id: &str) -> Result<Deployed, Fault> {
        let missing = || not_found(format!("Deployment [{id}] does not exist"), "Deployment", id);
        self.deployments().into_iter().find(|deployed| deployed.id == id).ok_or_else(missing)
    }

    /// The name of a deployment; one that got none is called after its target.
    pub(super) fn name(&self, deployed: &Deployed) -> String {
        let named = self.order(&deployed.id).name;
        named.unwrap_or_else(|| deployed.document["deploymentName"].as_str().unwrap_or_default().to_owned())
    }

    fn order(&self, id: &str) -> Order {
        self.state().orders.get(id).cloned().unwrap_or_default()
    }

    fn summary(&self, call: &Call, deployed: &Deployed) -> Value {
        let revision = deployed.configuration_arn.rsplit(':').next().unwrap_or_default();
        let mut summary = json!({
            "targetArn": target_arn(call, &deployed.target),
            "revisionId": revision,
            "deploymentId": deployed.id,
            "deploymentName": self.name(deployed),
            "creationTimestamp": seconds(deployed.created),
            "deploymentStatus": self.status(deployed),
            "isLatestForTarget": deployed.is_latest,
        });
        if let Some(parent) = self.order(&deployed.id).parent {
            summary["parentTargetArn"] = parent.into();
        }
        summary
    }

    /// A group's deployment is a continuous job: it is active until it is cancelled or another one takes its place. A
    /// thing's ends with the thing.
    fn status(&self, deployed: &Deployed) -> &'static str {
        if self.state().canceled.contains(&deployed.id) {
            return "CANCELED";
        }
        if !deployed.is_latest {
            return "INACTIVE";
        }
        match (&deployed.target, deployed.status.as_deref()) {
            (Target::Group(_), _) if deployed.is_ended => "CANCELED",
            (Target::Group(_), _) => "ACTIVE",
            (_, Some("SUCCEEDED")) => "COMPLETED",
            (_, Some("FAILED" | "REJECTED" | "TIMED_OUT")) => "FAILED",
            (_, Some("CANCELED")) => "CANCELED",
            _ => "ACTIVE",
        }
    }

    /// What a deployment is for, which has to be there.
    fn target(&self, call: &Call) -> Result<Target, Fault> {
        let arn = call.text("targetArn").unwrap_or_default();
        let ours = ["thing/", "thinggroup/"].map(|kind| call.arn("iot", kind));
        let target = match ours.each_ref().map(|prefix| arn.strip_prefix(prefix.as_str())) {
            [Some(thing), _] => self.iot.thing(thing),
            [_, Some(group)] => self.iot.group(group),
            _ => None,
        };
        let kind = if arn.contains(":thinggroup/") { "ThingGroup" } else { "Thing" };
        target.ok_or_else(|| not_found(format!("The target [{arn}] does not exist"), kind, arn))
    }

    /// Holds the components of a deployment against those that there are.
    fn are_there(&self, call: &Call, components: &BTreeMap<String, Wanted>) -> Result<(), Fault> {
        let known = |name: &str, version: &str| {
            let arn = |account: &str| {
                format!("arn:aws:greengrass:{}:{account}:components:{name}:versions:{version}", call.region)
            };
            let found = [call.account.as_str(), "aws"]
                .into_iter()
                .find_map(|account| self.iot.components().find(&arn(account)));
            found.is_some_and(|component| component.failure.is_none())
        };
        let missing = components.iter().find(|(name, wanted)| !known(name, &wanted.version));
        match missing {
            None => Ok(()),
            Some((name, Wanted { version, .. })) => {
                let message = format!("Component [{name} : {version}] does not exist or is not DEPLOYABLE");
                Err(not_found(message, "Component", &format!("{name}:{version}")))
            }
        }
    }
}

pub(super) fn target_arn(call: &Call, target: &Target) -> String {
    match target {
        Target::Group(group) => call.arn("iot", &format!("thinggroup/{group}")),
        Target::ThingNamed(thing) => call.arn("iot", &format!("thing/{thing}")),
        Target::Thing => call.arn("iot", "thing/"),
    }
}

/// Holds a call against the model's constraints.
fn check(call: &Call) -> Result<(), Fault> {
    let body = &call.body;
    let mut broken = Broken::default();
    broken.required("targetArn", call.text("targetArn"));
    broken.pattern("targetArn", call.text("targetArn"), input::TARGET);
    broken.pattern("parentTargetArn", call.text("parentTargetArn"), input::GROUP);
    broken.length("deploymentName", call.text("deploymentName"), 1..=256);
    broken.tags(call);
    for (name, component) in body["components"].as_object().into_iter().flatten() {
        let at = |member: &str| format!("components.{name}.member.{member}");
        let version = component["componentVersion"].as_str();
        broken.required(&at("componentVersion"), version);
        broken.length(&at("componentVersion"), version, 1..=64);
        let merge = component["configurationUpdate"]["merge"].as_str();
        broken.length(&at("configurationUpdate.merge"), merge, 1..=10_485_760);
    }
    let policies = &body["deploymentPolicies"];
    let text = |value: &'_ Value| value.as_str().map(str::to_owned);
    let failure = text(&policies["failureHandlingPolicy"]);
    broken.one_of("deploymentPolicies.failureHandlingPolicy", failure.as_deref(), &["ROLLBACK", "DO_NOTHING"]);
    let action = text(&policies["componentUpdatePolicy"]["action"]);
    let actions = ["NOTIFY_COMPONENTS", "SKIP_NOTIFY_COMPONENTS"];
    broken.one_of("deploymentPolicies.componentUpdatePolicy.action", action.as_deref(), &actions);
    for excess in job_configuration(call)?.excesses() {
        broken.bound(&format!("iotJobConfiguration.{}", excess.at), &excess.value, &excess.bound);
    }
    broken.none()
}

/// How the job of a deployment to a group goes about it.
fn job_configuration(call: &Call) -> Result<JobConfiguration, Fault> {
    let stated = Some(&call.body["iotJobConfiguration"]).filter(|stated| !stated.is_null());
    let read = stated.map_or_else(|| Ok(JobConfiguration::default()), JobConfiguration::deserialize);
    read.map_err(|error| invalid("CANNOT_PARSE", format!("Invalid Input: iotJobConfiguration: {error}")))
}

/// The components as devices are told of them.
fn wanted(components: &Value) -> Result<BTreeMap<String, Wanted>, Fault> {
    let components = components.as_object().into_iter().flatten();
    components
        .map(|(name, component)| {
            let (update, run) = (&component["configurationUpdate"], &component["runWith"]);
            let merge = update["merge"].as_str().map(|text| merged(name, text)).transpose()?;
            let reset = update["reset"].as_array().into_iter().flatten();
            let wanted = Wanted {
                version: component["componentVersion"].as_str().unwrap_or_default().to_owned(),
                merge,
                reset: reset.filter_map(|pointer| pointer.as_str().map(str::to_owned)).collect(),
                user: run["posixUser"].as_str().map(str::to_owned),
                windows_user: run["windowsUser"].as_str().map(str::to_owned),
                limits: Some(run["systemResourceLimits"].clone()).filter(|limits| !limits.is_null()),
            };
            Ok((name.clone(), wanted))
        })
        .collect()
}

/// The configuration to merge, which is sent as the text of a JSON object.
fn merged(name: &str, text: &str) -> Result<Value, Fault> {
    let merge: Option<Value> = serde_json::from_str(text).ok();
    merge.filter(Value::is_object).ok_or_else(|| {
        let message = format!("Invalid Input: the configuration to merge into component [{name}] is no JSON object");
        invalid("OTHER", message)
    })
}

fn failure_handling(policies: &Value) -> FailureHandling {
    match policies["failureHandlingPolicy"].as_str() {
        Some("DO_NOTHING") => FailureHandling::DoNothing,
        _ => FailureHandling::Rollback,
    }
}

fn update(policies: &Value) -> Option<UpdatePolicy> {
    let policy = &policies["componentUpdatePolicy"];
    let usual = UpdatePolicy::default();
    let action = match policy["action"].as_str() {
        Some("SKIP_NOTIFY_COMPONENTS") => UpdateAction::SkipNotifyComponents,
        _ => UpdateAction::NotifyComponents,
    };
    policy
        .is_object()
        .then(|| UpdatePolicy { action, timeout: number(&policy["timeoutInSeconds"]).unwrap_or(usual.timeout) })
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// The components of a document as a call would have sent them.
fn components_of(document: &Value) -> Value {
    let component = |component: &Value| {
        let mut sent = json!({ "componentVersion": component["version"] });
        let update = &component["configurationUpdate"];
        let mut changes = Map::new();
        if update["merge"].is_object() {
            changes.insert("merge".to_owned(), update["merge"].to_string().into());
        }
        if update["reset"].is_array() {
            changes.insert("reset".to_owned(), update["reset"].clone());
        }
        if !changes.is_empty() {
            sent["configurationUpdate"] = changes.into();
        }
        if component["runWith"].is_object() {
            sent["runWith"] = component["runWith"].clone();
        }
        sent
    };
    let components = document["components"].as_object().into_iter().flatten();
    Value::Object(components.map(|(name, value)| (name.clone(), component(value))).collect())
}
