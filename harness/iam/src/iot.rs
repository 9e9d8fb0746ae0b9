//! IoT policies: what a certificate may do on the message broker, the data plane and the credentials provider.
//!
//! They are written and read like identity policies. `*` and `?` are wildcards, MQTT's `+` and `#` are plain characters.
//! The caller puts the policy variables into the context (`iot:clientid`, `iot:connection.thing.thingname`, …); a
//! resource with a variable that has no value matches nothing.

use crate::{Decision, Document, Request, decision::by_policies};
use std::borrow::Borrow;

/// Decides a request of a certificate by the IoT policies attached to it, each with its name.
///
/// A variable `iot:Certificate.*` whose value holds one of `* $ + ? #` or is longer than 1,024 characters is not
/// substituted: its text stays.
#[must_use]
pub fn evaluate<'p>(
    policies: impl IntoIterator<Item: Borrow<(&'p str, &'p Document)>>,
    request: &Request,
) -> Decision<'p> {
    by_policies(policies, &request.asked())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(resource: &str) -> Document {
        let statement = json!({"Effect": "Allow", "Action": "iot:Subscribe", "Resource": resource});
        Document::parse(&json!({"Version": "2012-10-17", "Statement": [statement]})).unwrap()
    }

    fn ask(policy: &Document, filter: &str, context: &[(&str, &str)]) -> bool {
        let request = Request::new("iot:Subscribe", &format!("arn:aws:iot:r:1:topicfilter/{filter}"));
        let request = context.iter().fold(request, |request, (key, value)| request.with(key, *value));
        evaluate([("p", policy)], &request).is_allowed()
    }

    /// `[iam-9]`
    #[test]
    fn plus_and_hash_are_plain_characters() {
        let policy = policy("arn:aws:iot:r:1:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/jobs/+");
        let core = [("iot:Connection.Thing.ThingName", "core")];
        assert!(ask(&policy, "$aws/things/core/jobs/+", &core));
        assert!(!ask(&policy, "$aws/things/core/jobs/notify", &core));
        assert!(!ask(&policy, "$aws/things/other/jobs/+", &core));
        assert!(!ask(&policy, "$aws/things/core/jobs/+", &[]));
    }

    /// `[iam-9]`
    #[test]
    fn a_certificate_value_like_a_pattern_is_not_substituted() {
        let policy = policy("arn:aws:iot:r:1:topicfilter/${iot:Certificate.Subject.CommonName}");
        let name = |value| [("iot:Certificate.Subject.CommonName", value)];
        assert!(ask(&policy, "press", &name("press")));
        assert!(!ask(&policy, "pre+ss", &name("pre+ss")));
        assert!(ask(&policy, "${iot:Certificate.Subject.CommonName}", &name("pre+ss")));
    }
}
