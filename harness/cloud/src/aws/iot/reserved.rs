//! The services behind the reserved topics `$aws/things/THING/…`: jobs, shadows and the fleet status, and the
//! deployments that reach the device through them.

use super::{
    deployments::{Deployments, Revision},
    jobs::Jobs,
    shadow::Shadows,
    thing_deployments::{self, ThingDeployments},
};
use crate::{
    event::{What, emit},
    fleet,
    world::{Deployment, Target, World},
};
use serde::Deserialize;
use serde_json::Value;

/// A message that a service publishes.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) topic: String,
    pub(super) payload: Value,
}

/// The services of the one thing that the account has.
#[derive(Debug)]
pub(super) struct Reserved {
    thing: String,
    deployments: Deployments,
    jobs: Jobs,
    shadows: Shadows,
    thing_deployments: ThingDeployments,
    tracker: fleet::Tracker,
}

impl Reserved {
    /// The services with the world's deployments already created; nobody listens to what they say of them yet.
    ///
    /// # Errors
    /// If one of the deployments would be refused.
    pub(super) fn new(world: &World) -> Result<Self, String> {
        let thing = world.thing.name.clone();
        let mut reserved = Self {
            deployments: Deployments::new(world),
            jobs: Jobs::new(&thing),
            shadows: Shadows::new(&thing),
            thing_deployments: ThingDeployments::default(),
            tracker: fleet::Tracker::default(),
            thing,
        };
        for deployment in &world.deployments {
            reserved.deploy(deployment)?;
        }
        Ok(reserved)
    }

    /// The groups that the thing is in.
    pub(super) fn groups(&self) -> &[String] {
        self.deployments.groups()
    }

    /// Creates a deployment; returns its configuration ARN and what subscribers are told.
    ///
    /// # Errors
    /// If the service would refuse it.
    pub(super) fn deploy(&mut self, deployment: &Deployment) -> Result<(String, Vec<Reply>), String> {
        let revision = self.deployments.create(deployment)?;
        let arn = revision.configuration_arn.clone();
        let replies = match revision.target {
            Target::Group(_) => self.jobs.queue(revision),
            Target::Thing => self.desire(revision),
        };
        Ok((arn, replies))
    }

    /// Cancels a deployment; returns what subscribers are told.
    ///
    /// # Errors
    /// If there is none with this id.
    pub(super) fn cancel(&mut self, deployment: &str) -> Result<Vec<Reply>, String> {
        match self.deployments.target_of(deployment)? {
            Target::Group(_) => Ok(self.jobs.cancel(deployment)),
            Target::Thing => match self.thing_deployments.cancel(deployment) {
                Some(desired) => Ok(self.shadows.write(thing_deployments::SHADOW, &desired)),
                None => Ok(Vec::new()),
            },
        }
    }

    fn desire(&mut self, revision: Revision) -> Vec<Reply> {
        let desired = self.thing_deployments.begin(revision);
        self.shadows.write(thing_deployments::SHADOW, &desired)
    }

    /// What the service of a topic says to a message, in its order; nothing for a topic that no service listens to.
    pub(super) fn answer(&mut self, topic: &str, payload: &[u8]) -> Vec<Reply> {
        let prefix = format!("$aws/things/{}/", self.thing);
        let Some(rest) = topic.strip_prefix(&prefix) else { return Vec::new() };
        let segments: Vec<_> = rest.split('/').collect();
        match segments.as_slice() {
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
                seen.push(What::Job { deployment, job: None, status, details, document: None });
            }
            seen.push(What::CoreDevice(Box::new(device)));
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{everything, world},
        *,
    };
    use serde_json::json;

    #[test]
    fn a_fleet_status_message_becomes_what_aws_knows_of_the_device() {
        fidelity::fidelity!("iot-34");
        let mut reserved = Reserved::new(&world(&everything(), &[])).unwrap();
        let mut kinds = |message: Value| -> Vec<Value> {
            let seen = reserved.health(message).into_iter();
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
