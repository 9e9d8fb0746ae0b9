//! The data plane by direct calls.

use super::{HELLO, certificate, everything, iot, iot_of, world};
use crate::{aws::iot::Iot, control::Control, world::World};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

async fn call(iot: &Arc<Iot>, method: &str, path: &str, body: Value, known: bool) -> (u16, Value) {
    let request = hyper::Request::builder().method(method).uri(path);
    let request = request.body(Full::new(bytes::Bytes::from(body.to_string()))).unwrap();
    let answering = Arc::clone(iot).data_plane(request, known.then(|| certificate(iot)));
    let response = tokio::spawn(answering).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn resolve(iot: &Arc<Iot>, requirement: &str, os: &str) -> (u16, Value) {
    let body = json!({
        "platform": {"attributes": {"os": os, "architecture": "amd64"}},
        "componentCandidates": [{
            "componentName": "com.example.Hello", "versionRequirements": {"thinggroup/Group": requirement}
        }]
    });
    call(iot, "POST", "/greengrass/v2/resolveComponentCandidates", body, true).await
}

#[tokio::test]
async fn the_highest_usable_version_is_served_with_digests() {
    fidelity::fidelity!("iot-19", "iot-20", "iot-22");
    let newer = HELLO.replace("1.0.0", "1.2.0");
    let broken = HELLO.replace("1.0.0", "1.3.0").replace("main.py", "missing.py");
    let iot = iot(&everything(), &[HELLO, &newer, &broken]);
    let (status, answer) = resolve(&iot, ">=1.0.0 <2.0.0", "linux").await;
    let found = &answer["resolvedComponentVersions"][0];
    assert_eq!((status, found["componentVersion"].as_str()), (200, Some("1.2.0")));
    assert_eq!(
        found["arn"],
        "arn:aws:greengrass:ap-northeast-1:123456789012:components:com.example.Hello:versions:1.2.0"
    );
    let recipe: Value = serde_json::from_slice(&BASE64.decode(found["recipe"].as_str().unwrap()).unwrap()).unwrap();
    let artifact = &recipe["Manifests"][0]["Artifacts"][0];
    assert_eq!(artifact["Digest"], BASE64.encode(Sha256::digest("print()")));
    assert_eq!(artifact["Algorithm"], "SHA-256");
    assert_eq!(recipe["Manifests"][1]["Artifacts"], json!([]));
    assert_eq!(recipe["Manifests"][0]["Lifecycle"]["Run"]["Timeout"], 5);
}

#[tokio::test]
async fn no_version_and_no_platform_are_told_apart() {
    fidelity::fidelity!("iot-21");
    let iot = iot(&everything(), &[HELLO]);
    let (status, answer) = resolve(&iot, "=2.0.0", "linux").await;
    assert!(status == 404 && answer["message"].as_str().unwrap().contains("no usable version"), "{answer}");
    let (status, answer) = resolve(&iot, "=1.0.0", "darwin").await;
    assert!(status == 404 && answer["message"].as_str().unwrap().contains("claim platform"), "{answer}");
}

#[tokio::test]
async fn only_the_registered_certificate_with_a_policy_gets_an_answer() {
    fidelity::fidelity!("iot-18", "iot-24");
    let path = "/greengrass/v2/coreDevices/Core/thingGroups";
    let open = iot(&everything(), &[]);
    let (status, answer) = call(&open, "GET", path, Value::Null, true).await;
    assert_eq!((status, &answer["thingGroups"][0]["thingGroupName"]), (200, &json!("Group")));
    assert!(answer.get("nextToken").is_none());
    assert_eq!(call(&open, "POST", path, Value::Null, true).await.0, 405);
    assert_eq!(call(&open, "GET", "/greengrass/v2/other", Value::Null, true).await.0, 404);
    let (status, answer) = call(&open, "GET", path, Value::Null, false).await;
    assert_eq!((status, &answer["message"]), (403, &Value::Null));
    let connect = json!({"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"});
    let closed = iot(&json!({"Version": "2012-10-17", "Statement": connect}), &[]);
    assert_eq!(call(&closed, "GET", path, Value::Null, true).await.0, 403);
}

fn group(name: &str) -> Control {
    let deployment = json!({"id": name, "job": name, "target": {"group": name}, "components": {}});
    order(json!({"deploy": deployment}))
}

#[tokio::test]
async fn thing_groups_come_in_pages_and_grow_with_deployments() {
    fidelity::fidelity!("iot-24");
    let iot = iot(&everything(), &[]);
    for name in ["A", "B", "C", "D", "E", "F"] {
        iot.control(group(name)).unwrap();
    }
    let path = "/greengrass/v2/coreDevices/Core/thingGroups";
    let (_, first) = call(&iot, "GET", path, Value::Null, true).await;
    let token = first["nextToken"].as_str().unwrap();
    let (_, second) = call(&iot, "GET", &format!("{path}?nextToken={token}"), Value::Null, true).await;
    let pages = [first.clone(), second.clone()].map(|page| page["thingGroups"].as_array().unwrap().clone());
    let names: Vec<_> = pages.concat().iter().map(|group| group["thingGroupName"].clone()).collect();
    assert_eq!(names, ["Group", "A", "B", "C", "D", "E", "F"]);
    assert!(second.get("nextToken").is_none(), "{second}");
    let (status, _) = call(&iot, "GET", &format!("{path}?nextToken=x"), Value::Null, true).await;
    assert_eq!(status, 400);
}

const ARN: &str = "arn:aws:greengrass:ap-northeast-1:aws:components:com.example.Hello:versions:1.0.0";

/// A world with a public component whose artifact is AWS's own.
fn public(policy: &Value) -> World {
    let mut world = world(policy, &[&HELLO.replace("s3://bucket/hello/main.py", "greengrass:lib/main.py")]);
    world.components[0].public = true;
    world.components[0].artifacts.insert("lib/main.py".to_owned(), "bucket/hello/main.py".to_owned());
    world
}

#[tokio::test]
async fn an_artifact_of_awss_own_is_told_as_a_presigned_url() {
    fidelity::fidelity!("iot-32");
    let iot = iot_of(public(&everything())).unwrap();
    let (_, resolved) = resolve(&iot, "=1.0.0", "linux").await;
    assert_eq!(resolved["resolvedComponentVersions"][0]["arn"], ARN);
    let escaped = ARN.replace(':', "%3A");
    for (arn, name) in [(escaped.as_str(), "lib/main.py"), (ARN, "lib%2Fmain.py")] {
        let path = format!("/greengrass/v2/components/{arn}/artifacts/{name}?s3EndpointType=GLOBAL");
        let (status, answer) = call(&iot, "GET", &path, Value::Null, true).await;
        let url = answer["preSignedUrl"].as_str().unwrap();
        let start = "https://bucket.s3.ap-northeast-1.amazonaws.com/hello/main.py?X-Amz-";
        assert!(status == 200 && url.starts_with(start), "{url}");
        assert!(url.contains("X-Amz-Expires=900") && url.contains("X-Amz-Signature="), "{url}");
    }
    let missing =
        [format!("{escaped}/artifacts/other"), format!("{}/artifacts/lib/main.py", escaped.replace("1.0", "2.0"))];
    for path in missing {
        let (status, answer) = call(&iot, "GET", &format!("/greengrass/v2/components/{path}"), Value::Null, true).await;
        assert!(status == 404 && answer["message"].as_str().unwrap().contains("does not exist"), "{answer}");
    }
}

#[tokio::test]
async fn an_artifact_of_awss_own_needs_the_policy_on_its_version() {
    fidelity::fidelity!("iot-18", "iot-32");
    for (resource, status) in [(ARN, 200), (&*ARN.replace("1.0.0", "1.0.1"), 403)] {
        let allow =
            json!({"Effect": "Allow", "Action": "greengrass:GetComponentVersionArtifact", "Resource": resource});
        let world = public(&json!({"Version": "2012-10-17", "Statement": allow}));
        let iot = iot_of(world).unwrap();
        let path = format!("/greengrass/v2/components/{ARN}/artifacts/lib/main.py");
        assert_eq!(call(&iot, "GET", &path, Value::Null, true).await.0, status);
    }
}

#[test]
fn what_create_component_version_refuses_is_refused() {
    fidelity::fidelity!("iot-33");
    for (uri, refused) in [
        ("https://example.com/a.zip", true),
        ("a.zip", true),
        ("", true),
        ("docker:alpine:3", false),
        ("s3://bucket/hello/main.py", false),
    ] {
        let recipe = HELLO.replace("s3://bucket/hello/main.py", &format!("'{uri}'"));
        match iot_of(world(&everything(), &[&recipe])) {
            Err(error) => {
                let says = format!("`com.example.Hello` 1.0.0: CreateComponentVersion refuses the artifact `{uri}`");
                assert!(refused && error.contains(&says), "{error}");
            }
            Ok(_) => assert!(!refused, "{uri}"),
        }
    }
    let long = format!("{HELLO}# {}", "x".repeat(16_000));
    let error = iot_of(world(&everything(), &[&long])).unwrap_err();
    assert!(error.contains("bytes; 16000 is the limit"), "{error}");
}

fn order(order: Value) -> Control {
    serde_json::from_value(order).unwrap()
}

#[tokio::test]
async fn a_fault_of_one_operation_leaves_the_others_alone() {
    fidelity::fidelity!("fault-1");
    let iot = iot(&everything(), &[HELLO]);
    let path = "/greengrass/v2/coreDevices/Core/thingGroups";
    iot.control(order(json!({"fault": "data-plane.ResolveComponentCandidates.429 times=2"}))).unwrap();
    iot.control(order(json!({"fault": "data-plane.ListThingGroupsForCoreDevice.500 body=oops"}))).unwrap();
    for expected in [429, 429, 200] {
        assert_eq!(resolve(&iot, "=1.0.0", "linux").await.0, expected);
    }
    iot.control(order(json!({"fault_end": "data-plane.ListThingGroupsForCoreDevice.500"}))).unwrap();
    assert_eq!(call(&iot, "GET", path, Value::Null, true).await.0, 200);
    iot.control(order(json!({"fault": "data-plane.403"}))).unwrap();
    let (status, answer) = call(&iot, "GET", path, Value::Null, true).await;
    assert_eq!((status, &answer["message"]), (403, &Value::Null));
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_invalid() {
    fidelity::fidelity!("iot-35");
    let iot = iot(&everything(), &[HELLO]);
    let path = "/greengrass/v2/resolveComponentCandidates";
    let endless = json!({"componentCandidates": [{"componentName": "x".repeat(2 * 1024 * 1024)}]});
    for body in [Value::Null, json!({"componentCandidates": 1}), json!([]), endless] {
        let (status, answer) = call(&iot, "POST", path, body, true).await;
        assert!(status == 400 && answer["message"].is_string(), "{answer}");
    }
    assert_eq!(resolve(&iot, "newest", "linux").await.0, 400);
    assert_eq!(resolve(&iot, "=1.0.0", "linux").await.0, 200);
}

/// What of the data plane a certificate may do is asked on the resources of AWS's guide; variables of a connection's thing
/// have no value there.
#[tokio::test]
async fn each_operation_is_asked_on_its_own_resource() {
    fidelity::fidelity!("iot-18");
    let core = "arn:aws:iot:ap-northeast-1:123456789012:thing/Core";
    let groups = "/greengrass/v2/coreDevices/Core/thingGroups";
    let resolving = "/greengrass/v2/resolveComponentCandidates";
    let (list, resolve) = ("greengrass:ListThingGroupsForCoreDevice", "greengrass:ResolveComponentCandidates");
    for (action, resource, allowed) in [
        (list, core, true),
        (list, "arn:aws:iot:*:*:thing/Core*", true),
        (list, "arn:aws:iot:*:*:thing/Other", false),
        (list, "arn:aws:iot:*:*:thing/${iot:Connection.Thing.ThingName}", false),
        (resolve, core, false),
        (resolve, "*", true),
        (resolve, "arn:aws:greengrass:*:*:components:com.example.Hello:versions:1.0.0", false),
        (resolve, "arn:aws:greengrass:*:*:*", false),
    ] {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": resource,
            "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.10"}}});
        let iot = iot(&json!({"Version": "2012-10-17", "Statement": [statement]}), &[HELLO]);
        let candidates = json!({"componentCandidates": [{"componentName": "com.example.Hello"}]});
        let (method, path) = if action == list { ("GET", groups) } else { ("POST", resolving) };
        let (status, answer) = call(&iot, method, path, candidates, true).await;
        assert_eq!(status != 403, allowed, "{action} on {resource}: {answer}");
    }
}
