//! Where a call goes that came to the endpoint: its signature names service and region, its host may name a bucket.

use super::host::{GLOBAL, Place};
use crate::aws::gate::{Received, signature};

impl Place {
    /// Reads a request to the endpoint. One without a readable signature goes where its form would be understood, to be
    /// refused there.
    pub(super) fn signed(received: &Received) -> Self {
        let (service, region) = signature::scope(received).unwrap_or_else(|| guessed(received));
        // So clients of before 2023 sign what is for IoT's control plane, which takes both names.
        let service = if service == signature::OLD_IOT { "iot".to_owned() } else { service };
        let region = if service == "iam" { GLOBAL.to_owned() } else { region };
        let region = Some(region).filter(|region| !region.is_empty());
        let bucket = (service == "s3").then(|| bucket(&received.host)).flatten();
        Self { service, region, bucket }
    }
}

/// What a request would be for that says it by its form only.
fn guessed(received: &Received) -> (String, String) {
    let target = received.header("x-amz-target");
    let service = match target.split('.').next().unwrap_or_default() {
        "TrentService" => "kms",
        "" if received.header("content-type").starts_with("application/x-www-form-urlencoded") => "sts",
        "" if received.path.starts_with("/greengrass/") => "greengrass",
        "" => "s3",
        _ => "secretsmanager",
    };
    (service.to_owned(), String::new())
}

/// The bucket of `BUCKET.localhost`, of `BUCKET.s3.localhost` and of S3's own names.
fn bucket(host: &str) -> Option<String> {
    if host.ends_with(".amazonaws.com") {
        return Place::of(host).bucket;
    }
    let before = host.strip_suffix(".localhost")?;
    let bucket = before.strip_suffix(".s3").unwrap_or(before);
    (!bucket.is_empty() && bucket != "s3").then(|| bucket.to_owned())
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn a_bucket_stands_in_the_host_or_not() {
        fidelity::fidelity!("endpoint-1");
        for (host, expected) in [
            ("localhost", None),
            ("127.0.0.1", None),
            ("s3.localhost", None),
            ("parts.localhost", Some("parts")),
            ("my.parts.localhost", Some("my.parts")),
            ("parts.s3.localhost", Some("parts")),
            ("parts.s3.eu-west-1.amazonaws.com", Some("parts")),
            ("s3.eu-west-1.amazonaws.com", None),
        ] {
            assert_eq!(bucket(host).as_deref(), expected, "{host}");
        }
    }
}
