//! The actions of a statement.

use super::listed;
use crate::{
    document::Fault,
    pattern::{Case, Pattern, Reading},
};
use serde_json::{Map, Value};

/// Services that are asked with IoT policies.
const IOT: [&str; 3] = ["iot", "iotjobsdata", "greengrass"];

/// Reads `*` or `vendor:name`; the pattern is to be matched with an action in lower case.
pub(super) fn parse(text: &str) -> Result<Pattern, Fault> {
    let compile = || {
        let reading = Reading { variables: false, wildcards: true, case: Case::Counts };
        Pattern::parse(&text.to_ascii_lowercase(), reading)
            .ok_or_else(|| Fault::undecided(format!("action `{text}` is not understood")))
    };
    if matches!(text, "*" | "**" | "*:*") {
        return compile();
    }
    let Some((vendor, name)) = text.split_once(':').filter(|(vendor, _)| !vendor.is_empty()) else {
        let iam = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        return Err(Fault::said(format!("action `{text}` names no service"), iam));
    };
    if name.contains(':') {
        let iam = "Actions/Condition can contain only one colon.";
        return Err(Fault::said(format!("action `{text}` has two colons"), iam));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if vendor.contains(['*', '?']) {
        return Err(Fault::undecided(format!("action `{text}` has a wildcard in the name of its service")));
    }
    if !vendor.bytes().all(plain) {
        let iam = format!("Vendor {vendor} is not valid");
        return Err(Fault::said(format!("action `{text}` names no service"), iam));
    }
    if name.is_empty() || !name.bytes().all(|byte| plain(byte) || matches!(byte, b'*' | b'?' | b'_' | b'.')) {
        return Err(Fault::undecided(format!("action `{text}` is no name of an action")));
    }
    compile()
}

/// Refuses what IAM doesn't take as an action of a trust policy.
pub(super) fn check_trust(object: &Map<String, Value>) -> Result<(), Fault> {
    match vendors(object).find(|vendor| !vendor.is_some_and(|vendor| vendor.eq_ignore_ascii_case("sts"))) {
        None => Ok(()),
        Some(_) => Err(Fault::said(
            "a trust policy speaks of actions of `sts` only",
            "AssumeRole policy may only specify STS AssumeRole actions.",
        )),
    }
}

/// Whether every action is of a service that is asked with IoT policies.
pub(super) fn all_of_iot(object: &Map<String, Value>) -> bool {
    vendors(object).all(|vendor| vendor.is_some_and(|vendor| IOT.contains(&vendor)))
}

fn vendors(object: &Map<String, Value>) -> impl Iterator<Item = Option<&str>> {
    let actions = object.get("Action").or_else(|| object.get("NotAction")).into_iter().flat_map(listed);
    actions.map(|action| action.as_str()?.split_once(':').map(|(vendor, _)| vendor))
}
