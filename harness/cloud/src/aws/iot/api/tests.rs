//! The control plane by direct calls: what it answers, what it refuses, and what follows for devices.

mod devices;
mod refusals;

use super::super::{
    Iot,
    tests::{everything, iot_of, world},
};
use crate::aws::rest::{Call, Fault, Service};
use hyper::HeaderMap;
use serde_json::{Value, json};
use std::sync::Arc;

const PREFIX: &str = "arn:aws:iot:ap-northeast-1:123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/service-role/Tokens";

/// The IoT of a world whose own thing may do everything and that can issue certificates.
fn iot() -> Arc<Iot> {
    let mut world = world(&everything(), &[]);
    world.authority.key.0 = rcgen::KeyPair::generate().unwrap().serialize_pem();
    world.endpoints.data = "a1b2-ats.iot.ap-northeast-1.amazonaws.com".to_owned();
    iot_of(world).unwrap()
}

/// Calls `METHOD PATH?QUERY` with the headers that stand after it, as `NAME:VALUE`.
async fn call(iot: &Iot, request: &str, body: Value) -> Result<Value, Fault> {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in words.filter_map(|word| word.split_once(':')) {
        headers.insert(hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let (route, read) = Call::find(iot.routes(), (method, path, query), &headers, &body).unwrap();
    let read = Call { account: "123456789012".into(), region: "ap-northeast-1".into(), ..read.unwrap() };
    iot.call(route.name, &read).await
}

/// What a call answers that is not refused.
async fn ok(iot: &Iot, request: &str, body: Value) -> Value {
    call(iot, request, body).await.unwrap_or_else(|fault| panic!("{request}: {fault:?}"))
}

fn document(statement: &Value) -> Value {
    json!({"policyDocument": json!({"Version": "2012-10-17", "Statement": statement}).to_string()})
}

fn allow(action: &str) -> Value {
    document(&json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
}

#[tokio::test]
async fn endpoints_are_told_by_their_type() {
    fidelity::fidelity!("registry-4");
    let iot = iot();
    for (kind, host) in [
        ("?endpointType=iot:Data-ATS", "a1b2-ats.iot.ap-northeast-1.amazonaws.com"),
        ("", "a1b2.iot.ap-northeast-1.amazonaws.com"),
        ("?endpointType=iot:CredentialProvider", "y"),
        ("?endpointType=iot:Jobs", "a1b2.jobs.iot.ap-northeast-1.amazonaws.com"),
    ] {
        assert_eq!(ok(&iot, &format!("GET /endpoint{kind}"), Value::Null).await, json!({"endpointAddress": host}));
    }
    let refused = call(&iot, "GET /endpoint?endpointType=iot:Other", Value::Null).await.unwrap_err();
    assert_eq!((refused.status, refused.code), (400, "InvalidRequestException"));
}

#[tokio::test]
async fn things_and_groups_are_what_was_made_of_them() {
    fidelity::fidelity!("registry-4");
    let iot = iot();
    let made = ok(&iot, "POST /things/a", json!({"attributePayload": {"attributes": {"k": "v"}}})).await;
    assert_eq!(made["thingArn"], format!("{PREFIX}:thing/a"));
    let again = ok(&iot, "POST /things/a", json!({"attributePayload": {"attributes": {"k": "v"}}})).await;
    assert_eq!(again, made);
    ok(&iot, "PATCH /things/a", json!({"attributePayload": {"attributes": {"l": "w"}, "merge": true}})).await;
    let described = ok(&iot, "GET /things/a", Value::Null).await;
    assert_eq!((&described["attributes"], &described["version"]), (&json!({"k": "v", "l": "w"}), &json!(2)));
    assert_eq!((&described["thingId"], &described["defaultClientId"]), (&made["thingId"], &json!("a")));
    let found = ok(&iot, "GET /things?attributeName=k&attributeValue=v", Value::Null).await;
    assert_eq!((found["things"].as_array().unwrap().len(), &found["things"][0]["thingName"]), (1, &json!("a")));

    ok(&iot, "POST /thing-groups/root", json!({"tags": [{"Key": "t", "Value": "u"}]})).await;
    let properties = json!({"parentGroupName": "root", "thingGroupProperties": {"thingGroupDescription": "d"}});
    ok(&iot, "POST /thing-groups/leaf", properties).await;
    let leaf = ok(&iot, "GET /thing-groups/leaf", Value::Null).await;
    let above = json!([{"groupName": "root", "groupArn": format!("{PREFIX}:thinggroup/root")}]);
    assert_eq!(leaf["thingGroupMetadata"]["rootToParentThingGroups"], above);
    assert_eq!(leaf["thingGroupProperties"], json!({"thingGroupDescription": "d"}));
    let by_arn = json!({"thingArn": format!("{PREFIX}:thing/a"), "thingGroupName": "leaf"});
    ok(&iot, "PUT /thing-groups/addThingToThingGroup", by_arn.clone()).await;
    for (request, member, names) in [
        ("GET /thing-groups/leaf/things", "things", json!(["a"])),
        ("GET /thing-groups/root/things", "things", json!([])),
        ("GET /thing-groups/root/things?recursive=true", "things", json!(["a"])),
    ] {
        assert_eq!(ok(&iot, request, Value::Null).await[member], names, "{request}");
    }
    let groups = ok(&iot, "GET /thing-groups?recursive=false", Value::Null).await;
    let names: Vec<_> = groups["thingGroups"].as_array().unwrap().iter().map(|group| &group["groupName"]).collect();
    assert_eq!(names, ["Group", "root"]);
    let of_thing = ok(&iot, "GET /things/a/thing-groups", Value::Null).await;
    assert_eq!(of_thing["thingGroups"][0]["groupName"], "leaf");
    let tags = format!("GET /tags?resourceArn={PREFIX}:thinggroup/root");
    assert_eq!(ok(&iot, &tags, Value::Null).await, json!({"tags": [{"Key": "t", "Value": "u"}]}));
    assert_eq!(iot.tags(&format!("{PREFIX}:thinggroup/root"))["t"], "u");
    ok(&iot, "PUT /thing-groups/removeThingFromThingGroup", by_arn).await;
    ok(&iot, "DELETE /thing-groups/leaf", Value::Null).await;
    ok(&iot, "DELETE /thing-groups/leaf", Value::Null).await;
    ok(&iot, "DELETE /things/a", Value::Null).await;
    assert_eq!(call(&iot, "GET /things/a", Value::Null).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    fidelity::fidelity!("registry-7");
    let iot = iot();
    for index in 0..30 {
        ok(&iot, &format!("POST /things/t{index:02}"), Value::Null).await;
        ok(&iot, &format!("POST /policies/p{index:02}"), allow("iot:Connect")).await;
    }
    for (list, member, token, next, size, all) in [
        ("/things", "things", "nextToken", "nextToken", "maxResults", 31),
        ("/policies", "policies", "marker", "nextMarker", "pageSize", 31),
    ] {
        let mut names = Vec::new();
        let mut request = format!("GET {list}?{size}=10");
        loop {
            let page = ok(&iot, &request, Value::Null).await;
            names.extend(page[member].as_array().unwrap().iter().map(Value::to_string));
            let Some(more) = page[next].as_str() else { break };
            request = format!("GET {list}?{size}=10&{token}={}", more.replace('=', "%3D"));
        }
        names.dedup();
        assert_eq!(names.len(), all, "{list}");
        let usual = ok(&iot, &format!("GET {list}"), Value::Null).await;
        assert_eq!(usual[member].as_array().unwrap().len(), 25);
        let refused = call(&iot, &format!("GET {list}?{token}=x"), Value::Null).await.unwrap_err();
        assert_eq!(refused.code, "InvalidRequestException");
    }
}

#[tokio::test]
async fn policies_have_versions_of_which_one_counts() {
    fidelity::fidelity!("registry-5");
    let iot = iot();
    let made = ok(&iot, "POST /policies/p", allow("iot:Connect")).await;
    assert_eq!((&made["policyVersionId"], &made["policyArn"]), (&json!("1"), &json!(format!("{PREFIX}:policy/p"))));
    for number in 2..=5 {
        let version = ok(&iot, "POST /policies/p/version?setAsDefault=false", allow("iot:Publish")).await;
        assert_eq!(
            (&version["policyVersionId"], &version["isDefaultVersion"]),
            (&json!(number.to_string()), &json!(false))
        );
    }
    let full = call(&iot, "POST /policies/p/version", allow("iot:Publish")).await.unwrap_err();
    assert_eq!(full.message, "The policy p already has the maximum number of versions (5)");
    assert_eq!((full.status, full.code), (409, "VersionsLimitExceededException"));
    ok(&iot, "PATCH /policies/p/version/3", Value::Null).await;
    ok(&iot, "DELETE /policies/p/version/1", Value::Null).await;
    let current = call(&iot, "DELETE /policies/p/version/3", Value::Null).await.unwrap_err();
    assert_eq!((current.status, current.code), (409, "DeleteConflictException"));
    let policy = ok(&iot, "GET /policies/p", Value::Null).await;
    assert_eq!(
        (&policy["defaultVersionId"], &policy["policyDocument"]),
        (&json!("3"), &allow("iot:Publish")["policyDocument"])
    );
    let versions = ok(&iot, "GET /policies/p/version", Value::Null).await;
    let numbers: Vec<_> = versions["policyVersions"].as_array().unwrap().iter().map(|one| &one["versionId"]).collect();
    assert_eq!(numbers, ["5", "4", "3", "2"]);
    // A number is never given twice.
    ok(&iot, "DELETE /policies/p/version/5", Value::Null).await;
    assert_eq!(ok(&iot, "POST /policies/p/version?setAsDefault=true", allow("iot:*")).await["policyVersionId"], "6");
    assert_eq!(ok(&iot, "GET /policies/p/version/6", Value::Null).await["isDefaultVersion"], true);
}

#[tokio::test]
async fn role_aliases_last_between_900_and_43200_seconds() {
    fidelity::fidelity!("registry-6");
    let iot = iot();
    let made = ok(&iot, "POST /role-aliases/A", json!({"roleArn": ROLE})).await;
    assert_eq!(made, json!({"roleAlias": "A", "roleAliasArn": format!("{PREFIX}:rolealias/A")}));
    let described = ok(&iot, "GET /role-aliases/A", Value::Null).await["roleAliasDescription"].take();
    assert_eq!((&described["credentialDurationSeconds"], &described["roleArn"]), (&json!(3600), &json!(ROLE)));
    ok(&iot, "PUT /role-aliases/A", json!({"credentialDurationSeconds": 900})).await;
    assert_eq!(ok(&iot, "GET /role-aliases", Value::Null).await, json!({"roleAliases": ["A"]}));
    for (seconds, rule) in [(899, "greater than or equal to 900"), (43_201, "less than or equal to 43200")] {
        let refused =
            call(&iot, "PUT /role-aliases/A", json!({"credentialDurationSeconds": seconds})).await.unwrap_err();
        let expected = format!(
            "1 validation error detected: Value '{seconds}' at 'credentialDurationSeconds' failed to satisfy constraint: \
             Member must have value {rule}"
        );
        assert_eq!(refused.message, expected);
    }
    let again = call(&iot, "POST /role-aliases/A", json!({"roleArn": ROLE})).await.unwrap_err();
    assert_eq!((again.status, again.members["resourceId"].as_str()), (409, Some("A")));
    let route = iot.routes().iter().find(|route| route.name == "CreateRoleAlias").unwrap();
    let passed = Call { body: json!({"roleArn": ROLE}), ..Call::default() };
    assert_eq!((route.needs)(&passed), [("iam:PassRole", ROLE.to_owned())]);
    ok(&iot, "DELETE /role-aliases/A", Value::Null).await;
    assert_eq!(call(&iot, "GET /role-aliases/A", Value::Null).await.unwrap_err().status, 404);
}
