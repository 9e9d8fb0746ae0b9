//! What the control plane of Greengrass sees of devices and their deployments, and how it begins and cancels them.
//!
//! Each function is a look at the services of the account at one moment; what is returned is a copy.

use super::{
    Iot,
    component::Components,
    data_plane::{self, Failure},
    deployments::Known,
};
use crate::{
    aws::rest::Fault,
    fleet::CoreDevice,
    world::{Deployment, Target},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// A revision of a target's deployment.
#[derive(Clone, Debug)]
pub(in crate::aws) struct Deployed {
    pub(in crate::aws) id: String,
    /// The job that carries it; empty for a deployment to a thing.
    pub(in crate::aws) job: String,
    /// A group or a thing, by its name.
    pub(in crate::aws) target: Target,
    pub(in crate::aws) configuration_arn: String,
    /// As devices read it.
    pub(in crate::aws) document: Value,
    pub(in crate::aws) created: OffsetDateTime,
    /// Whether it was cancelled, or another one took its place.
    pub(in crate::aws) is_ended: bool,
    /// Whether it is its target's newest.
    pub(in crate::aws) is_latest: bool,
    /// What a thing says of the deployment to it.
    pub(in crate::aws) status: Option<String>,
}

/// What became of a deployment on one thing.
#[derive(Clone, Debug)]
pub(in crate::aws) struct Execution {
    pub(in crate::aws) deployment: String,
    /// `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `REJECTED` or `CANCELED`.
    pub(in crate::aws) status: String,
    /// The device's `statusDetails`.
    pub(in crate::aws) details: Value,
    pub(in crate::aws) queued: OffsetDateTime,
    pub(in crate::aws) modified: OffsetDateTime,
}

impl Iot {
    /// The component versions that the account's devices can get.
    pub(in crate::aws) fn components(&self) -> &Components {
        &self.components
    }

    /// A thing as a target, if it is registered.
    pub(in crate::aws) fn thing(&self, name: &str) -> Option<Target> {
        self.registry.read().things.contains_key(name).then(|| Target::ThingNamed(name.to_owned()))
    }

    /// A thing group as a target, if there is one of that name.
    pub(in crate::aws) fn group(&self, name: &str) -> Option<Target> {
        self.registry.read().groups.contains_key(name).then(|| Target::Group(name.to_owned()))
    }

    /// The things in a group, and in those below it.
    pub(in crate::aws) fn things_in(&self, group: &str) -> Vec<String> {
        let state = self.registry.read();
        let things = state.things.iter().filter(|(_, thing)| state.is_below(thing, group));
        things.map(|(name, _)| name.clone()).collect()
    }

    /// Creates a deployment for a target that is registered.
    ///
    /// # Errors
    /// Why the service would refuse it.
    pub(in crate::aws) fn deploy(&self, deployment: &Deployment) -> Result<(), String> {
        let mut reserved = self.reserved();
        let revision = reserved.deployments.create(deployment)?;
        let replies = reserved.begin(revision, &self.registry);
        self.say(replies);
        Ok(())
    }

    /// Cancels a deployment.
    ///
    /// # Errors
    /// If there is none with this id.
    pub(in crate::aws) fn cancel_deployment(&self, id: &str) -> Result<(), String> {
        let mut reserved = self.reserved();
        let replies = reserved.cancel(id)?;
        self.say(replies);
        Ok(())
    }

    /// Every deployment, in the order of creation for each target.
    pub(in crate::aws) fn deployments(&self) -> Vec<Deployed> {
        let reserved = self.reserved();
        let all: Vec<&Known> = reserved.deployments.all().collect();
        let is_latest = |known: &Known| {
            let newest = all.iter().rev().find(|other| other.revision.target == known.revision.target);
            newest.is_some_and(|newest| newest.revision.deployment == known.revision.deployment)
        };
        let status = |known: &Known| {
            let Target::ThingNamed(thing) = &known.revision.target else { return None };
            let executions = reserved.things.get(thing)?.thing_deployments.executions();
            executions.into_iter().find(|one| one.deployment == known.revision.deployment).map(|one| one.status)
        };
        let deployed = |known: &&Known| {
            let revision = known.revision.clone();
            Deployed {
                id: revision.deployment,
                job: revision.job,
                target: revision.target,
                configuration_arn: revision.configuration_arn,
                document: revision.document,
                created: known.created,
                is_ended: known.ended.is_some(),
                is_latest: is_latest(known),
                status: status(known),
            }
        };
        all.iter().map(deployed).collect()
    }

    /// What became of deployments on a thing.
    pub(in crate::aws) fn executions(&self, thing: &str) -> Vec<Execution> {
        let reserved = self.reserved();
        let Some(services) = reserved.things.get(thing) else { return Vec::new() };
        let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let of_jobs = services.jobs.executions().map(|execution| Execution {
            deployment: execution.revision.deployment.clone(),
            status: execution.status.name().to_owned(),
            details: execution.details.clone().into(),
            queued: time(execution.queued_at),
            modified: time(execution.updated_at),
        });
        of_jobs.chain(services.thing_deployments.executions()).collect()
    }

    /// The things that have said what they are, and what they said.
    pub(in crate::aws) fn core_devices(&self) -> Vec<(String, CoreDevice)> {
        let reserved = self.reserved();
        let devices = reserved.things.iter();
        devices.filter_map(|(thing, services)| Some((thing.clone(), services.device.clone()?))).collect()
    }

    /// What `ResolveComponentCandidates` answers.
    pub(in crate::aws) fn resolve_candidates(&self, body: &Value) -> Result<Value, Fault> {
        data_plane::resolve_json(self, body).map_err(fault)
    }

    /// What `GetComponentVersionArtifact` answers.
    pub(in crate::aws) fn artifact_url(&self, arn: &str, name: &str, endpoint: Option<&str>) -> Result<Value, Fault> {
        let query = endpoint.map(|endpoint| format!("s3EndpointType={endpoint}")).unwrap_or_default();
        data_plane::artifact(self, arn, name, &query).map_err(fault)
    }
}

/// A failure of the data plane as the control plane words it.
fn fault(Failure { status, kind, message }: Failure) -> Fault {
    let fault = Fault::new(status.as_u16(), kind, message.as_str().unwrap_or_default());
    match kind {
        "ResourceNotFoundException" => fault.with("resourceId", json!("")).with("resourceType", "Component"),
        _ => fault,
    }
}
