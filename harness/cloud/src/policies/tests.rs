//! Which policies bear on which request, and that nothing else does.

use super::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/Device/c0ffee";
const SECRET: &str = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:press/token-AbCdEf";
const KEY: &str = "arn:aws:kms:ap-northeast-1:111122223333:key/0b1c";
const OBJECT: &str = "arn:aws:s3:::artifacts/a/b.zip";
const ROLE: &str = "arn:aws:iam::111122223333:role/path/Device";

fn text(statement: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

/// A policy that a principal's side has.
fn own(action: &str) -> String {
    text(&json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
}

/// A policy that a resource has.
fn of_resource(effect: &str, action: &str) -> String {
    text(&json!({"Effect": effect, "Principal": "*", "Action": action, "Resource": "*"}))
}

/// A policy of a bucket that keeps its objects.
fn of_bucket(name: &str) -> String {
    let objects = format!("arn:aws:s3:::{name}/*");
    text(&json!({"Effect": "Deny", "Principal": "*", "Action": "s3:Delete*", "Resource": objects}))
}

fn world() -> World {
    let trust = text(&json!({"Effect": "Allow", "Principal": {"Service": CREDENTIALS_PROVIDER},
        "Action": "sts:AssumeRole"}));
    serde_json::from_value(json!({
        "environment": "e", "account": ACCOUNT, "region": "ap-northeast-1", "localstack": "", "aws": "10.0.0.2",
        "github": "10.0.0.3", "authority": {"certificate": "", "key": ""},
        "endpoints": {"data": "", "credentials": ""},
        "thing": {"name": "core", "groups": [], "certificate": "", "policies": {"iot": own("iot:Connect")}},
        "role_aliases": {},
        "roles": {"Device": {"path": "/path/", "trust": trust, "max_session_seconds": 3600,
            "policies": {"access": own("*")}, "boundary": {"name": "bound", "text": own("*")}}},
        "keys": {"main": {"id": "0b1c", "enabled": true, "policy": of_resource("Allow", "kms:*")}},
        "secrets": [{"name": "press/token", "value": "x", "policy": of_resource("Deny", "secretsmanager:Put*")}],
        "buckets": [{"name": "artifacts", "objects": {}, "policy": of_bucket("artifacts")}],
        "scps": [{"root": own("*")}, {"unit": own("*")}], "rcps": [{"data": of_resource("Deny", "s3:Put*")}],
        "components": [], "deployments": [],
    }))
    .unwrap()
}

/// The names of the policies of each layer: identity, boundary, SCPs, RCPs, resource.
fn names(policies: &Policies) -> String {
    let list = |policies: &[Policy]| policies.iter().map(|policy| policy.name.clone()).collect::<Vec<_>>().join(",");
    let levels = |levels: &[Vec<Policy>]| levels.iter().map(|level| list(level)).collect::<Vec<_>>().join("/");
    let Policies { identity, resource, boundary, session, scp, rcp, .. } = policies;
    let all = [list(identity), list(boundary.as_slice()), list(session), levels(scp), levels(rcp)];
    format!("{} {}", all.join(" "), list(resource.as_slice()))
}

#[test]
fn every_layer_that_bears_on_a_request_is_asked_and_no_other() {
    fidelity::fidelity!("gate-10");
    let account = Account::of(&world()).unwrap();
    let asked = |principal: &str, action: &str, resource: &str| {
        names(&account.applying(&Decision::asked(principal, action, resource)))
    };
    let session = "access bound  root/unit data";
    for (action, resource, policy) in [
        ("secretsmanager:GetSecretValue", SECRET, "secret/press/token"),
        ("secretsmanager:GetSecretValue", &SECRET.replace("AbCdEf", "??????"), "secret/press/token"),
        ("secretsmanager:GetSecretValue", &SECRET.replace("ap-northeast-1", "us-east-1"), ""),
        ("secretsmanager:GetSecretValue", &SECRET.replace(ACCOUNT, "999988887777"), ""),
        ("secretsmanager:GetSecretValue", &SECRET.replace("token", "other"), ""),
        ("secretsmanager:ListSecrets", "*", ""),
        ("kms:Decrypt", KEY, "key/main"),
        ("kms:Decrypt", &KEY.replace("0b1c", "ffff"), ""),
        ("s3:GetObject", OBJECT, "bucket/artifacts"),
        ("s3:ListBucket", "arn:aws:s3:::artifacts", "bucket/artifacts"),
        ("s3:GetObject", "arn:aws:s3:::artifacts2/a", ""),
        ("sts:AssumeRole", ROLE, "trust/Device"),
        ("sts:AssumeRole", &ROLE.replace("path/", ""), ""),
    ] {
        assert_eq!(asked(SESSION, action, resource), format!("{session} {policy}"), "{action} {resource}");
    }
    // IAM knows no resource control policies.
    assert_eq!(asked(SESSION, "iam:GetRole", ROLE), "access bound  root/unit  ");
    let certificate = "arn:aws:iot:ap-northeast-1:111122223333:cert/c0ffee";
    assert_eq!(asked(certificate, "iot:Connect", "arn:aws:iot:ap-northeast-1:111122223333:client/core"), "iot     ");
    assert_eq!(asked(CREDENTIALS_PROVIDER, "sts:AssumeRole", ROLE), "    data trust/Device");
    assert_eq!(asked("anonymous", "s3:GetObject", OBJECT), "    data bucket/artifacts");
    assert_eq!(asked(GREENGRASS, "s3:GetObject", OBJECT), "     AWS");
    for stranger in [SESSION.replace("Device", "Other"), SESSION.replace(ACCOUNT, "999988887777")] {
        assert_eq!(asked(&stranger, "s3:GetObject", OBJECT), "    data bucket/artifacts");
    }
}

#[test]
fn a_decision_names_layer_and_statement_and_comes_out_again_when_it_was_recorded() {
    fidelity::fidelity!("gate-10");
    let account = Account::of(&world()).unwrap();
    for (action, resource, layer, statement) in [
        ("s3:GetObject", OBJECT, None, Some("access[0]")),
        ("s3:DeleteObject", OBJECT, Some("resource"), Some("bucket/artifacts[0]")),
        ("s3:PutObject", OBJECT, Some("rcp"), Some("data[0]")),
        ("secretsmanager:PutSecretValue", SECRET, Some("resource"), Some("secret/press/token[0]")),
        ("kms:Decrypt", &KEY.replace("0b1c", "ffff"), Some("resource"), None),
    ] {
        let asked = Decision::asked(SESSION, action, resource).with("aws:SourceIp", "10.0.0.7");
        let decided = account.decide(asked, &[]);
        assert_eq!(decided.decision.layer.as_deref(), layer, "{action} {resource}");
        assert_eq!(decided.decision.statement.as_deref(), statement, "{action} {resource}");
        assert_eq!(decided.clause.is_none(), layer.is_none());
        let recorded: Decision = serde_json::from_str(&serde_json::to_string(&decided.decision).unwrap()).unwrap();
        let again = Account::of(&world()).unwrap();
        let policies = again.applying(&recorded);
        let again = iam::decide(&policies, &recorded.request());
        assert_eq!(crate::event::Outcome::from(again.outcome), recorded.outcome);
        assert_eq!(again.statement.map(|statement| statement.to_string()), recorded.statement);
    }
}

#[test]
fn a_session_policy_limits_and_is_kept_as_text() {
    fidelity::fidelity!("gate-10");
    let account = Account::of(&world()).unwrap();
    let limit = own("s3:Get*");
    let session = [read("session/0", &limit, Kind::Session).unwrap()];
    for (action, layer) in [("s3:GetObject", None), ("s3:ListBucket", Some("session"))] {
        let asked = Decision { session: vec![limit.clone()], ..Decision::asked(SESSION, action, OBJECT) };
        let decided = account.decide(asked, &session).decision;
        assert_eq!(decided.layer.as_deref(), layer);
        let again = account.applying(&decided);
        assert_eq!(iam::decide(&again, &decided.request()).is_allowed(), decided.is_allowed());
    }
}

#[test]
fn what_aws_would_refuse_is_named_with_its_place() {
    let mut broken = world();
    broken.roles.get_mut("Device").unwrap().policies.insert("bad".into(), "{\"Version\": \"2012-10-17\",\n}".into());
    let error = Account::of(&broken).unwrap_err();
    assert!(error.starts_with("role `Device`: reading policy `bad`: 2:1: "), "{error}");
    let mut broken = world();
    broken.secrets[0].policy = Some(own("*"));
    let error = Account::of(&broken).unwrap_err();
    assert!(error.starts_with("reading policy `secret/press/token`: "), "{error}");
    let mut broken = world();
    broken.buckets[0].policy = Some(of_bucket("others"));
    let error = Account::of(&broken).unwrap_err();
    assert!(
        error.starts_with("reading policy `bucket/artifacts`: 1:") && error.contains("invalid resource"),
        "{error}"
    );
}
