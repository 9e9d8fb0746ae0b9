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
    world::{Deployment, Target, World},
};
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
                    Ok(message) => emit(What::Fleet { message }),
                    Err(error) => tracing::warn!(%error, "a fleet status message is no JSON"),
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}
