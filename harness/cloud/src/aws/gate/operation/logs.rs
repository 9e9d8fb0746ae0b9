//! CloudWatch Logs: decided on groups and streams as AWS does. Nobody answers what is allowed.

use super::{Answerer, Operation, host::Place};
use crate::{aws::gate::Received, world::World};
use serde_json::json;

impl Operation {
    /// An operation is on a stream; where it is on a group, or on all of them, the stream has no name (as denials of AWS
    /// show). What others are on is not known here.
    pub(super) fn logs(place: &Place, received: &Received, world: &World) -> Self {
        let operation = Self::json(place, received);
        let text = |field: &str| operation.text(field).unwrap_or_default();
        let group = match text("logGroupName") {
            "" => named(text("logGroupIdentifier")),
            name => name,
        };
        let (group, stream) = match operation.name.as_str() {
            "CreateLogGroup" | "DescribeLogStreams" => (group, ""),
            "CreateLogStream" | "PutLogEvents" => (group, text("logStreamName")),
            "DescribeLogGroups" => ("", ""),
            _ => return operation,
        };
        let of_account = format!("arn:aws:logs:{}:{}", operation.region, world.account);
        let resource = format!("{of_account}:log-group:{group}:log-stream:{stream}");
        let parameters = json!({ "logGroupName": group, "logStreamName": stream });
        let shown = Some(resource.clone());
        Self { answerer: Answerer::Nobody, resource, shown, parameters, ..operation }
    }
}

/// The group that an identifier stands for: its name or its ARN.
fn named(identifier: &str) -> &str {
    let name = identifier.split_once(":log-group:").map_or(identifier, |(_, name)| name);
    name.strip_suffix(":*").unwrap_or(name)
}
