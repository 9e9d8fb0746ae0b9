//! What is written for components of several kinds, read again by what reads scenarios.

use super::*;
use crate::Scenario;
use fidelity::fidelity;
use std::fs;

const CONFIG: &str = r#"{"component": {"com.example.Hello": {"author": "a", "version": "1.2.3",
  "build": {"build_system": "zip"}, "publish": {"bucket": "b", "region": "eu-west-1"}}}, "gdk_version": "1.6.2"}"#;

const HELLO: &str = r#"RecipeFormatVersion: "2020-01-25"
ComponentName: "{COMPONENT_NAME}"
ComponentVersion: "{COMPONENT_VERSION}"
Manifests:
  - Platform: { os: linux }
    Artifacts:
      - URI: "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/Hello.zip"
        Unarchive: ZIP
    Lifecycle:
      Run: python3 -u {artifacts:decompressedPath}/Hello/main.py
"#;

/// A folder called `Hello` with these files.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("Hello");
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (parent, folder)
}

fn request(folder: &Path) -> Request {
    Request {
        folder: folder.to_owned(),
        ci: Some(Ci::None),
        account: ACCOUNT.into(),
        region: None,
        repositories: BTreeMap::new(),
        action: None,
        force: false,
    }
}

fn load(written: &Written) -> Scenario {
    Scenario::load(&written.files[0])
        .unwrap_or_else(|error| panic!("{error}\n{}", fs::read_to_string(&written.files[0]).unwrap()))
}

fn policy(written: &Written) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(&written.files[1]).unwrap()).unwrap()
}

#[test]
fn a_gdk_project_gets_a_scenario_that_is_whole() {
    fidelity!("init-1");
    let (_parent, folder) = folder(&[("gdk-config.json", CONFIG), ("recipe.yaml", HELLO), ("main.py", "print(1)")]);
    let written = init(&request(&folder)).unwrap_or_else(|error| panic!("{error}"));
    let scenario = load(&written);
    assert!(!written.unfilled && written.notes.is_empty(), "{written:?}");
    assert_eq!(
        (scenario.name.as_str(), scenario.aws.region.as_str(), scenario.components[0].version.as_str()),
        ("Hello", "eu-west-1", "1.2.3")
    );
    let step = &scenario.steps[0];
    let deployed = &step.action.deploy().unwrap().components;
    assert_eq!(
        deployed.iter().map(|(name, wanted)| (name.as_str(), wanted.version.as_str())).collect::<Vec<_>>(),
        [("com.example.Hello", "1.2.3")]
    );
    assert_eq!(
        (step.expect.deployment.as_deref(), step.expect.components["com.example.Hello"].as_str()),
        (Some("SUCCEEDED"), "FINISHED")
    );
    let policy = policy(&written);
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 2);
    assert_eq!(
        policy["Statement"][1]["Resource"],
        "arn:aws:s3:::b-eu-west-1-123456789012/com.example.Hello/*/Hello.zip"
    );
    // The next version needs no other scenario.
    fs::write(folder.join("gdk-config.json"), CONFIG.replace("1.2.3", "2.0.0")).unwrap();
    assert_eq!(load(&written).steps[0].action.deploy().unwrap().components["com.example.Hello"].version, "2.0.0");
}

#[test]
fn a_gdk_project_travels_in_a_bundle() {
    fidelity!("gdk-1");
    let (parent, folder) =
        folder(&[("gdk-config.json", CONFIG), ("recipe.yaml", HELLO), ("main.py", "1"), (".env", "s3cr3t")]);
    let scenario = load(&init(&request(&folder)).unwrap());
    let into = tempfile::tempdir().unwrap();
    let file = crate::bundle::write_scenario(&scenario, &into.path().join("x")).unwrap();
    drop(parent);
    let again = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.components[0].recipe, scenario.components[0].recipe);
    assert_eq!(again.components[0].objects[0].only, scenario.components[0].objects[0].only);
    let files = again.components[0].project.as_ref().unwrap().folder.read_dir().unwrap();
    let mut files: Vec<_> = files.flatten().map(|entry| entry.file_name()).collect();
    files.sort();
    assert_eq!(files, ["gdk-config.json", "main.py", "recipe.yaml"], "nothing else travels");
}

#[test]
fn what_scripts_and_sources_name_is_found() {
    fidelity!("init-2");
    let recipe = r#"RecipeFormatVersion: "2020-01-25"
ComponentName: com.example.Hello
ComponentVersion: 1.0.0
ComponentDependencies:
  aws.greengrass.TokenExchangeService: { VersionRequirement: ">=2.0.0" }
  aws.greengrass.StreamManager: { VersionRequirement: ">=2.0.0" }
ComponentConfiguration:
  DefaultConfiguration: { Secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens/git-AbCdEf }
Manifests:
  - Artifacts: [{ URI: "s3://my-bucket/x/Hello.zip", Unarchive: ZIP }]
    Lifecycle:
      Install: |
        T=$(aws secretsmanager get-secret-value --secret-id "{configuration:/Secret}" --query SecretString --output text | jq -r .pat)
        pip3 install git+https://$T@github.com/my-org/lib.git@v1 requests==2.32.3
        aws s3 cp s3://my-bucket/model.bin .
      Run: python3 {artifacts:decompressedPath}/Hello/main.py
"#;
    let main = "import boto3\nwhile True:\n    boto3.client('secretsmanager').get_secret_value(SecretId='database')\n";
    let (parent, folder) = folder(&[("recipe.yaml", recipe), ("Hello/main.py", main)]);
    fs::create_dir_all(parent.path().join("lib/.git")).unwrap();
    let written = init(&request(&folder)).unwrap_or_else(|error| panic!("{error}"));
    let text = fs::read_to_string(&written.files[0]).unwrap();
    for expected in [
        r#""tokens/git" = { value = '{"pat":"{token:device}"}', suffix = "AbCdEf" } # recipe.yaml:"#,
        r#""database" = "{minted:Aa0Aa0Aa0Aa0Aa0Aa0Aa0Aa0}" # Hello/main.py:3"#,
        "[github.repositories.\"my-org/lib\"]\npath = \"../../../lib\"",
        "repositories = [\"my-org/lib\"]",
        "requirements = \"requirements.txt\"",
        "artifacts = { \"Hello.zip\" = \"../../Hello\" }",
        "components = { \"com.example.Hello\" = \"RUNNING\" } # a guess",
        "\"aws.greengrass.TokenExchangeService\" = \"2.0.3\"",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert_eq!(fs::read_to_string(folder.join("tests/greenproof/requirements.txt")).unwrap(), "requests==2.32.3\n");
    let secrets = &policy(&written)["Statement"][2]["Resource"];
    let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}");
    assert_eq!(*secrets, serde_json::json!([arn("database-??????"), arn("tokens/git-AbCdEf")]));
    let notes = written.notes.join("\n");
    assert!(notes.contains("`aws.greengrass.StreamManager`, which is not emulated"), "{notes}");
    assert!(notes.contains("recipe.yaml:15 calls `aws s3 cp`"), "{notes}");
    load_without_git(&written, &parent.path().join("lib"));
}

/// An empty `.git` is no repository, so the scenario is read with a folder in its place.
fn load_without_git(written: &Written, lib: &Path) {
    fs::remove_dir_all(lib.join(".git")).unwrap();
    let text = fs::read_to_string(&written.files[0]).unwrap();
    fs::write(&written.files[0], text.replace("path = \"../../../lib\"", "source = \"../../../lib\"")).unwrap();
    assert_eq!(load(written).github.repositories.len(), 1);
}

#[test]
fn what_can_not_be_known_is_refused_with_its_line() {
    fidelity!("init-3");
    let recipe = HELLO.replace("{COMPONENT_NAME}", "a.Hello").replace("{COMPONENT_VERSION}", "1.0.0").replace(
        "Run:",
        "Install: git clone https://github.com/o/n && aws secretsmanager get-secret-value --secret-id $NAME\n      Run:",
    );
    let (_parent, folder) = folder(&[("recipe.yaml", &recipe)]);
    let written = init(&request(&folder)).unwrap_or_else(|error| panic!("{error}"));
    let text = fs::read_to_string(&written.files[0]).unwrap();
    assert!(written.unfilled);
    let unfilled: Vec<_> = text.lines().enumerate().filter(|(_, line)| line.contains("FILL IN")).collect();
    assert_eq!(unfilled.len(), 3, "secret, repository and artifact: {text}");
    let error = Scenario::load(&written.files[0]).unwrap_err();
    assert!(error.place.contains(&format!("Hello.toml:{}:", unfilled[0].0 + 1)), "{error}");
    assert_eq!(error.message, "this is yet to be filled in: the secret's name in recipe.yaml:10");
    assert_eq!(error.hint, "put it in place of `FILL IN: the secret's name in recipe.yaml:10`");
}

#[test]
fn nothing_is_overwritten() {
    fidelity!("init-4");
    let (_parent, folder) =
        folder(&[("gdk-config.json", CONFIG), ("recipe.yaml", HELLO), ("tests/greenproof/device-policy.json", "mine")]);
    let error = init(&request(&folder)).unwrap_err();
    assert!(
        error.place.ends_with("tests/greenproof/device-policy.json") && error.hint.contains("--force"),
        "{error:?}"
    );
    assert!(!folder.join("tests/greenproof/Hello.toml").exists(), "all files or none");
    init(&Request { force: true, ..request(&folder) }).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        fs::read_to_string(folder.join("tests/greenproof/device-policy.json")).unwrap().contains("ReadTheArtifacts")
    );
}

#[test]
fn a_job_is_written_at_the_root_of_the_repository() {
    fidelity!("init-5");
    let (_parent, root) = folder(&[
        (".git/config", "url = git@github.com:o/n.git"),
        ("Hello/gdk-config.json", CONFIG),
        ("Hello/recipe.yaml", HELLO),
    ]);
    let of = |ci: Option<Ci>, action: Option<&str>| {
        let action = action.map(str::to_owned);
        init(&Request { ci, action, force: true, ..request(&root.join("Hello")) })
            .unwrap_or_else(|error| panic!("{error}"))
    };
    for (ci, file) in [
        (None, ".github/workflows/greenproof.yml"),
        (Some(Ci::GitLab), ".gitlab-ci.yml"),
        (Some(Ci::Jenkins), "Jenkinsfile"),
    ] {
        of(ci, Some("my-org/greenproof@v1"));
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains("Hello/tests/greenproof/Hello.toml") && !text.contains("@SCENARIO@"), "{text}");
    }
    let workflow = fs::read_to_string(root.join(".github/workflows/greenproof.yml")).unwrap();
    assert!(workflow.contains("uses: my-org/greenproof@v1\n"), "{workflow}");
    assert!(of(None, None).notes.iter().any(|note| note.contains("uses: OWNER/REPOSITORY@REF")));
}

#[test]
fn a_folder_without_a_component_is_refused() {
    fidelity!("init-6");
    let told = |files: &[(&str, &str)]| {
        let (_parent, folder) = folder(files);
        let error = init(&request(&folder)).unwrap_err();
        let place = error.place.strip_prefix(&folder.display().to_string()).unwrap_or(&error.place).to_owned();
        format!("{place}: {}", error.message)
    };
    assert_eq!(told(&[]), ": there is no such folder");
    assert_eq!(told(&[("x.py", "")]), ": there is no component: neither gdk-config.json nor a recipe");
    assert_eq!(told(&[("recipe.yaml", ""), ("recipe.json", "")]), ": there are 2 recipes");
    assert_eq!(told(&[("recipe.json", "{\n  \"ComponentName\": \n}")]).split(": ").next(), Some("/recipe.json:3:1"));
    assert!(
        told(&[("gdk-config.json", "{}"), ("recipe.yaml", HELLO)]).starts_with("/gdk-config.json:1:1: `component`")
    );
}
