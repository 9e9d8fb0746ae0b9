//! What the gate decides for the AWS CLI on a device, before real LocalStack.

use anyhow::Result;
use fidelity::fidelity;
use greenproof::{
    Environment, Plan, Scenario,
    scenario::account::{Bucket, Key, Role, Secret},
};
use std::collections::BTreeMap;
use tests::{aws, block_on, fixture, stage};

const ACCOUNT: &str = "410987654321";
const OPEN: &str = "aaaaaaaa-12ab-34cd-56ef-1234567890ab";
const CLOSED: &str = "bbbbbbbb-12ab-34cd-56ef-1234567890ab";
const BUCKET: &str = "greenproof-gate-story";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// What lets a principal of the account do an action.
fn lets(principal: &str, action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:{principal}"}},"Action":"{action}","Resource":"*"}}}}"#
    )
}

/// An account whose device may do everything, but for keys that let somebody else alone use them or are disabled.
fn scenario() -> Result<Scenario> {
    let mut scenario = Scenario::load(&fixture("scenarios/inline.toml"))?;
    let aws = &mut scenario.aws;
    aws.account = Some(ACCOUNT.into());
    aws.role.policies = BTreeMap::from([("everything".into(), EVERYTHING.into())]);
    let closed = Key { id: Some(CLOSED.into()), policy: Some(lets("role/Nobody", "kms:*")), enabled: true };
    aws.keys = BTreeMap::from([
        ("open".into(), Key { id: Some(OPEN.into()), policy: None, enabled: true }),
        ("closed".into(), closed),
        ("off".into(), Key { id: None, policy: None, enabled: false }),
    ]);
    for key in ["open", "closed", "off"] {
        let secret = Secret { value: "v4lue".into(), key: Some(key.into()), ..Secret::default() };
        aws.secrets.insert(key.into(), secret);
    }
    aws.buckets.insert(BUCKET.into(), Bucket::default());
    let trust = lets("root", "sts:AssumeRole").replace(r#","Resource":"*""#, "");
    let worker = Role { name: "Worker".into(), trust, ..aws.role.clone() };
    aws.roles.push(worker);
    Ok(scenario)
}

/// Words for the CLI, and what it prints, or in what it fails.
type Case = (String, Result<String, String>);

fn get(secret: &str) -> String {
    format!("secretsmanager get-secret-value --secret-id {secret} --query SecretString --output text")
}

fn error(code: &str, operation: &str, text: &str) -> String {
    format!("An error occurred ({code}) when calling the {operation} operation: {text}")
}

/// What keys and their policies decide.
fn of_keys() -> Vec<Case> {
    let put = |key: &str| {
        format!(
            "s3api put-object --bucket {BUCKET} --key {key} --body /etc/issue.net --server-side-encryption aws:kms \
             --ssekms-key-id {key} --query ServerSideEncryption --output text"
        )
    };
    let not_allowed = error("AccessDeniedException", "GetSecretValue", "Access to KMS is not allowed");
    let not_decrypted = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
    let key = format!("arn:aws:kms:ap-northeast-1:{ACCOUNT}:key/{CLOSED}");
    let no_key = |action: &str| {
        format!("perform: {action} on resource: {key} because no resource-based policy allows the {action} action")
    };
    vec![
        (get("open"), Ok("v4lue".into())),
        (get("closed"), Err(not_allowed)),
        (get("off"), Err(error("DecryptionFailure", "GetSecretValue", not_decrypted))),
        (format!("kms encrypt --key-id {CLOSED} --plaintext aGVsbG8="), Err(no_key("kms:Encrypt"))),
        (put(OPEN), Ok("aws:kms".into())),
        (format!("s3 cp --quiet s3://{BUCKET}/{OPEN} -"), Ok("Debian GNU/Linux 12".into())),
        (put(CLOSED), Err(no_key("kms:GenerateDataKey"))),
    ]
}

/// What sessions of the worker's role may do, the one whole and the other limited to S3, and what was encrypted.
fn of_sessions(whole: &str, limited: &str, encrypted: &str) -> Vec<Case> {
    let worker = format!("arn:aws:sts::{ACCOUNT}:assumed-role/Worker/night");
    let no_session = "because no session policy allows the secretsmanager:GetSecretValue action";
    vec![
        (format!("kms decrypt --ciphertext-blob {encrypted} --query Plaintext --output text"), Ok("aGVsbG8=".into())),
        (format!("{whole} sts get-caller-identity --query Arn --output text"), Ok(worker)),
        (format!("{whole} {}", get("open")), Ok("v4lue".into())),
        (format!("{limited} {}", get("open")), Err(no_session.into())),
    ]
}

/// The variables with a session's credentials, for the shell.
fn session(printed: &str) -> String {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let words = names.into_iter().zip(printed.split_whitespace()).map(|(name, value)| format!("{name}={value}"));
    words.collect::<Vec<_>>().join(" ")
}

/// Makes the calls, each of which must end as its case says.
async fn answered(environment: &Environment, cases: &[Case]) -> Result<()> {
    let ends = aws(environment, cases.iter().map(|(words, _)| words)).await?;
    for (got, (words, expected)) in ends.iter().zip(cases) {
        let as_expected = match expected {
            Ok(printed) => got.exit_code == 0 && got.stdout.trim() == printed,
            Err(said) => got.exit_code != 0 && got.stderr.contains(said),
        };
        assert!(as_expected, "{words}\n{expected:?}\n{got:#?}");
    }
    Ok(())
}

#[test]
fn the_cli_is_answered_as_keys_roles_and_sessions_allow() -> Result<()> {
    fidelity!("gate-12", "gate-13");
    let assume = format!(
        "sts assume-role --role-arn arn:aws:iam::{ACCOUNT}:role/Worker --role-session-name night \
         --query Credentials.[AccessKeyId,SecretAccessKey,SessionToken] --output text"
    );
    let limited = format!("{assume} --policy '{}'", EVERYTHING.replace("\"Action\":\"*\"", "\"Action\":\"s3:*\""));
    let encrypt = format!("kms encrypt --key-id {OPEN} --plaintext aGVsbG8= --query CiphertextBlob --output text");
    block_on(async {
        let stage = stage(1.0).await;
        let environment = Environment::raise(&stage, Plan::of(scenario()?)?).await?;
        answered(&environment, &of_keys()).await?;
        let made = aws(&environment, [assume, limited, encrypt]).await?;
        assert!(made.iter().all(|call| call.exit_code == 0), "{made:#?}");
        let sessions = of_sessions(&session(&made[0].stdout), &session(&made[1].stdout), made[2].stdout.trim());
        answered(&environment, &sessions).await?;
        environment.remove().await?;
        Ok(())
    })
}
