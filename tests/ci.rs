//! The action and the jobs that `greenproof init` writes: their commands, run in order and with the environment that each
//! CI sets, in a checkout of a component.

use anyhow::{Context, Result};
use fidelity::fidelity;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tests::{fixture, program};

/// A checkout with a component and the job that `init` wrote; its scenario may be one that fails.
fn checkout(ci: &str, red: bool) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join(".git"))?;
    let copied = Command::new("cp").arg("-r").arg(fixture("gdk/Greeter")).arg(folder.path()).status()?;
    anyhow::ensure!(copied.success(), "cp copies the component");
    let init = ["init", "Greeter", "--ci", ci, "--action", "my-org/greenproof@v1"];
    let init = Command::new(program()).current_dir(&folder).args(init).output()?;
    anyhow::ensure!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    if red {
        let recipe = folder.path().join("Greeter/recipe.json");
        let text = std::fs::read_to_string(&recipe)?;
        std::fs::write(&recipe, text.replace("{ \"Run\":", "{ \"Install\": \"exit 3\", \"Run\":"))?;
    }
    Ok(folder)
}

fn yaml(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_yaml_ng::from_str(&text)?)
}

/// The search path with the program in it.
fn search_path() -> String {
    let folder = program().parent().expect("a program is in a folder").display().to_string();
    format!("{folder}:{}", std::env::var_os("PATH").unwrap_or_default().display())
}

fn shell(script: &str, folder: &Path, environment: &BTreeMap<String, String>) -> Result<Output> {
    let words = ["--noprofile", "--norc", "-eo", "pipefail", "-c", script];
    Ok(Command::new("bash").args(words).current_dir(folder).envs(environment).output()?)
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a report says: tests and failures.
fn report(file: &Path) -> Result<(usize, usize)> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let count = |name: &str| {
        let at = text.split(&format!("{name}=\"")).nth(1).context("the report counts")?;
        Ok::<usize, anyhow::Error>(at.split('"').next().unwrap_or_default().parse()?)
    };
    Ok((count("tests")?, count("failures")?))
}

/// What GitHub knows while the steps of the action run.
struct Runner {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    /// Values of expressions.
    known: BTreeMap<String, String>,
    failed: bool,
}

impl Runner {
    fn new(folder: &Path, inputs: &BTreeMap<String, String>) -> Result<Self> {
        let temporary = folder.join("runner");
        std::fs::create_dir_all(&temporary)?;
        let action = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let file = |name: &str| temporary.join(name).display().to_string();
        let environment = BTreeMap::from([
            ("GITHUB_ACTIONS".into(), "true".into()),
            ("CI".into(), "true".into()),
            ("GITHUB_WORKSPACE".into(), folder.display().to_string()),
            ("GITHUB_ACTION_PATH".into(), action.display().to_string()),
            ("RUNNER_TEMP".into(), temporary.display().to_string()),
            ("GITHUB_OUTPUT".into(), file("output")),
            ("GITHUB_PATH".into(), file("path")),
            ("GITHUB_STEP_SUMMARY".into(), file("summary")),
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default().display().to_string()),
        ]);
        let mut known = BTreeMap::from([
            ("runner.temp".into(), temporary.display().to_string()),
            ("runner.os".into(), "Linux".into()),
            // No cache has anything.
            ("steps.program.outputs.cache-hit".into(), String::new()),
            ("steps.cache.outputs.cache-hit".into(), String::new()),
        ]);
        known.extend(inputs.iter().map(|(name, value)| (format!("inputs.{name}"), value.clone())));
        Ok(Self { folder: folder.to_owned(), environment, known, failed: false })
    }

    fn value(&self, name: &str) -> Result<&str> {
        Ok(self.known.get(name.trim()).with_context(|| format!("nothing is known of `{name}`"))?)
    }

    /// A text with its expressions' values.
    fn filled(&self, text: &str) -> Result<String> {
        let mut parts = text.split("${{");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").context("an expression ends")?;
            filled += self.value(name)?;
            filled += rest;
        }
        Ok(filled)
    }

    /// Whether a step runs.
    fn holds(&self, condition: Option<&str>) -> Result<bool> {
        let Some(condition) = condition else { return Ok(!self.failed) };
        if condition == "always()" {
            return Ok(true);
        }
        for term in condition.split("&&") {
            let (name, value, equal) = match (term.split_once("=="), term.split_once("!=")) {
                (Some((name, value)), _) => (name, value, true),
                (None, Some((name, value))) => (name, value, false),
                _ => anyhow::bail!("`{term}` is no comparison"),
            };
            if (self.value(name)? == value.trim().trim_matches('\'')) != equal {
                return Ok(false);
            }
        }
        Ok(!self.failed)
    }

    /// Runs a step's command; gives what it printed.
    fn step(&mut self, step: &Value) -> Result<String> {
        let Some(run) = step["run"].as_str() else { return Ok(String::new()) };
        anyhow::ensure!(!run.contains("${{"), "an expression in a script is code that an input brings: {run}");
        for name in ["GITHUB_OUTPUT", "GITHUB_PATH"] {
            std::fs::write(&self.environment[name], "")?;
        }
        let mut environment = self.environment.clone();
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            environment.insert(name.clone(), self.filled(value.as_str().context("a variable is a text")?)?);
        }
        let output = shell(run, &self.folder, &environment)?;
        self.failed |= !output.status.success();
        for line in std::fs::read_to_string(&self.environment["GITHUB_OUTPUT"])?.lines() {
            let (name, value) = line.split_once('=').context("an output is NAME=VALUE")?;
            let id = step["id"].as_str().context("a step with an output has an id")?;
            self.known.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
        }
        let added = std::fs::read_to_string(&self.environment["GITHUB_PATH"])?;
        let path = added.lines().fold(self.environment["PATH"].clone(), |path, folder| format!("{folder}:{path}"));
        self.environment.insert("PATH".into(), path);
        Ok(told(&output))
    }
}

fn action() -> Result<Value> {
    yaml(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../action.yml"))
}

/// What a workflow gives the action, over the defaults.
fn inputs(action: &Value, workflow: &Value) -> Result<BTreeMap<String, String>> {
    let mut inputs = BTreeMap::new();
    for (name, input) in action["inputs"].as_object().context("the action has inputs")? {
        inputs.extend(input["default"].as_str().map(|value| (name.clone(), value.to_owned())));
    }
    let steps = workflow["jobs"]["greenproof"]["steps"].as_array().context("the job has steps")?;
    let step = steps.iter().find(|step| step["uses"] == "my-org/greenproof@v1").context("the job uses the action")?;
    for (name, value) in step["with"].as_object().context("it is given something")? {
        anyhow::ensure!(action["inputs"].get(name).is_some(), "the action has no input `{name}`");
        inputs.insert(name.clone(), value.as_str().context("an input is a text")?.to_owned());
    }
    inputs.insert("path".into(), program().display().to_string());
    Ok(inputs)
}

/// Runs the action's steps as GitHub would; gives whether the job failed, and all that was printed.
fn act(red: bool) -> Result<(Runner, String, tempfile::TempDir)> {
    let folder = checkout("github", red)?;
    let action = action()?;
    let inputs = inputs(&action, &yaml(&folder.path().join(".github/workflows/greenproof.yml"))?)?;
    let mut runner = Runner::new(folder.path(), &inputs)?;
    let mut printed = String::new();
    for step in action["runs"]["steps"].as_array().context("the action has steps")? {
        if !runner.holds(step["if"].as_str())? {
            continue;
        }
        if let Some(uses) = step["uses"].as_str() {
            for value in step["with"].as_object().context("it is given something")?.values() {
                let value = runner.filled(value.as_str().context("an input is a text")?)?;
                // The cache brings the images, as on every run but the first; saving them takes a test of its own.
                if uses.starts_with("actions/cache/restore@") && value.ends_with("greenproof-images") {
                    std::fs::create_dir_all(&value)?;
                    let key = runner.value("steps.images.outputs.key")?;
                    std::fs::write(Path::new(&value).join(format!("greenproof-images-{key}.tar")), "")?;
                }
            }
        } else {
            printed += &runner.step(step)?;
        }
    }
    Ok((runner, printed, folder))
}

#[test]
fn the_action_is_green_for_a_component_that_is_and_red_for_one_that_is_not() -> Result<()> {
    fidelity!("ci-1", "ci-2");
    let (green, printed, folder) = act(false)?;
    assert!(!green.failed, "{printed}");
    assert!(printed.contains("PASSED Greeter"), "{printed}");
    assert_eq!(report(&folder.path().join("greenproof.xml"))?, (1, 0));
    assert!(folder.path().join("greenproof-evidence/Greeter/evidence.json").is_file());
    let summary = |runner: &Runner| std::fs::read_to_string(&runner.environment["GITHUB_STEP_SUMMARY"]);
    let good = summary(&green)?;
    assert!(good.starts_with("## greenproof: 1 passed\n") && good.contains("✅ ` Greeter `"), "{good}");
    let (red, printed, folder) = act(true)?;
    assert!(red.failed && printed.contains("FAILED Greeter"), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("::error file=")), "{printed}");
    assert_eq!(report(&folder.path().join("greenproof.xml"))?, (1, 1));
    let bad = summary(&red)?;
    assert!(bad.starts_with("## greenproof: 1 failed\n") && bad.contains("\nexpected: "), "{bad}");
    assert!(bad.contains("❌ ` Greeter `: failed"), "{bad}");
    Ok(())
}

/// Commands, and the environment that they run in.
type Commands = (Vec<String>, BTreeMap<String, String>);

/// The commands of the job that a file of the checkout holds, run one after the other until one fails.
fn job(ci: &str, red: bool, commands: fn(&Path) -> Result<Commands>) -> Result<(bool, String, tempfile::TempDir)> {
    let folder = checkout(ci, red)?;
    let (commands, mut environment) = commands(folder.path())?;
    anyhow::ensure!(!commands.is_empty(), "the job has commands");
    environment.insert("PATH".into(), search_path());
    let mut printed = String::new();
    for command in &commands {
        let output = shell(command, folder.path(), &environment)?;
        printed += &told(&output);
        if !output.status.success() {
            return Ok((true, printed, folder));
        }
    }
    Ok((false, printed, folder))
}

/// GitLab's: the variables with `CI_PROJECT_DIR`, and the script.
fn gitlab(folder: &Path) -> Result<Commands> {
    let file = yaml(&folder.join(".gitlab-ci.yml"))?;
    let job = &file["greenproof"];
    let project = folder.display().to_string();
    let mut environment =
        BTreeMap::from([("CI".to_owned(), "true".to_owned()), ("CI_PROJECT_DIR".to_owned(), project.clone())]);
    for (name, value) in job["variables"].as_object().context("the job has variables")? {
        let value = value.as_str().context("a variable is a text")?.replace("$CI_PROJECT_DIR", &project);
        environment.insert(name.clone(), value);
    }
    // The cache brings the images.
    let key = Command::new(program()).args(["images", "key"]).output()?;
    let images = Path::new(&environment["IMAGES"]);
    std::fs::create_dir_all(images)?;
    std::fs::write(images.join(format!("greenproof-images-{}.tar", String::from_utf8_lossy(&key.stdout).trim())), "")?;
    assert_eq!(
        job["cache"]["paths"][0].as_str().map(|path| folder.join(path)).as_deref(),
        Some(images.join("").as_path())
    );
    assert_eq!(job["artifacts"]["reports"]["junit"], "greenproof.xml");
    let script = job["script"].as_array().context("the job has a script")?;
    Ok((script.iter().filter_map(|line| Some(line.as_str()?.to_owned())).collect(), environment))
}

/// Jenkins's: each `sh` step.
fn jenkins(folder: &Path) -> Result<Commands> {
    let text = std::fs::read_to_string(folder.join("Jenkinsfile"))?;
    assert!(text.contains("junit 'greenproof.xml'") && text.contains("'greenproof-evidence/**'"), "{text}");
    assert_eq!(text.matches('{').count(), text.matches('}').count());
    let commands = text.lines().filter_map(|line| line.trim().strip_prefix("sh '")?.strip_suffix('\''));
    let environment = BTreeMap::from([
        ("WORKSPACE".to_owned(), folder.display().to_string()),
        ("JENKINS_URL".to_owned(), "http://ci.invalid/".to_owned()),
    ]);
    Ok((commands.map(str::to_owned).collect(), environment))
}

#[test]
fn the_jobs_of_gitlab_and_jenkins_are_green_and_red_too() -> Result<()> {
    fidelity!("ci-1", "ci-2");
    // Jenkins's one command is GitLab's last.
    let jobs = [("gitlab", gitlab as fn(&Path) -> _, false), ("gitlab", gitlab, true), ("jenkins", jenkins, true)];
    for (ci, commands, red) in jobs {
        let (failed, printed, folder) = job(ci, red, commands)?;
        assert_eq!(failed, red, "{ci}: {printed}");
        assert_eq!(report(&folder.path().join("greenproof.xml"))?, (1, usize::from(red)), "{ci}");
    }
    Ok(())
}

/// The fields of the action are those that GitHub documents, and each step is whole.
#[test]
fn the_action_is_well_formed() -> Result<()> {
    let action = action()?;
    let within = |value: &Value, known: &[&str]| {
        let keys = value.as_object().into_iter().flat_map(|map| map.keys());
        keys.filter(|key| !known.contains(&key.as_str())).cloned().collect::<Vec<_>>()
    };
    let top = ["name", "author", "description", "inputs", "outputs", "runs", "branding"];
    assert_eq!(within(&action, &top), [""; 0]);
    assert!(action["name"].is_string() && action["description"].is_string());
    for (name, input) in action["inputs"].as_object().context("inputs")? {
        assert_eq!(within(input, &["description", "required", "default", "deprecationMessage"]), [""; 0], "{name}");
        assert!(
            input["description"].is_string() && (input["required"] == true || input["default"].is_string()),
            "{name}"
        );
    }
    for (name, output) in action["outputs"].as_object().context("outputs")? {
        assert!(output["description"].is_string() && output["value"].is_string(), "{name}");
    }
    assert_eq!(action["runs"]["using"], "composite");
    let mut ids = std::collections::BTreeSet::new();
    for step in action["runs"]["steps"].as_array().context("steps")? {
        let known =
            ["name", "id", "if", "run", "shell", "env", "uses", "with", "working-directory", "continue-on-error"];
        assert_eq!(within(step, &known), [""; 0], "{step}");
        assert_ne!(step["run"].is_string(), step["uses"].is_string(), "{step}");
        assert_eq!(
            step["run"].is_string(),
            step["shell"].is_string(),
            "a composite action's command needs a shell: {step}"
        );
        assert!(step["id"].as_str().is_none_or(|id| ids.insert(id.to_owned())), "{step}");
    }
    Ok(())
}

/// What names the program in the cache comes from the action's own source.
#[test]
fn the_action_names_its_own_source() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut runner = Runner::new(folder.path(), &BTreeMap::from([("path".into(), String::new())]))?;
    let action = action()?;
    let steps = action["runs"]["steps"].as_array().context("steps")?;
    let source = steps.iter().find(|step| step["id"] == "source").context("a step names the source")?;
    assert!(runner.holds(source["if"].as_str())?, "it runs where no program is given");
    let printed = runner.step(source)?;
    assert!(!runner.failed, "{printed}");
    let key = runner.value("steps.source.outputs.key")?;
    assert!(key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    Ok(())
}

/// A folder takes what the engine has, and an engine what a folder has.
#[test]
fn images_travel_through_a_folder() -> Result<()> {
    fidelity!("ci-3");
    let folder = tempfile::tempdir()?;
    let listed = Command::new("docker")
        .args(["images", "--format", "{{.Repository}}:{{.Tag}}", "greenproof/localstack-system"])
        .output()?;
    let localstack = String::from_utf8(listed.stdout)?.lines().next().context("the images are built")?.to_owned();
    // LocalStack's own image is the largest; a user's own is never saved.
    let images = |arguments: &[&str]| {
        let output = Command::new(program())
            .arg("images")
            .args(arguments)
            .env("GREENPROOF_LOCALSTACK_IMAGE", &localstack)
            .current_dir(&folder)
            .output()?;
        Ok::<_, anyhow::Error>((output.status.code(), told(&output)))
    };
    let key = Command::new(program()).args(["images", "key"]).env("DOCKER_HOST", "unix:///nowhere").output()?;
    assert!(key.status.success() && key.stdout.len() == 13, "{}", told(&key));
    let (_, key_without) = images(&["key"])?;
    assert_ne!(key_without, told(&key), "other images have another key");
    assert_eq!(images(&["import", "cache"])?.0, Some(0), "an empty cache is none");

    std::fs::create_dir(folder.path().join("cache"))?;
    std::fs::write(folder.path().join("cache/greenproof-images-000000000000.tar"), "old")?;
    let file = format!("cache/greenproof-images-{}.tar", key_without.trim());
    let (code, printed) = images(&["export", "cache"])?;
    assert!(code == Some(0) && printed.contains(&format!("saved {file}")), "{printed}");
    let left: Vec<_> =
        folder.path().join("cache").read_dir()?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert_eq!(left, [file.trim_start_matches("cache/")], "what other versions had is removed");
    let manifest = Command::new("tar")
        .args(["--extract", "--to-stdout", "--file"])
        .arg(folder.path().join(&file))
        .arg("manifest.json")
        .output()?;
    let manifest: Value = serde_json::from_slice(&manifest.stdout)?;
    let mut tags: Vec<_> = manifest
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|image| image["RepoTags"][0].as_str()?.split(':').next())
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, ["greenproof/cloud-system", "greenproof/device-system"]);
    assert!(images(&["export", "cache"])?.1.contains("is there already"));
    assert!(images(&["import", "cache"])?.1.contains("nothing to load"));
    loads(folder.path())
}

/// An image that the engine does not have is there once its file was loaded.
fn loads(folder: &Path) -> Result<()> {
    let tag = format!("greenproof-test/moved:{}", uuid::Uuid::new_v4());
    let (content, saved) = (folder.join("content.tar"), folder.join("saved.tar"));
    let docker =
        |arguments: &[&str]| Ok::<_, anyhow::Error>(Command::new("docker").args(arguments).output()?.status.success());
    std::fs::write(folder.join("file"), "content")?;
    let packed =
        Command::new("tar").args(["--create", "--file"]).arg(&content).arg("-C").arg(folder).arg("file").status()?;
    anyhow::ensure!(packed.success(), "tar packs");
    let (content, into) = (content.display().to_string(), saved.display().to_string());
    anyhow::ensure!(
        docker(&["import", &content, &tag])? && docker(&["save", "--output", &into, &tag])? && docker(&["rmi", &tag])?,
        "docker saves"
    );
    assert!(!docker(&["inspect", &tag])?);
    tests::block_on(async {
        let options = greenproof::Options::from_environment()?;
        let engine = options.connect().await?;
        greenproof::docker::load(&engine, &saved).await?;
        Ok::<_, anyhow::Error>(())
    })?;
    let there = docker(&["rmi", &tag])?;
    assert!(there, "the image was loaded");
    Ok(())
}
