//! What policies see of a CONNECT: the features that it asks for, its Will, its certificate and the name it dialled.

use super::{
    DOMAIN, certificate, everything, iot,
    mqtt::{PATIENCE, listen, options, until},
};
use crate::aws::certificate_id;
use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, QoS, v5};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

const TOPIC: &str = "arn:aws:iot:ap-northeast-1:123456789012:topic/gone";

/// Connecting under a condition, and whatever else of IoT without one.
fn connecting(condition: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*", "Condition": condition},
        {"Effect": "Allow", "NotAction": "iot:Connect", "Resource": "*"},
    ]})
}

/// Everything but connecting under a condition.
fn refusing(condition: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Connect", "Resource": "*", "Condition": condition},
    ]})
}

fn attributes(operator: &str, names: &[&str]) -> Value {
    json!({operator: {"iot:ConnectAttributes": names}})
}

fn will(topic: &str, retain: bool) -> LastWill {
    LastWill::new(topic, "gone", QoS::AtLeastOnce, retain)
}

/// Whether a client with these options gets in.
async fn gets_in(options: MqttOptions) -> bool {
    let (_client, mut events) = AsyncClient::new(options, 10);
    match timeout(PATIENCE, events.poll()).await.unwrap() {
        Ok(Event::Incoming(Packet::ConnAck(_))) => true,
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            assert!(error.to_string().contains("NotAuthorized"), "{error}");
            false
        }
    }
}

/// Who gets in: a clean session, a persistent one, a clean one with a Will, and a persistent one with a Will.
async fn get_in(policy: &Value) -> [bool; 4] {
    let port = listen(iot(policy, &[]), true).await;
    let mut got = [false; 4];
    for (got, (clean, has_will)) in got.iter_mut().zip([(true, false), (false, false), (true, true), (false, true)]) {
        let mut options = options(port, "Core");
        options.set_clean_session(clean);
        if has_will {
            options.set_last_will(will("gone", false));
        }
        *got = gets_in(options).await;
    }
    got
}

#[tokio::test]
async fn a_persistent_session_and_a_will_are_seen_by_policies() {
    fidelity::fidelity!("iot-36");
    let all = |names: &[&str]| attributes("ForAllValues:StringEquals", names);
    let any = |names: &[&str]| attributes("ForAnyValue:StringEquals", names);
    let persistent = &["PersistentConnect"][..];
    for (policy, expected) in [
        (everything(), [true, true, true, true]),
        (connecting(&all(persistent)), [true, true, false, false]),
        (connecting(&all(&["LastWill"])), [true, false, true, false]),
        (connecting(&all(&["PersistentConnect", "LastWill"])), [true, true, true, true]),
        (connecting(&all(&[])), [true, false, false, false]),
        (connecting(&attributes("ForAllValues:StringNotEquals", persistent)), [true, false, true, false]),
        (connecting(&any(persistent)), [false, true, false, true]),
        (refusing(&any(persistent)), [true, false, true, false]),
        (connecting(&json!({"Null": {"iot:ConnectAttributes": "true"}})), [true, false, false, false]),
        (connecting(&json!({"ArnEquals": {"iot:LastWillTopic": TOPIC}})), [false, false, true, true]),
        (connecting(&json!({"ArnEquals": {"iot:LastWillTopic": TOPIC.replace("gone", "other")}})), [false; 4]),
    ] {
        assert_eq!(get_in(&policy).await, expected, "{policy}");
    }
}

/// A session of version 5 is persistent by what it outlives, and by what it takes up.
#[tokio::test]
async fn version_5_says_in_two_ways_that_a_session_is_persistent() {
    fidelity::fidelity!("iot-36");
    let policy = refusing(&attributes("ForAnyValue:StringEquals", &["PersistentConnect"]));
    let port = listen(iot(&policy, &[]), true).await;
    for (clean, expiry, expected) in
        [(true, None, true), (true, Some(0), true), (true, Some(60), false), (false, None, false)]
    {
        let mut options = v5::MqttOptions::new("Core", "127.0.0.1", port);
        options.set_clean_start(clean);
        let properties = v5::mqttbytes::v5::ConnectProperties {
            session_expiry_interval: expiry,
            ..v5::mqttbytes::v5::ConnectProperties::new()
        };
        options.set_connect_properties(properties);
        let (_client, mut events) = v5::AsyncClient::new(options, 10);
        let answer = timeout(PATIENCE, events.poll()).await.unwrap();
        assert_eq!(answer.is_ok(), expected, "{clean} {expiry:?} {answer:?}");
    }
}

#[tokio::test]
async fn the_certificate_and_the_dialled_name_are_seen_by_policies() {
    fidelity::fidelity!("iot-37");
    let dialled = |domain: &str| connecting(&json!({"StringEquals": {"iot:DomainName": domain}}));
    assert!(gets_in(options(listen(iot(&dialled(DOMAIN), &[]), true).await, "Core")).await);
    assert!(!gets_in(options(listen(iot(&dialled("other.example.com"), &[]), true).await, "Core")).await);

    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/${iot:CertificateId}"}});
    let iot = iot(&policy, &[]);
    let id = certificate_id(&certificate(&iot));
    let port = listen(iot, true).await;
    assert!(gets_in(options(port, &id)).await);
    assert!(!gets_in(options(port, "Core")).await);
}

/// Connecting is all that a Will needs besides what its message needs.
fn publishing(actions: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iot:Connect", "iot:Subscribe", "iot:Receive"], "Resource": "*"},
        {"Effect": "Allow", "Action": actions, "Resource": TOPIC},
    ]})
}

#[tokio::test]
async fn a_will_needs_what_its_message_needs() {
    fidelity::fidelity!("iot-38");
    let (publish, both) = (json!("iot:Publish"), json!(["iot:Publish", "iot:RetainPublish"]));
    for (actions, topic, retain, expected) in [
        (&publish, "gone", false, true),
        (&publish, "gone", true, false),
        (&both, "gone", true, true),
        (&both, "elsewhere", false, false),
        (&json!("iot:RetainPublish"), "gone", true, false),
    ] {
        let mut options = options(listen(iot(&publishing(actions), &[]), true).await, "Core");
        options.set_last_will(will(topic, retain));
        assert_eq!(gets_in(options).await, expected, "{actions} {topic} {retain}");
    }
}

/// CONNECT of version 3.1.1 with the client id `Core` and the Will to have `x` retained at `gone`, and the CONNACK to it.
const CONNECT: &[u8] = b"\x10\x19\x00\x04MQTT\x04\x2e\x00\x3c\x00\x04Core\x00\x04gone\x00\x01x";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

/// A Will that may be retained is; one that may no more when its client is lost is not even published.
#[tokio::test]
async fn a_will_is_asked_for_again_when_its_client_is_lost() {
    fidelity::fidelity!("iot-38");
    let both = json!(["iot:Publish", "iot:RetainPublish"]);
    for (then, retained) in [(both.clone(), true), (json!("iot:Publish"), false)] {
        let iot = iot(&publishing(&both), &[]);
        let (mut device, stream) = tokio::io::duplex(1024);
        let serving = Arc::clone(&iot).serve_mqtt_within(PATIENCE, stream, DOMAIN.to_owned(), Some(certificate(&iot)));
        let serving = tokio::spawn(serving);
        device.write_all(CONNECT).await.unwrap();
        let mut answer = [0; CONNACK.len()];
        timeout(PATIENCE, device.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, CONNACK);
        iot.give(&[("P".to_owned(), publishing(&then).to_string())].into()).unwrap();
        drop(device);
        timeout(PATIENCE, serving).await.unwrap().unwrap();

        let (client, mut events) = AsyncClient::new(options(listen(iot, true).await, "Other"), 10);
        client.subscribe("gone", QoS::AtLeastOnce).await.unwrap();
        until(&mut events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
        // What is retained comes before the answer to what is asked now.
        client.subscribe("other", QoS::AtLeastOnce).await.unwrap();
        let found = until(&mut events, |packet| match packet {
            Packet::Publish(_) => Some(true),
            Packet::SubAck(_) => Some(false),
            _ => None,
        });
        assert_eq!(found.await, retained, "{then}");
    }
}
