//! `Resource` and `NotResource`.

use super::{
    super::{
        Kind,
        error::{Check, Fault},
    },
    Findings, texts,
};
use crate::{json::Node, pattern::segments};

const KEYS: [&str; 2] = ["Resource", "NotResource"];

/// How the resources of IAM begin.
const IAM: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// The resources of S3 that have a region.
const REGIONAL: [&str; 5] = ["accesspoint", "job/", "storage-lens", "access-grants", "*"];

pub(super) fn check(node: &Node, kind: Kind, findings: &mut Findings) {
    let resources = texts(node, KEYS, findings);
    if kind == Kind::Trust {
        for (key, value) in KEYS.iter().filter_map(|key| node.get(key).map(|value| (key, value))) {
            let detail = format!("a trust policy can't have `{key}`");
            findings.add(value.place, Fault::said(Check::Resources, detail, format!("Has prohibited field {key}.")));
        }
        return;
    }
    let resources = resources.unwrap_or_default();
    if resources.is_empty() {
        let detail = "`Resource` is missing or empty";
        findings.add(node.place, Fault::said(Check::Resources, detail, "Policy statement must contain resources."));
    }
    for (text, place) in resources {
        if let Some(fault) = fault(text) {
            findings.add(place, fault);
        }
    }
}

/// What is wrong with `*` or an ARN, if anything. Shorter ARNs are taken: AWS completes them.
fn fault(text: &str) -> Option<Fault> {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
        return None;
    }
    let format = |detail: &str, iam: String| {
        Some(Fault::said(Check::ResourceFormat, format!("resource `{text}` {detail}"), iam))
    };
    let no_arn = || format("is no ARN", format!("Resource {text} must be in ARN format or \"*\"."));
    let Some((scheme, rest)) = text.split_once(':') else { return no_arn() };
    let mut parts = rest.splitn(5, ':');
    let (partition, vendor) = (parts.next().unwrap_or_default(), parts.next());
    if !partition.starts_with("aws") && !partition.contains(['*', '?']) {
        let part = |index: usize| rest.splitn(5, ':').nth(index).unwrap_or("*");
        let vendor = vendor.filter(|vendor| !vendor.is_empty() || rest.matches(':').count() > 1).unwrap_or("*");
        let arn = format!("arn:{partition}:{vendor}:{}:{}:{}", part(2), part(3), part(4));
        return format("names no partition", format!("Partition \"{partition}\" is not valid for resource \"{arn}\"."));
    }
    if scheme != "arn" {
        return no_arn();
    }
    let Some(vendor) = vendor.filter(|vendor| !vendor.contains(['*', '?'])) else {
        let iam = "Resource vendor must be fully qualified and cannot contain regexes.";
        return format("names no service", iam.to_owned());
    };
    if vendor.is_empty() || text.matches(':').count() < 5 && text.contains("::") {
        return Some(Fault::legacy(Check::LegacyResource, format!("resource `{text}` has too few parts")));
    }
    if text.match_indices("${").any(|(at, _)| !text[at..].contains('}')) {
        return Some(Fault::refused(format!("resource `{text}` opens a variable and doesn't close it")));
    }
    let [_, _, _, region, _, resource] = segments(text)?;
    let named = !region.is_empty() && !region.contains(['*', '?']);
    match vendor {
        "iam" if named => {
            format("can't have a region", format!("IAM resource {text} cannot contain region information."))
        }
        "iam" if !resource.starts_with(['*', '?', '$']) && !IAM.iter().any(|start| resource.starts_with(start)) => {
            let iam = format!("IAM resource path must either be \"*\" or start with {}.", IAM.join(", "));
            format("is nothing that IAM has", iam)
        }
        "s3" if named && !REGIONAL.iter().any(|start| resource.starts_with(start)) => {
            format("can't have a region", format!("Resource {text} can not contain region information."))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        fault(text).map_or_else(String::new, |fault| fault.to_string())
    }

    #[test]
    fn what_is_no_arn_of_a_service_is_told_apart() {
        for taken in [
            "*",
            "***",
            "arn:aws:sqs",
            "arn:aws:sqs:r",
            "arn:*:sqs:r:1:q",
            "arn:aw?:sqs:r:1:q",
            "arn:aws-cn:s3:::b/${aws:username}",
            "arn:aws:iam::1:user/a",
            "arn:aws:iam:*:1:user/a",
            "arn:aws:iam::1:*",
            "arn:aws:iam::1:?ser/a",
            "arn:aws:iam::1:${a:b}",
            "arn:aws:s3:::b",
            "arn:aws:s3:eu-?:1:b",
            "arn:aws:s3:r:1:accesspoint/a",
            "arn:aws:s3:r:1:*",
        ] {
            assert_eq!(told(taken), "", "{taken}");
        }
        for (text, iam) in [
            ("", "must be in ARN format"),
            ("bucket", "must be in ARN format"),
            ("urn:aws:s3:::b", "must be in ARN format"),
            ("arn:oops:s3:::b", "Partition \"oops\" is not valid for resource \"arn:oops:s3:::b\"."),
            ("arn:oops", "Partition \"oops\" is not valid for resource \"arn:oops:*:*:*:*\"."),
            ("arn:oops:", "Partition \"oops\" is not valid for resource \"arn:oops:*:*:*:*\"."),
            ("arn:oops::", "Partition \"oops\" is not valid for resource \"arn:oops:::*:*\"."),
            ("arn:aws", "Resource vendor must be fully qualified"),
            ("arn:aws:s*:::b", "Resource vendor must be fully qualified"),
            ("arn:aws::::b", "failed legacy parsing"),
            ("arn:aws:s3::b", "failed legacy parsing"),
            ("arn:aws:s3:::b/${a}${b", "opens a variable"),
            ("arn:aws:iam:r:1:user/a", "cannot contain region information"),
            ("arn:aws:iam::1:thing/a", "IAM resource path must either be"),
            ("arn:aws:s3:r::b", "can not contain region information"),
        ] {
            assert!(told(text).contains(iam), "{text}: {}", told(text));
        }
    }
}
