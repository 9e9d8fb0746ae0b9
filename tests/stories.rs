//! Stories that a scenario file can't tell: what the world looks like from inside, and two worlds side by side.

use anyhow::{Context, Result};
use fidelity::fidelity;
use greenproof::{
    Environment, Evidence, Plan, Scenario, Stage, Verdict, component::Place, docker::stop_localstack, judge,
    scenario::Origin,
};
use tests::{aws, block_on, docker, fixture, stage, stage_apart};

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
    scenario.github.repositories.get_mut("cm-ichida/myawsname").context("the repository")?.origin =
        Origin::Source(folder.path().to_owned());
    let line = format!("s3: {minted}");
    scenario.steps[0].expect.lines[0].equals.clone_from(&line);
    block_on(async {
        let stage = stage(1.0).await;
        let (environment, evidence) = Box::pin(raise(&stage, scenario.clone())).await?;
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
        let (environment, evidence) = Box::pin(raise(&stage, reference()?)).await?;
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
    // Of a LocalStack that others use, one of the two might have the last name.
    let home = tempfile::tempdir()?;
    block_on(async {
        let stage = stage_apart(home.path()).await;
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

        let calls = [
            "secretsmanager get-secret-value --secret-id GithubPersonalAccessToekn --query SecretString",
            "s3api get-bucket-location --bucket greenproof-world-one",
            "s3api get-bucket-location --bucket greenproof-world-two",
        ];
        let [secret, own_bucket, other_bucket] = &aws(&first, calls).await?[..] else { panic!("three calls") };
        assert!(secret.stdout.contains(own) && !secret.stdout.contains(other));
        assert_eq!(own_bucket.exit_code, 0, "{own_bucket:?}");
        assert!(other_bucket.stderr.contains("(NoSuchBucket)"), "{other_bucket:?}");

        let clone = |token: &str| format!("https://x:{token}@github.com/cm-ichida/myawsname.git");
        let cloned = first.by_hand(&["git", "ls-remote", &clone(own)]).await?;
        assert_eq!(cloned.exit_code, 0, "{}", cloned.stderr);
        let refused = first.by_hand(&["git", "ls-remote", &clone(other)]).await?;
        assert!(refused.stderr.contains("remote: Invalid username or token."), "{}", refused.stderr);
        tokio::try_join!(first.remove(), second.remove())?;
        assert!(stop_localstack(&stage.engine).await?, "nobody uses it");
        let owner = std::fs::read_to_string(home.path().join("owner"))?;
        docker(&["network", "rm", &format!("greenproof-localstack-{owner}")])?;
        Ok(())
    })
}

/// Two worlds that want the same bucket name get a LocalStack each.
#[test]
fn two_worlds_with_one_bucket_name_have_a_localstack_each() -> Result<()> {
    fidelity!("docker-5");
    block_on(async {
        let stage = stage(1.0).await;
        let raise = |scenario| async { Ok::<_, anyhow::Error>(Environment::raise(&stage, Plan::of(scenario)?).await?) };
        let (first, second) = tokio::join!(raise(reference()?), raise(reference()?));
        let (first, second) = (first?, second?);
        let (one, other) = (first.localstack().to_owned(), second.localstack().to_owned());
        tokio::try_join!(first.remove(), second.remove())?;
        assert_ne!(one, other);
        Ok(())
    })
}

/// No way out, nothing published, and nothing of a removed world left in LocalStack.
#[test]
fn a_world_is_closed_and_leaves_no_seed() -> Result<()> {
    const BUCKET: &str = "greenproof-world-three";
    fidelity!("docker-3", "docker-4", "docker-7");
    block_on(async {
        let stage = stage(1.0).await;
        let environment = Environment::raise(&stage, Plan::of(with_bucket(BUCKET)?)?).await?;
        let network = docker(&["network", "inspect", environment.network(), "--format", "{{.Internal}} {{.Options}}"])?;
        assert!(network.starts_with("true ") && network.contains("inhibit_ipv4:true"), "{network}");
        let localstack = environment.localstack_container().to_owned();
        let published = docker(&["port", &localstack])?;
        assert_eq!(published, "", "LocalStack publishes nothing");
        let head = format!(
            "import urllib.request, urllib.error\ntry: print(urllib.request.urlopen(urllib.request.Request(\
             'http://127.0.0.1:4566/{BUCKET}', method='HEAD')).status)\nexcept urllib.error.HTTPError as e: print(e.code)"
        );
        let ask = || docker(&["exec", &localstack, "python3", "-c", &head]);
        assert_eq!(ask()?, "200\n", "the bucket is there while its world is");
        environment.remove().await?;
        assert_eq!(ask()?, "404\n");
        Ok(())
    })
}

/// Images that are there are not built again.
#[test]
fn a_second_stage_builds_nothing() -> Result<()> {
    use greenproof::report::{Event, Reader, Told};
    #[derive(Default)]
    struct Built(std::sync::atomic::AtomicBool);
    impl Reader for Built {
        fn take(&self, event: &Event) {
            if matches!(event.told, Told::Building { .. }) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }
    fidelity!("docker-1");
    let _first = block_on(stage(1.0));
    let mut options = greenproof::Options::from_environment()?;
    options.program = tests::inside();
    let built = Built::default();
    block_on(Stage::set(options, &built))?;
    assert!(!built.0.into_inner());
    Ok(())
}

/// What a build was given to reach the package index is in no image.
#[test]
fn images_keep_nothing_of_their_build() -> Result<()> {
    use greenproof::{
        Options,
        docker::{Build, Own, wheels},
    };
    fidelity!("docker-8");
    let stage = block_on(stage(1.0));
    let options = Options { program: tests::inside(), ..Options::from_environment()? };
    let requirements = std::fs::read_to_string(fixture("scenarios/own/requirements.txt"))?;
    let (build, own, images) = (Build::of(&options), Own::default(), stage.images);
    let wheels = block_on(wheels(&stage.engine, &build, &own, &requirements, &|_| {}))?;
    for image in [&images.device, &images.cloud, &images.localstack, &wheels.tag] {
        let environment = docker(&["image", "inspect", image, "--format", "{{.Config.Env}}"])?;
        let history = docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", image])?;
        for text in [&environment, &history] {
            assert!(!text.contains("PIP_") && !text.contains("greenproof-ca"), "{image}: {text}");
        }
        let look = "! [ -e /tmp/build ] && ! grep -q . /etc/pip.conf 2>/dev/null";
        docker(&["run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", look])?;
    }
    Ok(())
}

/// What is not emulated is neither green nor a puzzling red.
#[test]
fn what_is_not_emulated_ends_unsupported() -> Result<()> {
    use cloud::world::Wanted;
    use greenproof::scenario::Action;
    type Change<'a> = &'a dyn Fn(&mut Scenario);
    fidelity!("core-unsupported-1", "gate-24");
    let plugin = |scenario: &mut Scenario| {
        let recipe = &mut scenario.components[0].recipe;
        *recipe = recipe.replace("ComponentVersion:", "ComponentType: aws.greengrass.plugin\nComponentVersion:");
    };
    let public = |scenario: &mut Scenario| {
        let Action::Deploy(deploy) = &mut scenario.steps[0].action else { panic!("the reference deploys") };
        deploy.components.insert("aws.greengrass.LogManager".into(), Wanted::version("2.3.0"));
    };
    // It goes on without what it asked for.
    let service = |scenario: &mut Scenario| {
        let recipe = &mut scenario.components[0].recipe;
        *recipe = recipe.replace("pip3 install", "aws ssm get-parameter --name x || true\n          pip3 install");
    };
    let cases: [(Change<'_>, &str); 3] =
        [(&plugin, "plugin"), (&public, "aws.greengrass.LogManager"), (&service, "GetParameter of ssm.amazonaws.com")];
    block_on(async {
        let stage = stage(1.0).await;
        for (change, named) in cases {
            let mut scenario = reference()?;
            change(&mut scenario);
            let (environment, evidence) = Box::pin(raise(&stage, scenario)).await?;
            let verdict = judge(&environment.plan.scenario, &evidence);
            environment.remove().await?;
            let Verdict::Unsupported { what } = verdict else { panic!("{named}: {verdict:#?}") };
            assert!(what.contains(named), "{what}");
        }
        Ok(())
    })
}

/// Each request to the git server is in the evidence with how it was authenticated.
#[test]
fn git_requests_are_evidence_without_the_token() -> Result<()> {
    use cloud::event::{Credential, What};
    fidelity!("github-11");
    block_on(async {
        let stage = stage(1.0).await;
        let (environment, evidence) = Box::pin(raise(&stage, reference()?)).await?;
        environment.remove().await?;
        let seen: Vec<_> = evidence
            .events
            .iter()
            .filter_map(|event| match &event.what {
                What::Git { repository, credential, status, .. } => Some((repository.as_deref(), *credential, *status)),
                _ => None,
            })
            .collect();
        assert!(seen.contains(&(Some("cm-ichida/myawsname"), Credential::TokenAsUser, 200)), "{seen:?}");
        assert!(!serde_json::to_string(&evidence)?.contains("ghp_"));
        Ok(())
    })
}

/// The reference scenario with its artifact in another bucket.
fn with_bucket(bucket: &str) -> Result<Scenario> {
    const BUCKET: &str = "greengrass-component-artifacts-ap-northeast-1";
    let mut scenario = reference()?;
    for component in &mut scenario.components {
        component.recipe = component.recipe.replace(BUCKET, bucket);
        for object in &mut component.objects {
            if let Place::S3 { bucket: old, .. } = &mut object.place {
                bucket.clone_into(old);
            }
        }
    }
    for policy in scenario.aws.role.policies.values_mut() {
        *policy = policy.replace(BUCKET, bucket);
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

/// Most of it is the code of the program that containers run, so it holds only as long as that is small.
#[test]
fn the_idle_core_is_small() -> Result<()> {
    fidelity!("core-cost-1");
    let cost = block_on(async { greenproof::bench::cost(&stage(1.0).await, 1, &greenproof::report::Silent).await })?;
    let memory = cost.memory[0];
    cost.rows().iter().for_each(|row| println!("{row}"));
    assert!(memory.allocated > 500 && memory.allocated < memory.resident, "{memory:?} was read from the core");
    assert!(memory.resident < 15 * 1024, "{memory:?}, in KiB, with ten components");
    Ok(())
}
