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
            for (words, expected) in cases.into_iter().take(seen) {
                let got = aws(&environment, &words).await?;
                let plain = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!((plain(&got.stdout), got.exit_code), (plain(&expected), 0), "{words}: {got:?}");
            }
            environment.remove().await?;
        }
        Ok(())
    })
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
        let own = aws(&first, &format!("{get} one")).await?;
        let foreign = aws(&first, &format!("{get} other")).await?;
        tokio::try_join!(first.remove(), second.remove())?;
        assert_eq!(own.stdout, "one\n", "{own:?}");
        assert!(foreign.stderr.contains("(ResourceNotFoundException)"), "{foreign:?}");
        Ok(())
    })
}
