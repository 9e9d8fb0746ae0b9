//! `Action` and `NotAction`.

use super::{
    super::{
        Kind,
        error::{Check, Fault},
    },
    Findings, texts,
};
use crate::json::Node;

const KEYS: [&str; 2] = ["Action", "NotAction"];

/// Services that are asked with IoT policies.
const IOT: [&str; 3] = ["iot", "iotjobsdata", "greengrass"];

/// What a trust policy can speak of.
const TRUST: [&str; 7] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:assumeroot",
    "sts:tagsession",
    "sts:setsourceidentity",
    "sts:setcontext",
];

/// Whether every action of a statement is of a service that is asked with IoT policies.
pub(super) fn all_of_iot(node: &Node) -> bool {
    let mut actions = KEYS.iter().filter_map(|key| node.get(key)).flat_map(Node::listed);
    actions.all(|one| one.text().and_then(|text| text.split_once(':')).is_some_and(|(vendor, _)| IOT.contains(&vendor)))
}

pub(super) fn check(node: &Node, kind: Kind, findings: &mut Findings) {
    let actions = texts(node, KEYS, findings).unwrap_or_default();
    if actions.is_empty() {
        let detail = "`Action` is missing or empty";
        findings.add(node.place, Fault::said(Check::Actions, detail, "Policy statement must contain actions."));
    }
    if kind == Kind::Rcp && node.get("NotAction").is_some() {
        findings.add(node.place, Fault::refused("a resource control policy can't have `NotAction`"));
    }
    for (text, place) in actions {
        if kind == Kind::Trust && !is_trust(text) {
            let iam = "AssumeRole policy may only specify STS AssumeRole actions.";
            findings
                .add(place, Fault::said(Check::ActionFormat, format!("`{text}` is no action of a trust policy"), iam));
        } else if kind == Kind::Rcp && !text.contains(':') {
            findings.add(place, Fault::refused("a resource control policy must name the service of its actions"));
        } else if let Some(fault) = fault(text) {
            findings.add(place, fault);
        }
    }
}

fn is_trust(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    TRUST.contains(&lower.as_str()) || lower.starts_with("sts:") && lower.contains(['*', '?'])
}

/// What is wrong with `*` or `vendor:name`, if anything; of the name nothing is asked.
fn fault(text: &str) -> Option<Fault> {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'*') || text == "*:*" {
        return None;
    }
    let said = |detail: String, iam: &str| Some(Fault::said(Check::ActionFormat, detail, iam));
    let Some((vendor, name)) = text.split_once(':') else {
        let iam = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        return said(format!("action `{text}` names no service"), iam);
    };
    if name.contains(':') {
        return said(format!("action `{text}` has two colons"), "Actions/Condition can contain only one colon.");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if vendor.is_empty() || !vendor.bytes().all(plain) {
        return said(format!("action `{text}` names no service"), &format!("Vendor {vendor} is not valid"));
    }
    None
}
