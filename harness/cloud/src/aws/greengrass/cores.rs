//! Core devices as their fleet status messages make them known, and what became of deployments on them.

use super::{
    Answer, Greengrass,
    deployments::target_arn,
    input::{self, Broken},
    milliseconds, not_found, seconds,
};
use crate::{
    aws::{
        iot::view::{Deployed, Execution},
        rest::{Call, Fault},
    },
    fleet::{CoreDevice, Health, Installed},
    world::Target,
};
use serde_json::{Value, json};

/// The states that the model knows; a component that nucleus lite calls UNINSTALLED is none any more.
const STATES: [&str; 8] = ["NEW", "INSTALLED", "STARTING", "RUNNING", "STOPPING", "ERRORED", "BROKEN", "FINISHED"];

/// The longest `lifecycleStateDetails`.
const MAX_DETAILS: usize = 1000;

impl Greengrass {
    pub(super) fn list_core_devices(&self, call: &Call) -> Answer {
        let (group, status) = (call.query("thingGroupArn"), call.query("status"));
        let mut broken = Broken::default();
        broken.pattern("thingGroupArn", group, input::GROUP);
        broken.one_of("status", status, &["HEALTHY", "UNHEALTHY"]);
        broken.none()?;
        let runtime = call.query("runtime");
        let members = match group.and_then(|arn| arn.split_once(":thinggroup/")) {
            None => None,
            Some((_, name)) if self.iot.group(name).is_some() => Some(self.iot.things_in(name)),
            Some((_, name)) => {
                let message = format!("Thing group [{name}] does not exist");
                return Err(not_found(message, "ThingGroup", group.unwrap_or_default()));
            }
        };
        let listed = self.cores().into_iter().filter(|(thing, device)| {
            members.as_ref().is_none_or(|members| members.contains(thing))
                && status.is_none_or(|status| health(device) == status)
                && runtime.is_none_or(|runtime| device.runtime.as_deref() == Some(runtime))
        });
        input::page(call, "coreDevices", &listed.map(|(thing, device)| summary(&thing, &device)).collect::<Vec<_>>())
    }

    pub(super) fn get_core_device(&self, call: &Call) -> Answer {
        let thing = call.label("coreDeviceThingName");
        let device = self.core(thing)?;
        let mut answer = summary(thing, &device);
        if let Some(version) = &device.version {
            answer["coreVersion"] = version.as_str().into();
        }
        answer["tags"] = json!(self.tags_of(&call.arn("greengrass", &format!("coreDevices:{thing}"))));
        Ok(answer)
    }

    /// Forgets a device, until it says something again.
    pub(super) fn delete_core_device(&self, call: &Call) -> Answer {
        let thing = call.label("coreDeviceThingName");
        let device = self.core(thing)?;
        self.state().deleted.insert(thing.to_owned(), device.reported);
        Ok(Value::Null)
    }

    pub(super) fn list_installed_components(&self, call: &Call) -> Answer {
        let topology = call.query("topologyFilter").unwrap_or("ROOT");
        let mut broken = Broken::default();
        broken.one_of("topologyFilter", Some(topology), &["ALL", "ROOT"]);
        broken.none()?;
        let device = self.core(call.label("coreDeviceThingName"))?;
        let deployments = self.iot.deployments();
        let listed = device.components.iter().filter(|(_, component)| {
            STATES.contains(&component.state.as_str()) && (topology == "ALL" || component.root)
        });
        let listed = listed.map(|(name, component)| installed(name, component, &device, &deployments));
        input::page(call, "installedComponents", &listed.collect::<Vec<_>>())
    }

    /// What each deployment of the device's has become on it, the newest first.
    pub(super) fn list_effective_deployments(&self, call: &Call) -> Answer {
        let thing = call.label("coreDeviceThingName");
        self.core(thing)?;
        let deployments = self.deployments();
        let mut executions = self.iot.executions(thing);
        executions.sort_by_key(|execution| std::cmp::Reverse(execution.queued));
        let listed = executions.iter().filter_map(|execution| {
            let deployed = deployments.iter().find(|deployed| deployed.id == execution.deployment)?;
            Some(self.effective(call, deployed, execution))
        });
        input::page(call, "effectiveDeployments", &listed.collect::<Vec<_>>())
    }

    fn effective(&self, call: &Call, deployed: &Deployed, execution: &Execution) -> Value {
        let status = match (&deployed.target, execution.status.as_str()) {
            (Target::Group(_), status) => status,
            (_, "SUCCEEDED") => "COMPLETED",
            (_, status) => status,
        };
        let mut effective = json!({
            "deploymentId": deployed.id,
            "deploymentName": self.name(deployed),
            "targetArn": target_arn(call, &deployed.target),
            "coreDeviceExecutionStatus": status,
            "creationTimestamp": seconds(execution.queued),
            "modifiedTimestamp": seconds(execution.modified),
        });
        if !deployed.job.is_empty() {
            effective["iotJobId"] = deployed.job.as_str().into();
            effective["iotJobArn"] = call.arn("iot", &format!("job/{}", deployed.job)).into();
        }
        let (stack, types) =
            (list(execution, "errorStack", "error-stack"), list(execution, "errorTypes", "error-types"));
        if let Some(last) = stack.last() {
            let text = |name: &str, job: &str| detail(execution, name, job).as_str().unwrap_or_default().to_owned();
            let detailed = text("detailedStatus", "detailed-deployment-status");
            let cause = text("failureCause", "deployment-failure-cause");
            effective["reason"] = format!("{last}: {detailed}: {cause}").into();
        }
        effective["statusDetails"] = json!({"errorStack": stack, "errorTypes": types});
        effective
    }

    fn cores(&self) -> Vec<(String, CoreDevice)> {
        let cores = self.iot.core_devices();
        let state = self.state();
        let is_there = |(thing, device): &(String, CoreDevice)| {
            state.deleted.get(thing).is_none_or(|last| *last != device.reported)
        };
        cores.into_iter().filter(is_there).collect()
    }

    pub(super) fn core(&self, thing: &str) -> Result<CoreDevice, Fault> {
        let mut broken = Broken::default();
        broken.length("coreDeviceThingName", Some(thing), 1..=128);
        broken.none()?;
        let found = self.cores().into_iter().find(|(name, _)| name == thing);
        let missing = || not_found(format!("Core device [{thing}] does not exist"), "CoreDevice", thing);
        found.map(|(_, device)| device).ok_or_else(missing)
    }
}

fn health(device: &CoreDevice) -> &'static str {
    match device.status {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
    }
}

fn summary(thing: &str, device: &CoreDevice) -> Value {
    let mut summary = json!({ "coreDeviceThingName": thing, "status": health(device) });
    if let Some(time) = device.reported {
        summary["lastStatusUpdateTimestamp"] = milliseconds(time);
    }
    let facts = [("platform", &device.platform), ("architecture", &device.architecture), ("runtime", &device.runtime)];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            summary[name] = fact.as_str().into();
        }
    }
    summary
}

fn installed(name: &str, component: &Installed, device: &CoreDevice, deployments: &[Deployed]) -> Value {
    let Installed { version, state, root, deployments: sources, details, changed } = component;
    let mut answer = json!({
        "componentName": name, "componentVersion": version, "lifecycleState": state, "isRoot": root,
    });
    let source = deployments.iter().rev().find(|deployed| sources.contains(&deployed.configuration_arn));
    if let Some(source) = source {
        answer["lastInstallationSource"] = source.id.as_str().into();
    } else if !sources.is_empty() {
        answer["lastInstallationSource"] = "LOCAL".into();
    }
    for (member, time) in [("lastStatusChangeTimestamp", changed), ("lastReportedTimestamp", &device.reported)] {
        if let Some(time) = time {
            answer[member] = milliseconds(*time);
        }
    }
    if let Some(details) = details {
        if let Some(reason) = details.status_reason.as_ref().filter(|reason| !reason.is_empty()) {
            answer["lifecycleStateDetails"] = reason.chars().take(MAX_DETAILS).collect::<String>().into();
        }
        answer["lifecycleStatusCodes"] = json!(details.status_codes);
    }
    answer
}

/// A detail as a shadow has it, or as a job has it.
fn detail<'e>(execution: &'e Execution, name: &str, job: &str) -> &'e Value {
    let own = &execution.details[name];
    if own.is_null() { &execution.details[job] } else { own }
}

/// A list of texts: a list in a shadow, the text of one in a job.
fn list(execution: &Execution, name: &str, job: &str) -> Vec<String> {
    let value = detail(execution, name, &format!("deployment-{job}"));
    let texts = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    texts.or_else(|| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}
