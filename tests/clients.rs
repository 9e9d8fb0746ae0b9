//! Clients that are not ours: the AWS CLI in both versions, boto3, and the calls of GDK, unmodified, before one raised
//! environment.

use anyhow::{Context, Result};
use cloud::world::ENDPOINT_PORT;
use fidelity::fidelity;
use greenproof::{Environment, Plan, Scenario, plan::Outside};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tests::{block_on, fixture, program, stage};

/// The fewest operations that a client's script has to call.
const OPERATIONS: usize = 60;

const REQUIREMENTS: &str = include_str!("clients/requirements.txt");

/// Where the clients of `PyPI` are, which are fetched once: beside the program, outside the tree.
fn packages() -> Result<PathBuf> {
    let folder = program().with_file_name("clients");
    let done = folder.join("requirements.txt");
    if std::fs::read_to_string(&done).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(folder);
    }
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/requirements.txt");
    let words = ["-m", "pip", "install", "--quiet", "--upgrade", "--no-compile", "--target"];
    let installed = Command::new("python3").args(words).arg(&folder).arg("-r").arg(wanted).output()?;
    said(&installed, "pip install")?;
    std::fs::write(done, REQUIREMENTS)?;
    Ok(folder)
}

fn said(output: &Output, what: &str) -> Result<String> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{what} ended with {}: {error}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a script runs.
#[derive(Clone, Copy)]
enum At<'a> {
    /// On the host's network, before the port that is published there.
    Host(&'a str),
    /// Where the device is, which finds every AWS host name.
    Device,
}

/// Runs a script of `tests/clients` as the operator.
fn script(environment: &Environment, image: &str, packages: &Path, at: At<'_>, words: &str) -> Result<Value> {
    let operator = environment.plan.operator.as_ref().context("the world has an operator")?;
    let calls = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let (network, endpoint) = match at {
        At::Host(port) => ("host".to_owned(), format!("http://127.0.0.1:{port}")),
        At::Device => {
            let region = &environment.plan.scenario.aws.region;
            let address = format!("$(getent hosts sts.{region}.amazonaws.com | cut -d' ' -f1)");
            (format!("container:{}", environment.device.id), format!("http://{address}:{ENDPOINT_PORT}"))
        }
    };
    let line = format!("export AWS_ENDPOINT_URL={endpoint}; exec python3 {words}");
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--workdir", "/calls", "--entrypoint", "sh"]);
    command.args(["--network", &network]);
    for (from, to) in [(packages, "/packages"), (&calls, "/calls"), (&fixture("gdk").canonicalize()?, "/gdk")] {
        command.arg("--volume").arg(format!("{}:{to}:ro", from.display()));
    }
    for variable in ["PYTHONPATH=/packages", "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true"] {
        command.args(["--env", variable]);
    }
    let keys =
        [("AWS_ACCESS_KEY_ID", &operator.access_key_id), ("AWS_SECRET_ACCESS_KEY", &operator.secret_access_key.0)];
    for (name, value) in keys {
        command.args(["--env", name]).env(name, value);
    }
    let answered = said(&command.args([image, "-c", &line]).output()?, words)?;
    serde_json::from_str(&answered).with_context(|| format!("{words} printed `{answered}`"))
}

/// The reference component's account without the component: GDK shall bring it.
fn plan() -> Result<Plan> {
    let mut scenario = Scenario::load(&fixture("scenarios/private-package.toml"))?;
    scenario.components.clear();
    let mut plan = Plan::of(scenario)?;
    plan.deployments.clear();
    Ok(plan.to_keep(Outside::AnyPort, false))
}

/// Nothing that we wrote stands between AWS's own clients and the environment but a recorder, which passes everything on.
#[test]
fn clients_that_are_not_ours_work_unmodified() -> Result<()> {
    fidelity!("endpoint-5", "endpoint-6", "registry-1", "registry-3", "registry-6");
    let packages = packages()?;
    block_on(async {
        let stage = stage(1.0).await;
        let image = stage.images.device.clone();
        let environment = Environment::raise(&stage, plan()?).await?;
        let thing = environment.plan.thing.clone();
        let region = environment.plan.scenario.aws.region.clone();

        let aws = format!("greenproof-{}-aws", environment.plan.environment);
        let inside = format!("{ENDPOINT_PORT}/tcp");
        let bound = said(&Command::new("docker").args(["port", &aws, &inside]).output()?, "docker port")?;
        let at = At::Host(bound.trim().rsplit(':').next().context("the port is published")?);

        let published = script(&environment, &image, &packages, at, &format!("gdk.py /gdk/GithubCustomPack {thing}"))?;
        let expected = serde_json::json!({
            "versions": ["1.0.0", "1.0.1"], "status": "SUCCEEDED", "reason": null, "state": "FINISHED", "version": "1.0.0",
        });
        assert_eq!(published, expected);
        let log = "/greengrass/v2/logs/com.example.GithubCustomPack.log";
        let search = ["exec", &environment.device.id, "grep", "--count", "s3: Amazon S3", log];
        assert_eq!(said(&Command::new("docker").args(search).output()?, "grep")?.trim(), "1");

        let told =
            script(&environment, &image, &packages, at, &format!("clients.py $AWS_ENDPOINT_URL {region} {thing}"))?;
        for client in ["boto3", "v1", "v2"] {
            let Value::Array(operations) = &told[client]["operations"] else { panic!("{client}: {told}") };
            assert_eq!(told[client]["problems"], serde_json::json!([]), "{client}");
            assert!(operations.len() >= OPERATIONS, "{client} called {operations:?}");
        }

        let told = script(&environment, &image, &packages, At::Device, &format!("provision.py {region}"))?;
        let refused = "Access Denied";
        let expected = serde_json::json!({
            "active": [0, 200, 200, null], "groups": ["provisioned-group"], "session": true,
            "other thing": [403, {"message": "Invalid thing name passed"}],
            "inactive": [null, 403, 403, refused], "detached": [5, 403, 403, refused],
        });
        assert_eq!(told, expected);
        environment.remove().await?;
        Ok(())
    })
}
