//! Reads a recorded case: a request, the policies that bear on it, and what comes out.

use iam::{Document, Policies, Policy, Principal, Request};
use serde_json::Value;

/// The request of a case.
pub(crate) fn request(case: &Value) -> Request {
    let request = &case["request"];
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let made = Request::new(text("action"), text("resource"));
    let made = if text("principal").is_empty() { made } else { made.by(Principal::parse(text("principal"))) };
    let made = if text("resourceAccount").is_empty() { made } else { made.owned_by(text("resourceAccount")) };
    request["context"].as_object().into_iter().flatten().fold(made, |made, (key, value)| match value {
        Value::Null => made,
        Value::Array(list) => made.with_list(key, list.iter().map(scalar)),
        value => made.with(key, scalar(value)),
    })
}

/// The policies of a case, taken as they are.
pub(crate) fn policies(case: &Value) -> Policies {
    let policies = &case["policies"];
    let levels = |key: &str| policies[key].as_array().into_iter().flatten().map(|level| named(key, level)).collect();
    let list = |key: &str| named(key, &policies[key]);
    Policies {
        identity: list("identity"),
        resource: list("resource").pop(),
        boundary: list("boundary").pop(),
        session: list("session"),
        scp: levels("scp"),
        rcp: levels("rcp"),
        vpce: list("vpce"),
    }
}

/// One policy or a list of them.
fn named(name: &str, value: &Value) -> Vec<Policy> {
    let list = match value {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter().map(|document| Policy::new(name, Document::unchecked(document))).collect()
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
