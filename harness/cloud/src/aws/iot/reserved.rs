//! The services behind the reserved topics `$aws/things/THING/…`: jobs, shadows and the fleet status, and the
//! deployments that reach the device through them.

use super::{
    deployments::{Deployments, Revision},
    jobs::Jobs,
    registry::Registry,
    shadow::Shadows,
    thing_deployments::{self, ThingDeployments},
};
use crate::{
    event::{What, emit},
    fleet::{self, CoreDevice},
    world::{Deployment, Target, World},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A message that a service publishes.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) topic: String,
    pub(super) payload: Value,
}

/// The services of the account: its deployments, and what each thing has.
#[derive(Debug)]
pub(super) struct Reserved {
    /// The world's own thing.
    own: String,
    pub(super) deployments: Deployments,
    /// By the thing's name.
    pub(super) things: BTreeMap<String, Services>,
}

/// The services of one thing.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) jobs: Jobs,
    shadows: Shadows,
    pub(super) thing_deployments: ThingDeployments,
    tracker: fleet::Tracker,
    /// What events call the thing; the world's own has no name there.
    called: Option<String>,
    /// What its last fleet status message made known.
    pub(super) device: Option<CoreDevice>,
}

impl Reserved {
    /// The services with the world's deployments already created; nobody listens to what they say of them yet.
    ///
    /// # Errors
    /// If one of the deployments would be refused.
    pub(super) fn new(world: &World, registry: &Registry) -> Result<Self, String> {
        let own = world.thing.name.clone();
        let mut reserved = Self { deployments: Deployments::new(world), things: BTreeMap::new(), own };
        reserved.settle(registry);
        for deployment in &world.deployments {
            reserved.order(deployment, registry)?;
        }
        Ok(reserved)
    }

    /// Creates a deployment as the world's owner orders it: the own thing joins a group that it is not in. Returns the
    /// configuration ARN and what subscribers are told.
    ///
    /// # Errors
    /// If the service would refuse it.
    pub(super) fn order(
        &mut self,
        deployment: &Deployment,
        registry: &Registry,
    ) -> Result<(String, Vec<Reply>), String> {
        let revision = self.deployments.create(deployment)?;
        if let Target::Group(group) = &revision.target {
            registry.write().join(&self.own, group);
        }
        let arn = revision.configuration_arn.clone();
        Ok((arn, self.begin(revision, registry)))
    }

    /// Brings a revision on its way to its things. Returns what subscribers are told.
    pub(super) fn begin(&mut self, revision: Revision, registry: &Registry) -> Vec<Reply> {
        match &revision.target {
            Target::Group(_) => self.settle(registry),
            Target::ThingNamed(thing) => {
                let mut replies = self.settle(registry);
                if let Some(services) = self.things.get_mut(thing) {
                    replies.extend(services.desire(revision));
                }
                replies
            }
            Target::Thing => Vec::new(),
        }
    }

    /// Lets each thing have what the registry's groups now give it: services of its own, the newest deployments of its
    /// groups, and no longer those of groups that it has left. Returns what subscribers are told.
    pub(super) fn settle(&mut self, registry: &Registry) -> Vec<Reply> {
        let state = registry.read();
        let current = self.deployments.of_groups();
        self.things.retain(|name, _| state.things.contains_key(name));
        let mut replies = Vec::new();
        for (name, thing) in &state.things {
            let called = (*name != self.own).then(|| name.clone());
            let services = self.things.entry(name.clone()).or_insert_with(|| Services::new(name, called));
            let is_in = |target: &Target| match target {
                Target::Group(group) => state.is_below(thing, group),
                Target::Thing | Target::ThingNamed(_) => true,
            };
            replies.extend(services.jobs.keep(is_in));
            for revision in &current {
                if is_in(&revision.target) && !services.jobs.has(&revision.job) {
                    replies.extend(services.jobs.queue((*revision).clone()));
                }
            }
        }
        replies
    }

    /// Cancels a deployment; returns what subscribers are told.
    ///
    /// # Errors
    /// If there is none with this id.
    pub(super) fn cancel(&mut self, deployment: &str) -> Result<Vec<Reply>, String> {
        let target = self.deployments.find(deployment)?.revision.target.clone();
        self.deployments.cancel(deployment);
        Ok(match target {
            Target::ThingNamed(thing) => {
                self.things.get_mut(&thing).map(|services| services.cancel(deployment)).unwrap_or_default()
            }
            Target::Group(_) | Target::Thing => {
                self.things.values_mut().flat_map(|services| services.jobs.cancel(deployment)).collect()
            }
        })
    }

    /// Cancels the job of a deployment to a group; what things have begun of it goes on unless it is forced. Returns what
    /// subscribers are told.
    pub(super) fn cancel_job(&mut self, deployment: &str, force: bool) -> Vec<Reply> {
        self.deployments.cancel(deployment);
        let cancel = |services: &mut Services| {
            if force { services.jobs.cancel(deployment) } else { services.jobs.cancel_queued(deployment) }
        };
        self.things.values_mut().flat_map(cancel).collect()
    }

    /// What the service of a topic says to a message, in its order; nothing for a topic that no service listens to.
    pub(super) fn answer(&mut self, topic: &str, payload: &[u8]) -> Vec<Reply> {
        let segments: Vec<_> = topic.split('/').collect();
        match segments.as_slice() {
            ["$aws", "things", thing, rest @ ..] => {
                let services = self.things.get_mut(*thing);
                services.map(|services| services.answer(rest, topic, payload)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

impl Services {
    fn new(thing: &str, called: Option<String>) -> Self {
        Self {
            jobs: Jobs::new(thing, called.clone()),
            shadows: Shadows::new(thing),
            thing_deployments: ThingDeployments::new(called.clone()),
            tracker: fleet::Tracker::default(),
            called,
            device: None,
        }
    }

    fn desire(&mut self, revision: Revision) -> Vec<Reply> {
        let desired = self.thing_deployments.begin(revision);
        self.shadows.write(thing_deployments::SHADOW, &desired)
    }

    fn cancel(&mut self, deployment: &str) -> Vec<Reply> {
        match self.thing_deployments.cancel(deployment) {
            Some(desired) => self.shadows.write(thing_deployments::SHADOW, &desired),
            None => Vec::new(),
        }
    }

    fn answer(&mut self, segments: &[&str], topic: &str, payload: &[u8]) -> Vec<Reply> {
        match segments {
            ["jobs", request @ ..] => self.jobs.answer(request, topic, payload),
            ["shadow", operation @ ("get" | "update" | "delete")] => {
                self.shadows.answer(None, operation, topic, payload)
            }
            ["shadow", "name", name, operation @ ("get" | "update" | "delete")] => {
                let replies = self.shadows.answer(Some(name), operation, topic, payload);
                if *name == thing_deployments::SHADOW && *operation == "update" {
                    self.thing_deployments.reported(&replies).into_iter().for_each(emit);
                }
                replies
            }
            ["greengrassv2", "health", "json"] => {
                match serde_json::from_slice(payload) {
                    Ok(message) => self.health(message).into_iter().for_each(emit),
                    Err(error) => tracing::warn!(%error, "a fleet status message is no JSON"),
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What a fleet status message says; of deployments only that a local one ended, since the others say it themselves.
    fn health(&mut self, message: Value) -> Vec<What> {
        let read = fleet::Message::deserialize(&message);
        let mut seen = vec![What::Fleet { message }];
        let device = match read {
            Ok(message) => self.tracker.take(message),
            Err(error) => {
                tracing::warn!(%error, "a fleet status message is not as AWS reads it");
                None
            }
        };
        if let Some(device) = device {
            let local = device.deployment.as_ref().filter(|_| device.trigger.as_deref() == Some("LOCAL_DEPLOYMENT"));
            if let Some(fleet::Deployment { status, deployment_id: Some(id), status_details, .. }) = local {
                let (deployment, status, details) = (id.clone(), status.clone(), status_details.clone());
                let thing = self.called.clone();
                seen.push(What::Job { deployment, job: None, thing, status, details, document: None });
            }
            let device = CoreDevice { thing: self.called.clone(), ..device };
            self.device = Some(device.clone());
            seen.push(What::CoreDevice(Box::new(device)));
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fleet_status_message_becomes_what_aws_knows_of_the_device() {
        fidelity::fidelity!("iot-34");
        let mut services = Services::new("Core", None);
        let mut kinds = |message: Value| -> Vec<Value> {
            let seen = services.health(message).into_iter();
            seen.map(|what| serde_json::to_value(what).unwrap()).collect()
        };
        let component = json!({"componentName": "A", "version": "1.0.0", "status": "RUNNING", "isRoot": true});
        let local = json!({"status": "FAILED", "deploymentId": "local", "statusDetails": {"detailedStatus": "X"}});
        let mut message = json!({
            "overallDeviceStatus": "HEALTHY", "sequenceNumber": 1, "messageType": "PARTIAL",
            "trigger": "LOCAL_DEPLOYMENT", "components": [component], "deploymentInformation": local,
        });
        let seen = kinds(message.clone());
        assert_eq!(seen[0], json!({"kind": "fleet", "message": message}));
        let job = json!({"kind": "job", "deployment": "local", "status": "FAILED", "details": {"detailedStatus": "X"}});
        assert_eq!(seen[1], job);
        assert_eq!((&seen[2]["kind"], &seen[2]["status"]), (&json!("core-device"), &json!("HEALTHY")));
        assert_eq!(
            (&seen[2]["components"]["A"]["state"], &seen[2]["deployment"]["deployment_id"]),
            (&json!("RUNNING"), &json!("local"))
        );
        message["trigger"] = json!("THING_GROUP_DEPLOYMENT");
        assert_eq!(kinds(message).len(), 2, "a job tells its own end");
        assert_eq!(kinds(json!({"overallDeviceStatus": "WELL"})).len(), 1, "it is written down all the same");
    }
}
