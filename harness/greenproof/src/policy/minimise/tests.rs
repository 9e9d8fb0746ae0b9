use super::*;
use std::path::Path;

fn scenario() -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
    Scenario::load(&path).expect("the reference is valid")
}

/// The evidence of a run that was allowed these requests: by role or certificate, action, resource and thing's key.
fn evidence(requests: &[(Which, &str, &str, Option<&str>)]) -> Evidence {
    let text = include_str!("../../../../../fixtures/evidence/private-package.json");
    let mut evidence: Evidence = serde_json::from_str(text).expect("the fixture is evidence");
    let Evidence { account, thing, .. } = evidence.clone();
    let event = |(which, action, resource, key): &(Which, &str, &str, Option<&str>)| {
        let principal = match which {
            Which::Role => format!("arn:aws:sts::{account}:assumed-role/GreengrassV2TokenExchangeRole/c0ffee"),
            Which::Iot => format!("arn:aws:iot:ap-northeast-1:{account}:cert/c0ffee"),
        };
        let resource = resource.replace("ACCOUNT", &account).replace("THING", &thing);
        let context: BTreeMap<_, _> = key.iter().map(|key| (*key, thing.clone())).collect();
        let event = json!({
            "time": "2026-11-24T00:24:42.330Z", "kind": "data-plane", "operation": "", "subject": "", "status": 200,
            "decision": {
                "principal": principal, "action": action, "resource": resource, "context": context,
                "outcome": "allowed", "statement": null,
            },
        });
        serde_json::from_value(event).expect("this is an event")
    };
    evidence.events = requests.iter().map(event).collect();
    evidence
}

const THING: &str = "iot:Connection.Thing.ThingName";

fn record() -> Evidence {
    let job =
        "arn:aws:iot:ap-northeast-1:ACCOUNT:topic/$aws/things/THING/jobs/0b7f4ad1-1111-4222-8333-123456789abc/update";
    evidence(&[
        (
            Which::Role,
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:ap-northeast-1:ACCOUNT:secret:GithubPersonalAccessToekn-a1B2c3",
            None,
        ),
        (Which::Role, "s3:GetObject", "arn:aws:s3:::artifacts/a.zip", None),
        (Which::Role, "s3:GetObject", "arn:aws:s3:::artifacts/b.zip", None),
        (Which::Iot, "iot:Connect", "arn:aws:iot:ap-northeast-1:ACCOUNT:client/THING", Some(THING)),
        (Which::Iot, "iot:Publish", job, Some(THING)),
        (Which::Iot, "greengrass:ListThingGroupsForCoreDevice", "arn:aws:iot:ap-northeast-1:ACCOUNT:thing/THING", None),
    ])
}

#[test]
fn what_a_run_minted_becomes_a_variable_or_a_wildcard() {
    let policies = Policies::derive(&scenario(), &record(), &Which::ALL);
    let statements = |which| -> Vec<(String, Value)> {
        let all = policies.of(which).iter().map(|one| (one.sid.clone(), one.json()["Resource"].clone()));
        all.collect()
    };
    assert_eq!(
        statements(Which::Role),
        [
            ("S3GetObject".into(), json!(["arn:aws:s3:::artifacts/a.zip", "arn:aws:s3:::artifacts/b.zip"])),
            (
                "SecretsmanagerGetSecretValue".into(),
                json!("arn:aws:secretsmanager:ap-northeast-1:*:secret:GithubPersonalAccessToekn-??????")
            ),
        ]
    );
    let thing = "${iot:Connection.Thing.ThingName}";
    assert_eq!(
        statements(Which::Iot),
        [
            ("GreengrassListThingGroupsForCoreDevice".into(), json!("arn:aws:iot:ap-northeast-1:*:thing/*")),
            ("IotConnect".into(), json!(format!("arn:aws:iot:ap-northeast-1:*:client/{thing}"))),
            (
                "IotPublish".into(),
                json!(format!("arn:aws:iot:ap-northeast-1:*:topic/$aws/things/{thing}/jobs/*/update"))
            ),
        ]
    );
}

#[test]
fn nothing_that_was_allowed_is_denied_and_every_part_is_needed() {
    let (scenario, record) = (scenario(), record());
    let policies = Policies::derive(&scenario, &record, &Which::ALL);
    let mut needs = Needs::of(&scenario, &record).unwrap();
    assert_eq!(needs.denied(&policies).unwrap(), BTreeSet::new());
    for place in policies.places() {
        let less = policies.without(&[place]);
        assert!(!needs.denied(&less).unwrap().is_empty(), "{place:?}");
    }
    let mut less = policies.clone();
    less.role[0].resources.pop_last();
    let denied = needs.denied(&less).unwrap();
    assert_eq!(denied, BTreeSet::from(["s3:GetObject on arn:aws:s3:::artifacts/b.zip".to_owned()]));
    // A policy that is not sought stays the scenario's own.
    let only = Policies::derive(&scenario, &record, &[Which::Role]);
    assert_eq!(only.places(), [(Which::Role, 0), (Which::Role, 1)]);
    let only = only.put(&scenario);
    assert_eq!(only.aws.thing_policies, scenario.aws.thing_policies);
    assert_eq!(only.aws.role.policies.keys().collect::<Vec<_>>(), ["least-role"]);
}
