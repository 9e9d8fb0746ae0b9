//! What the registry means for devices: who may connect and call, and who gets which deployment.

use super::*;
use crate::aws::{
    iot::{Registry, tests::DOMAIN},
    provider::Provider,
};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::time::Duration;
use tokio::{net::TcpListener, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

fn der(pem: &Value) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_str().unwrap().as_bytes()).unwrap().to_vec()
}

/// Makes a thing in a group, with an active certificate that has a policy; returns the certificate's ARN and DER.
async fn provision(iot: &Iot, thing: &str, policy: Value) -> (String, Vec<u8>) {
    ok(iot, &format!("POST /things/{thing}"), Value::Null).await;
    let made = ok(iot, "POST /keys-and-certificate?setAsActive=true", Value::Null).await;
    let arn = made["certificateArn"].as_str().unwrap().to_owned();
    ok(iot, &format!("POST /policies/of-{thing}"), policy).await;
    ok(iot, &format!("PUT /target-policies/of-{thing}"), json!({"target": arn})).await;
    ok(iot, &format!("PUT /things/{thing}/principals x-amzn-principal:{arn}"), Value::Null).await;
    ok(iot, "POST /thing-groups/Fleet", Value::Null).await;
    join(iot, thing, "add").await;
    (arn, der(&made["certificatePem"]))
}

async fn join(iot: &Iot, thing: &str, verb: &str) {
    let verb = if verb == "add" { "addThingToThingGroup" } else { "removeThingFromThingGroup" };
    let body = json!({"thingName": thing, "thingGroupName": "Fleet"});
    ok(iot, &format!("PUT /thing-groups/{verb}"), body).await;
}

/// Connects under a client id with a certificate.
async fn connect(iot: &Arc<Iot>, certificate: &[u8], client: &str) -> (AsyncClient, EventLoop) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (iot, certificate) = (Arc::clone(iot), certificate.to_vec());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&iot).serve_mqtt_within(
                PATIENCE,
                stream,
                DOMAIN.to_owned(),
                Some(certificate.clone()),
            ));
        }
    });
    AsyncClient::new(MqttOptions::new(client, "127.0.0.1", port), 10)
}

/// Whether the client gets in, and what its library says if not.
async fn gets_in(events: &mut EventLoop) -> Result<(), String> {
    match timeout(PATIENCE, events.poll()).await.unwrap() {
        Ok(Event::Incoming(Packet::ConnAck(_))) => Ok(()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn data_plane(iot: &Arc<Iot>, certificate: &[u8], thing: &str) -> (u16, Value) {
    let path = format!("/greengrass/v2/coreDevices/{thing}/thingGroups");
    let request = Request::get(path).body(Full::new(bytes::Bytes::new())).unwrap();
    let answering = Arc::clone(iot).data_plane(request, Some(certificate.to_vec()));
    let response = tokio::spawn(answering).await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

#[tokio::test]
async fn a_provisioned_device_is_let_in_until_its_certificate_or_policy_goes() {
    fidelity::fidelity!("registry-1", "registry-2", "registry-3");
    let iot = iot();
    let statement = json!([
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": format!("{PREFIX}:client/${{iot:Connection.Thing.ThingName}}")},
        {"Effect": "Allow", "Action": ["iot:Subscribe", "greengrass:*"], "Resource": "*"},
    ]);
    let (arn, certificate) = provision(&iot, "New", document(&statement)).await;
    let (client, mut events) = connect(&iot, &certificate, "New").await;
    gets_in(&mut events).await.unwrap();
    client.subscribe("x", QoS::AtLeastOnce).await.unwrap();
    let (status, groups) = data_plane(&iot, &certificate, "New").await;
    assert_eq!((status, &groups["thingGroups"][0]["thingGroupName"]), (200, &json!("Fleet")));
    // The variable has a value for the thing that the certificate is attached to, and for no other.
    for other in ["Core", "Nobody"] {
        let (_client, mut events) = connect(&iot, &certificate, other).await;
        let refused = gets_in(&mut events).await.unwrap_err();
        assert!(refused.contains("NotAuthorized"), "{other}: {refused}");
    }
    let id = arn.rsplit('/').next().unwrap();
    ok(&iot, &format!("PUT /certificates/{id}?newStatus=INACTIVE"), Value::Null).await;
    let ended = async { while events.poll().await.is_ok() {} };
    timeout(PATIENCE, ended).await.expect("the connection is cut");
    let refused = gets_in(&mut events).await.unwrap_err();
    assert!(!refused.contains("NotAuthorized"), "there is no answer at all: {refused}");
    let (status, refused) = data_plane(&iot, &certificate, "New").await;
    assert_eq!((status, &refused["message"]), (403, &Value::Null));
    ok(&iot, &format!("PUT /certificates/{id}?newStatus=ACTIVE"), Value::Null).await;
    gets_in(&mut events).await.unwrap();
    ok(&iot, "POST /target-policies/of-New", json!({"target": arn})).await;
    let (_client, mut events) = connect(&iot, &certificate, "New").await;
    let refused = gets_in(&mut events).await.unwrap_err();
    assert!(refused.contains("NotAuthorized"), "{refused}");
}

#[tokio::test]
async fn policies_of_a_group_count_for_its_things() {
    fidelity::fidelity!("registry-2");
    let iot = iot();
    let (_, certificate) = provision(&iot, "New", allow("iot:Publish")).await;
    let (_client, mut events) = connect(&iot, &certificate, "New").await;
    assert!(gets_in(&mut events).await.unwrap_err().contains("NotAuthorized"));
    ok(&iot, "POST /policies/of-fleet", allow("iot:Connect")).await;
    ok(&iot, "PUT /target-policies/of-fleet", json!({"target": format!("{PREFIX}:thinggroup/Fleet")})).await;
    gets_in(&mut events).await.unwrap();
    let effective = ok(&iot, "POST /effective-policies?thingName=New", json!({})).await;
    assert_eq!(effective["effectivePolicies"][0]["policyName"], "of-fleet");
}

#[tokio::test]
async fn a_certificate_of_a_request_or_of_ones_own_is_as_good_as_another() {
    fidelity::fidelity!("registry-1", "registry-5");
    let iot = iot();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let of_request =
        ok(&iot, "POST /certificates?setAsActive=true", json!({"certificateSigningRequest": request})).await;
    let own = rcgen::generate_simple_self_signed(["own".to_owned()]).unwrap().cert;
    let body = json!({"certificatePem": own.pem(), "status": "ACTIVE"});
    let registered = ok(&iot, "POST /certificate/register-no-ca", body.clone()).await;
    for (made, certificate) in [(&of_request, der(&of_request["certificatePem"])), (&registered, own.der().to_vec())] {
        ok(&iot, "PUT /target-policies/P", json!({"target": made["certificateArn"]})).await;
        let (_client, mut events) = connect(&iot, &certificate, "any").await;
        gets_in(&mut events).await.unwrap();
    }
    let again = call(&iot, "POST /certificate/register-no-ca", body).await.unwrap_err();
    assert_eq!((again.status, again.members["resourceId"].as_str()), (409, registered["certificateId"].as_str()));
    let bad = call(&iot, "POST /certificates", json!({"certificateSigningRequest": "x"})).await.unwrap_err();
    assert_eq!((bad.status, bad.code), (400, "InvalidRequestException"));
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = params.self_signed(&key).unwrap();
    let made =
        ok(&iot, "POST /certificate/register-no-ca", json!({"certificatePem": expired.pem(), "status": "ACTIVE"}))
            .await;
    ok(&iot, "PUT /target-policies/P", json!({"target": made["certificateArn"]})).await;
    let (_client, mut events) = connect(&iot, expired.der(), "any").await;
    gets_in(&mut events).await.expect_err("it has expired");
}

/// The jobs of a thing by their status.
async fn executions(iot: &Iot, thing: &str) -> Vec<(String, String)> {
    let list = ok(iot, &format!("GET /things/{thing}/jobs"), Value::Null).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pair = |one: &Value| (text(&one["jobId"]), text(&one["jobExecutionSummary"]["status"]));
    list["executionSummaries"].as_array().unwrap().iter().map(pair).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(job, status)| ((*job).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn a_deployment_to_a_group_is_a_job_of_each_thing_in_it_also_of_later_ones() {
    fidelity::fidelity!("registry-8", "registry-9");
    let iot = iot();
    for thing in ["a", "b"] {
        provision(&iot, thing, allow("iot:*")).await;
    }
    let order = |id: &str| {
        serde_json::from_value(json!({"deploy": {
        "id": format!("d-{id}"), "job": id, "target": {"group": "Fleet"}, "components": {}}}))
        .unwrap()
    };
    iot.control(order("one")).unwrap();
    for thing in ["a", "b"] {
        assert_eq!(executions(&iot, thing).await, pairs(&[("one", "QUEUED")]), "{thing}");
    }
    provision(&iot, "late", allow("iot:*")).await;
    assert_eq!(executions(&iot, "late").await, pairs(&[("one", "QUEUED")]));
    // Each has its own: what one makes of it says nothing of the others.
    let (client, mut events) = connect(&iot, &provisioned(&iot, "a"), "a").await;
    gets_in(&mut events).await.unwrap();
    let update = "$aws/things/a/jobs/one/update";
    client.subscribe(format!("{update}/accepted"), QoS::AtLeastOnce).await.unwrap();
    client.publish(update, QoS::AtLeastOnce, false, r#"{"status": "SUCCEEDED"}"#).await.unwrap();
    let accepted = async { while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::Publish(_))) {} };
    timeout(PATIENCE, accepted).await.unwrap();
    assert_eq!(executions(&iot, "a").await, pairs(&[("one", "SUCCEEDED")]));
    join(&iot, "b", "remove").await;
    assert_eq!(executions(&iot, "b").await, pairs(&[("one", "REMOVED")]));
    join(&iot, "b", "add").await;
    assert_eq!(executions(&iot, "b").await, pairs(&[("one", "QUEUED")]));
    let job = ok(&iot, "GET /jobs/one", Value::Null).await["job"].take();
    let details = &job["jobProcessDetails"];
    // The world's own thing joined the group with the order.
    assert_eq!((&details["numberOfSucceededThings"], &details["numberOfQueuedThings"]), (&json!(1), &json!(3)));
    assert_eq!(
        (&job["status"], &job["targets"]),
        (&json!("IN_PROGRESS"), &json!([format!("{PREFIX}:thinggroup/Fleet")]))
    );
    iot.control(order("two")).unwrap();
    assert_eq!(executions(&iot, "b").await, pairs(&[("two", "QUEUED"), ("one", "CANCELED")]));
    assert_eq!(executions(&iot, "a").await, pairs(&[("two", "QUEUED"), ("one", "SUCCEEDED")]));
    let of_job = ok(&iot, "GET /jobs/two/things?status=QUEUED", Value::Null).await;
    assert_eq!(of_job["executionSummaries"].as_array().unwrap().len(), 4);
    let listed = ok(&iot, "GET /jobs?thingGroupName=Fleet&status=IN_PROGRESS", Value::Null).await;
    assert_eq!((listed["jobs"].as_array().unwrap().len(), &listed["jobs"][0]["jobId"]), (1, &json!("two")));
    let text = ok(&iot, "GET /jobs/two/job-document", Value::Null).await;
    assert!(text["document"].as_str().unwrap().contains("\"deploymentId\":\"d-two\""));
    assert_eq!(ok(&iot, "PUT /jobs/two/cancel", json!({})).await["jobId"], "two");
    assert_eq!(executions(&iot, "late").await, pairs(&[("two", "CANCELED"), ("one", "CANCELED")]));
    let execution = ok(&iot, "GET /things/late/jobs/two", Value::Null).await["execution"].take();
    assert_eq!(
        (&execution["status"], &execution["thingArn"]),
        (&json!("CANCELED"), &json!(format!("{PREFIX}:thing/late")))
    );
    provision(&iot, "latest", allow("iot:*")).await;
    assert!(executions(&iot, "latest").await.is_empty(), "what is cancelled goes to nobody");
}

/// The certificate of a thing.
fn provisioned(iot: &Iot, thing: &str) -> Vec<u8> {
    let state = iot.registry.read();
    let id = &state.things[thing].principals[0];
    der(&json!(state.certificates[id].pem))
}

#[tokio::test]
async fn credentials_are_for_things_that_the_certificate_is_attached_to() {
    fidelity::fidelity!("registry-3", "registry-6");
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "credentials.iot.amazonaws.com"}}});
    let mut world = world(&everything(), &[]);
    world.authority.key.0 = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let role =
        json!({"path": "/service-role/", "trust": trust.to_string(), "policies": {}, "max_session_seconds": 3600});
    world.roles.insert("Tokens".to_owned(), serde_json::from_value(role).unwrap());
    let inventory =
        Arc::new(crate::aws::inventory::Inventory::new(&world, crate::aws::upstream::LocalStack::new(&world)).unwrap());
    let registry = Arc::new(Registry::new(&world, Arc::clone(&inventory)).unwrap());
    let world = Arc::new(world);
    let iot = Iot::new(Arc::clone(&world), Arc::clone(&registry), Arc::default(), Arc::default()).unwrap();
    let provider = Provider::new(world, inventory, registry, Arc::default(), Arc::default());
    let (arn, certificate) = provision(&iot, "New", allow("iot:AssumeRoleWithCertificate")).await;
    let asked = async |thing: Option<&str>| {
        let request = Request::get("/role-aliases/Alias/credentials");
        let request = thing.into_iter().fold(request, |request, thing| request.header("x-amzn-iot-thingname", thing));
        let answer = provider.answer(&request.body(()).unwrap(), Some(&certificate));
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status, message: &str| (status, message.to_owned());
    assert_eq!(asked(Some("New")).await, refused(404, "Role alias does not exist"));
    ok(&iot, "POST /role-aliases/Alias", json!({"roleArn": ROLE})).await;
    assert_eq!(asked(Some("New")).await.0, 200);
    assert_eq!(asked(None).await.0, 200);
    assert_eq!(asked(Some("Core")).await, refused(403, "Invalid thing name passed"));
    ok(&iot, "PUT /role-aliases/Alias", json!({"credentialDurationSeconds": 7200})).await;
    let too_long = "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role";
    assert_eq!(asked(Some("New")).await, refused(400, too_long));
    ok(&iot, "POST /target-policies/of-New", json!({"target": arn})).await;
    assert_eq!(asked(Some("New")).await, refused(403, "Access Denied"));
    let id = arn.rsplit('/').next().unwrap();
    ok(&iot, &format!("PUT /certificates/{id}?newStatus=REVOKED"), Value::Null).await;
    assert_eq!(asked(None).await, refused(403, "Access Denied"));
    let back = call(&iot, &format!("PUT /certificates/{id}?newStatus=ACTIVE"), Value::Null).await.unwrap_err();
    assert_eq!((back.status, back.code), (406, "CertificateStateException"));
}
