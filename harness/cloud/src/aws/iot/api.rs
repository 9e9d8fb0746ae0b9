//! The control plane of IoT: `iot:CreateThing` and the like.
//!
//! [`routes`] says what there is; each operation is a function of what is registered and the call. Members, paths and
//! exceptions are those of botocore's service model. What a change means for devices follows at once: jobs of groups
//! joined or left, and the end of connections whose certificate no longer counts.

mod attachments;
mod certificates;
mod groups;
mod input;
mod jobs;
mod page;
mod policies;
mod principals;
mod role_aliases;
mod routes;
mod tags;
#[cfg(test)]
mod tests;
mod things;

use super::{super::rest, Iot, reserved::Reserved};
use futures_util::{FutureExt, future::BoxFuture};
use rest::{Call, Fault, Route, Service};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an operation answers.
type Answer = Result<Value, Fault>;

impl Service for Iot {
    fn routes(&self) -> &'static [Route] {
        &routes::ROUTES
    }

    fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        self.registry.read().tags.get(arn).cloned().unwrap_or_default()
    }

    fn call<'c>(&'c self, name: &'c str, call: &'c Call) -> BoxFuture<'c, Answer> {
        async move { self.carry_out(name, call) }.boxed()
    }
}

impl Iot {
    fn carry_out(&self, name: &str, call: &Call) -> Answer {
        let mut reserved = self.reserved();
        let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
        let answer = self.of_registry(name, call).or_else(|| self.of_jobs(&mut reserved, name, call));
        let answer = answer.unwrap_or_else(|| Err(unknown(name)))?;
        if !reads {
            self.say(reserved.settle(&self.registry));
            self.broker.cut(|certificate| !self.registry.counts(certificate));
        }
        Ok(answer)
    }

    fn of_registry(&self, name: &str, call: &Call) -> Option<Answer> {
        let registry = &*self.registry;
        let found = things::operation(name)
            .or_else(|| groups::operation(name))
            .or_else(|| certificates::operation(name))
            .or_else(|| principals::operation(name))
            .or_else(|| policies::operation(name))
            .or_else(|| attachments::operation(name))
            .or_else(|| role_aliases::operation(name))
            .or_else(|| tags::operation(name));
        match (found, name) {
            (Some(operation), _) => Some(operation(registry, call)),
            (None, "DescribeEndpoint") => Some(self.describe_endpoint(call)),
            (None, "CreateKeysAndCertificate") => Some(certificates::create_keys(registry, &self.world, call)),
            (None, "CreateCertificateFromCsr") => Some(certificates::create_from_csr(registry, &self.world, call)),
            (None, _) => None,
        }
    }

    fn of_jobs(&self, reserved: &mut Reserved, name: &str, call: &Call) -> Option<Answer> {
        if name == "CancelJob" {
            return Some(jobs::cancel(reserved, &self.registry, call).map(|(answer, replies)| {
                self.say(replies);
                answer
            }));
        }
        jobs::operation(name).map(|operation| operation(reserved, &self.registry, call))
    }

    /// The host of each kind of endpoint; those that devices of today use end in `-ats`.
    fn describe_endpoint(&self, call: &Call) -> Answer {
        let region = &self.world.region;
        let data = &self.world.endpoints.data;
        let id = data.split(['-', '.']).next().unwrap_or_default();
        let address = match call.query("endpointType").unwrap_or("iot:Data") {
            "iot:Data-ATS" => data.clone(),
            "iot:Data" => format!("{id}.iot.{region}.amazonaws.com"),
            "iot:CredentialProvider" => self.world.endpoints.credentials.clone(),
            "iot:Jobs" => format!("{id}.jobs.iot.{region}.amazonaws.com"),
            other => return Err(invalid(format!("Endpoint type {other} is not supported"))),
        };
        Ok(json!({ "endpointAddress": address }))
    }
}

fn unknown(name: &str) -> Fault {
    Fault::new(404, "UnknownOperationException", format!("Unknown operation {name}"))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "InvalidRequestException", message)
}

fn missing(message: impl Into<String>) -> Fault {
    Fault::new(404, "ResourceNotFoundException", message)
}

fn exists(message: impl Into<String>, id: &str, arn: &str) -> Fault {
    Fault::new(409, "ResourceAlreadyExistsException", message).with("resourceId", id).with("resourceArn", arn)
}

fn conflict(message: impl Into<String>) -> Fault {
    Fault::new(409, "DeleteConflictException", message)
}

fn limit(message: impl Into<String>) -> Fault {
    Fault::new(410, "LimitExceededException", message)
}
