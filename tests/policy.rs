//! `greenproof policy` as a person meets it.

use anyhow::Result;
use assert_cmd::Command;
use serde_json::Value;
use tests::{fixture, program};

/// Runs `greenproof policy …` in the folder of policies; gives the exit code, standard output and standard error.
fn policy(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program());
    let output = command.current_dir(fixture("policies")).arg("policy").args(arguments).output();
    let output = output.expect("the program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it was not killed"), text(&output.stdout), text(&output.stderr))
}

const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/CoreTokenExchange/core";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";

fn reading_the_secret<'a>(resource: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let request = ["explain", "--action", "secretsmanager:GetSecretValue", "--resource", resource];
    [&request[..], &["--principal", SESSION], more].concat()
}

#[test]
fn an_allowed_request_is_explained_with_the_lines_of_the_template() {
    let resource = format!("{SECRET}GithubPersonalAccessToekn-Ab12Cd");
    let role = ["--identity", "sources/template.yaml#CoreRole", "--parameter", "ArtifactBucket=artifacts"];
    let (code, out, error) = policy(&reading_the_secret(&resource, &role));
    assert_eq!((code, error.as_str()), (0, ""));
    let expected = "\
ALLOWED secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:123456789012:secret:GithubPersonalAccessToekn-Ab12Cd
  by arn:aws:sts::123456789012:assumed-role/CoreTokenExchange/core
  decided by read-token[ReadToken]

identity: allows
  Allow artifacts[ReadArtifacts] at sources/template.yaml:31:17: does not apply
    ✗ Action s3:GetObject | s3:GetBucketLocation; asked: secretsmanager:GetSecretValue
    ✗ Resource arn:aws:s3:::artifacts | arn:aws:s3:::artifacts/*; asked: arn:aws:secretsmanager:eu-west-1:123456789012:secret:GithubPersonalAccessToekn-Ab12Cd
  Allow read-token[ReadToken] at sources/template.yaml:44:13: applies
    ✓ Action secretsmanager:GetSecretValue
    ✓ Resource arn:aws:secretsmanager:eu-west-1:123456789012:secret:GithubPersonalAccessToekn-??????
  Allow logs[0] at sources/template.yaml:59:13: does not apply
    ✗ Action logs:PutLogEvents; asked: secretsmanager:GetSecretValue
    ✗ Resource arn:aws:logs:eu-west-1:123456789012:log-group:/greengrass/core:*; asked: arn:aws:secretsmanager:eu-west-1:123456789012:secret:GithubPersonalAccessToekn-Ab12Cd
";
    assert_eq!(out, expected);
}

/// The twin of another secret, and those of a boundary, a session policy and a level of SCPs that don't allow it.
#[test]
fn a_denied_request_names_the_layer_that_denies() {
    let resource = format!("{SECRET}Other-Ab12Cd");
    let (code, out, _) = policy(&reading_the_secret(&resource, &["--identity", "least-privilege.json"]));
    assert_eq!(code, 1);
    assert!(out.starts_with(&format!("DENIED secretsmanager:GetSecretValue on {resource}\n")), "{out}");
    assert!(
        out.contains("\n  because no identity-based policy allows the secretsmanager:GetSecretValue action\n"),
        "{out}"
    );
    assert!(out.contains("  Allow least-privilege[ReadTheToken] at least-privilege.json:16:5: does not apply\n    ✓ Action secretsmanager:GetSecretValue\n    ✗ Resource "), "{out}");
    let layers = [
        (vec!["--boundary", "artifact-read.json"], "boundary", "because no permissions boundary allows"),
        (vec!["--session", "artifact-read.json"], "session", "because no session policy allows"),
        (
            vec!["--scp", "secret-read.json", "artifact-read.json"],
            "scp",
            "with an explicit deny in a service control policy",
        ),
        (vec!["--scp", "secret-read.json,artifact-read.json"], "", ""),
    ];
    for (more, layer, clause) in layers {
        let all = [&["--identity", "secret-read.json", "--json"], &more[..]].concat();
        let (code, out, error) = policy(&reading_the_secret(&resource, &all));
        let told: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}"));
        assert_eq!(code, i32::from(!layer.is_empty()), "{out}");
        assert_eq!(told["layer"].as_str().unwrap_or_default(), layer);
        assert!(told["clause"].as_str().unwrap_or_default().starts_with(clause), "{out}");
    }
}

/// An empty value of a key is no missing key, and either is told.
#[test]
fn conditions_are_told_with_what_they_saw() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("p.json");
    let statement = r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": ["a", "b"]}}}"#;
    std::fs::write(&file, format!("{{\"Version\": \"2012-10-17\",\n  \"Statement\": {statement}}}"))?;
    let file = file.to_string_lossy().into_owned();
    let ask = |more: &[&str]| {
        let request = ["explain", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::b/k", "--principal", SESSION];
        policy(&[&request[..], &["--identity", &file], more].concat())
    };
    let (code, out, _) = ask(&[]);
    assert_eq!(code, 1);
    assert!(
        out.contains("    ✗ StringEquals s3:ExistingObjectTag/team a | b (the request has no such key)\n"),
        "{out}"
    );
    let (code, out, _) = ask(&["--context", "s3:existingobjecttag/team=b"]);
    assert_eq!(code, 0);
    assert!(out.contains("    ✓ StringEquals s3:ExistingObjectTag/team a | b (the request has b)\n"), "{out}");
    assert!(out.contains(&format!(" at {file}:2:16: applies")), "{out}");
    Ok(())
}

#[test]
fn a_request_may_be_json_from_standard_input() {
    let request = r#"{"request": {"action": "iot:Connect", "resource": "arn:aws:iot:eu-west-1:123456789012:client/core",
        "context": {"iot:Connection.Thing.ThingName": "core"}}}"#;
    let ask = |request: String| {
        let mut command = Command::new(program());
        let command = command.current_dir(fixture("policies")).args(["policy", "explain", "--request", "-"]);
        command.args(["--iot", "sources/template.yaml#CorePolicy"]).write_stdin(request).output().expect("it runs")
    };
    assert_eq!(ask(request.to_owned()).status.code(), Some(0));
    assert_eq!(ask(request.replace("\"core\"", "\"other\"")).status.code(), Some(1));
    let broken = ask(request.replace("context", "contxt"));
    let error = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert_eq!(broken.status.code(), Some(2));
    assert!(error.starts_with("error: -: unknown field `contxt`"), "{error}");
}

#[test]
fn what_is_missing_or_wrong_is_told_with_code_2() {
    let cases = [
        (
            vec!["explain", "--action", "s3:GetObject", "--identity", "trust.json"],
            "the request: it does not say who asks",
        ),
        (vec!["explain", "--identity", "trust.json"], "no request is given"),
        (vec!["explain", "--action", "s3:GetObject", "--principal", SESSION], "no policy is given"),
        (
            vec!["explain", "--action", "a:b", "--principal", SESSION, "--identity", "trust.json"],
            "trust.json:6:20: statement 0: ",
        ),
        (
            vec!["explain", "--action", "a:b", "--principal", SESSION, "--identity", "sources/plan.json"],
            "this plan holds 5 policies and roles",
        ),
        (vec!["explain", "--recorded", "nowhere"], "nowhere: can't read the evidence"),
    ];
    for (arguments, message) in cases {
        let (code, out, error) = policy(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.contains(message) && error.contains("\n  hint: "), "{arguments:?}: {error}");
    }
}
