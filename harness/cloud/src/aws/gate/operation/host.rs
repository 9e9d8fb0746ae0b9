//! What an AWS host name says: service, region, bucket.

/// The region that hosts without one belong to.
pub(super) const GLOBAL: &str = "us-east-1";

/// A host name, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) service: String,
    /// Absent in global names such as `sts.amazonaws.com`.
    pub(super) region: Option<String>,
    /// The bucket of a virtual-hosted S3 name.
    pub(super) bucket: Option<String>,
}

impl Place {
    pub(super) fn of(host: &str) -> Self {
        let name = host.strip_suffix(".amazonaws.com").unwrap_or(host);
        let labels: Vec<&str> = name.split('.').collect();
        let (region, rest) = match labels.split_last() {
            Some((last, rest)) if is_region(last) => (Some(*last), rest),
            _ => (None, labels.as_slice()),
        };
        let rest = rest.strip_suffix(&["dualstack"]).unwrap_or(rest);
        let (last, before) = rest.split_last().unwrap_or((&"", &[]));
        let bucket = || Some(before.join(".")).filter(|bucket| !bucket.is_empty());
        let old_regional = last.strip_prefix("s3-").filter(|region| is_region(region));
        if *last == "s3" || old_regional.is_some() {
            let region = region.or(old_regional).map(str::to_owned);
            return Self { service: "s3".into(), region, bucket: bucket() };
        }
        Self { service: (*last).to_owned(), region: region.map(str::to_owned), bucket: None }
    }
}

/// Whether a label looks like `ap-northeast-1`.
fn is_region(label: &str) -> bool {
    !label.starts_with("s3-")
        && label.matches('-').count() >= 2
        && label.ends_with(|character: char| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_service_region_and_bucket() {
        fidelity::fidelity!("gate-1");
        for (host, service, region, bucket) in [
            ("secretsmanager.ap-northeast-1.amazonaws.com", "secretsmanager", Some("ap-northeast-1"), None),
            ("sts.amazonaws.com", "sts", None, None),
            ("api.ecr.eu-west-1.amazonaws.com", "ecr", Some("eu-west-1"), None),
            ("s3.amazonaws.com", "s3", None, None),
            ("s3.dualstack.eu-west-1.amazonaws.com", "s3", Some("eu-west-1"), None),
            ("my.bucket.s3.eu-west-1.amazonaws.com", "s3", Some("eu-west-1"), Some("my.bucket")),
            ("bucket.s3-eu-west-1.amazonaws.com", "s3", Some("eu-west-1"), Some("bucket")),
            ("bucket.s3.amazonaws.com", "s3", None, Some("bucket")),
        ] {
            let expected =
                Place { service: service.into(), region: region.map(str::to_owned), bucket: bucket.map(str::to_owned) };
            assert_eq!(Place::of(host), expected, "{host}");
        }
    }
}
