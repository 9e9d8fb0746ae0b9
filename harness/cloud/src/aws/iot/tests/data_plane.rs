//! The data plane by direct calls.

use super::{HELLO, certificate, everything, iot};
use crate::aws::iot::Iot;
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

/// `[iot-19]` `[iot-20]` `[iot-22]`
#[tokio::test]
async fn the_highest_usable_version_is_served_with_digests() {
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

/// `[iot-21]`
#[tokio::test]
async fn no_version_and_no_platform_are_told_apart() {
    let iot = iot(&everything(), &[HELLO]);
    let (status, answer) = resolve(&iot, "=2.0.0", "linux").await;
    assert!(status == 404 && answer["message"].as_str().unwrap().contains("no usable version"), "{answer}");
    let (status, answer) = resolve(&iot, "=1.0.0", "darwin").await;
    assert!(status == 404 && answer["message"].as_str().unwrap().contains("claim platform"), "{answer}");
}

/// `[iot-18]` `[iot-24]`
#[tokio::test]
async fn only_the_registered_certificate_with_a_policy_gets_an_answer() {
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
