//! The broker and the services behind it, with rumqttc as the client.

use super::{DOMAIN, certificate, everything, iot};
use crate::{aws::iot::Iot, control::Control};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS,
    SubscribeReasonCode::{Failure, Success},
    v5,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const JOBS: &str = "$aws/things/Core/jobs";
const NAMESPACE: &str = "namespace-aws-gg-deployment";
const SHADOW: &str = "$aws/things/Core/shadow/name/AWSManagedGreengrassV2Deployment";

/// Serves clients on a port of its own; `known` tells whether they show the certificate.
pub(super) async fn listen(iot: Arc<Iot>, known: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let certificate = known.then(|| certificate(&iot));
            tokio::spawn(Arc::clone(&iot).serve_mqtt_within(PATIENCE, stream, DOMAIN.to_owned(), certificate));
        }
    });
    port
}

pub(super) fn options(port: u16, client: &str) -> MqttOptions {
    MqttOptions::new(client, "127.0.0.1", port)
}

/// Polls until a packet is the awaited one.
pub(super) async fn until<T>(events: &mut EventLoop, mut wanted: impl FnMut(Packet) -> Option<T>) -> T {
    let polling = async {
        loop {
            if let Event::Incoming(packet) = events.poll().await.unwrap()
                && let Some(found) = wanted(packet)
            {
                return found;
            }
        }
    };
    timeout(PATIENCE, polling).await.unwrap()
}

async fn publish(events: &mut EventLoop) -> Publish {
    until(events, |packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None }).await
}

async fn message(events: &mut EventLoop) -> (String, Value) {
    let publish = publish(events).await;
    (publish.topic, serde_json::from_slice(&publish.payload).unwrap())
}

async fn subscribed(events: &mut EventLoop) {
    until(events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
}

async fn ask(client: &AsyncClient, topic: &str, request: &Value) {
    client.publish(topic, QoS::AtLeastOnce, false, request.to_string()).await.unwrap();
}

#[tokio::test]
async fn a_device_takes_its_job_to_the_end() {
    fidelity::fidelity!("iot-1", "iot-10", "iot-11", "iot-12", "iot-13");
    let port = listen(iot(&everything(), &[]), true).await;
    let (client, mut events) = AsyncClient::new(options(port, "Core"), 10);
    client.subscribe(format!("{JOBS}/$next/{NAMESPACE}/get/+"), QoS::AtLeastOnce).await.unwrap();
    client.subscribe(format!("{JOBS}/j-1/{NAMESPACE}/update/+"), QoS::AtLeastOnce).await.unwrap();
    client.subscribe(format!("{JOBS}/notify-{NAMESPACE}"), QoS::AtLeastOnce).await.unwrap();
    client.subscribe(format!("{JOBS}/notify-next-{NAMESPACE}"), QoS::AtLeastOnce).await.unwrap();
    for _ in 0..4 {
        subscribed(&mut events).await;
    }
    let get = format!("{JOBS}/$next/{NAMESPACE}/get");
    ask(&client, &get, &json!({"clientToken": "t"})).await;
    let (topic, answer) = message(&mut events).await;
    assert_eq!((topic, &answer["clientToken"]), (format!("{get}/accepted"), &json!("t")));
    let document = &answer["execution"]["jobDocument"];
    assert_eq!(document["components"], json!({"com.example.Hello": {"version": "1.0.0"}}));
    assert!(answer["execution"]["queuedAt"].is_i64());

    let update = format!("{JOBS}/j-1/{NAMESPACE}/update");
    for status in ["IN_PROGRESS", "SUCCEEDED"] {
        ask(&client, &update, &json!({"status": status, "statusDetails": {"a": "b"}})).await;
        assert_eq!(message(&mut events).await.0, format!("{update}/accepted"));
    }
    let (topic, notice) = message(&mut events).await;
    assert_eq!((topic, &notice["jobs"]), (format!("{JOBS}/notify-{NAMESPACE}"), &json!({})));
    let (topic, notice) = message(&mut events).await;
    assert_eq!(topic, format!("{JOBS}/notify-next-{NAMESPACE}"));
    assert!(notice.get("execution").is_none());

    ask(&client, &update, &json!({"status": "FAILED"})).await;
    let (topic, answer) = message(&mut events).await;
    assert_eq!((topic, &answer["code"]), (format!("{update}/rejected"), &json!("InvalidStateTransition")));
    ask(&client, &get, &json!({})).await;
    assert!(message(&mut events).await.1.get("execution").is_none());
}

fn order(order: Value) -> Control {
    serde_json::from_value(order).unwrap()
}

#[tokio::test]
async fn orders_reach_a_connected_device_as_notices_in_their_order() {
    fidelity::fidelity!("iot-13", "iot-28");
    let iot = iot(&everything(), &[]);
    let port = listen(Arc::clone(&iot), true).await;
    let (client, mut events) = AsyncClient::new(options(port, "Core"), 10);
    client.subscribe(format!("{JOBS}/notify-{NAMESPACE}"), QoS::AtLeastOnce).await.unwrap();
    subscribed(&mut events).await;
    let deploy = json!({"deploy": {"id": "d-2", "job": "j-2", "target": {"group": "Group"}, "components": {}}});
    iot.control(order(deploy)).unwrap();
    iot.control(order(json!({"cancel": {"deployment": "d-2"}}))).unwrap();
    let mut pending = Vec::new();
    for _ in 0..3 {
        let (_, notice) = message(&mut events).await;
        pending.push(notice["jobs"]["QUEUED"][0]["jobId"].clone());
    }
    assert_eq!(pending, [Value::Null, json!("j-2"), Value::Null]);
}

#[tokio::test]
async fn a_deployment_to_the_thing_goes_through_its_shadow() {
    fidelity::fidelity!("iot-31");
    let iot = iot(&everything(), &[]);
    let port = listen(Arc::clone(&iot), true).await;
    let (client, mut events) = AsyncClient::new(options(port, "Core"), 10);
    for topic in ["update/accepted", "update/rejected", "get/accepted", "get/rejected"] {
        client.subscribe(format!("{SHADOW}/{topic}"), QoS::AtLeastOnce).await.unwrap();
        subscribed(&mut events).await;
    }
    let get = format!("{SHADOW}/get");
    client.publish(&get, QoS::AtLeastOnce, false, "").await.unwrap();
    assert_eq!(message(&mut events).await.1["code"], 404);

    let components = json!({"com.example.Hello": {"version": "1.0.0"}});
    iot.control(order(json!({"deploy": {"id": "t-1", "target": "thing", "components": components}}))).unwrap();
    let arn = "arn:aws:greengrass:ap-northeast-1:123456789012:configuration:thing/Core:1";
    let (topic, written) = message(&mut events).await;
    let desired = &written["state"]["desired"];
    assert_eq!((topic, &written["version"]), (format!("{SHADOW}/update/accepted"), &json!(1)));
    assert_eq!(desired["desiredStatus"], "SUCCEEDED");
    assert_eq!(desired["fleetConfigurationArnForStatus"], arn);
    let document: Value = serde_json::from_str(desired["fleetConfig"].as_str().unwrap()).unwrap();
    assert_eq!((&document["components"], &document["configurationArn"]), (&components, &json!(arn)));

    let update = format!("{SHADOW}/update");
    let reported = json!({"fleetConfigurationArnForStatus": arn, "status": "IN_PROGRESS", "statusDetails": {}});
    ask(&client, &update, &json!({"state": {"reported": reported}, "version": 9})).await;
    let (topic, answer) = message(&mut events).await;
    assert_eq!((topic, &answer["code"]), (format!("{update}/rejected"), &json!(409)));
    ask(&client, &update, &json!({"state": {"reported": reported}, "version": 1})).await;
    assert_eq!(message(&mut events).await.1["version"], 2);
    client.publish(&get, QoS::AtLeastOnce, false, "").await.unwrap();
    let (_, whole) = message(&mut events).await;
    assert_eq!((&whole["state"]["reported"], &whole["version"]), (&reported, &json!(2)));

    iot.control(order(json!({"cancel": {"deployment": "t-1"}}))).unwrap();
    let (_, canceled) = message(&mut events).await;
    let desired = &canceled["state"]["desired"];
    assert_eq!((&desired["desiredStatus"], &desired["fleetConfig"].is_string()), (&json!("CANCELED"), &true));
    // Its job waits all along: the two channels know nothing of each other.
    let next = format!("{JOBS}/$next/{NAMESPACE}/get");
    client.subscribe(format!("{next}/accepted"), QoS::AtLeastOnce).await.unwrap();
    subscribed(&mut events).await;
    ask(&client, &next, &json!({})).await;
    assert_eq!(message(&mut events).await.1["execution"]["jobId"], "j-1");
}

#[tokio::test]
async fn the_shadow_needs_the_policy() {
    fidelity::fidelity!("iot-3", "iot-31");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["iot:Subscribe", "iot:Receive"], "Resource": "arn:aws:iot:*:*:topic*/*jobs*"}
    ]});
    let port = listen(iot(&policy, &[]), true).await;
    let (client, mut events) = AsyncClient::new(options(port, "Core"), 10);
    client
        .subscribe_many([filter(&format!("{SHADOW}/get/accepted")), filter(&format!("{JOBS}/notify"))])
        .await
        .unwrap();
    let codes = until(&mut events, |packet| match packet {
        Packet::SubAck(ack) => Some(ack.return_codes),
        _ => None,
    });
    assert_eq!(codes.await, [Failure, Success(QoS::AtLeastOnce)]);
}

#[tokio::test]
async fn unacknowledged_messages_come_again_after_a_reconnect() {
    fidelity::fidelity!("iot-5");
    let port = listen(iot(&everything(), &[]), true).await;
    let persistent = || {
        let mut options = options(port, "Core");
        options.set_clean_session(false).set_manual_acks(true);
        AsyncClient::new(options, 10)
    };
    let (client, mut events) = persistent();
    client.subscribe("a/+", QoS::AtLeastOnce).await.unwrap();
    subscribed(&mut events).await;
    client.publish("a/1", QoS::AtLeastOnce, false, "one").await.unwrap();
    assert!(!publish(&mut events).await.dup);
    drop((client, events));

    let (other, mut other_events) = AsyncClient::new(options(port, "other"), 10);
    other.publish("a/2", QoS::AtLeastOnce, false, "two").await.unwrap();
    until(&mut other_events, |packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;

    let (client, mut events) = persistent();
    let present = until(&mut events, |packet| match packet {
        Packet::ConnAck(ack) => Some(ack.session_present),
        _ => None,
    });
    assert!(present.await);
    let first = publish(&mut events).await;
    assert_eq!((first.topic.as_str(), first.dup), ("a/1", true));
    client.ack(&first).await.unwrap();
    let second = publish(&mut events).await;
    assert_eq!((second.topic.as_str(), second.dup), ("a/2", false));
}

#[tokio::test]
async fn version_3_ends_where_a_refusal_cannot_be_said() {
    fidelity::fidelity!("iot-2", "iot-3");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/Core"},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:*:*:topicfilter/mine"}
    ]});
    let port = listen(iot(&policy, &[]), true).await;
    let (_client, mut events) = AsyncClient::new(options(port, "stranger"), 10);
    let refused = timeout(PATIENCE, events.poll()).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("NotAuthorized"), "{refused}");

    let (client, mut events) = AsyncClient::new(options(port, "Core"), 10);
    client.subscribe_many([filter("mine"), filter("theirs")]).await.unwrap();
    let codes = until(&mut events, |packet| match packet {
        Packet::SubAck(ack) => Some(ack.return_codes),
        _ => None,
    });
    assert_eq!(codes.await, [Success(QoS::AtLeastOnce), Failure]);
    client.publish("mine", QoS::AtLeastOnce, false, "x").await.unwrap();
    let closed = async { while events.poll().await.is_ok() {} };
    timeout(PATIENCE, closed).await.unwrap();
}

fn filter(path: &str) -> rumqttc::SubscribeFilter {
    rumqttc::SubscribeFilter::new(path.to_owned(), QoS::AtLeastOnce)
}

#[tokio::test]
async fn an_unknown_certificate_gets_no_answer() {
    fidelity::fidelity!("iot-1");
    let port = listen(iot(&everything(), &[]), false).await;
    let (_client, mut events) = AsyncClient::new(options(port, "Core"), 10);
    assert!(timeout(PATIENCE, events.poll()).await.unwrap().is_err());
}

async fn until_5<T>(events: &mut v5::EventLoop, mut wanted: impl FnMut(v5::mqttbytes::v5::Packet) -> Option<T>) -> T {
    let polling = async {
        loop {
            if let v5::Event::Incoming(packet) = events.poll().await.unwrap()
                && let Some(found) = wanted(packet)
            {
                return found;
            }
        }
    };
    timeout(PATIENCE, polling).await.unwrap()
}

#[tokio::test]
async fn version_5_says_why_and_stays() {
    use v5::mqttbytes::{
        QoS,
        v5::{ConnectProperties, Packet, PubAckReason},
    };
    fidelity::fidelity!("iot-3", "iot-4", "iot-6", "iot-9");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Publish", "Resource": "arn:aws:iot:*:*:topic/closed"}
    ]});
    let port = listen(iot(&policy, &[]), true).await;
    let new = || {
        let mut options = v5::MqttOptions::new("Core", "127.0.0.1", port);
        let properties = ConnectProperties { max_packet_size: Some(200), ..ConnectProperties::new() };
        options.set_connect_properties(properties);
        v5::AsyncClient::new(options, 10)
    };
    let (client, mut events) = new();
    let properties = until_5(&mut events, |packet| match packet {
        Packet::ConnAck(ack) => ack.properties,
        _ => None,
    })
    .await;
    assert_eq!((properties.max_qos, properties.receive_max), (Some(1), Some(100)));
    client.publish("closed", QoS::AtLeastOnce, false, "x").await.unwrap();
    let reason = until_5(&mut events, |packet| match packet {
        Packet::PubAck(ack) => Some(ack.reason),
        _ => None,
    });
    assert_eq!(reason.await, PubAckReason::NotAuthorized);

    client.subscribe("open", QoS::AtLeastOnce).await.unwrap();
    client.publish("open", QoS::AtLeastOnce, false, "x".repeat(300)).await.unwrap();
    client.publish("open", QoS::AtLeastOnce, false, "small").await.unwrap();
    let first = until_5(&mut events, |packet| match packet {
        Packet::Publish(publish) => Some(publish.payload),
        _ => None,
    });
    assert_eq!(first.await, "small");

    let (_newer, mut newer_events) = new();
    until_5(&mut newer_events, |packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
    let ended = async {
        loop {
            if let Err(error) = events.poll().await {
                return error;
            }
        }
    };
    let error = timeout(PATIENCE, ended).await.unwrap();
    assert!(format!("{error:?}").contains("SessionTakenOver"), "{error:?}");
}

#[tokio::test]
async fn faults_cut_connections_and_refuse_new_ones_while_the_session_stays() {
    fidelity::fidelity!("fault-2");
    let iot = iot(&everything(), &[]);
    let port = listen(Arc::clone(&iot), true).await;
    let persistent = || {
        let mut options = options(port, "Core");
        options.set_clean_session(false);
        AsyncClient::new(options, 10)
    };
    let (client, mut events) = persistent();
    client.subscribe(format!("{JOBS}/notify-{NAMESPACE}"), QoS::AtLeastOnce).await.unwrap();
    subscribed(&mut events).await;
    for fault in ["mqtt.refuse times=1", "mqtt.cut"] {
        iot.control(order(json!({"fault": fault}))).unwrap();
    }
    let ended = async { while events.poll().await.is_ok() {} };
    timeout(PATIENCE, ended).await.unwrap();
    iot.control(order(json!({"cancel": {"deployment": "d-1"}}))).unwrap();

    let (_refused, mut refused_events) = persistent();
    let refused = timeout(PATIENCE, refused_events.poll()).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("ServiceUnavailable"), "{refused}");
    let (_client, mut events) = persistent();
    let (_, waited) = message(&mut events).await;
    assert_eq!(waited["jobs"], json!({}), "what was said meanwhile has waited");
}

/// What a peer is told until the connection ends.
async fn answered(port: u16, bytes: &[u8], ends: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The peer may hang up before it has read everything.
    _ = stream.write_all(bytes).await;
    if ends {
        _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    _ = reading.expect("the connection ends");
    answer
}

/// CONNECT of version 3.1.1 with the client id `Core`, and the CONNACK to it.
const CONNECT: &[u8] = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04Core";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

#[tokio::test]
async fn what_is_no_mqtt_or_too_long_ends_its_own_connection_only() {
    fidelity::fidelity!("iot-8", "iot-35");
    let port = listen(iot(&everything(), &[]), true).await;
    let (client, mut events) = AsyncClient::new(options(port, "Other"), 10);
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    subscribed(&mut events).await;
    // What may still become a packet is waited for, so the peer ends there.
    assert_eq!(answered(port, b"GET / HTTP/1.1\r\n\r\n", true).await, b"");
    for garbage in [&b"\x00\x00"[..], b"\x10\xff\xff\xff\xff\xff", b"\x30\x03\x00\x01a"] {
        assert_eq!(answered(port, garbage, false).await, b"", "{garbage:?}");
    }
    // A PUBLISH that announces 200 MiB is not waited for.
    let mut long = [CONNECT, b"\x30\x80\x80\x80\x64\x00\x01a"].concat();
    long.resize(long.len() + 300 * 1024, b'x');
    assert_eq!(answered(port, &long, false).await, CONNACK);
    client.publish("a", QoS::AtLeastOnce, false, "still here").await.unwrap();
    assert_eq!(publish(&mut events).await.payload, "still here");
}

/// Retaining, receiving and the variables of the connection's thing are asked for on their own; each connection here
/// publishes to a topic and receives what it may.
#[tokio::test]
async fn retaining_receiving_and_the_things_name_are_asked_for() {
    fidelity::fidelity!("iot-2", "iot-3", "iot-7");
    let thing = "${iot:Connection.Thing.ThingName}";
    let may = |actions: Value, name: &str| {
        let resource = |kind: &str| format!("arn:aws:iot:*:*:{kind}/{name}");
        json!({"Effect": "Allow", "Action": actions, "Resource": [resource("topic"), resource("topicfilter")],
            "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}})
    };
    let both = json!(["iot:Publish", "iot:Subscribe"]);
    let all = json!(["iot:Publish", "iot:Subscribe", "iot:Receive"]);
    let retains = json!(["iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"]);
    for (statement, client, retain, received) in [
        (may(all.clone(), "Core"), "Core", false, true),
        (may(all.clone(), "Core"), "Core", true, false),
        (may(retains, "Core"), "Core", true, true),
        (may(both, "Core"), "Core", false, false),
        (may(all.clone(), thing), "Core", false, true),
        (may(all.clone(), thing), "Other", false, false),
        (may(all, "${iot:ClientId}"), "Other", false, true),
    ] {
        let connect = json!({"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [connect, statement]});
        let port = listen(iot(&policy, &[]), true).await;
        let (sender, mut events) = AsyncClient::new(options(port, client), 10);
        sender.subscribe(client, QoS::AtLeastOnce).await.unwrap();
        sender.publish(client, QoS::AtLeastOnce, retain, "x").await.unwrap();
        let mut asked_again = false;
        let arrives = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(_))) => break true,
                    // What is delivered comes before the answer to what was asked after the acknowledgement.
                    Ok(Event::Incoming(Packet::PubAck(_))) => {
                        sender.subscribe(client, QoS::AtLeastOnce).await.unwrap();
                        asked_again = true;
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) if asked_again => break false,
                    Ok(_) => {}
                    // A refused publish ends the connection.
                    Err(_) => break false,
                }
            }
        };
        assert_eq!(timeout(PATIENCE, arrives).await.unwrap(), received, "{statement} {client} {retain}");
    }
}
