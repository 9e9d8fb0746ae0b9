//! A new user's way: `greenproof init` in a GDK project, then `greenproof run`, with nothing written by hand.

use anyhow::{Context, Result};
use fidelity::fidelity;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tests::{fixture, program};

/// A copy of a GDK project of the fixtures.
fn project(name: &str, into: &Path) -> Result<PathBuf> {
    let copied = Command::new("cp").arg("-r").arg(fixture("gdk").join(name)).arg(into).status()?;
    anyhow::ensure!(copied.success(), "cp copies {name}");
    Ok(into.join(name))
}

fn greenproof(folder: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(program()).current_dir(folder).args(arguments).output()?)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn replace(file: &Path, text: &str, by: &str) -> Result<()> {
    let old = std::fs::read_to_string(file)?;
    anyhow::ensure!(old.contains(text), "{} has `{text}`", file.display());
    Ok(std::fs::write(file, old.replace(text, by))?)
}

/// A Python component with a zip, one that installs a private package, and a JSON recipe without an artifact: each is green
/// at the first run. Then the twins: a secret that the recipe no longer names, and a policy that lacks the artifact.
#[test]
fn what_init_writes_runs_green_and_its_twins_red() -> Result<()> {
    fidelity!("init-1", "init-2", "gdk-1", "gdk-2");
    let folder = tempfile::tempdir()?;
    let package = format!("cm-ichida/myawsname={}", fixture("packages/myawsname").canonicalize()?.display());
    for name in ["HelloWorld", "GithubCustomPack", "Greeter"] {
        project(name, folder.path())?;
        let init = greenproof(folder.path(), &["init", name, "--ci", "none", "--repository", &package])?;
        let told = said(&init);
        anyhow::ensure!(init.status.success(), "{told}");
        assert!(told.contains(&format!("next: greenproof run {name}/tests/greenproof/{name}.toml")), "{told}");
    }
    let hello = folder.path().join("HelloWorld/tests/greenproof/HelloWorld.toml");
    replace(&hello, "# [[expect.line]]\n# component", "[[expect.line]]\ncomponent")?;
    replace(&hello, "# step = \"Run\"\n# equals = \"…\"", "step = \"Run\"\nequals = \"Hello, World!\"")?;
    let scenario = |name: &str| format!("{name}/tests/greenproof/{name}.toml");
    let all = [scenario("HelloWorld"), scenario("GithubCustomPack"), scenario("Greeter")];
    let run = greenproof(folder.path(), &["run", &all[0], &all[1], &all[2]])?;
    let told = said(&run);
    assert_eq!(run.status.code(), Some(0), "{told}");
    for name in ["HelloWorld", "GithubCustomPack", "Greeter"] {
        assert!(told.contains(&format!("PASSED {name}")), "{told}");
    }

    replace(
        &folder.path().join("GithubCustomPack/recipe.yaml"),
        "--secret-id GithubPersonalAccessToekn",
        "--secret-id Other",
    )?;
    replace(&folder.path().join("HelloWorld/tests/greenproof/device-policy.json"), "s3:GetObject", "s3:PutObject")?;
    let run = greenproof(folder.path(), &["run", &all[0], &all[1]])?;
    let told = said(&run);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("FAILED HelloWorld") && told.contains("FAILED GithubCustomPack"), "{told}");
    let denied = std::fs::read_to_string(
        folder.path().join("greenproof-evidence/GithubCustomPack/com.example.GithubCustomPack.log"),
    )?;
    let reason = "is not authorized to perform: secretsmanager:GetSecretValue on resource: Other because no identity-based policy allows";
    assert!(denied.contains(reason), "{denied}");
    assert!(told.contains("S3_HEAD_OBJECT_ACCESS_DENIED"), "{told}");
    Ok(())
}

/// What stands in the way of a first scenario is told with its place before Docker is asked for anything.
#[test]
fn what_init_can_not_read_is_told() -> Result<()> {
    fidelity!("init-3", "init-4", "init-6");
    let folder = tempfile::tempdir()?;
    let hello = project("HelloWorld", folder.path())?;
    let private = project("GithubCustomPack", folder.path())?;
    let init = |arguments: &[&str]| greenproof(folder.path(), &[&["init"], arguments].concat());

    assert!(init(&["HelloWorld"])?.status.success());
    let again = init(&["HelloWorld"])?;
    let told = said(&again);
    assert_eq!(again.status.code(), Some(2), "{told}");
    assert!(
        told.contains("HelloWorld/tests/greenproof/HelloWorld.toml: this file is there already, and 2 more"),
        "{told}"
    );
    assert!(init(&["HelloWorld", "--force"])?.status.success());

    let told = said(&init(&["GithubCustomPack"])?);
    assert!(
        told.contains("next: fill in what says `FILL IN` in GithubCustomPack/tests/greenproof/GithubCustomPack.toml"),
        "{told}"
    );
    let scenario = "GithubCustomPack/tests/greenproof/GithubCustomPack.toml";
    let run = greenproof(folder.path(), &["run", scenario])?;
    let told = said(&run);
    let text = std::fs::read_to_string(folder.path().join(scenario))?;
    let line = text.lines().position(|line| line.contains("FILL IN")).context("a repository is unknown")? + 1;
    assert_eq!(run.status.code(), Some(2), "{told}");
    let wanted = "this is yet to be filled in: the path of a checkout of cm-ichida/myawsname";
    assert!(told.contains(&format!("{scenario}:{line}:")) && told.contains(wanted), "{told}");

    std::fs::write(hello.join("gdk-config.json"), "{\n  \"component\": {\n}")?;
    let told = said(&greenproof(folder.path(), &["run", "HelloWorld/tests/greenproof/HelloWorld.toml"])?);
    assert!(told.contains("HelloWorld/gdk-config.json:3:1: no JSON: "), "{told}");
    replace(&private.join("gdk-config.json"), "\"author\": \"cm-taro\",", "")?;
    let told = said(&init(&["GithubCustomPack", "--force"])?);
    assert!(
        told.contains("GithubCustomPack/gdk-config.json:3:5: `author` of `com.example.GithubCustomPack` is missing"),
        "{told}"
    );
    Ok(())
}
