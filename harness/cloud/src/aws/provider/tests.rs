//! Every answer of the provider, in the order in which AWS decides.

use super::*;
use crate::world::{RoleAlias, World};
use http_body_util::BodyExt;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

fn world() -> World {
    let certificate = rcgen::generate_simple_self_signed(["core".to_owned()]).unwrap().cert.pem();
    let allow = |action: &str, resource: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": resource}})
            .to_string()
    };
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "credentials.iot.amazonaws.com"},
    }})
    .to_string();
    serde_json::from_value(json!({
        "environment": "test", "account": "123456789012", "region": "ap-northeast-1",
        "localstack": "http://127.0.0.1:4566", "aws": "127.0.0.1", "github": "127.0.0.1",
        "authority": {"certificate": "", "key": ""},
        "endpoints": {"data": "x", "credentials": "y"},
        "thing": {"name": "Core", "groups": ["Group"], "certificate": certificate, "policies": {
            "P": allow("iot:AssumeRoleWithCertificate", "arn:aws:iot:ap-northeast-1:123456789012:rolealias/Alias*"),
        }},
        "role_aliases": {"Alias": {"role": "Role", "duration_seconds": 3600}},
        "roles": {"Role": {"path": "/", "trust": trust, "policies": {}, "max_session_seconds": 3600}},
        "secrets": [], "buckets": [], "components": [], "deployments": [],
    }))
    .unwrap()
}

/// What the holder of the registered certificate is answered; `change` changes the world before.
async fn ask(change: impl FnOnce(&mut World), alias: &str, thing: Option<&str>) -> (u16, Value) {
    let mut world = world();
    change(&mut world);
    let der = CertificateDer::from_pem_slice(world.thing.certificate.as_bytes()).unwrap();
    answered(&provider(world), alias, thing, Some(&der)).await
}

fn provider(world: World) -> Provider {
    let account = Arc::new(Account::of(&world).unwrap());
    Provider::new(Arc::new(world), &account, Arc::default()).unwrap()
}

async fn answered(provider: &Provider, alias: &str, thing: Option<&str>, der: Option<&[u8]>) -> (u16, Value) {
    let mut request = Request::builder().uri(format!("/role-aliases/{alias}/credentials"));
    if let Some(thing) = thing {
        request = request.header("x-amzn-iot-thingname", thing);
    }
    let response = provider.answer(&request.body(()).unwrap(), der);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn gives_credentials_of_the_alias_role() {
    fidelity::fidelity!("provider-1");
    for thing in [Some("Core"), None] {
        let (status, body) = ask(|_| {}, "Alias", thing).await;
        assert_eq!(status, 200);
        let credentials = &body["credentials"];
        assert!(credentials["accessKeyId"].as_str().unwrap().starts_with("ASIA"));
        for field in ["secretAccessKey", "sessionToken", "expiration"] {
            assert!(credentials[field].is_string(), "{field}");
        }
    }
}

#[tokio::test]
async fn refuses_in_awss_words() {
    fidelity::fidelity!("provider-2");
    let refused = |status, message| (status, json!({ "message": message }));
    let no_role = "Unable to assume the role, or the role to assume does not exist";
    let too_long = "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role";
    assert_eq!(ask(|_| {}, "Alias", Some("Other")).await, refused(403, "Invalid thing name passed"));
    assert_eq!(ask(|_| {}, "Unknown", Some("Core")).await, refused(403, "Access Denied"));
    assert_eq!(ask(|_| {}, "Alias2", Some("Core")).await, refused(404, "Role alias does not exist"));
    assert_eq!(ask(|world| world.roles.clear(), "Alias", None).await, refused(400, no_role));
    let long = RoleAlias { role: "Role".into(), duration_seconds: 7200 };
    let lengthen = |world: &mut World| drop(world.role_aliases.insert("Alias".into(), long));
    assert_eq!(ask(lengthen, "Alias", None).await, refused(400, too_long));
    let distrust = |world: &mut World| {
        let role = world.roles.get_mut("Role").unwrap();
        role.trust = role.trust.replace("credentials.iot", "greengrass");
    };
    assert_eq!(ask(distrust, "Alias", None).await, refused(400, no_role));
}

#[tokio::test]
async fn knows_only_the_registered_certificate() {
    fidelity::fidelity!("provider-3");
    let provider = provider(world());
    let foreign = rcgen::generate_simple_self_signed(["foreign".to_owned()]).unwrap();
    for der in [None, Some(foreign.cert.der().as_ref())] {
        let (status, body) = answered(&provider, "Alias", Some("Core"), der).await;
        assert_eq!((status, body["message"].as_str()), (403, Some("Certificate is invalid on this endpoint")));
    }
}

#[tokio::test]
async fn a_fault_answers_in_the_providers_form() {
    fidelity::fidelity!("fault-1");
    let request = Request::get("/role-aliases/Alias/credentials").body(()).unwrap();
    for (status, body, expected) in [
        (403, None, r#"{"message":"Access Denied"}"#),
        (500, None, r#"{"message":"Internal Server Error"}"#),
        (200, Some("no JSON"), "no JSON"),
    ] {
        let response = Provider::failing(&request, status, body.map(str::to_owned));
        assert_eq!(response.status().as_u16(), status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, expected);
    }
}
