//! Stories that a scenario file can't tell: what the world looks like from inside, and two worlds side by side.

use anyhow::{Context, Result};
use greenproof::{Environment, Evidence, Plan, Scenario, Stage, Verdict, judge};
use tests::{block_on, fixture, stage};

const COMPONENT: &str = "com.example.GithubCustomPack";

fn reference() -> Result<Scenario> {
    Ok(Scenario::load(&fixture("scenarios/private-package.toml"))?)
}

async fn raise(stage: &Stage, scenario: Scenario) -> Result<(Environment, Evidence)> {
    let environment = Environment::raise(stage, Plan::of(scenario)?).await?;
    let evidence = environment.deploy(stage.patience()).await;
    Ok((environment, evidence))
}

/// The name that the package answers with is new in this run, so nothing can have been prepared for it.
#[test]
fn a_name_minted_for_the_run_reaches_the_verdict() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let minted = format!("Amazon {}", greenproof::mint::name(12));
    copy_folder(&fixture("packages/myawsname"), folder.path(), &|text| text.replace("Amazon S3", &minted))?;
    let mut scenario = reference()?;
    scenario.github.repositories.get_mut("cm-ichida/myawsname").context("the repository")?.source =
        folder.path().to_owned();
    let line = format!("s3: {minted}");
    scenario.expect.lines[0].equals.clone_from(&line);
    block_on(async {
        let stage = stage(1.0).await;
        let (environment, evidence) = raise(&stage, scenario.clone()).await?;
        environment.remove().await?;
        assert!(matches!(judge(&scenario, &evidence), Verdict::Passed), "{:#?}", judge(&scenario, &evidence));
        // The twin: the reference's own line is not there.
        let Verdict::Failed { findings } = judge(&reference()?, &evidence) else { panic!("must fail") };
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert!(findings[0].seen.contains(&line), "{findings:#?}");
        Ok(())
    })
}

/// What a person does by hand on the device gives what the component got, and the device's tools are Debian's own.
#[test]
fn by_hand_on_the_device_gives_the_same() -> Result<()> {
    block_on(async {
        let stage = stage(1.0).await;
        let (environment, evidence) = raise(&stage, reference()?).await?;
        assert!(matches!(judge(&environment.plan.scenario, &evidence), Verdict::Passed));
        let main = format!("/greengrass/v2/packages/artifacts-unarchived/{COMPONENT}/1.0.0/GithubCustomPack/main.py");
        let run = environment.by_hand(&["python3", "-u", &main]).await?;
        assert_eq!((run.exit_code, run.stdout.as_str()), (0, "s3: Amazon S3\n"), "{run:?}");
        let shown = environment.by_hand(&["pip3", "show", "myawsname"]).await?;
        for line in ["Name: myawsname", "Version: 0.0.1", "Summary: You can receive AWS Service Name."] {
            assert!(shown.stdout.lines().any(|seen| seen == line), "{shown:?}");
        }
        let tools = ["awscli", "git", "jq", "python3", "python3-pip", "sudo"];
        let verify: Vec<_> = ["dpkg", "--verify"].into_iter().chain(tools).collect();
        let verified = environment.as_root(&verify).await?;
        assert_eq!((verified.exit_code, verified.stdout.as_str()), (0, ""), "{verified:?}");
        environment.remove().await?;
        Ok(())
    })
}

/// Two worlds on one LocalStack, with a secret and a repository of the same name, see only their own.
#[test]
fn two_worlds_on_one_localstack_do_not_see_each_other() -> Result<()> {
    block_on(async {
        let stage = stage(1.0).await;
        let (first, second) = (with_bucket("greenproof-world-one")?, with_bucket("greenproof-world-two")?);
        let (first, second) = tokio::join!(raise(&stage, first), raise(&stage, second));
        let ((first, seen_first), (second, seen_second)) = (first?, second?);
        for (environment, evidence) in [(&first, &seen_first), (&second, &seen_second)] {
            let verdict = judge(&environment.plan.scenario, evidence);
            assert!(matches!(verdict, Verdict::Passed), "{verdict:#?}");
        }
        assert_eq!(first.localstack(), second.localstack(), "they share one LocalStack");
        let own = first.plan.token("mypat").context("the token")?;
        let other = second.plan.token("mypat").context("the token")?;

        let secret =
            aws(&first, "secretsmanager get-secret-value --secret-id GithubPersonalAccessToekn --query SecretString")
                .await?;
        assert!(secret.stdout.contains(own) && !secret.stdout.contains(other));

        let own_bucket = aws(&first, "s3api get-bucket-location --bucket greenproof-world-one").await?;
        assert_eq!(own_bucket.exit_code, 0, "{own_bucket:?}");
        let other_bucket = aws(&first, "s3api get-bucket-location --bucket greenproof-world-two").await?;
        assert!(other_bucket.stderr.contains("(NoSuchBucket)"), "{other_bucket:?}");

        let clone = |token: &str| format!("https://x:{token}@github.com/cm-ichida/myawsname.git");
        let cloned = first.by_hand(&["git", "ls-remote", &clone(own)]).await?;
        assert_eq!(cloned.exit_code, 0, "{}", cloned.stderr);
        let refused = first.by_hand(&["git", "ls-remote", &clone(other)]).await?;
        assert!(refused.stderr.contains("remote: Invalid username or token."), "{}", refused.stderr);
        tokio::try_join!(first.remove(), second.remove())?;
        Ok(())
    })
}

async fn aws(environment: &Environment, words: &str) -> Result<greenproof::docker::ExecOutput> {
    let credentials = environment.credentials().await?;
    let exports: Vec<_> = credentials.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    let bundle = "AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt";
    let script = format!("export {bundle} {}; aws {words}", exports.join(" "));
    Ok(environment.by_hand(&["sh", "-c", &script]).await?)
}

/// The reference scenario with its artifact in another bucket.
fn with_bucket(bucket: &str) -> Result<Scenario> {
    const BUCKET: &str = "greengrass-component-artifacts-ap-northeast-1";
    let mut scenario = reference()?;
    for component in &mut scenario.components {
        component.recipe = component.recipe.replace(BUCKET, bucket);
        for object in &mut component.objects {
            bucket.clone_into(&mut object.bucket);
        }
    }
    for policy in scenario.aws.role.policies.values_mut() {
        *policy = serde_json::from_str(&policy.to_string().replace(BUCKET, bucket))?;
    }
    Ok(scenario)
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path, change: &dyn Fn(&str) -> String) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()), change)?;
        } else {
            std::fs::write(to.join(entry.file_name()), change(&std::fs::read_to_string(entry.path())?))?;
        }
    }
    Ok(())
}
