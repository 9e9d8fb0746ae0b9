//! The resources of a statement.

use crate::{document::Fault, pattern::ArnPattern};

const LEGACY: &str = "The policy failed legacy parsing";

/// Reads `*` or an ARN with all six segments.
///
/// IAM takes shorter ARNs too, but no source says what they match.
pub(super) fn parse(text: &str, variables: bool) -> Result<ArnPattern, Fault> {
    let undecided = |what: &str| Err(Fault::undecided(format!("resource `{text}` {what}")));
    if !text.starts_with("arn:") && !text.bytes().all(|byte| byte == b'*') || text.is_empty() {
        let iam = format!("Resource {text} must be in ARN format or \"*\".");
        return Err(Fault::said(format!("resource `{text}` is no ARN"), iam));
    }
    if let Some(arn) = text.strip_prefix("arn:") {
        let mut parts = arn.splitn(5, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (partition, vendor, region) = (next(), next(), next());
        if arn.matches(':').count() < 4 {
            return match vendor {
                "" => Err(vendor_fault(text)),
                "s3" => Err(Fault::said(format!("resource `{text}` has too few colons"), LEGACY)),
                _ => undecided("has fewer than six segments, for which AWS documents no meaning"),
            };
        }
        check(text, partition, vendor, region)?;
    }
    match ArnPattern::parse(text, variables) {
        Some(pattern) => Ok(pattern),
        None => undecided("holds a `${` that opens no documented variable"),
    }
}

fn check(text: &str, partition: &str, vendor: &str, region: &str) -> Result<(), Fault> {
    if !partition.starts_with("aws") && !partition.contains(['*', '?']) {
        let iam = format!("Partition \"{partition}\" is not valid for resource \"{text}\".");
        return Err(Fault::said(format!("resource `{text}` names no partition"), iam));
    }
    if vendor.is_empty() {
        return Err(vendor_fault(text));
    }
    let named = !region.is_empty() && !region.contains(['*', '?']);
    let iam = match vendor {
        "iam" if named => format!("IAM resource {text} cannot contain region information."),
        // Access points are the S3 resources that have a region.
        "s3" if named && !text.contains(":accesspoint") => {
            format!("Resource {text} can not contain region information.")
        }
        _ => return Ok(()),
    };
    Err(Fault::said(format!("resource `{text}` can't have a region"), iam))
}

fn vendor_fault(text: &str) -> Fault {
    let iam = "Resource vendor must be fully qualified and cannot contain regexes.";
    Fault::said(format!("resource `{text}` names no service"), iam)
}
