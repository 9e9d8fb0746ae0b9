//! STS: who one is, and whom one may become.

use super::*;
use crate::world::Role;
use std::collections::BTreeMap;

const WORKER: &str = "arn:aws:iam::111122223333:role/Worker";

/// A world with another role that the device's role may assume, as its trust policy says.
async fn with_worker(statements: &Value, trust: &Value) -> Environment {
    let worker = Role {
        path: "/".into(),
        trust: text(trust),
        policies: BTreeMap::from([("work".into(), text(&allow("secretsmanager:*", "*")))]),
        boundary: None,
        tags: BTreeMap::from([("Team".into(), "press".into()), ("Place".into(), "hall".into())]),
        max_session_seconds: 3600,
    };
    let here = Environment::of(statements, |world| {
        world.roles.insert("Worker".into(), worker);
    })
    .await;
    here.holds_the_secret().await;
    here
}

fn trusts(principal: &str, action: &Value, condition: &Value) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Condition": condition})
}

fn root() -> String {
    format!("arn:aws:iam::{ACCOUNT}:root")
}

fn assume(role: &str, more: &str) -> Call {
    sts(&format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=night-shift{more}"))
}

pub(super) fn element<'t>(text: &'t str, name: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {text}"));
    rest.split_once('<').unwrap().0
}

/// The session that the answer gives credentials of.
fn session(answer: &Answer) -> Session {
    let text = |name: &str| element(&answer.text, name).to_owned();
    let bare = Session::new("", "", crate::aws::sessions::Origin::Role, 900);
    Session { key: text("AccessKeyId"), secret: text("SecretAccessKey"), token: text("SessionToken"), ..bare }
}

#[tokio::test]
async fn the_caller_learns_who_it_is_whatever_its_policies() {
    fidelity::fidelity!("gate-8");
    let here = Environment::raise(json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}])).await;
    let answer = here.send(sts("Action=GetCallerIdentity").signed(&here.session())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(element(&answer.text, "Arn"), device());
    assert_eq!(element(&answer.text, "Account"), ACCOUNT);
}

#[tokio::test]
async fn a_role_is_assumed_if_both_sides_allow_it() {
    fidelity::fidelity!("gate-13");
    let device_role = format!("arn:aws:iam::{ACCOUNT}:role/device/DeviceRole");
    let assuming = json!("sts:AssumeRole");
    let none = json!({});
    for (statements, trust, allowed) in [
        (allow("sts:AssumeRole", WORKER), trusts(&root(), &assuming, &none), true),
        (allow("s3:*", "*"), trusts(&root(), &assuming, &none), false),
        (allow("s3:*", "*"), trusts(&device_role, &assuming, &none), true),
        (allow("*", "*"), trusts(&device_role.replace("Device", "Other"), &assuming, &none), false),
        (
            allow("*", "*"),
            trusts(
                &root(),
                &assuming,
                &json!({"StringEquals": {"sts:ExternalId": "e", "sts:RoleSessionName": "night-shift"}}),
            ),
            false,
        ),
    ] {
        let here = with_worker(&statements, &trust).await;
        let answer = here.send(assume(WORKER, "").signed(&here.session())).await;
        assert_eq!(answer.status == 200, allowed, "{}", answer.text);
        if !allowed {
            let said = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {WORKER}", device());
            assert_eq!((answer.status.as_u16(), element(&answer.text, "Message")), (403, said.as_str()));
        }
        let external = here.send(assume(WORKER, "&ExternalId=e").signed(&here.session())).await;
        if trust["Condition"] != none {
            assert_eq!(external.status, 200, "{}", external.text);
        }
        let unknown = here.send(assume(&WORKER.replace("Worker", "None"), "").signed(&here.session())).await;
        assert!(unknown.status == 403 && unknown.text.contains("<Code>AccessDenied</Code>"), "{}", unknown.text);
    }
}

#[tokio::test]
async fn the_new_session_is_the_roles_own() {
    fidelity::fidelity!("gate-13", "gate-8");
    let here = with_worker(&allow("sts:AssumeRole", "*"), &trusts(&root(), &json!("sts:AssumeRole"), &json!({}))).await;
    let answer = here.send(assume(WORKER, "&DurationSeconds=900").signed(&here.session())).await;
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/Worker/night-shift");
    assert_eq!(element(&answer.text, "Arn"), arn);
    assert!(element(&answer.text, "AssumedRoleId").ends_with(":night-shift"));
    assert!(!answer.text.contains("PackedPolicySize"));
    let worker = session(&answer);
    assert_eq!(here.send(get_secret("github-token").signed(&worker)).await.status, 200);
    let context = here.last().decision.context;
    assert_eq!(context["aws:PrincipalArn"], WORKER);
    assert_eq!(context["aws:PrincipalTag/Team"], "press");
    assert!(!context.keys().any(|key| key.starts_with("credentials-iot:")), "{context:?}");
    let who = here.send(sts("Action=GetCallerIdentity").signed(&worker)).await;
    assert_eq!(element(&who.text, "Arn"), arn);
    for operation in ["GetSessionToken", "GetFederationToken"] {
        let answer = here.send(sts(&format!("Action={operation}")).signed(&worker)).await;
        assert!(answer.status == 403, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_session_policy_comes_with_the_session() {
    fidelity::fidelity!("gate-13", "gate-11");
    let here = with_worker(&allow("sts:AssumeRole", "*"), &trusts(&root(), &json!("sts:AssumeRole"), &json!({}))).await;
    let policy = |text: &str| {
        let escaped: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("&Policy={}", escaped.concat().replace("%20", "+"))
    };
    let other = policy(&text(&allow("s3:*", "*")));
    let answer = here.send(assume(WORKER, &other).signed(&here.session())).await;
    assert!(element(&answer.text, "PackedPolicySize").parse::<usize>().unwrap() > 0);
    let (_, _, said) = here.send(get_secret("github-token").signed(&session(&answer))).await.error();
    assert!(said.ends_with("because no session policy allows the secretsmanager:GetSecretValue action"), "{said}");
    let bad = policy("{\"Version\": \"2012-10-17\"");
    let answer = here.send(assume(WORKER, &bad).signed(&here.session())).await;
    assert_eq!((answer.status.as_u16(), element(&answer.text, "Code")), (400, "MalformedPolicyDocument"));
}

#[tokio::test]
async fn what_sts_doesnt_take_is_refused_in_its_words() {
    fidelity::fidelity!("gate-13");
    let here = with_worker(&allow("sts:AssumeRole", "*"), &trusts(&root(), &json!("sts:AssumeRole"), &json!({}))).await;
    let device_session = here.session();
    for (more, said) in [
        (
            "&DurationSeconds=899",
            "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
        ),
        ("&DurationSeconds=3601", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
    ] {
        let answer = here.send(assume(WORKER, more).signed(&device_session)).await;
        let error = (answer.status.as_u16(), element(&answer.text, "Code"), element(&answer.text, "Message"));
        assert_eq!(error, (400, "ValidationError", said));
    }
    let nameless = here.send(sts(&format!("Action=AssumeRole&RoleArn={WORKER}")).signed(&device_session)).await;
    assert!(nameless.text.contains("Value null at 'roleSessionName'"), "{}", nameless.text);
    let long = Environment::of(&allow("sts:AssumeRole", "*"), |world| {
        let role = world.roles["DeviceRole"].clone();
        let trust = text(&trusts(&root(), &json!("sts:AssumeRole"), &json!({})));
        world.roles.insert("Worker".into(), Role { path: "/".into(), trust, max_session_seconds: 43_200, ..role });
    })
    .await;
    let answer = long.send(assume(WORKER, "&DurationSeconds=7200").signed(&long.session())).await;
    assert!(
        answer.text.contains("exceeds the 1 hour session limit for roles assumed by role chaining"),
        "{}",
        answer.text
    );
    assert_eq!(long.send(assume(WORKER, "&DurationSeconds=3600").signed(&long.session())).await.status, 200);
}

/// Tags need a permission of their own; transitive ones are passed on.
#[tokio::test]
async fn tags_and_the_source_identity_go_with_the_session() {
    fidelity::fidelity!("gate-13", "gate-3");
    let tags = "&Tags.member.1.Key=Place&Tags.member.1.Value=yard&TransitiveTagKeys.member.1=Place&SourceIdentity=eva";
    let condition = json!({});
    let trust = |actions: Value| trusts(&root(), &actions, &condition);
    let here = with_worker(&allow("sts:*", "*"), &trust(json!(["sts:AssumeRole", "sts:SetSourceIdentity"]))).await;
    let answer = here.send(assume(WORKER, tags).signed(&here.session())).await;
    assert!(answer.text.contains("perform: sts:TagSession on resource"), "{}", answer.text);
    let all = json!(["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]);
    let here = with_worker(&allow("sts:*", "*"), &trust(all)).await;
    let answer = here.send(assume(WORKER, tags).signed(&here.session())).await;
    assert_eq!(element(&answer.text, "SourceIdentity"), "eva");
    let call = here.last();
    assert_eq!(call.decision.context["aws:RequestTag/Place"], "yard");
    assert_eq!(call.decision.context["aws:TagKeys"], json!(["Place"]));
    assert_eq!(call.decision.context["iam:ResourceTag/Team"], "press");
    assert_eq!(call.further.len(), 2);
    here.send(get_secret("github-token").signed(&session(&answer))).await;
    let context = here.last().decision.context;
    assert_eq!(
        (&context["aws:PrincipalTag/Place"], &context["aws:PrincipalTag/Team"]),
        (&json!("yard"), &json!("press"))
    );
    assert_eq!(context["aws:SourceIdentity"], "eva");
}
