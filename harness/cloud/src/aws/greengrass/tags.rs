//! Tags of components, component versions, deployments and core devices.

use super::{
    Answer, Greengrass,
    input::{self, Broken},
    not_found,
};
use crate::aws::rest::{Call, Fault};
use serde_json::json;
use std::collections::BTreeMap;

impl Greengrass {
    pub(super) fn tags_of(&self, arn: &str) -> BTreeMap<String, String> {
        self.state().tags.get(arn).cloned().unwrap_or_default()
    }

    pub(super) fn tag_resource(&self, call: &Call) -> Answer {
        let arn = self.tagged(call)?;
        let mut broken = Broken::default();
        broken.required("tags", call.body["tags"].is_object().then_some(""));
        broken.tags(call);
        broken.none()?;
        self.state().tags.entry(arn).or_default().extend(call.tags());
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&self, call: &Call) -> Answer {
        let arn = self.tagged(call)?;
        let mut broken = Broken::default();
        broken.required("tagKeys", call.query("tagKeys"));
        broken.none()?;
        if let Some(tags) = self.state().tags.get_mut(&arn) {
            call.queries("tagKeys").for_each(|key| drop(tags.remove(key)));
        }
        Ok(json!({}))
    }

    pub(super) fn list_tags_for_resource(&self, call: &Call) -> Answer {
        let arn = self.tagged(call)?;
        Ok(json!({ "tags": self.tags_of(&arn) }))
    }

    /// The ARN that a call is about, of something that there is.
    fn tagged(&self, call: &Call) -> Result<String, Fault> {
        let arn = call.label("resourceArn");
        input::fits("resourceArn", arn, input::TAGGED)?;
        let rest: Vec<_> = arn.split(':').skip(5).collect();
        let is_there = match rest.as_slice() {
            ["components", name] => self.iot.components().all().iter().any(|component| component.name == *name),
            ["components", ..] => self.iot.components().find(arn).is_some(),
            ["deployments", id] => self.deployment(id).is_ok(),
            ["coreDevices", thing] => self.core(thing).is_ok(),
            _ => false,
        };
        let ours = arn.split(':').nth(4) == Some(call.account.as_str());
        if is_there && ours {
            return Ok(arn.to_owned());
        }
        let kind = match rest.first() {
            Some(&"components") => "Component",
            Some(&"deployments") => "Deployment",
            _ => "CoreDevice",
        };
        Err(not_found(format!("Resource [{arn}] does not exist"), kind, arn))
    }
}

/// Tags of something that was created with them.
impl Greengrass {
    pub(super) fn keep_tags(&self, call: &Call, arn: &str) {
        let tags = call.tags();
        if !tags.is_empty() {
            self.state().tags.insert(arn.to_owned(), tags.into_iter().collect());
        }
    }
}
