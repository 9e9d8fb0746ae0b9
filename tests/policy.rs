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

/// `greenproof policy test` on the reference scenario; `before` and `after` are its evidence folders.
fn trial(folder: &std::path::Path, new: &str, more: &[&str]) -> (i32, String, String) {
    let evidence = folder.to_string_lossy().into_owned();
    let scenario = "../scenarios/private-package.toml";
    policy(&[&["test", new, scenario, "--evidence", &evidence], more].concat())
}

/// The classic mistake: the ARN of a secret without its random suffix. The record of the run before tells it again
/// without Docker.
#[test]
fn a_policy_that_breaks_the_install_is_told_with_the_step_and_the_text() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let new = "rollout/without-suffix/secret-read.json";
    let (code, out, error) = trial(folder.path(), new, &["--json"]);
    assert_eq!(code, 1, "{out}\n{error}");
    let told: Value = serde_json::from_str(&out)?;
    assert_eq!((&told["before"]["passed"], &told["after"]["passed"]), (&Value::Bool(true), &Value::Bool(false)));
    let calls = told["calls"].as_array().expect("calls are a list");
    let broken: Vec<_> = calls.iter().filter(|call| call["after"]["outcome"] != "allowed").collect();
    let [call] = broken[..] else { panic!("{broken:#?}") };
    assert_eq!(call["action"], "secretsmanager:GetSecretValue");
    assert_eq!(
        call["resource"],
        "arn:aws:secretsmanager:ap-northeast-1:{account}:secret:GithubPersonalAccessToekn-??????"
    );
    assert_eq!(call["before"]["statement"], "secret-read[0] 4:5");
    assert_eq!((&call["after"]["layer"], &call["after"]["statement"]), (&Value::from("identity"), &Value::Null));
    assert_eq!(call["step"], "com.example.GithubCustomPack Install");
    let message = call["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with(
            "An error occurred (AccessDeniedException) when calling the GetSecretValue operation: User: arn:aws:sts::"
        ),
        "{message}"
    );
    assert!(
        message.ends_with("because no identity-based policy allows the secretsmanager:GetSecretValue action"),
        "{message}"
    );
    let record = folder.path().join("private-package.before").to_string_lossy().into_owned();
    recorded(&record, new);
    Ok(())
}

/// What a record alone tells.
fn recorded(record: &str, new: &str) {
    let scenario = "../scenarios/private-package.toml";
    let (code, out, error) = policy(&["test", new, scenario, "--recorded", record]);
    assert_eq!((code, error.as_str()), (1, ""), "{out}");
    let expected = "\
private-package: role:secret-read is replaced

decided in another way:
  ✗ secretsmanager:GetSecretValue on arn:aws:secretsmanager:ap-northeast-1:{account}:secret:GithubPersonalAccessToekn-??????
      before  allowed by secret-read[0] 4:5
      after   denied: identity does not allow it
      decided from the record

decided the same:
    iot:Connect on arn:aws:iot:ap-northeast-1:{account}:client/{thing}: allowed by iot-thing[0] 4:5
";
    assert!(out.starts_with(expected), "{out}");
    assert!(out.ends_with("\n\n1 call of the component will be denied\n"), "{out}");
    // What breaks can be explained.
    let call = ["explain", "--recorded", record, "--call", "secretsmanager:GetSecretValue", "--identity"];
    assert_eq!(policy(&[&call[..], &[new]].concat()).0, 1);
    assert_eq!(policy(&[&call[..], &["secret-read.json"]].concat()).0, 0);
    // Nothing the component needs is denied, and a role with another's policies made no such record.
    let (code, out, error) = policy(&["test", "rollout/exact/secret-read.json", scenario, "--recorded", record]);
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains(
            "\nnewly allowed, and no call needs it:\n  secret-read[ListThem] 10:5: secretsmanager:ListSecrets on *\n"
        ),
        "{out}"
    );
    assert!(out.ends_with("\n\nno call of the component is denied\n"), "{out}");
    let other = ["test", "least-privilege.json", "../failures/F20-artifact-not-permitted.toml", "--for", "role"];
    let (code, _, error) = policy(&[&other[..], &["--recorded", record]].concat());
    assert_eq!(code, 2);
    assert!(error.contains("s3:GetObject on arn:aws:s3:::greengrass-component-artifacts-ap-northeast-1/com.example.GithubCustomPack/1.0.0/GithubCustomPack.zip, was Allowed then, and is ImplicitlyDenied"), "{error}");
}

/// The twin with the suffix passes, and says what is wider than before and not needed.
#[test]
fn a_policy_that_is_enough_passes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, out, error) = trial(folder.path(), "rollout/exact/secret-read.json", &[]);
    assert_eq!(code, 0, "{out}\n{error}");
    assert!(
        out.starts_with("private-package: role:secret-read is replaced\n  before  PASSED\n  after   PASSED\n"),
        "{out}"
    );
    assert!(
        out.contains(
            "\n      before  allowed by secret-read[0] 4:5\n      after   allowed by secret-read[ReadTheToken] 4:5\n"
        ),
        "{out}"
    );
    assert!(!out.contains("wider than what is used"), "{out}");
    Ok(())
}

#[test]
fn a_policy_without_a_place_is_refused_before_anything_is_raised() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, _, error) = trial(folder.path(), "any-object.json", &[]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("no policy of the scenario is called `any-object`: the role has artifact-read, secret-read, token-exchange; the certificate has iot-role-alias, iot-thing"), "{error}");
    let (code, _, error) = trial(folder.path(), "trust.json", &["--for", "role"]);
    assert_eq!(code, 2);
    assert!(
        error.starts_with("error: trust.json:6:20: statement 0: the policy of a principal can't name one"),
        "{error}"
    );
    Ok(())
}

/// The least role of the reference: each statement is needed, and the run with it is green.
#[test]
fn the_least_role_is_proven_by_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (evidence, out) = (folder.path().join("e"), folder.path().join("out"));
    let (evidence, out) = (evidence.to_string_lossy(), out.to_string_lossy());
    let scenario = "../scenarios/private-package.toml";
    let arguments = ["minimise", scenario, "--for", "role", "--json", "--evidence", &evidence, "--out", &out];
    let (code, told, error) = policy(&arguments);
    assert_eq!(code, 0, "{told}\n{error}");
    let told: Value = serde_json::from_str(&told)?;
    let bucket = "arn:aws:s3:::greengrass-component-artifacts-ap-northeast-1";
    let statement = |sid: &str, action: &str, resource: &str| serde_json::json!({"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource});
    let expected = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [
            statement("S3GetBucketLocation", "s3:GetBucketLocation", bucket),
            statement("S3GetObject", "s3:GetObject", &format!("{bucket}/com.example.GithubCustomPack/1.0.0/GithubCustomPack.zip")),
            statement(
                "SecretsmanagerGetSecretValue",
                "secretsmanager:GetSecretValue",
                "arn:aws:secretsmanager:ap-northeast-1:*:secret:GithubPersonalAccessToekn-??????",
            ),
        ],
    });
    assert_eq!(told["policies"], serde_json::json!({"role": expected}));
    let red = |removal: &Value| (removal["sid"].as_str().map(str::to_owned), removal["red"].is_string());
    let removals: Vec<_> = told["removals"].as_array().expect("removals are a list").iter().map(red).collect();
    let sids = ["S3GetBucketLocation", "S3GetObject", "SecretsmanagerGetSecretValue"];
    assert_eq!(removals, sids.map(|sid| (Some(sid.to_owned()), true)));
    assert_eq!(told["runs"], 5);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(format!("{out}/role.json"))?)?;
    assert_eq!(written, expected);
    Ok(())
}

/// Only a scenario that is green has least policies.
#[test]
fn a_scenario_that_is_red_is_not_minimised() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let evidence = folder.path().to_string_lossy();
    let (code, _, error) =
        policy(&["minimise", "../failures/F20-artifact-not-permitted.toml", "--evidence", &evidence]);
    assert_eq!(code, 2, "{error}");
    assert!(
        error.contains(
            "error: F20-artifact-not-permitted: it is not green: the deployment ends SUCCEEDED; seen: FAILED"
        ),
        "{error}"
    );
    Ok(())
}
