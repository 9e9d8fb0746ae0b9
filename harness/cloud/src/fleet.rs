//! What a core device says of itself in its fleet status messages, and what AWS makes of it.
//!
//! [`Message`] is what the device sends; [`CoreDevice`] is what `GetCoreDevice` and `ListInstalledComponents` would show
//! after it. Nothing here touches the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A fleet status message, as far as AWS reads it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The nucleus's version.
    #[serde(default)]
    pub ggc_version: Option<String>,
    /// The operating system, such as `linux`.
    #[serde(default)]
    pub platform: Option<String>,
    /// The processor, such as `amd64`.
    #[serde(default)]
    pub architecture: Option<String>,
    /// What runs components; nucleus lite says `aws_nucleus_lite`.
    #[serde(default)]
    pub runtime: Option<String>,
    /// When it was sent, in milliseconds; nuclei before 2.7 do not say.
    #[serde(default)]
    pub timestamp: Option<i64>,
    /// Whether any component is BROKEN.
    pub overall_device_status: Health,
    /// Counts the device's messages; the chunks of one have the same.
    pub sequence_number: i64,
    /// Whether it lists every component; messages of nuclei before 2.7 do not say.
    #[serde(default)]
    pub message_type: MessageType,
    /// Why it was sent, such as `LOCAL_DEPLOYMENT`.
    #[serde(default)]
    pub trigger: Option<String>,
    /// The components that it is about.
    #[serde(default)]
    pub components: Vec<Component>,
    /// The deployment that ended, where one did.
    #[serde(default)]
    pub deployment_information: Option<Deployment>,
    /// Which part of a long message this is.
    #[serde(default)]
    pub chunk_info: Option<Chunk>,
}

/// A core device's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Health {
    /// No component is BROKEN.
    Healthy,
    /// A component is BROKEN.
    Unhealthy,
}

/// Whether a message lists every component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MessageType {
    /// What it does not list is not installed.
    Complete,
    /// It lists what changed.
    #[default]
    Partial,
}

/// A component in a message.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub component_name: String,
    /// Its version.
    pub version: String,
    /// The deployments that bring it.
    #[serde(default)]
    pub fleet_config_arns: Vec<String>,
    /// Whether a deployment names it.
    #[serde(default)]
    pub is_root: bool,
    /// Its lifecycle state.
    pub status: String,
    /// Codes and reason of a component in trouble.
    #[serde(default)]
    pub component_status_details: Option<Details>,
}

/// Why a component is in trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct Details {
    /// Such as `RUN_ERROR`.
    #[serde(default)]
    pub status_codes: Vec<String>,
    /// A sentence for a person.
    #[serde(default)]
    pub status_reason: Option<String>,
}

/// A deployment that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct Deployment {
    /// `SUCCEEDED`, `FAILED`, `REJECTED` or `CANCELED`.
    pub status: String,
    /// Its id; a local deployment's is the id of its request.
    #[serde(default)]
    pub deployment_id: Option<String>,
    /// The ARN of its revision.
    #[serde(default)]
    pub fleet_configuration_arn_for_status: Option<String>,
    /// `detailedStatus`, and where it failed `failureCause`, `errorStack` and `errorTypes`, as sent.
    #[serde(default)]
    pub status_details: Value,
    /// Root components of other deployments that it left as they were.
    #[serde(default)]
    pub unchanged_root_components: Vec<String>,
}

/// Which part of a long message one is, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// This part.
    pub chunk_id: u32,
    /// All parts.
    pub total_chunks: u32,
}

/// A core device as AWS knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreDevice {
    /// Its thing, if it is another one than the environment's device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing: Option<String>,
    /// The nucleus's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// What runs components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// When it reported last, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<i64>,
    /// HEALTHY or UNHEALTHY.
    pub status: Health,
    /// Why the device reported last.
    pub trigger: Option<String>,
    /// The installed components by name.
    pub components: BTreeMap<String, Installed>,
    /// The deployment that the last report is about, if it is about one.
    pub deployment: Option<Deployment>,
}

/// An installed component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its lifecycle state.
    pub state: String,
    /// Whether a deployment names it.
    pub root: bool,
    /// The deployments that bring it.
    pub deployments: Vec<String>,
    /// Why it is in trouble, if it is.
    pub details: Option<Details>,
    /// When it took its state, in milliseconds, as far as the device's reports tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<i64>,
}

/// Puts a device's messages together.
#[derive(Debug, Default)]
pub struct Tracker {
    installed: BTreeMap<String, Installed>,
    /// The parts so far of a message that comes in chunks.
    parts: BTreeMap<u32, Message>,
}

impl Tracker {
    /// Takes a message; returns what is known after it, once every part of it is there.
    pub fn take(&mut self, message: Message) -> Option<CoreDevice> {
        let message = self.whole(message)?;
        let before = self.installed.clone();
        if message.message_type == MessageType::Complete {
            self.installed.clear();
        }
        for component in message.components {
            let Component { component_name: name, version, fleet_config_arns, is_root, status, .. } = component;
            let (deployments, details) = (fleet_config_arns, component.component_status_details);
            let brought = self.installed.get(&name).is_some_and(|known| !known.deployments.is_empty());
            if brought && deployments.is_empty() && message.deployment_information.is_some() {
                // What no deployment brings any more has been removed; the device tells it once.
                self.installed.remove(&name);
                continue;
            }
            let known = before.get(&name).filter(|known| known.state == status && known.version == version);
            let changed = known.and_then(|known| known.changed).or(message.timestamp);
            let installed = Installed { version, state: status, root: is_root, deployments, details, changed };
            self.installed.insert(name, installed);
        }
        Some(CoreDevice {
            thing: None,
            version: message.ggc_version,
            platform: message.platform,
            architecture: message.architecture,
            runtime: message.runtime,
            reported: message.timestamp,
            status: message.overall_device_status,
            trigger: message.trigger,
            components: self.installed.clone(),
            deployment: message.deployment_information,
        })
    }

    /// The message, with the components of all its parts.
    fn whole(&mut self, message: Message) -> Option<Message> {
        let Some(Chunk { chunk_id, total_chunks }) = message.chunk_info else { return Some(message) };
        if self.parts.values().any(|part| part.sequence_number != message.sequence_number) {
            self.parts.clear();
        }
        self.parts.insert(chunk_id, message);
        if !(1..=total_chunks).all(|id| self.parts.contains_key(&id)) {
            return None;
        }
        let mut parts = std::mem::take(&mut self.parts).into_values();
        let mut whole = parts.next()?;
        for part in parts {
            whole.components.extend(part.components);
            whole.deployment_information = whole.deployment_information.or(part.deployment_information);
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn component(name: &str, status: &str, arns: &[&str]) -> Value {
        json!({
            "componentName": name, "version": "1.0.0", "fleetConfigArns": arns, "componentStatusDetails": null,
            "isRoot": !arns.is_empty(), "status": status,
        })
    }

    fn message(kind: &str, sequence: i64, more: Value) -> Message {
        let mut message = json!({
            "ggcVersion": "2.12.0", "platform": "linux", "architecture": "amd64", "thing": "Core",
            "overallDeviceStatus": "HEALTHY", "sequenceNumber": sequence, "timestamp": 1_648_032_806_000_i64,
            "messageType": kind, "trigger": "CADENCE",
        });
        let Value::Object(more) = more else { panic!("more fields are an object") };
        message.as_object_mut().unwrap().extend(more);
        serde_json::from_value(message).unwrap()
    }

    fn states(device: &CoreDevice) -> Vec<(&str, &str)> {
        device.components.iter().map(|(name, one)| (name.as_str(), one.state.as_str())).collect()
    }

    #[test]
    fn partial_messages_change_and_complete_ones_replace() {
        fidelity::fidelity!("iot-34");
        let mut tracker = Tracker::default();
        let both = [component("A", "RUNNING", &["g:1"]), component("B", "RUNNING", &[])];
        tracker.take(message("COMPLETE", 1, json!({"components": both})));
        let mut broken = component("A", "BROKEN", &["g:1"]);
        let reason = "The run script exited with code 1.";
        broken["componentStatusDetails"] = json!({"statusCodes": ["RUN_ERROR"], "statusReason": reason});
        let more = json!({"components": [broken], "overallDeviceStatus": "UNHEALTHY"});
        let device = tracker.take(message("PARTIAL", 2, more)).unwrap();
        assert_eq!((device.status, states(&device)), (Health::Unhealthy, vec![("A", "BROKEN"), ("B", "RUNNING")]));
        let details = device.components["A"].details.as_ref().unwrap();
        assert_eq!(
            (details.status_codes.as_slice(), details.status_reason.as_deref()),
            (&["RUN_ERROR".to_owned()][..], Some(reason))
        );
        let more = json!({"components": [component("B", "FINISHED", &[])]});
        assert_eq!(states(&tracker.take(message("COMPLETE", 3, more)).unwrap()), [("B", "FINISHED")]);
    }

    #[test]
    fn a_local_deployment_is_known_by_what_the_device_says_of_it() {
        fidelity::fidelity!("iot-34");
        let mut tracker = Tracker::default();
        let both = [component("A", "RUNNING", &["local-1"]), component("B", "RUNNING", &["g:1"])];
        tracker.take(message("PARTIAL", 1, json!({"components": both})));
        let details = json!({"detailedStatus": "SUCCESSFUL"});
        let information = json!({
            "status": "SUCCEEDED", "deploymentId": "local-2", "statusDetails": details, "unchangedRootComponents": ["B"],
        });
        let components = [component("A", "FINISHED", &[]), component("B", "RUNNING", &["g:1"])];
        let more = json!({
            "trigger": "LOCAL_DEPLOYMENT", "components": components, "deploymentInformation": information,
        });
        let device = tracker.take(message("PARTIAL", 2, more)).unwrap();
        assert_eq!(states(&device), [("B", "RUNNING")], "what no deployment brings any more is gone");
        let deployment = device.deployment.unwrap();
        assert_eq!(deployment.deployment_id.as_deref(), Some("local-2"));
        assert_eq!((deployment.status.as_str(), &deployment.status_details), ("SUCCEEDED", &details));
        assert_eq!(
            (device.trigger.as_deref(), deployment.unchanged_root_components),
            (Some("LOCAL_DEPLOYMENT"), vec!["B".to_owned()])
        );
    }

    #[test]
    fn a_message_in_chunks_counts_when_it_is_whole() {
        fidelity::fidelity!("iot-34");
        let mut tracker = Tracker::default();
        let chunk = |sequence, id, name: &str| {
            let chunk = json!({"chunkId": id, "totalChunks": 2});
            message("COMPLETE", sequence, json!({"components": [component(name, "RUNNING", &[])], "chunkInfo": chunk}))
        };
        assert_eq!(tracker.take(chunk(1, 1, "lost")), None);
        assert_eq!(tracker.take(chunk(2, 2, "B")), None);
        assert_eq!(states(&tracker.take(chunk(2, 1, "A")).unwrap()), [("A", "RUNNING"), ("B", "RUNNING")]);
    }
}
