//! The program as a person meets it: bad input, interruption, and what is left behind.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};
use tests::{docker, fixture, program, standing};

fn greenproof() -> Checked {
    Checked::new(program())
}

/// Runs with these arguments; gives the exit code and standard error.
fn fails(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut command = greenproof();
    command.current_dir(&folder).args(arguments).envs(environment.iter().copied());
    let output = command.output().expect("the program can be run");
    (output.status.code().expect("it was not killed"), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn scenario(folder: &Path, text: &str) -> Result<String> {
    let path = folder.join("scenario.toml");
    std::fs::write(&path, text)?;
    Ok(path.to_str().context("a temporary path is UTF-8")?.to_owned())
}

/// Every bad scenario is refused with code 2, its place and a hint, before anything is raised.
#[test]
fn bad_scenarios_are_refused_with_their_place() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("broken.json"), "{\n  \"Version\": \"2012-10-17\",\n  oops\n}")?;
    std::fs::write(folder.path().join("recipe.yaml"), "ComponentName: a\nManifests: [\n")?;
    let base = format!("base = \"{}\"\n", fixture("scenarios/private-package.toml").display());
    let cases = [
        ("summary = [".to_owned(), ":1:12", "unclosed array"),
        (format!("{base}[device]\ncoer = \"emulated\"\n"), ":3:1", "unknown field `coer`"),
        (format!("{base}[device]\ncore = \"classy\"\n"), ":3:8", "the core `classy` is not known"),
        (format!("{base}[aws]\naccount = \"12\"\n"), ":3:11", "`12` is no AWS account"),
        (format!("{base}[[component]]\nrecipe = \"nowhere.yaml\"\n"), ":3:10", "`nowhere.yaml`: No such file"),
        (format!("{base}[aws.role]\npolicies = [\"nowhere.json\"]\n"), ":3:13", "`nowhere.json`: No such file"),
        (
            format!("{base}[aws.role]\npolicies = [\"broken.json\"]\n"),
            "broken.json:3:3",
            "no JSON: key must be a string",
        ),
        (format!("{base}[[component]]\nrecipe = \"recipe.yaml\"\n"), "recipe.yaml:3:1", "not a recipe"),
        (format!("{base}[deployment]\n\"com.example.Other\" = \"1.0.0\"\n"), ":3:2", "which no `[[component]]` is"),
    ];
    for (text, place, message) in cases {
        let path = scenario(folder.path(), &text)?;
        let (code, error) = fails(&["run", &path], &[]);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(place) && error.contains(message) && error.contains("hint: "), "{text}\n{error}");
    }
    let (code, error) = fails(&["run", "nowhere.toml"], &[]);
    assert!(code == 2 && error.contains("nowhere.toml: can't read the scenario"), "{error}");
    Ok(())
}

#[test]
fn a_docker_that_does_not_run_is_told_with_code_3() {
    let (code, error) = fails(&["run"], &[("DOCKER_HOST", "unix:///nowhere/docker.sock")]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("hint: Start Docker, or set DOCKER_HOST"), "{error}");
}

#[test]
fn a_report_that_cannot_be_written_is_told() -> Result<()> {
    let evidence = tempfile::tempdir()?;
    let evidence = evidence.path().to_str().context("a temporary path is UTF-8")?;
    let (code, error) = fails(&["run", "--evidence", evidence, "--junit", "/nowhere/report.xml"], &[]);
    assert!(code == 2 && error.contains("can't write the report `/nowhere/report.xml`"), "{error}");
    Ok(())
}

#[test]
fn an_evidence_folder_that_cannot_be_made_is_told() {
    let (code, error) = fails(&["run", "--evidence", "/dev/null/evidence"], &[]);
    assert!(code == 2 && error.contains("can't make the evidence folder `/dev/null/evidence`"), "{error}");
}

#[test]
fn an_image_that_cannot_be_had_is_told_with_code_3() -> Result<()> {
    let evidence = tempfile::tempdir()?;
    let evidence = evidence.path().to_str().context("a temporary path is UTF-8")?;
    let image = ("GREENPROOF_LOCALSTACK_IMAGE", "registry.invalid/localstack:none");
    let (code, error) = fails(&["run", "--evidence", evidence], &[image]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("registry.invalid/localstack:none") && error.contains("hint: Load the image"), "{error}");
    Ok(())
}

/// An image of greenproof's own, by its name without the tag.
fn image(name: &str) -> Result<String> {
    let listed = Command::new("docker").args(["images", "--format", "{{.Repository}}:{{.Tag}}", name]).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    Ok(listed.lines().next().context("the images are built")?.to_owned())
}

/// An image of the user's own serves if it has what a device needs, and is refused with what it lacks.
#[test]
fn an_image_of_ones_own_serves_or_is_refused() -> Result<()> {
    fidelity!("kept-11");
    let folder = tempfile::tempdir()?;
    let on = |image: &str| {
        let base = fixture("scenarios/inline.toml");
        scenario(folder.path(), &format!("base = \"{}\"\n[device]\nimage = \"{image}\"\n", base.display()))
    };
    let run = |path: &str| greenproof().current_dir(&folder).args(["run", path]).output();
    let good = run(&on(&image("greenproof/device-system")?)?)?;
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    let bare = image("greenproof/base-bookworm")?;
    let refused = run(&on(&bare)?)?;
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{error}");
    let lacks = "it lacks sudo, ip, iptables, user ggc_user, group ggc_group";
    assert!(error.contains(&format!("image `{bare}`")) && error.contains(lacks), "{error}");
    let (code, error) = fails(&["run", &on("greenproof.invalid/none:1")?], &[]);
    assert!(code == 3 && error.contains("greenproof.invalid/none:1"), "{error}");
    Ok(())
}

/// From an empty folder, with nothing but the program: the reference passes, and its evidence holds no secret. What it told
/// is as the published schema says, is shown again on a terminal, and is judged again without Docker.
#[test]
fn the_reference_runs_from_an_empty_folder() -> Result<()> {
    fidelity!("events-3");
    let folder = tempfile::tempdir()?;
    let run = greenproof()
        .current_dir(&folder)
        .args(["run", "--verbose", "--junit", "report.xml", "--format", "json"])
        .output()?;
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(0), "{told}");
    assert!(told.contains("PASSED private-package") && !told.contains('\u{1b}'), "{told}");
    let secrets = leak::Patterns.hits(&[told.as_bytes(), &run.stdout].concat());
    assert!(secrets.is_empty(), "{secrets:?} in {told}");
    let evidence = folder.path().join("greenproof-evidence/private-package");
    for file in
        ["core.log", "com.example.GithubCustomPack.log", "job.json", "api-calls.jsonl", "dns.jsonl", "git.jsonl"]
    {
        let text = std::fs::read_to_string(evidence.join(file)).context(file)?;
        assert!(!text.is_empty() && !text.contains("ghp_"), "{file}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.xml"))?;
    assert!(report.contains("tests=\"1\"") && report.contains("failures=\"0\""), "{report}");
    let kinds = lines_of_a_run(&String::from_utf8(run.stdout)?)?;
    for kind in ["begun", "stage-ended", "step-begun", "seen", "step-ended", "judged", "ended"] {
        assert!(kinds.iter().any(|told| told == kind), "{kind}: {kinds:?}");
    }
    let stored = lines_of_a_run(&std::fs::read_to_string(evidence.join("run.jsonl"))?)?;
    assert_eq!(stored.last().map(String::as_str), Some("judged"));
    shown_again(&evidence)?;
    judged_again(&evidence)
}

/// The kinds of event of these lines, each of which is as the published schema says.
fn lines_of_a_run(text: &str) -> Result<Vec<String>> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let schema = serde_json::from_str(include_str!("../docs/schema/run-1.json"))?;
    compiler.add_resource("run-1.json", schema).map_err(|error| anyhow::anyhow!("{error}"))?;
    let line_of_run = compiler.compile("run-1.json", &mut schemas).map_err(|error| anyhow::anyhow!("{error}"))?;
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let wrong = schemas.validate(&value, line_of_run).err().map(|error| format!("{error:#}"));
        anyhow::ensure!(wrong.is_none(), "{line}: {wrong:?}");
        value["told"].as_str().map(str::to_owned).context("a line says what it tells")
    };
    text.lines().map(line).collect()
}

/// A run that is over on a terminal of 60 columns, with and without colours, and in a pipe.
fn shown_again(evidence: &Path) -> Result<()> {
    let on_a_terminal = |options: &str, environment: &[(&str, &str)]| {
        let replay = format!("stty cols 60; {} replay {} {options}", program().display(), evidence.display());
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &replay, "/dev/null"]).stdin(Stdio::null());
        script.env("TERM", "xterm-256color").env_remove("CI").env_remove("NO_COLOR").env_remove("GITHUB_ACTIONS");
        script
            .envs(environment.iter().copied())
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let painted = on_a_terminal("", &[])?;
    assert!(
        painted.contains("\u{1b}[1m\u{1b}[32mPASSED") || painted.contains("\u{1b}[32m\u{1b}[1mPASSED"),
        "{painted:?}"
    );
    for plain in [on_a_terminal("--color never", &[])?, on_a_terminal("", &[("NO_COLOR", "1")])?] {
        assert!(plain.contains("PASSED private-package") && !plain.contains("\u{1b}[32m"), "{plain:?}");
        let step =
            plain.lines().find(|line| line.contains("step 1 ") && line.contains("SUCCEEDED")).context("a step")?;
        // A line is filled up to the terminal's width; two columns stand before the mark.
        let done = step.rsplit_once("✓ step 1 ").map(|(_, done)| format!("  ✓ step 1 {done}")).context("it is done")?;
        let line: String = done.chars().take(60).collect();
        assert!(line.contains(": SUCCEEDED ") && line.trim_end().ends_with(" s"), "{line:?}");
    }
    let mut piped = greenproof();
    let piped = piped.arg("replay").arg(evidence).env_remove("GITHUB_ACTIONS").output()?;
    let text = String::from_utf8_lossy(&piped.stderr).into_owned();
    assert!(text.contains("PASSED private-package") && !text.contains('\u{1b}'), "{text}");
    for (format, begins) in [("markdown", "## greenproof: 1 passed\n"), ("junit", "<?xml "), ("json", "{\"time\":")] {
        let other = greenproof().args(["replay", "--format", format]).arg(evidence).output()?;
        let (out, err) = (String::from_utf8_lossy(&other.stdout), String::from_utf8_lossy(&other.stderr));
        assert!(out.starts_with(begins) && err.is_empty(), "{out}\n{err}");
    }
    let forced = greenproof().args(["--color", "always", "replay"]).arg(evidence).output()?;
    assert!(String::from_utf8_lossy(&forced.stderr).contains("\u{1b}["));
    let configured = tempfile::tempdir()?;
    std::fs::write(configured.path().join("greenproof.toml"), "color = \"always\"\n")?;
    let replay = |flags: &[&str]| -> Result<bool> {
        let mut command = greenproof();
        let output = command.current_dir(configured.path()).args(flags).arg("replay").arg(evidence).output()?;
        Ok(String::from_utf8_lossy(&output.stderr).contains("\u{1b}["))
    };
    assert_eq!((replay(&[])?, replay(&["--color", "never"])?), (true, false), "a flag goes before a file");
    Ok(())
}

/// The same verdict by its own scenario; another by one that expects something else. No Docker is there.
fn judged_again(evidence: &Path) -> Result<()> {
    let judge = |scenario: Option<&Path>| {
        let mut command = greenproof();
        command.env("DOCKER_HOST", "unix:///nowhere").arg("judge").arg(evidence).args(scenario);
        let output = command.output().expect("the program can be run");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(judge(None).0, Some(0), "{}", judge(None).1);
    let text = std::fs::read_to_string(evidence.join("scenario/private-package.toml"))?;
    let changed = evidence.join("scenario/changed.toml");
    std::fs::write(&changed, text.replace("equals = \"s3: Amazon S3\"", "equals = \"s3: Amazon S4\""))?;
    let (code, told) = judge(Some(&changed));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAILED private-package in ") && told.contains("1 finding\n"), "{told}");
    assert!(told.contains("prints the line `s3: Amazon S4`") && told.contains("changed.toml:"), "{told}");
    std::fs::write(evidence.join("evidence.json"), "{\n  oops\n}")?;
    let (code, told) = judge(None);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("evidence.json`, line 2, column 3: ") && told.contains("hint: run the scenario again"),
        "{told}"
    );
    Ok(())
}

/// The switch enforces nothing: the twin whose role may not read the secret gets it, and is red for what it was let through.
#[test]
fn a_soft_run_tells_what_would_be_denied() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let twin = fixture("failures/F14-secret-not-permitted.toml");
    let (workspace, summary) = (fixture("").join(".."), folder.path().join("summary.md"));
    let actions = [("GITHUB_ACTIONS", "true".as_ref()), ("GITHUB_WORKSPACE", workspace.as_os_str())];
    let mut run = greenproof();
    run.current_dir(&folder).args(["run", "--soft"]).arg(twin).envs(actions).env("GITHUB_STEP_SUMMARY", &summary);
    let run = run.output()?;
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("FAILED F14-secret-not-permitted in "), "{told}");
    assert!(
        told.contains("secretsmanager:GetSecretValue on ") && told.contains(" was let through: nothing allows it"),
        "{told}"
    );
    // In GitHub Actions the finding is an annotation at the scenario's file, and in the job's summary.
    let annotation =
        "::error file=fixtures/failures/F14-secret-not-permitted.toml,line=1,title=F14-secret-not-permitted%3A soft::";
    assert!(told.contains("::group::F14-secret-not-permitted: ") && told.contains(annotation), "{told}");
    assert!(!told.contains("add-mask"), "{told}");
    let summary = std::fs::read_to_string(summary)?;
    assert!(summary.starts_with("## greenproof: 1 failed\n") && summary.contains("was let through"), "{summary}");
    Ok(())
}

/// A watched run that has not come to its end when its world stands, nor a minute later.
const CUT_OFF: [&str; 5] = ["run", "--leaks", "none", "--fault", "net.cut"];

/// Starts a watched run of the reference and waits until its world stands; what it tells later goes on being read.
fn raised(folder: &Path) -> Result<(Child, JoinHandle<String>)> {
    let mut run = Command::new(program());
    let mut run = run.current_dir(folder).args(CUT_OFF).stderr(Stdio::piped()).spawn()?;
    let mut told = BufReader::new(run.stderr.take().context("standard error is piped")?);
    let mut line = String::new();
    while !line.contains("aws, github and device are up") {
        line.clear();
        anyhow::ensure!(told.read_line(&mut line)? > 0, "the run ended before its world stood");
    }
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        _ = told.read_to_string(&mut rest);
        rest
    });
    Ok((run, rest))
}

#[test]
fn alone_ctrl_c_cleans_up_and_says_so() -> Result<()> {
    for (signal, name) in [("-INT", "Ctrl-C"), ("-HUP", "SIGHUP")] {
        let folder = tempfile::tempdir()?;
        let (mut run, told) = raised(folder.path())?;
        assert_eq!(standing()?.lines().count(), 5, "four containers and a network stand");
        let interrupted = Command::new("kill").args([signal, &run.id().to_string()]).status()?;
        assert!(interrupted.success());
        assert_eq!(run.wait()?.code(), Some(130));
        let told = told.join().expect("the reader ends");
        assert!(told.contains(&format!("interrupted by {name}; removed 4 containers, 1 network")), "{told}");
        assert_eq!(standing()?, "");
    }
    Ok(())
}

#[test]
fn alone_after_a_kill_a_sweep_removes_what_was_left() -> Result<()> {
    fidelity!("docker-6");
    let folder = tempfile::tempdir()?;
    let (mut run, _) = raised(folder.path())?;
    run.kill()?;
    run.wait()?;
    assert_eq!(standing()?.lines().count(), 5, "a killed run can't clean up");
    let swept = greenproof().arg("sweep").output()?;
    let told = String::from_utf8_lossy(&swept.stderr).into_owned();
    assert!(swept.status.success() && told.contains("removed 4 containers, 1 network"), "{told}");
    assert_eq!(standing()?, "");
    Ok(())
}

/// Somebody's container on a dead run's network keeps that network: a sweep says so, and a run goes on.
#[test]
fn alone_what_can_not_be_removed_stops_no_run() -> Result<()> {
    fidelity!("docker-9");
    let folder = tempfile::tempdir()?;
    let (mut run, _) = raised(folder.path())?;
    run.kill()?;
    run.wait()?;
    let names = standing()?;
    let network = names.lines().last().context("a network stands")?;
    let image = docker(&["inspect", "--format", "{{.Image}}", names.lines().next().context("a container stands")?])?;
    let stranger =
        docker(&["run", "--detach", "--network", network, "--entrypoint", "sleep", image.trim(), "infinity"])?;
    let inline = fixture("scenarios/inline.toml").display().to_string();
    let went_on = greenproof().current_dir(&folder).args(["run", &inline]).output()?;
    let swept = greenproof().arg("sweep").output()?;
    let stays = docker(&["inspect", "--format", "{{.State.Running}}", stranger.trim()]);
    docker(&["rm", "--force", stranger.trim()])?;
    let told = String::from_utf8_lossy(&went_on.stderr);
    assert!(went_on.status.success() && told.contains("PASSED inline"), "{told}");
    assert!(told.contains("could not remove all that an earlier run left: removing network"), "{told}");
    assert_eq!((swept.status.code(), stays?.trim()), (Some(3), "true"), "{}", String::from_utf8_lossy(&swept.stderr));
    assert!(greenproof().arg("sweep").output()?.status.success());
    assert_eq!(standing()?, "");
    Ok(())
}

/// Another cache folder's LocalStack stays whatever is swept; what a killed run of this one left goes.
#[test]
fn alone_a_sweep_of_everything_leaves_what_is_anothers() -> Result<()> {
    fidelity!("docker-14");
    let folder = tempfile::tempdir()?;
    let (mut run, _) = raised(folder.path())?;
    let images = docker(&["ps", "--format", "{{.Image}}"])?;
    let image = images.lines().next().context("a container stands")?;
    let labels = ["greenproof=1", "greenproof.owner=another", "greenproof.role=localstack"];
    let mut words = vec!["run", "--detach", "--network", "none", "--entrypoint", "sleep"];
    words.extend(labels.iter().flat_map(|label| ["--label", label]));
    let theirs = docker(&[&words[..], &[image, "infinity"]].concat())?;
    run.kill()?;
    run.wait()?;
    let swept = greenproof().args(["sweep", "--all"]).output()?;
    let stays = docker(&["inspect", "--format", "{{.State.Running}}", theirs.trim()]);
    docker(&["rm", "--force", theirs.trim()])?;
    assert_eq!((swept.status.code(), stays?.trim()), (Some(0), "true"), "{}", String::from_utf8_lossy(&swept.stderr));
    assert_eq!(standing()?, "");
    Ok(())
}

/// Recipes are judged without Docker: text for a person, JSON for a program, and an exit code for both.
#[test]
fn a_recipe_is_checked_without_docker() -> Result<()> {
    fidelity!("check-3");
    let recipe = fixture("components/com.example.GithubCustomPack/recipe.yaml");
    let path = recipe.to_str().context("the fixture's path is UTF-8")?;
    let run = |arguments: &[&str]| {
        let mut command = greenproof();
        command.arg("check").args(arguments).env("DOCKER_HOST", "unix:///nowhere");
        let output = command.output().expect("the program can be run");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = run(&[path]);
    assert_eq!(code, Some(1), "{text}");
    for rule in ["style[secret-in-url]", "style[no-token-exchange]", "style[hidden-failure]", "lite[lite-key-case]"] {
        assert!(text.contains(rule), "{rule}: {text}");
    }
    assert!(text.contains(&format!("{path}: classic nucleus: takes manifest 1 on aarch64")), "{text}");
    let (code, text) = run(&["--json", path]);
    let json: serde_json::Value = serde_json::from_str(&text)?;
    assert_eq!((code, json["classic"]["accepts"].as_bool()), (Some(1), Some(true)));
    let folder = tempfile::tempdir()?;
    let good = folder.path().join("good.json");
    let text = r#"{"RecipeFormatVersion": "2020-01-25", "ComponentName": "a.B", "ComponentVersion": "1.0.0",
                   "Manifests": [{"Platform": {"os": "linux"}, "Artifacts": [], "Lifecycle": {"run": "exec sleep 5"}}]}"#;
    std::fs::write(&good, text)?;
    let good = good.to_str().context("a temporary path is UTF-8")?;
    assert_eq!(run(&[good]).0, Some(0));
    assert_eq!(run(&["--lite", good]).0, Some(1));
    assert_eq!(run(&["nowhere.yaml"]).0, Some(2));
    Ok(())
}
