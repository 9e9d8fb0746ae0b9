//! Every answer of the provider, in the order in which AWS decides.

use super::*;
use crate::{
    minted::Seed,
    world::{RoleAlias, World},
};
use http_body_util::BodyExt;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

/// What nucleus lite has for all values of the credentials together, in bytes.
const LITES_BUFFER: usize = 1500;

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
    let account = Arc::new(Inventory::new(&world, crate::aws::upstream::LocalStack::new(&world)).unwrap());
    let registry = Arc::new(Registry::new(&world, Arc::clone(&account)).unwrap());
    let faults = Arc::new(Faults::default());
    Provider::new(Arc::new(world), account, registry, Arc::new(Sessions::by(faults.clock(), Seed::of("seed"))), faults)
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
    fidelity::fidelity!("provider-1", "minted-1");
    let ahead = Seed::of("seed").session(0);
    for thing in [Some("Core"), None] {
        let (status, body) = ask(|_| {}, "Alias", thing).await;
        assert_eq!(status, 200);
        let credentials = &body["credentials"];
        assert_eq!(credentials["accessKeyId"], ahead.id);
        assert_eq!(credentials["secretAccessKey"], ahead.secret.0);
        assert_eq!(credentials["sessionToken"], ahead.token.0);
        assert!(credentials["expiration"].is_string());
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

fn allow(action: &str, resource: &str, condition: &Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition})
}

/// What is answered and written down where the certificate has these statements and the role trusts under a condition.
fn seen(statements: &Value, trusted: &Value) -> (u16, Option<Box<Decision>>, Vec<Decision>) {
    let mut world = world();
    let text = |statements: &Value| json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    world.thing.policies.insert("P".into(), text(statements));
    world.roles.get_mut("Role").unwrap().trust = text(&json!({
        "Sid": "Provider", "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "credentials.iot.amazonaws.com"}, "Condition": trusted}));
    let der = CertificateDer::from_pem_slice(world.thing.certificate.as_bytes()).unwrap();
    let request = Request::get("/role-aliases/Alias/credentials").body(()).unwrap();
    let (_, seen) = provider(world).answered(&request, Some(&der));
    let Some(What::Credentials { status, decision, further, .. }) = seen else { panic!("{seen:?}") };
    (status, decision, further)
}

#[test]
fn the_certificates_policies_and_the_roles_trust_decide_with_their_conditions() {
    fidelity::fidelity!("provider-4");
    let alias = "arn:aws:iot:ap-northeast-1:123456789012:rolealias/Alias";
    let action = "iot:AssumeRoleWithCertificate";
    let (any, none) = (json!({}), json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}));
    let here = json!({"IpAddress": {"aws:SourceIp": "203.0.113.10"}});
    let deny = json!([allow(action, "*", &any), {"Sid": "No", "Effect": "Deny", "Action": action, "Resource": alias}]);
    let of_alias =
        json!({"ArnEquals": {"aws:SourceArn": alias}, "StringEquals": {"aws:SourceAccount": "123456789012"}});
    let of_other = json!({"ArnLike": {"aws:SourceArn": "arn:aws:iot:*:*:rolealias/Other"}});
    for (statements, trusted, status, statement, trust) in [
        (json!([allow(action, alias, &here)]), of_alias.clone(), 200, Some("P[0]"), Some(Some("trust/Role[Provider]"))),
        (json!([allow(action, alias, &none)]), of_alias.clone(), 403, None, None),
        (deny, of_alias, 403, Some("P[No]"), None),
        (json!([allow(action, "*", &any)]), of_other, 400, Some("P[0]"), Some(None)),
        (json!([allow("iot:*", &alias.replace("Alias", "Other"), &any)]), any, 403, None, None),
    ] {
        let (answered, decision, further) = seen(&statements, &trusted);
        let decision = decision.unwrap();
        assert_eq!((answered, decision.statement.as_deref()), (status, statement), "{statements}");
        assert_eq!((decision.action.as_str(), decision.resource.as_str()), (action, alias));
        assert_eq!(decision.is_allowed(), status != 403);
        assert_eq!(further.first().map(|trust| trust.statement.as_deref()), trust, "{further:?}");
    }
}

/// A resource control policy bears on the role that the provider assumes too.
#[test]
fn a_resource_control_policy_keeps_the_provider_out() {
    fidelity::fidelity!("provider-4");
    let mut world = world();
    let deny = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}});
    world.rcps = vec![[("data".to_owned(), deny.to_string())].into()];
    let der = CertificateDer::from_pem_slice(world.thing.certificate.as_bytes()).unwrap();
    let request = Request::get("/role-aliases/Alias/credentials").body(()).unwrap();
    let (response, _) = provider(world).answered(&request, Some(&der));
    assert_eq!(response.status(), 400);
}

/// The shapes of resource control policies that organizations have, each of which spares the provider, beside the same
/// with what it asks for turned round.
#[test]
fn the_provider_is_known_to_resource_control_policies_as_a_service() {
    fidelity::fidelity!("provider-5");
    let (own, other) = (json!("123456789012"), json!("999988887777"));
    let encrypted = |is: &str| json!({"BoolIfExists": {"aws:SecureTransport": is}});
    let of_accounts = |account: &Value, service: &str| {
        json!({"StringNotEqualsIfExists": {"aws:PrincipalAccount": account},
            "BoolIfExists": {"aws:PrincipalIsAWSService": service}})
    };
    let deputy = |account: &Value| {
        json!({"StringNotEqualsIfExists": {"aws:SourceAccount": account}, "Null": {"aws:SourceAccount": "false"},
            "Bool": {"aws:PrincipalIsAWSService": "true"}})
    };
    let named = |host: &str| {
        json!({"StringNotEquals": {"aws:PrincipalServiceName": host},
            "ForAllValues:StringNotEquals": {"aws:PrincipalServiceNamesList": [host]}})
    };
    let before = |time: &str| json!({"DateLessThanIfExists": {"aws:CurrentTime": time}});
    let since = |seconds: &str| json!({"NumericLessThanIfExists": {"aws:EpochTime": seconds}});
    let in_region = |region: &str| json!({"StringNotEquals": {"aws:RequestedRegion": region}});
    let of_owner = |account: &Value| json!({"StringNotEquals": {"aws:ResourceAccount": account}});
    let through = |is: &str| json!({"BoolIfExists": {"aws:ViaAWSService": is}});
    for (spared, struck) in [
        (encrypted("false"), encrypted("true")),
        (of_accounts(&other, "false"), of_accounts(&other, "true")),
        (deputy(&own), deputy(&other)),
        (named(CREDENTIALS_PROVIDER), named("greengrass.amazonaws.com")),
        (before("2020-01-01T00:00:00Z"), before("2999-01-01T00:00:00Z")),
        (since("1577836800"), since("32472144000")),
        (in_region("ap-northeast-1"), in_region("eu-west-1")),
        (of_owner(&own), of_owner(&other)),
        (through("true"), through("false")),
    ] {
        for (condition, status) in [(spared, 200), (struck, 400)] {
            let mut world = world();
            let deny = json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*",
                "Condition": condition}});
            world.rcps = vec![[("perimeter".to_owned(), deny.to_string())].into()];
            let der = CertificateDer::from_pem_slice(world.thing.certificate.as_bytes()).unwrap();
            let request = Request::get("/role-aliases/Alias/credentials").body(()).unwrap();
            let (response, _) = provider(world).answered(&request, Some(&der));
            assert_eq!(response.status(), status, "{deny}");
        }
    }
}

/// What a nucleus lite was answered when it was recorded, and what it would be answered here: the same fields, each value
/// of the same form, all of it small enough for the buffer that lite has.
#[tokio::test]
async fn lite_is_answered_as_recorded() {
    fidelity::fidelity!("wire-1");
    let recorded: Value =
        serde_json::from_str(include_str!("../iot/tests/wire_lite/0030-http.json")).expect("a record is JSON");
    let path = recorded["path"].as_str().unwrap();
    let alias = path.strip_prefix("/role-aliases/").and_then(|rest| rest.strip_suffix("/credentials")).unwrap();
    let rename = |world: &mut World| {
        let role = world.role_aliases.remove("Alias").unwrap();
        world.role_aliases.insert(alias.to_owned(), role);
        world.thing.name = "LiteCore1".into();
        let policy = world.thing.policies.get_mut("P").unwrap();
        *policy = policy.replace("Alias*", alias);
    };
    let (status, answer) = ask(rename, alias, recorded["headers"]["x-amzn-iot-thingname"].as_str()).await;
    let form = |answer: &Value| -> Vec<(String, String)> {
        let credentials = answer["credentials"].as_object().expect("the one field is credentials");
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1));
        let time = credentials["expiration"].as_str().unwrap().replace(|c: char| c.is_ascii_digit(), "0");
        let key = &credentials["accessKeyId"].as_str().unwrap()[..4];
        let secret = credentials["secretAccessKey"].as_str().unwrap().len().to_string();
        credentials
            .keys()
            .map(|name| {
                let form = match name.as_str() {
                    "expiration" => &time,
                    "accessKeyId" => key,
                    "secretAccessKey" => &secret,
                    _ => "",
                };
                (name.clone(), form.to_owned())
            })
            .collect()
    };
    let body: Value = serde_json::from_str(recorded["resp_body"].as_str().unwrap()).unwrap();
    assert_eq!((u64::from(status), form(&answer)), (recorded["resp_status"].as_u64().unwrap(), form(&body)));
    let values: usize = answer["credentials"].as_object().unwrap().values().map(|value| value.to_string().len()).sum();
    assert!(values < LITES_BUFFER, "{values}");
}

/// Credentials that have expired, that soon do, and as ever once the faults have ended.
#[tokio::test]
async fn credentials_have_expired_or_soon_do_where_a_fault_wants_it() {
    fidelity::fidelity!("fault-13");
    let world = world();
    let der = CertificateDer::from_pem_slice(world.thing.certificate.as_bytes()).unwrap();
    let provider = provider(world);
    let left = async || {
        let (_, answer) = answered(&provider, "Alias", None, Some(&der)).await;
        let expires = answer["credentials"]["expiration"].as_str().unwrap().to_owned();
        let rfc3339 = &time::format_description::well_known::Rfc3339;
        (time::OffsetDateTime::parse(&expires, rfc3339).unwrap() - clock::now()).whole_seconds()
    };
    provider.faults.begin("provider.expired times=1".parse().unwrap());
    assert!(left().await < 0);
    provider.faults.begin("provider.short life=20".parse().unwrap());
    assert!((15..=20).contains(&left().await));
    provider.faults.end("provider.short");
    assert!((3590..=3600).contains(&left().await));
    // AWS's clock is a day ahead, and what it gives out lasts as long by that.
    provider.faults.begin("aws.clock shift=86400".parse().unwrap());
    assert!(left().await > 86400);
}
