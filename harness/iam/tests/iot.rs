//! IoT policies: what is plain in them, and which variables stay.

use iam::{Document, Policies, Policy, Principal, Request, decide};
use serde_json::json;

fn policy(resource: &str) -> Policies {
    let statement = json!({"Effect": "Allow", "Action": "iot:Subscribe", "Resource": resource});
    let document = Document::parse(&json!({"Version": "2012-10-17", "Statement": [statement]}));
    Policies { identity: vec![Policy::new("p", document.expect("AWS takes it"))], ..Policies::default() }
}

fn ask(policies: &Policies, filter: &str, context: &[(&str, &str)]) -> bool {
    // A certificate is asked like a user: what hangs on it are its identity policies.
    let certificate = Principal::parse("arn:aws:iam::1:user/certificate");
    let request = Request::new("iot:Subscribe", &format!("arn:aws:iot:r:1:topicfilter/{filter}")).by(certificate);
    let request = context.iter().fold(request, |request, (key, value)| request.with(key, *value));
    decide(policies, &request).is_allowed()
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
