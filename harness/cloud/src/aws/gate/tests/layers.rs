//! Every layer of policies decides, and is named in the text and in the record.

use super::*;
use crate::{
    aws::sessions::{Limit, Origin},
    policies,
    world::Policy,
};
use iam::Kind;
use std::collections::BTreeMap;

type Change = fn(&mut World);

fn boundary(world: &mut World, statements: &Value) {
    let boundary = Policy { name: "bound".into(), text: text(statements) };
    world.roles.get_mut("DeviceRole").unwrap().boundary = Some(boundary);
}

fn of_secret(world: &mut World, statement: &Value) {
    let secret = json!({"name": "github-token", "value": "s3cr3t", "policy": text(statement)});
    world.secrets = vec![serde_json::from_value(secret).unwrap()];
}

fn level(name: &str, statements: &Value) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), text(statements))])
}

fn everybody(effect: &str, action: &str) -> Value {
    json!({"Sid": "All", "Effect": effect, "Principal": "*", "Action": action, "Resource": "*"})
}

/// Everything but one action.
fn without(action: &str) -> Value {
    json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "No", "Effect": "Deny", "Action": action, "Resource": "*"}])
}

#[tokio::test]
async fn each_layer_denies_a_secret_in_its_own_words() {
    fidelity::fidelity!("gate-4", "gate-11");
    let other = "because no permissions boundary allows the secretsmanager:GetSecretValue action";
    let cases: [(Change, &str, &str, Option<&str>); 6] = [
        (|world| boundary(world, &allow("s3:*", "*")), other, "boundary", None),
        (
            |world| boundary(world, &without("secretsmanager:*")),
            "with an explicit deny in a permissions boundary",
            "boundary",
            Some("bound[No]"),
        ),
        (
            |world| of_secret(world, &everybody("Deny", "secretsmanager:GetSecretValue")),
            "with an explicit deny in a resource-based policy",
            "resource",
            Some("secret/github-token[All]"),
        ),
        (
            |world| world.scps = vec![level("root", &allow("*", "*")), level("unit", &allow("s3:*", "*"))],
            "with an explicit deny in a service control policy",
            "scp",
            None,
        ),
        (
            |world| world.scps = vec![level("root", &without("secretsmanager:*"))],
            "with an explicit deny in a service control policy",
            "scp",
            Some("root[No]"),
        ),
        (
            |world| world.rcps = vec![level("data", &everybody("Deny", "secretsmanager:*"))],
            "with an explicit deny in a resource control policy",
            "rcp",
            Some("data[All]"),
        ),
    ];
    for (change, clause, layer, statement) in cases {
        let here = Environment::of(&allow("*", "*"), change).await;
        here.holds_the_secret().await;
        let (status, code, said) = here.send(get_secret("github-token").signed(&here.session())).await.error();
        assert_eq!((status, code.as_str()), (400, "AccessDeniedException"));
        let device = device();
        let action = "secretsmanager:GetSecretValue on resource: github-token";
        assert_eq!(said, format!("User: {device} is not authorized to perform: {action} {clause}"));
        let decision = here.last().decision;
        assert_eq!((decision.layer.as_deref(), decision.statement.as_deref()), (Some(layer), statement));
        assert!(here.forwarded("GetSecretValue").await.is_empty());
    }
}

#[tokio::test]
async fn a_session_policy_limits_its_session() {
    fidelity::fidelity!("gate-11");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let limited = |statements: &Value| {
        let text = text(statements);
        let policy = policies::compiled("session", &text, Kind::Session).unwrap();
        let session = Session::new("DeviceRole", "chosen", Origin::Role, 900);
        here.sessions.issue(Session { limits: vec![Limit { text, policy }], ..session })
    };
    let may = limited(&allow("secretsmanager:GetSecretValue", ARN));
    assert_eq!(here.send(get_secret("github-token").signed(&may)).await.status, 200);
    let may_not = limited(&allow("s3:*", "*"));
    let (_, _, said) = here.send(get_secret("github-token").signed(&may_not)).await.error();
    assert!(said.ends_with("because no session policy allows the secretsmanager:GetSecretValue action"), "{said}");
    let decision = here.last().decision;
    assert_eq!((decision.layer.as_deref(), decision.session.len()), (Some("session"), 1));
}

/// A resource's policy gives by itself what no identity policy does.
#[tokio::test]
async fn a_resource_gives_by_its_own_policy() {
    fidelity::fidelity!("gate-11");
    let give = |principal: Value| {
        move |world: &mut World| {
            let action = "secretsmanager:GetSecretValue";
            let statement =
                json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"});
            of_secret(world, &statement);
        }
    };
    let role = format!("arn:aws:iam::{ACCOUNT}:role/device/DeviceRole");
    for (principal, status) in [
        (json!(role), 200),
        (json!(device()), 200),
        (json!("*"), 200),
        (json!(format!("arn:aws:iam::{ACCOUNT}:root")), 400),
        (json!(role.replace("DeviceRole", "Other")), 400),
    ] {
        let here = Environment::of(&allow("s3:*", "*"), give(principal.clone())).await;
        here.holds_the_secret().await;
        let answer = here.send(get_secret("github-token").signed(&here.session())).await;
        assert_eq!(answer.status, status, "{principal}: {}", answer.text);
    }
}

/// The policy that a call gives a secret counts from then on.
#[tokio::test]
async fn a_secrets_policy_changes_with_the_call_that_changes_it() {
    fidelity::fidelity!("gate-11");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    for operation in ["PutResourcePolicy", "DeleteResourcePolicy"] {
        let target = matchers::header("x-amz-target", format!("secretsmanager.{operation}").as_str());
        let answer = ResponseTemplate::new(200).set_body_json(json!({"ARN": ARN}));
        Mock::given(target).respond_with(answer).mount(&here.localstack).await;
    }
    let policy = text(&everybody("Deny", "secretsmanager:GetSecretValue"));
    let put = secret("PutResourcePolicy", &json!({"SecretId": "github-token", "ResourcePolicy": policy}));
    let delete = secret("DeleteResourcePolicy", &json!({"SecretId": "github-token"}));
    let (with, without) = (json!({"Name": "github-token", "ResourcePolicy": policy}), json!({"Name": "github-token"}));
    for (change, kept, status) in [(put, with, 400), (delete, without, 200)] {
        let kept = Mock::given(matchers::header("x-amz-target", "secretsmanager.GetResourcePolicy"))
            .respond_with(ResponseTemplate::new(200).set_body_json(kept));
        let _kept = kept.mount_as_scoped(&here.localstack).await;
        assert_eq!(here.send(change.signed(&session)).await.status, 200);
        assert_eq!(here.send(get_secret("github-token").signed(&session)).await.status, status);
    }
}

/// S3 quotes the resource within an account, and explains nothing to others.
#[tokio::test]
async fn a_bucket_gives_and_denies_by_its_policy() {
    fidelity::fidelity!("gate-4", "gate-11");
    let of_bucket = |statement: Value| move |world: &mut World| world.buckets[0].policy = Some(text(&statement));
    let on_objects = |effect: &str| {
        let mut statement = everybody(effect, "s3:GetObject");
        statement["Resource"] = json!("arn:aws:s3:::artifacts/*");
        statement
    };
    let object = ResponseTemplate::new(200).set_body_string("x");
    let deny = Environment::of(&allow("*", "*"), of_bucket(on_objects("Deny"))).await;
    let answer = deny.send(s3("GET", "/a").signed(&deny.session())).await;
    let said = format!(
        "User: {} is not authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::artifacts/a&quot; \
         with an explicit deny in a resource-based policy",
        device()
    );
    assert!(answer.status == 403 && answer.text.contains(&said), "{}", answer.text);
    let give = Environment::of(&allow("kms:*", "*"), of_bucket(on_objects("Allow"))).await;
    Mock::given(matchers::path("/artifacts/a")).respond_with(object).mount(&give.localstack).await;
    assert_eq!(give.send(s3("GET", "/a").signed(&give.session())).await.text, "x");
    assert_eq!(give.send(s3("GET", "/a").unsigned()).await.text, "x");
    let put = give.send(s3("DELETE", "/a").unsigned()).await;
    assert!(put.status == 403 && put.text.contains("<Message>Access Denied</Message>"), "{}", put.text);
}
