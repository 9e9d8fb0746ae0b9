//! Services of the control plane: method and path say the operation, its route what IAM authorises.

use super::{Answerer, Operation, Protocol, host::Place, query::form};
use crate::{
    aws::{
        gate::{Received, Services},
        rest::{Call, Route, Service},
    },
    world::World,
};
use serde_json::Value;
use std::sync::Arc;

/// A call of a control-plane service that knows it.
#[derive(Clone)]
pub(in crate::aws::gate) struct Routed {
    pub(in crate::aws::gate) service: Arc<dyn Service>,
    pub(in crate::aws::gate) route: &'static Route,
    pub(in crate::aws::gate) call: Call,
}

impl Operation {
    pub(super) fn rest(place: &Place, received: &Received, world: &World, services: &Services) -> Self {
        let Received { method, path, query, headers, body, .. } = received;
        let mut operation = Self::bare(place, &format!("{method} {path}"), Protocol::Rest);
        let Some(service) = services.get(place.service.as_str()) else { return Self::foreign(place, received) };
        if received.is_at_endpoint() {
            // It is the endpoint of one region.
            operation.region.clone_from(&world.region);
        } else if operation.region != world.region {
            return operation;
        }
        let found = Call::find(service.routes(), (method.as_str(), path, query), headers, body);
        let Some((route, call)) = found else { return operation };
        route.name.clone_into(&mut operation.name);
        operation.action = format!("{}:{}", place.service, route.name);
        let Some(call) = call.ok().filter(|call| call.body.is_object()) else {
            return Self { answerer: Answerer::Unreadable, ..operation };
        };
        let call = Call { account: world.account.clone(), region: world.region.clone(), ..call };
        operation.answerer = Answerer::Service;
        operation.resource = (route.on)(&call);
        operation.parameters = call.summary();
        operation.tagged(call.tags());
        let removed: Vec<_> = call.queries("tagKeys").map(str::to_owned).collect();
        if !removed.is_empty() {
            operation.keys.insert("aws:TagKeys".into(), removed.into());
        }
        let tags = service.tags(&operation.resource).into_iter();
        operation.keys.extend(tags.map(|(name, value)| (format!("aws:ResourceTag/{name}"), value.into())));
        operation.shown = Some(operation.resource.clone());
        operation.routed = Some(Routed { service: Arc::clone(service), route, call });
        operation
    }

    /// A call of a service that is not emulated: its operation is where the service's protocol has it.
    fn foreign(place: &Place, received: &Received) -> Self {
        let Received { method, path, .. } = received;
        if !received.header("x-amz-target").is_empty() {
            return Self::json(place, received);
        }
        match form(received).get("Action").and_then(Value::as_str) {
            Some(action) => Self::bare(place, action, Protocol::Query),
            None => Self::bare(place, &format!("{method} {path}"), Protocol::Rest),
        }
    }
}
