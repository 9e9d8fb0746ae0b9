//! The wire of a real nucleus lite, replayed: what it sent is sent again, and what the cloud answers is held against what
//! it was answered then (`wire_lite/README.md`). Ids and times differ; whatever else does is named here.

use super::{certificate, everything, iot_of, mqtt::listen, world};
use crate::{aws::iot::Iot, control::Control, world::World};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http_body_util::{BodyExt, Full};
use rumqttc::v5::{
    AsyncClient, Event, EventLoop, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{ConnectProperties, Packet},
    },
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// What lite states in its CONNECT as the most that it takes.
const MAX_PACKET: u32 = 5000;
/// Of an answer of the data plane, of a presigned URL's answer, and of thing groups.
const MAX_ANSWERS: [usize; 3] = [16_384, 2000, 2048];
const PATIENCE: Duration = Duration::from_secs(20);
const TIMES: [&str; 4] = ["timestamp", "queuedAt", "lastUpdatedAt", "creationTimestamp"];

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("wire_lite/", $name, ".json"))).unwrap()
    };
}

/// The world that the recording was made in.
fn recorded_world() -> World {
    let answer: Value = serde_json::from_str(recorded!("0029-http")["resp_body"].as_str().unwrap()).unwrap();
    let recipe = BASE64.decode(answer["resolvedComponentVersions"][0]["recipe"].as_str().unwrap()).unwrap();
    let mut world = serde_json::to_value(world(&everything(), &[])).unwrap();
    let object = |text: &str| BASE64.encode(text);
    let script = recorded!("0031-http")["resp_body"].as_str().unwrap().to_owned();
    world["region"] = "us-east-1".into();
    world["thing"]["name"] = "LiteCore1".into();
    world["thing"]["groups"] = json!(["LiteGroup"]);
    world["deployments"] = json!([]);
    world["buckets"] = json!([
        {"name": "mybucket", "objects": {
            "comp/1.0.0/app.sh": object(&script), "comp/1.0.0/bundle.zip": object("not recorded whole"),
        }},
        {"name": "presigned-bucket", "objects": {"gg/pub.sh": object("#!/bin/sh\necho \"gg artifact\"\n")}},
    ]);
    world["components"] = json!([{
        "recipe": String::from_utf8(recipe).unwrap(), "public": false, "artifacts": {"pub.sh": "presigned-bucket/gg/pub.sh"},
    }]);
    serde_json::from_value(world).unwrap()
}

/// What of an answer is not as recorded: `-` for what is missing, `+` for what is more, `~` for another value.
fn differences(recorded: &Value, answered: &Value) -> Vec<String> {
    fn walk(recorded: &Value, answered: &Value, path: &str, found: &mut Vec<String>) {
        match (recorded, answered) {
            (Value::Object(recorded), Value::Object(answered)) => {
                for (key, value) in recorded.iter().filter(|(_, value)| !value.is_null()) {
                    let path = format!("{path}/{key}");
                    match answered.get(key) {
                        None => found.push(format!("-{path}")),
                        Some(Value::Number(_)) if TIMES.contains(&key.as_str()) && value.is_number() => {}
                        Some(other) => walk(value, other, &path, found),
                    }
                }
                let more = answered.keys().filter(|key| recorded.get(*key).is_none_or(Value::is_null));
                found.extend(more.map(|key| format!("+{path}/{key}")));
            }
            (Value::Array(recorded), Value::Array(answered)) if recorded.len() == answered.len() => {
                let pairs = recorded.iter().zip(answered).enumerate();
                pairs.for_each(|(at, (one, other))| walk(one, other, &format!("{path}/{at}"), found));
            }
            _ if recorded == answered => {}
            _ => found.push(format!("~{path}")),
        }
    }
    let mut found = Vec::new();
    walk(recorded, answered, "", &mut found);
    found
}

/// The next message; that its packet was small enough for lite, the broker saw to.
async fn message(events: &mut EventLoop) -> (String, Value) {
    let polling = async {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                return (topic, serde_json::from_slice(&publish.payload).unwrap());
            }
        }
    };
    timeout(PATIENCE, polling).await.unwrap()
}

async fn subscribe(client: &AsyncClient, events: &mut EventLoop, filter: String) {
    client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    let polling = async { while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {} };
    timeout(PATIENCE, polling).await.unwrap();
}

async fn send(client: &AsyncClient, recorded: &Value) {
    let topic = recorded["topic"].as_str().unwrap().to_owned();
    client.publish(topic, QoS::AtLeastOnce, false, recorded["payload"].to_string()).await.unwrap();
}

fn deployment() -> Control {
    let id = "11111111-aaaa-bbbb-cccc-000000000001";
    let merge = json!({"Message": "from deployment", "obj": {"b": 2}});
    let components = json!({"com.example.Cloud": {"version": "1.0.0", "merge": merge, "user": "root"}});
    let deployment = json!({"id": id, "job": id, "target": {"group": "LiteGroup"}, "components": components});
    Control::Deploy(serde_json::from_value(deployment).unwrap())
}

#[tokio::test]
async fn lites_jobs_are_answered_as_recorded() {
    fidelity::fidelity!("wire-1");
    let iot = iot_of(recorded_world()).unwrap();
    let port = listen(Arc::clone(&iot), true).await;
    let mut options = MqttOptions::new("LiteCore1", "127.0.0.1", port);
    options.set_connect_properties(ConnectProperties { max_packet_size: Some(MAX_PACKET), ..ConnectProperties::new() });
    let (client, mut events) = AsyncClient::new(options, 10);
    let jobs = "$aws/things/LiteCore1/jobs";
    subscribe(&client, &mut events, format!("{jobs}/notify-next-namespace-aws-gg-deployment")).await;
    subscribe(&client, &mut events, format!("{jobs}/$next/namespace-aws-gg-deployment/get/+")).await;
    let mut seen = Vec::new();
    let mut hold = |recorded: Value, (topic, payload): (String, Value)| {
        assert_eq!(recorded["topic"], topic);
        seen.extend(differences(&recorded["payload"], &payload));
    };
    send(&client, &recorded!("0001-mqtt")).await;
    hold(recorded!("0004-mqtt"), message(&mut events).await);
    iot.control(deployment()).unwrap();
    hold(recorded!("0025-mqtt"), message(&mut events).await);
    let job = "11111111-aaaa-bbbb-cccc-000000000001";
    subscribe(&client, &mut events, format!("{jobs}/{job}/namespace-aws-gg-deployment/update/+")).await;
    send(&client, &recorded!("0026-mqtt")).await;
    hold(recorded!("0027-mqtt"), message(&mut events).await);
    send(&client, &recorded!("0037-mqtt")).await;
    hold(recorded!("0038-mqtt"), message(&mut events).await);
    hold(recorded!("0039-mqtt"), message(&mut events).await);
    let document = "/execution/jobDocument";
    let of_document = |sign: char, name: &str| format!("{sign}{document}/{name}");
    // The service's own document has these, and no time of the request.
    let mut expected = vec![of_document('-', "requestTimestamp")];
    expected.extend(["deploymentName", "requiredCapabilities", "schemaDate"].map(|name| of_document('+', name)));
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

async fn answered(iot: &Arc<Iot>, recorded: &Value) -> (u16, String) {
    let text = |name: &str| recorded[name].as_str().unwrap().to_owned();
    let mut request = hyper::Request::builder().method(text("method").as_str()).uri(text("path"));
    for (name, value) in recorded["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let request = request.body(Full::new(bytes::Bytes::from(text("body")))).unwrap();
    let response = Arc::clone(iot).data_plane(request, Some(certificate(iot))).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn lites_data_plane_is_answered_as_recorded() {
    fidelity::fidelity!("wire-1");
    let iot = iot_of(recorded_world()).unwrap();
    let [groups, resolved, url] = [recorded!("0028-http"), recorded!("0029-http"), recorded!("0033-http")];
    let mut bodies = Vec::new();
    for (recorded, most) in [&groups, &resolved, &url].into_iter().zip([MAX_ANSWERS[2], MAX_ANSWERS[0], MAX_ANSWERS[1]])
    {
        let (status, body) = answered(&iot, recorded).await;
        assert!(u64::from(status) == recorded["resp_status"] && body.len() <= most, "{status} {body}");
        bodies.push(serde_json::from_str::<Value>(&body).unwrap());
    }
    let was = |recorded: &Value| -> Value { serde_json::from_str(recorded["resp_body"].as_str().unwrap()).unwrap() };
    // The classic nucleus's field; lite reads the name alone.
    assert_eq!(differences(&was(&groups), &bodies[0]), ["+/thingGroups/0/rootToParentThingGroups"]);
    let recipe = |answer: &Value| -> Value {
        let recipe = &answer["resolvedComponentVersions"][0]["recipe"];
        serde_json::from_slice(&BASE64.decode(recipe.as_str().unwrap()).unwrap()).unwrap()
    };
    let then = was(&resolved);
    let (then_recipe, now_recipe) = (recipe(&then), recipe(&bodies[1]));
    assert_eq!(differences(&then, &bodies[1]), ["~/resolvedComponentVersions/0/recipe"]);
    // The bundle was not recorded whole; the other digests are those of the same bytes.
    assert_eq!(differences(&then_recipe, &now_recipe), ["~/Manifests/0/Artifacts/1/Digest"]);
    let url = bodies[2]["preSignedUrl"].as_str().unwrap();
    assert!(url.starts_with("https://presigned-bucket.s3.") && url.contains("/gg/pub.sh?X-Amz-"), "{url}");
}

#[tokio::test]
async fn a_request_that_aws_refuses_with_400_is_refused_so_to_lite_too() {
    fidelity::fidelity!("wire-3");
    let iot = iot_of(recorded_world()).unwrap();
    let mut recorded = recorded!("0029-http");
    recorded["body"] = "{".into();
    assert_eq!(answered(&iot, &recorded).await.0, 400);
    recorded["body"] = recorded!("0029-http")["body"].as_str().unwrap().replace("1.0.0", ">=").into();
    assert_eq!(answered(&iot, &recorded).await.0, 400);
}
