//! What an account holds, as its device sees it with the AWS CLI.

use anyhow::Result;
use fidelity::fidelity;
use greenproof::{
    Environment, Plan, Scenario,
    scenario::account::{Bucket, Key, Secret},
};
use std::collections::BTreeMap;
use tests::{aws, block_on, fixture, stage};

const ACCOUNT: &str = "210987654321";
const WRITER: &str = "410987654321";
const REGION: &str = "ap-northeast-1";
const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const BUCKET: &str = "greenproof-account-story";

/// An account whose device may do everything.
fn scenario() -> Result<Scenario> {
    let mut scenario = Scenario::load(&fixture("scenarios/inline.toml"))?;
    let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    scenario.aws.role.policies = BTreeMap::from([("everything".into(), everything.into())]);
    Ok(scenario)
}

/// A policy that takes nothing away, byte for byte.
fn policy(resource: &str) -> String {
    format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {{\"Effect\": \"Allow\", \"Principal\": {{\"AWS\": \
         \"arn:aws:iam::{ACCOUNT}:root\"}},\n    \"Action\": \"*\", \"Resource\": \"{resource}\"}}\n}}\n"
    )
}

#[test]
fn what_a_scenario_states_is_there_and_goes_with_its_world() -> Result<()> {
    fidelity!("account-1");
    let mut scenario = scenario()?;
    scenario.aws.account = Some(ACCOUNT.into());
    let key = Key { id: Some(KEY.into()), policy: Some(policy("*")), enabled: true };
    let spare = Key { id: None, policy: None, enabled: false };
    scenario.aws.keys = BTreeMap::from([("tokens".into(), key), ("spare".into(), spare)]);
    let secret = Secret {
        value: "v4lue".into(),
        suffix: Some("AbCdEf".into()),
        key: Some("tokens".into()),
        policy: Some(policy("*")),
        tags: BTreeMap::from([("Team".into(), "north".into())]),
    };
    scenario.aws.secrets.insert("stated/secret".into(), secret);
    let objects = BTreeMap::from([("a/b.json".into(), fixture("policies/trust.json"))]);
    let bucket_policy = policy(&format!("arn:aws:s3:::{BUCKET}/*"));
    scenario.aws.buckets.insert(BUCKET.into(), Bucket { objects, policy: Some(bucket_policy.clone()) });
    block_on(async {
        let stage = stage(1.0).await;
        // The second time nothing of the first is in the way.
        for seen in [usize::MAX, 1] {
            let environment = Environment::raise(&stage, Plan::of(scenario.clone())?).await?;
            let spare = environment.plan.keys["spare"].id.clone();
            let arn = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stated/secret-AbCdEf");
            let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY}");
            let cases = [
                (
                    "secretsmanager describe-secret --secret-id stated/secret --query [ARN,KmsKeyId,Tags] --output json"
                        .to_owned(),
                    format!("[\"{arn}\",\"{key}\",[{{\"Key\":\"Team\",\"Value\":\"north\"}}]]"),
                ),
                (
                    format!("secretsmanager get-secret-value --secret-id {arn} --query SecretString --output text"),
                    "v4lue".to_owned(),
                ),
                (
                    "secretsmanager get-resource-policy --secret-id stated/secret --query ResourcePolicy --output text"
                        .to_owned(),
                    policy("*"),
                ),
                (format!("kms describe-key --key-id {KEY} --query KeyMetadata.KeyState --output text"), "Enabled".into()),
                (format!("kms list-resource-tags --key-id {KEY} --query Tags --output json"), "[]".into()),
                (format!("kms get-key-policy --key-id {KEY} --policy-name default --query Policy --output text"), policy("*")),
                (
                    format!("kms describe-key --key-id {spare} --query KeyMetadata.KeyState --output text"),
                    "Disabled".into(),
                ),
                (format!("s3api get-bucket-policy --bucket {BUCKET} --query Policy --output text"), bucket_policy.clone()),
                (
                    format!("s3 cp s3://{BUCKET}/a/b.json -"),
                    std::fs::read_to_string(fixture("policies/trust.json"))?,
                ),
            ];
            let ends = aws(&environment, cases.iter().take(seen).map(|(words, _)| words)).await?;
            for (got, (words, expected)) in ends.iter().zip(&cases) {
                let plain = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!((plain(&got.stdout), got.exit_code), (plain(expected), 0), "{words}: {got:?}");
            }
            environment.remove().await?;
        }
        Ok(())
    })
}

const GET: &str = "secretsmanager get-secret-value --secret-id GithubPersonalAccessToekn --query Name";

/// Each write is followed by a call that it decides.
#[test]
fn identity_policies_count_as_they_were_written_last() -> Result<()> {
    const ROLE: &str = "--role-name GreengrassV2TokenExchangeRole";
    fidelity!("account-2", "account-3");
    let policy_arn = format!("arn:aws:iam::{WRITER}:policy/bound");
    let (more, managed) = (allow("secretsmanager:GetSecretValue"), "arn:aws:iam::aws:policy/SecretsManagerReadWrite");
    let no_identity = "because no identity-based policy allows the secretsmanager:GetSecretValue action";
    let no_boundary = "because no permissions boundary allows the secretsmanager:GetSecretValue action";
    let malformed = "(MalformedPolicyDocument) when calling the PutRolePolicy operation: \
                     Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    let replaced = format!(
        "iam create-policy-version --policy-arn {policy_arn} --set-as-default --policy-document '{}'",
        allow("*")
    );
    let calls = [
        (GET.to_owned(), no_identity),
        (format!("iam put-role-policy {ROLE} --policy-name more --policy-document '{more}'"), ""),
        (GET.to_owned(), ""),
        (format!("iam create-policy --policy-name bound --policy-document '{}'", allow("iam:*")), ""),
        (format!("iam put-role-permissions-boundary {ROLE} --permissions-boundary {policy_arn}"), ""),
        (GET.to_owned(), no_boundary),
        (replaced, ""),
        (GET.to_owned(), ""),
        (format!("iam delete-role-policy {ROLE} --policy-name more"), ""),
        (GET.to_owned(), no_identity),
        (format!("iam attach-role-policy {ROLE} --policy-arn {managed}"), ""),
        (GET.to_owned(), ""),
        (format!("iam put-role-policy {ROLE} --policy-name bad --policy-document '{}'", allow("s3")), malformed),
    ];
    let mut scenario = scenario()?;
    scenario.aws.account = Some(WRITER.into());
    scenario.aws.role.policies = BTreeMap::from([("writer".into(), allow("iam:*"))]);
    block_on(async {
        let environment = Environment::raise(&stage(1.0).await, Plan::of(scenario)?).await?;
        call(&environment, &calls).await?;
        let trust = statement("Allow", "sts:AssumeRole", r#""Principal":{"Service":"ec2.amazonaws.com"},"#, "");
        let update = format!("iam update-assume-role-policy {ROLE} --policy-document '{trust}'");
        call(&environment, &[(update, "")]).await?;
        let refused = environment.credentials().await;
        environment.remove().await?;
        assert!(refused.is_err(), "the provider may not assume the role");
        Ok(())
    })
}

#[test]
fn resource_policies_count_as_they_were_written_last() -> Result<()> {
    const BUCKET: &str = "--bucket greenproof-account-writes";
    fidelity!("account-2");
    let deny = |action: &str, resource: &str| {
        let resource = format!(r#","Resource":"{resource}""#);
        statement("Deny", action, r#""Principal":"*","#, &resource)
    };
    let secret = "--secret-id GithubPersonalAccessToekn";
    let of_secret = deny("secretsmanager:GetSecretValue", "*");
    // AWS refuses a key policy that locks its own writer out, so the rest stays allowed.
    let of_key = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}]}"#;
    let locked = "secretsmanager get-secret-value --secret-id locked --query Name".to_owned();
    let of_bucket = deny("s3:GetObject", "arn:aws:s3:::greenproof-account-writes/*");
    let denied = "with an explicit deny in a resource-based policy";
    let read = format!("s3api get-object {BUCKET} --key file /tmp/file");
    let calls = [
        (GET.to_owned(), ""),
        (format!("secretsmanager put-resource-policy {secret} --resource-policy '{of_secret}'"), ""),
        (GET.to_owned(), denied),
        (format!("secretsmanager delete-resource-policy {secret}"), ""),
        (GET.to_owned(), ""),
        (read.clone(), ""),
        (format!("s3api put-bucket-policy {BUCKET} --policy '{of_bucket}'"), ""),
        (read.clone(), denied),
        (format!("s3api delete-bucket-policy {BUCKET}"), ""),
        (read, ""),
        (locked.clone(), ""),
        (format!("kms put-key-policy --key-id {KEY} --policy-name default --policy '{of_key}'"), ""),
        (locked, "(AccessDeniedException) when calling the GetSecretValue operation: Access to KMS is not allowed"),
    ];
    let mut scenario = scenario()?;
    let objects = BTreeMap::from([("file".into(), fixture("policies/trust.json"))]);
    scenario.aws.buckets.insert("greenproof-account-writes".into(), Bucket { objects, policy: None });
    scenario.aws.keys.insert("lock".into(), Key { id: Some(KEY.into()), policy: None, enabled: true });
    let secret = Secret { value: "v4lue".into(), key: Some("lock".into()), ..Secret::default() };
    scenario.aws.secrets.insert("locked".into(), secret);
    block_on(async {
        let environment = Environment::raise(&stage(1.0).await, Plan::of(scenario)?).await?;
        call(&environment, &calls).await?;
        environment.remove().await?;
        Ok(())
    })
}

/// What S3 does by default in a new bucket: it has no ACLs, and `aws/s3` needs no permission of the caller's.
#[test]
fn a_new_bucket_has_no_acls_and_a_key_of_aws() -> Result<()> {
    const BUCKET: &str = "--bucket greenproof-account-defaults";
    fidelity!("gate-12", "gate-26");
    let put = format!("s3api put-object {BUCKET} --key file --body /etc/hostname");
    let refused =
        "(AccessControlListNotSupported) when calling the PutObject operation: The bucket does not allow ACLs";
    let owned = "--ownership-controls Rules=[{ObjectOwnership=ObjectWriter}]";
    let calls = [
        (format!("{put} --acl public-read"), refused),
        (format!("{put} --acl bucket-owner-full-control"), ""),
        (format!("s3api put-bucket-ownership-controls {BUCKET} {owned}"), ""),
        (format!("{put} --acl public-read"), ""),
        (format!("{put} --server-side-encryption aws:kms"), ""),
        (format!("s3api get-object {BUCKET} --key file /tmp/file"), ""),
        (format!("{put} --server-side-encryption aws:kms --ssekms-key-id {KEY}"), "kms:GenerateDataKey"),
    ];
    let mut scenario = scenario()?;
    scenario.aws.role.policies = BTreeMap::from([("storage".into(), allow("s3:*"))]);
    scenario.aws.buckets.insert("greenproof-account-defaults".into(), Bucket::default());
    scenario.aws.keys.insert("own".into(), Key { id: Some(KEY.into()), policy: None, enabled: true });
    block_on(async {
        let environment = Environment::raise(&stage(1.0).await, Plan::of(scenario)?).await?;
        call(&environment, &calls).await?;
        environment.remove().await?;
        Ok(())
    })
}

/// Makes calls of the AWS CLI, each with what it says on standard error; nothing where it succeeds.
async fn call(environment: &Environment, calls: &[(String, &str)]) -> Result<()> {
    let ends = aws(environment, calls.iter().map(|(words, _)| words)).await?;
    for (number, (got, (words, says))) in ends.iter().zip(calls).enumerate() {
        assert_eq!(got.exit_code == 0, says.is_empty(), "call {number}, {words}: {got:?}");
        assert!(got.stderr.contains(says), "call {number}, {words}: {got:?}");
    }
    Ok(())
}

fn allow(action: &str) -> String {
    statement("Allow", action, "", r#","Resource":"*""#)
}

fn statement(effect: &str, action: &str, principal: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}",{principal}"Action":"{action}"{resource}}}]}}"#
    )
}

/// Two worlds of one stated account get a LocalStack each, and see nothing of each other.
#[test]
fn two_worlds_of_one_account_have_a_localstack_each() -> Result<()> {
    fidelity!("docker-5");
    let with = |secret: &str| -> Result<Scenario> {
        let mut scenario = scenario()?;
        scenario.aws.account = Some("310987654321".into());
        scenario.aws.secrets.insert(secret.into(), Secret { value: secret.into(), ..Secret::default() });
        Ok(scenario)
    };
    let (one, other) = (with("one")?, with("other")?);
    block_on(async {
        let stage = stage(1.0).await;
        let raise = |scenario| async { Ok::<_, anyhow::Error>(Environment::raise(&stage, Plan::of(scenario)?).await?) };
        let (first, second) = tokio::join!(raise(one), raise(other));
        let (first, second) = (first?, second?);
        assert_ne!(first.localstack(), second.localstack());
        let get = "secretsmanager get-secret-value --query SecretString --output text --secret-id";
        let ends = aws(&first, [format!("{get} one"), format!("{get} other")]).await?;
        tokio::try_join!(first.remove(), second.remove())?;
        let [own, foreign] = &ends[..] else { panic!("two calls") };
        assert_eq!(own.stdout, "one\n", "{own:?}");
        assert!(foreign.stderr.contains("(ResourceNotFoundException)"), "{foreign:?}");
        Ok(())
    })
}
