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

/// Words for the CLI, whether they succeed, and what is printed or said.
fn cases() -> Vec<(String, bool, String)> {
    let get = |secret: &str| {
        format!("secretsmanager get-secret-value --secret-id {secret} --query SecretString --output text")
    };
    let put = |key: &str| {
        format!(
            "s3api put-object --bucket {BUCKET} --key {key} --body /etc/hostname --server-side-encryption aws:kms \
             --ssekms-key-id {key} --query ServerSideEncryption --output text"
        )
    };
    let encrypted = format!(
        "kms encrypt --key-id {OPEN} --plaintext aGVsbG8= --query CiphertextBlob --output text > /tmp/cipher; \
         aws kms decrypt --ciphertext-blob $(cat /tmp/cipher) --query Plaintext --output text"
    );
    let assumed = |policy: &str, then: &str| {
        format!(
            "sts assume-role --role-arn arn:aws:iam::{ACCOUNT}:role/Worker --role-session-name night {policy} \
             --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text > /tmp/session; \
             read key secret token < /tmp/session; \
             AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=$token aws {then}"
        )
    };
    let limit = format!("--policy '{}'", EVERYTHING.replace("\"Action\":\"*\"", "\"Action\":\"s3:*\""));
    let who = "sts get-caller-identity --query Arn --output text";
    let error = |code: &str, operation: &str, text: &str| {
        format!("An error occurred ({code}) when calling the {operation} operation: {text}")
    };
    let not_allowed = error("AccessDeniedException", "GetSecretValue", "Access to KMS is not allowed");
    let not_decrypted = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
    let key = format!("arn:aws:kms:ap-northeast-1:{ACCOUNT}:key/{CLOSED}");
    let no_key = |action: &str| {
        format!("perform: {action} on resource: {key} because no resource-based policy allows the {action} action")
    };
    vec![
        (get("open"), true, "v4lue".into()),
        (get("closed"), false, not_allowed),
        (get("off"), false, error("DecryptionFailure", "GetSecretValue", not_decrypted)),
        (encrypted, true, "aGVsbG8=".into()),
        (format!("kms encrypt --key-id {CLOSED} --plaintext aGVsbG8="), false, no_key("kms:Encrypt")),
        (put(OPEN), true, "aws:kms".into()),
        (format!("s3 cp --quiet s3://{BUCKET}/{OPEN} - | wc -l"), true, "1".into()),
        (put(CLOSED), false, no_key("kms:GenerateDataKey")),
        (assumed("", who), true, format!("arn:aws:sts::{ACCOUNT}:assumed-role/Worker/night")),
        (assumed("", &get("open")), true, "v4lue".into()),
        (
            assumed(&limit, &get("open")),
            false,
            "because no session policy allows the secretsmanager:GetSecretValue action".into(),
        ),
    ]
}

#[test]
fn the_cli_is_answered_as_keys_roles_and_sessions_allow() -> Result<()> {
    fidelity!("gate-12", "gate-13");
    block_on(async {
        let stage = stage(1.0).await;
        let environment = Environment::raise(&stage, Plan::of(scenario()?)?).await?;
        for (words, succeeds, expected) in cases() {
            let got = aws(&environment, &words).await?;
            let said = if succeeds { got.stdout.trim() } else { got.stderr.trim() };
            let as_expected = if succeeds { said == expected } else { said.contains(&expected) };
            assert!(as_expected && (got.exit_code == 0) == succeeds, "{words}\n{expected}\n{got:#?}");
        }
        environment.remove().await?;
        Ok(())
    })
}
