//! Services of the control plane: method and path say the operation, its route what IAM authorises.

use super::{Answerer, Operation, Protocol, host::Place, query::form};
use crate::{
    aws::{
        gate::{Received, Services},
        rest::{Call, Route, Service},
    },
    world::World,
};
use std::sync::Arc;

/// A call of a control-plane service that knows it.
#[derive(Clone)]
pub(in crate::aws::gate) struct Routed {
    pub(in crate::aws::gate) service: Arc<dyn Service>,
    pub(in crate::aws::gate) route: &'static Route,
    /// Absent if the body is no JSON.
    pub(in crate::aws::gate) call: Option<Call>,
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
        operation.answerer = Answerer::Service;
        let call = call.ok().filter(|call| call.body.is_object());
        if call.is_none() {
            operation.answerer = Answerer::Unreadable;
        }
        let call = call.map(|call| Call { account: world.account.clone(), region: world.region.clone(), ..call });
        if let Some(call) = &call {
            operation.resource = (route.on)(call);
            operation.parameters = call.summary();
            operation.tagged(call.tags());
            let removed: Vec<_> = call.queries("tagKeys").map(str::to_owned).collect();
            if !removed.is_empty() {
                operation.keys.insert("aws:TagKeys".into(), removed.into());
            }
            let tags = service.tags(&operation.resource).into_iter();
            operation.keys.extend(tags.map(|(name, value)| (format!("aws:ResourceTag/{name}"), value.into())));
        }
        operation.shown = Some(operation.resource.clone());
        operation.routed = Some(Routed { service: Arc::clone(service), route, call });
        operation
    }

    /// A call of a service that is not emulated: its operation is where the service's protocol has it.
    fn foreign(place: &Place, received: &Received) -> Self {
        let Received { method, path, query, body, .. } = received;
        if !received.header("x-amz-target").is_empty() {
            return Self::json(place, received);
        }
        let body = String::from_utf8_lossy(body);
        match [&body, query.as_str()].iter().find_map(|text| form(text).get("Action")?.as_str().map(str::to_owned)) {
            Some(action) => Self::bare(place, &action, Protocol::Query),
            None => Self::bare(place, &format!("{method} {path}"), Protocol::Rest),
        }
    }
}
