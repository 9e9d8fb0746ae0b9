//! Devices that a script provisions, call by call as AWS's documentation has them, over the endpoint; then they connect.

use crate::{
    client::{Answer, Call, Failure, Stream, Tls, connect, mqtt_connect, silence},
    world::{CREDENTIALS, DATA, Identity, PATIENCE, Raised, raise, raise_with},
};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/Role";

/// What the control plane answers to the operator.
async fn answer(here: &Raised, call: Call) -> Result<Answer, Failure> {
    call.signed("iot")?.send(&Tls::none(here.doors.endpoint), "localhost").await
}

/// The same, of a call that is not refused.
async fn ask(here: &Raised, method: &'static str, path: &str, body: &Value) -> Result<Value, Failure> {
    done(answer(here, Call::of(method, path, &body.to_string())).await?)
}

fn done(answer: Answer) -> Result<Value, Failure> {
    match answer {
        Answer { status: 200, body, .. } if body.is_empty() => Ok(Value::Null),
        Answer { status: 200, body, .. } => Ok(serde_json::from_str(&body)?),
        refused => Err(format!("{refused:?}").into()),
    }
}

/// Provisions a device; returns its certificate's ARN and what it holds.
async fn provision(here: &Raised, thing: &str, policy: &Value) -> Result<(String, Identity), Failure> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no text");
    ask(here, "POST", &format!("/things/{thing}"), &json!({})).await?;
    let made = ask(here, "POST", "/keys-and-certificate?setAsActive=true", &json!({})).await?;
    let arn = text(&made["certificateArn"])?;
    let document = json!({"policyDocument": json!({"Version": "2012-10-17", "Statement": policy}).to_string()});
    ask(here, "POST", &format!("/policies/of-{thing}"), &document).await?;
    ask(here, "PUT", &format!("/target-policies/of-{thing}"), &json!({"target": arn})).await?;
    let attach = Call::of("PUT", &format!("/things/{thing}/principals"), "").with("x-amzn-principal", &arn);
    done(answer(here, attach).await?)?;
    ask(here, "POST", "/thing-groups/Fleet", &json!({})).await?;
    let member = json!({"thingName": thing, "thingGroupName": "Fleet"});
    ask(here, "PUT", "/thing-groups/addThingToThingGroup", &member).await?;
    let identity = Identity { certificate: text(&made["certificatePem"])?, key: text(&made["keyPair"]["PrivateKey"])? };
    Ok((arn, identity))
}

/// What a device sees at each door: what MQTT answers to its CONNECT, what the data plane and the credentials provider do.
async fn seen(here: &Raised, device: &Identity, thing: &str) -> Result<(Vec<u8>, u16, (u16, String)), Failure> {
    let (mut mqtt, connected) = mqtt(here, device, thing).await?;
    if connected.is_empty() {
        silence(&mut mqtt, PATIENCE * 5).await?;
    }
    let data = Tls::to(here.doors.data_plane, DATA).showing(device);
    let groups = Call::get(&format!("/greengrass/v2/coreDevices/{thing}/thingGroups")).send(&data, DATA).await?;
    let provider = Tls::to(here.doors.apis, CREDENTIALS).showing(device);
    let credentials = Call::get("/role-aliases/OfScript/credentials").with("x-amzn-iot-thingname", thing);
    let credentials = credentials.send(&provider, CREDENTIALS).await?;
    Ok((connected, groups.status, (credentials.status, credentials.body)))
}

async fn mqtt(here: &Raised, device: &Identity, client: &str) -> Result<(Stream, Vec<u8>), Failure> {
    let mut stream = connect(&Tls::to(here.doors.mqtt, DATA).showing(device)).await?;
    _ = stream.write(&mqtt_connect(client)).await;
    let connected = stream.read(4).await.unwrap_or_default();
    Ok((stream, connected))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_provisions_a_device_that_works_until_it_is_taken_back() -> Result<(), Failure> {
    fidelity::fidelity!("registry-1", "registry-3");
    let here = raise().await?;
    let everything = json!({"Effect": "Allow", "Action": ["iot:*", "greengrass:*"], "Resource": "*"});
    let (arn, device) = provision(&here, "Gateway", &everything).await?;
    let alias = json!({"roleArn": ROLE, "credentialDurationSeconds": 3600});
    ask(&here, "POST", "/role-aliases/OfScript", &alias).await?;
    let told = ask(&here, "GET", "/endpoint?endpointType=iot:Data-ATS", &json!({})).await?;
    assert_eq!(told["endpointAddress"], DATA);

    let accepted = vec![0x20, 2, 0, 0];
    let (connected, groups, (credentials, _)) = seen(&here, &device, "Gateway").await?;
    assert_eq!((connected, groups, credentials), (accepted.clone(), 200, 200));
    let refused = |message: &str| (403, json!({ "message": message }).to_string());
    let (_, _, credentials) = seen(&here, &device, "Core").await?;
    assert_eq!(credentials, refused("Invalid thing name passed"));

    let (mut held, _) = mqtt(&here, &device, "Gateway").await?;
    let certificate = format!("/certificates/{}", arn.rsplit('/').next().unwrap_or_default());
    ask(&here, "PUT", &format!("{certificate}?newStatus=INACTIVE"), &json!({})).await?;
    silence(&mut held, PATIENCE * 5).await?;
    assert_eq!(seen(&here, &device, "Gateway").await?, (Vec::new(), 403, refused("Access Denied")));
    ask(&here, "PUT", &format!("{certificate}?newStatus=ACTIVE"), &json!({})).await?;
    assert_eq!(seen(&here, &device, "Gateway").await?.0, accepted);

    // CONNACK says that it is not authorised.
    ask(&here, "POST", "/target-policies/of-Gateway", &json!({"target": arn})).await?;
    assert_eq!(seen(&here, &device, "Gateway").await?, (vec![0x20, 2, 0, 5], 403, refused("Access Denied")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_a_role_alias_has_to_be_allowed_to_pass_the_role() -> Result<(), Failure> {
    fidelity::fidelity!("registry-6");
    let here = raise_with(|world| {
        let scp = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:PassRole", "Resource": ROLE},
        ]});
        world.scps = vec![[("no-passing".to_owned(), scp.to_string())].into()];
    })
    .await?;
    let body = json!({"roleArn": ROLE}).to_string();
    let refused = answer(&here, Call::post("/role-aliases/New", &body)).await?;
    let expected = format!(
        "User: arn:aws:iam::123456789012:user/olive is not authorized to perform: iam:PassRole on resource: {ROLE} with \
         an explicit deny in a service control policy"
    );
    assert_eq!((refused.status, refused.body), (403, json!({ "message": expected }).to_string()));
    let other = json!({"roleArn": "arn:aws:iam::123456789012:role/Other"}).to_string();
    assert_eq!(answer(&here, Call::post("/role-aliases/New", &other)).await?.status, 200);
    Ok(())
}
