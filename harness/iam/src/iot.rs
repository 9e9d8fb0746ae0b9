//! IoT policies: what a certificate may do on the message broker, the data plane and the credentials provider.
//!
//! They are written and read like identity policies. `*` and `?` are wildcards, MQTT's `+` and `#` are plain characters.
//! The caller puts the policy variables into the context (`iot:clientid`, `iot:connection.thing.thingname`, …).

use crate::{Decision, Document, Request, evaluate::evaluate as evaluate_identity};

/// The longest certificate value that AWS IoT substitutes, in characters.
const LONGEST: usize = 1024;

/// Decides a request of a certificate by the IoT policies attached to it.
///
/// A variable `iot:Certificate.*` whose value holds one of `* $ + ? #` or is longer than 1,024 characters is not
/// substituted: its text stays.
#[must_use]
pub fn evaluate(policies: &[(&str, &Document)], request: &Request) -> Decision {
    let mut request = request.clone();
    for (key, values) in &mut request.context {
        if key.starts_with("iot:certificate.") && values.iter().any(|value| stays(value)) {
            *values = vec![format!("${{{key}}}")];
        }
    }
    evaluate_identity(policies, &request)
}

fn stays(value: &str) -> bool {
    value.chars().count() > LONGEST || value.contains(['*', '$', '+', '?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `[iam-9]`
    #[test]
    fn plus_and_hash_are_plain_characters() {
        let policy = Document::parse(&json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "iot:Subscribe",
            "Resource": "arn:aws:iot:r:1:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/jobs/+"}}))
        .unwrap();
        let ask = |filter: &str| {
            let request = Request::new("iot:Subscribe", &format!("arn:aws:iot:r:1:topicfilter/$aws/things/{filter}"))
                .with("iot:Connection.Thing.ThingName", "core");
            evaluate(&[("p", &policy)], &request).is_allowed()
        };
        assert!(ask("core/jobs/+"));
        assert!(!ask("core/jobs/notify"));
        assert!(!ask("other/jobs/+"));
    }
}
