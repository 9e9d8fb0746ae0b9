//! What the layers of policies mean for one another.

use fidelity::fidelity;
use iam::{Document, Effect, Kind, Layer, Outcome, Policies, Policy, Principal, Request, decide, explain};
use serde_json::{Value, json};

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/Core/thing";
/// Puts a policy into its layer.
type Set = fn(&mut Policies, Policy);

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:token-AbCdEf";

fn policy(name: &str, statement: &Value) -> Policy {
    Policy::new(name, Document::unchecked(&json!({"Version": "2012-10-17", "Statement": statement})))
}

fn allow(name: &str, action: &str) -> Policy {
    policy(name, &json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
}

fn to(principal: &Value, effect: &str, action: &str) -> Policy {
    policy("resource", &json!({"Effect": effect, "Principal": principal, "Action": action, "Resource": "*"}))
}

fn get(principal: &str) -> Request {
    Request::new("secretsmanager:GetSecretValue", SECRET).by(Principal::parse(principal)).owned_by("111122223333")
}

fn outcome(policies: &Policies, request: &Request) -> Outcome {
    decide(policies, request).outcome
}

#[test]
fn a_resource_policy_gives_by_how_closely_it_names() {
    fidelity!("iam-13");
    let with = |principal: Value, limited: bool| {
        let resource = Some(to(&json!({"AWS": principal}), "Allow", "secretsmanager:*"));
        let session = if limited { vec![allow("none", "dynamodb:*")] } else { Vec::new() };
        let policies = Policies { resource, session, ..Policies::default() };
        decide(&policies, &get(SESSION)).is_allowed()
    };
    let role = json!("arn:aws:iam::111122223333:role/devices/Core");
    assert!(with(json!(SESSION), true) && with(json!("*"), true));
    assert!(with(role.clone(), false) && !with(role, true));
    assert!(!with(json!("111122223333"), false) && !with(json!("arn:aws:iam::111122223333:root"), false));
    for other in [
        "arn:aws:iam::111122223333:role/Cor",
        "arn:aws:iam::999922223333:role/Core",
        "arn:aws:sts::111122223333:assumed-role/Core/*",
        "arn:aws:iam::111122223333:user/Core",
        "111122223334",
    ] {
        assert!(!with(json!(other), false), "{other}");
    }
}

/// Only assuming a role asks its trust policy, and only calls of KMS ask a key's.
#[test]
fn a_role_and_a_key_are_plain_resources_to_other_calls() {
    fidelity!("iam-16");
    let ask = |action: &str, resource: &str| {
        let policies = Policies { identity: vec![allow("role", "*")], ..Policies::default() };
        let request = Request::new(action, resource).by(Principal::parse(SESSION)).owned_by("111122223333");
        outcome(&policies, &request)
    };
    let (role, key) = ("arn:aws:iam::111122223333:role/Other", "arn:aws:kms:eu-west-1:111122223333:key/1");
    assert_eq!((ask("iam:GetRole", role), ask("sts:AssumeRole", role)), (Outcome::Allowed, Outcome::ImplicitlyDenied));
    assert_eq!((ask("tag:GetTags", key), ask("kms:Decrypt", key)), (Outcome::Allowed, Outcome::ImplicitlyDenied));
    assert_eq!(ask("sts:GetSessionToken", "*"), Outcome::Allowed);
    assert_eq!(ask("kms:CreateAlias", "arn:aws:kms:eu-west-1:111122223333:alias/a"), Outcome::Allowed);
}

/// Of the statements that allow, the one that names who asks most closely is named; of those alike, the first.
#[test]
fn the_closest_statement_decides() {
    fidelity!("iam-10", "iam-13");
    let resource = |principals: &[&str]| {
        let statement = |principal: &&str| {
            json!({"Sid": principal.rsplit([':', '/']).next(), "Effect": "Allow", "Principal": {"AWS": principal},
                "Action": "*", "Resource": "*"})
        };
        let resource = policy("r", &principals.iter().map(statement).collect());
        let policies = Policies { resource: Some(resource), ..Policies::default() };
        decide(&policies, &get(SESSION)).statement.map(|statement| statement.index)
    };
    let (role, account) = ("arn:aws:iam::111122223333:role/Core", "arn:aws:iam::111122223333:root");
    assert_eq!(resource(&[role, account]), Some(0));
    assert_eq!(resource(&[account, role]), Some(1));
    assert_eq!(resource(&[role, role]), Some(0));
    assert_eq!(resource(&[role, SESSION, SESSION]), Some(1));
    assert_eq!(resource(&[account]), None);
}

#[test]
fn each_limit_has_to_allow_and_any_can_deny() {
    fidelity!("iam-14", "iam-19");
    let base = || Policies { identity: vec![allow("role", "secretsmanager:*")], ..Policies::default() };
    let (good, bad) = (|| allow("limit", "secretsmanager:Get*"), || allow("limit", "s3:*"));
    let deny = || policy("limit", &json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    let open = |action: &str| vec![to(&json!("*"), "Allow", action)];
    let clause = |policies: &Policies| {
        let decision = decide(policies, &get(SESSION));
        (decision.outcome, decision.clause("A:B").unwrap_or_default())
    };
    let limits: [(Set, &str, &str); 3] = [
        (|policies, limit| policies.boundary = Some(limit), "no permissions boundary allows", "a permissions boundary"),
        (|policies, limit| policies.session = vec![limit], "no session policy allows", "a session policy"),
        (|policies, limit| policies.scp = vec![vec![allow("full", "*")], vec![limit]], "", "a service control policy"),
    ];
    for (set, implicit, explicit) in limits {
        let with = |limit: Policy| {
            let mut policies = base();
            set(&mut policies, limit);
            clause(&policies)
        };
        assert_eq!(with(good()).0, Outcome::Allowed);
        let (outcome, text) = with(bad());
        assert_eq!(outcome, Outcome::ImplicitlyDenied);
        assert!(
            text == format!("because {implicit} the A:B action") || implicit.is_empty() && text.ends_with(explicit)
        );
        assert_eq!(with(deny()), (Outcome::ExplicitlyDenied, format!("with an explicit deny in {explicit}")));
    }
    let mut policies = Policies { vpce: open("s3:*"), ..base() };
    assert_eq!(clause(&policies).1, "because no VPC endpoint policy allows the A:B action");
    policies.vpce = open("secretsmanager:*");
    assert_eq!(outcome(&policies, &get(SESSION)), Outcome::Allowed);
    policies.rcp = vec![open("s3:*")];
    assert_eq!(outcome(&policies, &get(SESSION)), Outcome::Allowed);
    policies.rcp = vec![vec![to(&json!("*"), "Deny", "*")]];
    assert_eq!(clause(&policies).1, "with an explicit deny in a resource control policy");
    assert_eq!(clause(&Policies::default()).1, "because no identity-based policy allows the A:B action");
    let denied = Policies { identity: vec![deny()], ..Policies::default() };
    assert_eq!(clause(&denied).1, "with an explicit deny in an identity-based policy");
    let denied = Policies { resource: Some(to(&json!("*"), "Deny", "*")), ..base() };
    assert_eq!(clause(&denied).1, "with an explicit deny in a resource-based policy");
}

#[test]
fn across_accounts_both_sides_have_to_allow() {
    fidelity!("iam-15");
    let other = "arn:aws:sts::444455556666:assumed-role/Core/thing";
    let granted = Some(to(&json!({"AWS": "444455556666"}), "Allow", "*"));
    let both = Policies { identity: vec![allow("role", "*")], resource: granted, ..Policies::default() };
    assert_eq!(outcome(&both, &get(other)), Outcome::Allowed);
    let one = Policies { resource: Some(to(&json!("*"), "Allow", "*")), ..Policies::default() };
    assert_eq!(outcome(&one, &get(other)), Outcome::ImplicitlyDenied);
    assert_eq!(decide(&one, &get(other)).layer, Some(Layer::Identity));
    let own = Policies { resource: None, ..both.clone() };
    assert_eq!(decide(&own, &get(other)).layer, Some(Layer::Resource));
    let limited = Policies { boundary: Some(allow("limit", "s3:*")), ..both.clone() };
    assert_eq!(decide(&limited, &get(other)).layer, Some(Layer::Boundary));
    // A request that names no owner stays within the account.
    let request = Request::new("secretsmanager:GetSecretValue", SECRET).by(Principal::parse(other));
    assert_eq!(outcome(&own, &request), Outcome::Allowed);
}

#[test]
fn a_key_and_a_role_have_to_name_the_account() {
    fidelity!("iam-16", "iam-19");
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1";
    let ask = |action: &str, resource: &str, with: Option<Policy>| {
        let policies = Policies { identity: vec![allow("role", "*")], resource: with, ..Policies::default() };
        let request = Request::new(action, resource).by(Principal::parse(SESSION)).owned_by("111122223333");
        let decision = decide(&policies, &request);
        (decision.outcome, decision.clause(action).unwrap_or_default())
    };
    let account = json!({"AWS": "arn:aws:iam::111122223333:root"});
    assert_eq!(ask("kms:Decrypt", key, Some(to(&account, "Allow", "kms:*"))).0, Outcome::Allowed);
    assert_eq!(
        ask("kms:Decrypt", key, Some(to(&account, "Allow", "kms:Encrypt"))),
        (Outcome::ImplicitlyDenied, "because no resource-based policy allows the kms:Decrypt action".to_owned())
    );
    assert_eq!(ask("kms:Decrypt", key, None).0, Outcome::ImplicitlyDenied);
    assert_eq!(ask("kms:ListKeys", "*", None).0, Outcome::Allowed);
    let trust = |effect: &str| {
        Some(policy("trust", &json!({"Effect": effect, "Principal": account, "Action": "sts:AssumeRole"})))
    };
    let role = "arn:aws:iam::111122223333:role/Other";
    assert_eq!(ask("sts:AssumeRole", role, trust("Allow")).0, Outcome::Allowed);
    assert_eq!(ask("sts:AssumeRole", role, None).1, "because no role trust policy allows the sts:AssumeRole action");
    assert_eq!(ask("sts:AssumeRole", role, trust("Deny")).1, "with an explicit deny in the role trust policy");
    // A statement without resources has a meaning in trust policies only.
    assert_eq!(ask("secretsmanager:GetSecretValue", SECRET, trust("Deny")).0, Outcome::Allowed);
}

#[test]
fn services_the_anonymous_and_root() {
    fidelity!("iam-17");
    let service = Some(to(&json!({"Service": "iot.amazonaws.com"}), "Allow", "*"));
    let all = Policies { identity: vec![allow("role", "*")], resource: service, ..Policies::default() };
    assert_eq!(outcome(&all, &get("iot.amazonaws.com")), Outcome::Allowed);
    assert_eq!(outcome(&all, &get("ec2.amazonaws.com")), Outcome::ImplicitlyDenied);
    let scp = Policies { scp: vec![vec![allow("none", "s3:*")]], ..all.clone() };
    assert_eq!(outcome(&scp, &get("iot.amazonaws.com")), Outcome::Allowed);
    let anonymous = Request::new("secretsmanager:GetSecretValue", SECRET);
    assert_eq!(outcome(&all, &anonymous), Outcome::ImplicitlyDenied);
    let open = Policies { resource: Some(to(&json!({"AWS": "*"}), "Allow", "*")), ..Policies::default() };
    assert_eq!(outcome(&open, &anonymous), Outcome::Allowed);
    let root = get("arn:aws:iam::111122223333:root");
    assert_eq!(outcome(&Policies::default(), &root), Outcome::Allowed);
    let limited = Policies { scp: vec![vec![allow("none", "s3:*")]], ..Policies::default() };
    assert_eq!(outcome(&limited, &root), Outcome::ImplicitlyDenied);
    let bounded = Policies { boundary: Some(allow("none", "s3:*")), ..Policies::default() };
    assert_eq!(outcome(&bounded, &root), Outcome::Allowed);
}

#[test]
fn not_principal_spares_whom_it_names_in_full() {
    fidelity!("iam-18");
    let ask = |named: &[&str], effect: &str, bounded: bool| {
        let statement = json!({"Effect": effect, "NotPrincipal": {"AWS": named}, "Action": "*", "Resource": "*"});
        let boundary = bounded.then(|| allow("limit", "*"));
        let resource = Some(policy("resource", &statement));
        let identity = if effect == "Deny" { vec![allow("role", "*")] } else { Vec::new() };
        outcome(&Policies { identity, resource, boundary, ..Policies::default() }, &get(SESSION))
    };
    let full = [SESSION, "arn:aws:iam::111122223333:role/Core", "111122223333"];
    assert_eq!(ask(&full, "Deny", false), Outcome::Allowed);
    assert_eq!(ask(&full, "Deny", true), Outcome::ExplicitlyDenied);
    for missing in 0..3 {
        let named: Vec<&str> = full.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, one)| *one).collect();
        assert_eq!(ask(&named, "Deny", false), Outcome::ExplicitlyDenied, "{named:?}");
    }
    assert_eq!(ask(&["*"], "Deny", false), Outcome::Allowed);
    assert_eq!(ask(&["arn:aws:iam::111122223333:role/Core"], "Allow", false), Outcome::ImplicitlyDenied);
    assert_eq!(ask(&["arn:aws:iam::111122223333:role/Other"], "Allow", false), Outcome::Allowed);
}

#[test]
fn an_explanation_shows_what_matched_and_where_it_stands() {
    fidelity!("iam-20");
    let text = r#"{"Version": "2012-10-17", "Statement": [
  {"Sid": "Read", "Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": "*",
   "Condition": {"StringEquals": {"aws:PrincipalTag/site": ["a", "b"]}, "Bool": {"aws:SecureTransport": true}}},
  {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#;
    let role = Policy::new("role", Document::read(text, Kind::Inline).unwrap());
    let policies = Policies { identity: vec![role], ..Policies::default() };
    let request = get(SESSION).with("AWS:PrincipalTag/Site", "c");
    let explanation = explain(&policies, &request);
    let clause = "because no identity-based policy allows the secretsmanager:GetSecretValue action";
    assert_eq!(
        explanation.to_string(),
        format!(
            "ImplicitlyDenied ({clause})\n\
             identity: does not allow\n\
             \x20 Allow role[Read] at 2:3: does not apply\n\
             \x20   + action\n\
             \x20   + resource\n\
             \x20   - StringEquals aws:PrincipalTag/site a | b: the request has [\"c\"]\n\
             \x20   - Bool aws:SecureTransport true: not in the request\n\
             \x20 Allow role[1] at 4:3: does not apply\n\
             \x20   - action\n\
             \x20   + resource\n"
        )
    );
    let request = get(SESSION).with("aws:PrincipalTag/site", "b").with("aws:SecureTransport", "true");
    let explanation = explain(&policies, &request);
    assert!(explanation.layers[0].has(Effect::Allow) && explanation.denied_in().is_empty());
    let deciding = explanation.deciding();
    assert_eq!((deciding.len(), deciding[0].to_string().as_str()), (1, "role[Read]"));
    assert!(explanation.to_string().starts_with("Allowed by role[Read]\nidentity: allows\n"));
}

#[test]
fn an_explanation_tells_a_principal_that_has_no_place() {
    fidelity!("iam-20");
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
    let policies = Policies { identity: vec![policy("role", &statement)], ..Policies::default() };
    let explanation = explain(&policies, &get(SESSION));
    let report = &explanation.layers[0].statements[0];
    assert_eq!((report.principal, report.action, report.applies), (Some(false), true, false));
}

#[test]
fn a_fault_shows_what_stands_in_place_of_a_text() {
    fidelity!("iam-21");
    for value in ["null", "true", "1.5", "{}", "[[]]"] {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": {value}, "Resource": "*"}}}}"#
        );
        let error = Document::read(&text, Kind::Managed).unwrap_err().to_string();
        let shown = match value {
            "{}" => "{…}",
            "[[]]" => "[…]",
            plain => plain,
        };
        assert!(error.contains(&format!("`Action` holds `{shown}`, which is no text")), "{error}");
    }
}

#[test]
fn of_several_faults_aws_names_one() {
    fidelity!("iam-21");
    let text = r#"{"Version": "2008-10-17", "Statement": [
  {"Effect": "Allow", "Action": "nonsense", "Resource": "x"},
  {"Effect": "allow", "Resource": "*", "Action": "s3:*"}]}"#;
    let told = |text: &str| {
        let error = Document::read(text, Kind::Managed).unwrap_err();
        (error.position().unwrap().to_string(), error.aws_message().unwrap_or_default().to_owned())
    };
    let version = ("1:13".to_owned(), "Policy document must be version 2012-10-17 or greater.".to_owned());
    assert_eq!(told(text), version);
    let text = text.replace("2008", "2012");
    assert_eq!(told(&text), ("3:14".to_owned(), "The policy failed legacy parsing".to_owned()));
    let text = text.replace("\"allow\"", "\"Allow\"");
    assert_eq!(told(&text), ("2:57".to_owned(), "Resource x must be in ARN format or \"*\".".to_owned()));
    let text = text.replace("\"x\"", "\"*\"");
    assert!(told(&text).1.starts_with("Actions/Conditions must be prefaced by a vendor"));
    let twice = text.replace("\"Effect\": \"Allow\", \"Res", "\"Effect\": \"Allow\", \"Effect\": \"Deny\", \"Res");
    assert_eq!(told(&twice), ("3:23".to_owned(), "Syntax errors in policy.".to_owned()));
}
