//! The control plane of AWS IoT Greengrass V2 (`greengrassv2`; policies and signatures call it `greengrass`): component
//! versions, deployments, core devices and tags.
//!
//! Components are those that the data plane serves, deployments are IoT's jobs and shadows, and core devices are what
//! their fleet status messages say: nothing is kept here but what only the control plane knows. Operations, constraints
//! and shapes are those of botocore's model `greengrassv2` 2020-11-30.

mod components;
mod cores;
mod deployments;
mod input;
mod recipe;
mod routes;
mod tags;
#[cfg(test)]
mod tests;

use super::{
    inventory::Inventory,
    iot::Iot,
    rest::{Call, Fault, Route, Service},
    upstream::LocalStack,
};
use deployments::Order;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use time::OffsetDateTime;

/// The service of one account in its region.
#[derive(Debug)]
pub(super) struct Greengrass {
    iot: Arc<Iot>,
    inventory: Arc<Inventory>,
    localstack: LocalStack,
    state: Mutex<State>,
}

type Answer = Result<Value, Fault>;

/// What only the control plane knows.
#[derive(Debug, Default)]
struct State {
    /// Tags by the ARN of what they are on.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// What deployments were asked with, by their ids.
    orders: BTreeMap<String, Order>,
    canceled: BTreeSet<String>,
    /// Deployments that were deleted.
    gone: BTreeSet<String>,
    /// Core devices that were deleted, and what they had said last; one that says more is there again.
    deleted: BTreeMap<String, Option<i64>>,
    /// Answers by operation and client token, which a repeated request gets again.
    answered: BTreeMap<(String, String), Value>,
}

impl Greengrass {
    pub(super) fn new(iot: Arc<Iot>, inventory: Arc<Inventory>, localstack: LocalStack) -> Self {
        Self { iot, inventory, localstack, state: Mutex::default() }
    }

    async fn perform(&self, name: &str, call: &Call) -> Answer {
        let token = call.text("clientToken").map(|token| (name.to_owned(), token.to_owned()));
        input::token(call)?;
        if let Some(answer) = token.as_ref().and_then(|token| self.state().answered.get(token).cloned()) {
            return Ok(answer);
        }
        let answer = match name {
            "CreateComponentVersion" => self.create_component_version(call).await,
            "GetComponent" => self.get_component(call),
            "DescribeComponent" => self.describe_component(call),
            "DeleteComponent" => self.delete_component(call),
            "ListComponents" => self.list_components(call),
            "ListComponentVersions" => self.list_component_versions(call),
            "GetComponentVersionArtifact" => self.get_component_version_artifact(call),
            "ResolveComponentCandidates" => self.resolve_component_candidates(call),
            "CreateDeployment" => self.create_deployment(call),
            "GetDeployment" => self.get_deployment(call),
            "ListDeployments" => self.list_deployments(call),
            "CancelDeployment" => self.cancel_deployment(call),
            "DeleteDeployment" => self.delete_deployment(call),
            "ListCoreDevices" => self.list_core_devices(call),
            "GetCoreDevice" => self.get_core_device(call),
            "DeleteCoreDevice" => self.delete_core_device(call),
            "ListInstalledComponents" => self.list_installed_components(call),
            "ListEffectiveDeployments" => self.list_effective_deployments(call),
            "TagResource" => self.tag_resource(call),
            "UntagResource" => self.untag_resource(call),
            _ => self.list_tags_for_resource(call),
        }?;
        if let Some(token) = token {
            self.state().answered.insert(token, answer.clone());
        }
        Ok(answer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Greengrass {
    fn routes(&self) -> &'static [Route] {
        &routes::ROUTES
    }

    fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        self.state().tags.get(arn).cloned().unwrap_or_default()
    }

    fn call<'c>(&'c self, name: &'c str, call: &'c Call) -> BoxFuture<'c, Answer> {
        self.perform(name, call).boxed()
    }
}

/// What is not there, as the service's model describes it.
fn not_found(message: String, kind: &str, id: &str) -> Fault {
    Fault::new(404, "ResourceNotFoundException", message).with("resourceId", id).with("resourceType", kind)
}

fn conflict(message: String, kind: &str, id: &str) -> Fault {
    Fault::new(409, "ConflictException", message).with("resourceId", id).with("resourceType", kind)
}

/// A time in an answer: seconds since 1970, with milliseconds.
fn seconds(time: OffsetDateTime) -> Value {
    milliseconds(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
fn milliseconds(time: i64) -> Value {
    (time as f64 / 1000.0).into()
}
