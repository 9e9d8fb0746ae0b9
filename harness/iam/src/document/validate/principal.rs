//! `Principal` and `NotPrincipal`.

use super::{
    super::{
        Kind,
        error::{Check, Fault},
        principals::Who,
    },
    Findings,
};
use crate::json::Node;

pub(super) fn check(node: &Node, kind: Kind, findings: &mut Findings) {
    let found = ["Principal", "NotPrincipal"].iter().find_map(|key| node.get(key).map(|value| (*key, value)));
    let wanted = matches!(kind, Kind::Resource | Kind::Vpce | Kind::Trust | Kind::Rcp);
    match found {
        None if wanted => findings.add(node.place, Fault::refused("`Principal` is missing")),
        None => {}
        Some((_, value)) if !wanted => {
            let iam = "Policy document should not specify a principal.";
            findings.add(value.place, Fault::said(Check::Principal, "the policy of a principal can't name one", iam));
        }
        Some(("Principal", value)) if kind == Kind::Rcp && value.text() == Some("*") => {}
        Some((_, value)) if kind == Kind::Rcp => {
            findings.add(value.place, Fault::refused("the `Principal` of a resource control policy must be `*`"));
        }
        Some((key, value)) if kind == Kind::Trust && key == "NotPrincipal" => {
            findings.add(value.place, Fault::refused("a trust policy can't have `NotPrincipal`"));
        }
        Some((key, value)) => kinds(key, value, findings),
    }
}

fn kinds(key: &str, value: &Node, findings: &mut Findings) {
    if value.text() == Some("*") {
        return;
    }
    let members = value.object().unwrap_or_default();
    if members.is_empty() {
        findings.add(value.place, Fault::refused(format!("`{key}` must be `*` or name principals by their type")));
    }
    findings.object(value, &format!("`{key}`"), None);
    for member in members {
        let kind = member.key.as_str();
        if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind) {
            findings.add(member.place, Fault::refused(format!("`{kind}` is no type of principal")));
            continue;
        }
        if member.value.listed().is_empty() {
            findings.add(member.place, Fault::refused(format!("`{kind}` names nobody")));
        }
        for item in member.value.listed() {
            if !item.text().is_some_and(|text| is_principal(kind, text)) {
                let iam = format!("Invalid principal in policy: \"{kind}\":{item}");
                let detail = format!("`{item}` is no principal of the type `{kind}`");
                findings.add(item.place, Fault::said(Check::Other, detail, iam));
            }
        }
    }
}

fn is_principal(kind: &str, text: &str) -> bool {
    let unique_id = text.len() >= 16 && text.starts_with('A') && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match kind {
        "AWS" => unique_id || Who::aws(text) != Who::Nobody,
        "Service" => text.contains('.') && !text.contains(['*', '?', ':', '/', ' ']),
        _ => !text.is_empty() && !text.contains(['*', '?']),
    }
}
