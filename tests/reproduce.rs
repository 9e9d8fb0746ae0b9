//! Failures that happen again: from the bundle of a failed run, from the library, and from what a person brings from a device.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tests::{fixture, program};

/// The value of a secret that a scenario states, and that its component tells in every form.
const CANARY: &str = "cnry/Ab12Cd34Ef56Gh78Ij90+Kl12Mn34Op";

/// A component that tells its secret raw, in base64, in base64 with more around it, in a URL, in halves and spread; then
/// it fails by itself.
const SCENARIO: &str = r#"
base = "BASE"
summary = "a component that tells its secret in every form, and fails"

[aws.secrets]
Canary = "cnry/Ab12Cd34Ef56Gh78Ij90+Kl12Mn34Op"

[[component]]
recipe_text = """
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Canary
ComponentVersion: 1.0.0
Manifests:
  - Platform: {os: linux}
    Lifecycle:
      Install: |
        S=$(aws secretsmanager get-secret-value --secret-id Canary --query SecretString --output text)
        echo "$S"; printf %s "$S" | base64 -w0; echo; printf 'x:%s' "$S" | base64 -w0; echo
        printf %s "$S" | jq -sRr @uri; printf %s "$S" | cut -c1-16; printf %s "$S" | cut -c17-; echo "$S" | sed 's/./& /g'
        echo 'the disk is on fire' >&2; exit 3
"""

[deployment]
"com.example.Canary" = "1.0.0"
"aws.greengrass.TokenExchangeService" = "2.0.3"

[expect]
deployment = "SUCCEEDED"
components = {}
line = []
call = []
package = []
"#;

/// Runs the program in a folder; gives the exit code and what it told.
fn greenproof(folder: &Path, words: &[&str]) -> Result<(i32, String)> {
    let output = Checked::new(program()).current_dir(folder).args(words).output()?;
    let code = output.status.code().context("it was not killed")?;
    Ok((code, String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is UTF-8")
}

/// Writes the scenario, with its base outside of the folder.
fn scenario(folder: &Path) -> Result<()> {
    let base = fixture("scenarios/inline.toml").canonicalize()?;
    Ok(std::fs::write(folder.join("canary.toml"), SCENARIO.replace("BASE", text(&base)?))?)
}

fn tar(words: &[&str]) -> Result<()> {
    anyhow::ensure!(Command::new("tar").args(words).status()?.success(), "tar {words:?}");
    Ok(())
}

/// The bundle of a failed run, in a folder with nothing else, fails for the same reason; mended, it does not. It holds its
/// secrets in no form.
#[test]
fn a_bundle_fails_the_same_way_anywhere() -> Result<()> {
    fidelity!("reproduce-1", "reproduce-2", "reproduce-3");
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    scenario(here.path())?;
    let (code, told) = greenproof(here.path(), &["run", "canary.toml"])?;
    assert_eq!(code, 1, "{told}");
    let last = told.trim_end().lines().last().context("it tells something")?.trim();
    assert_eq!(last, "again: greenproof reproduce greenproof-evidence/canary/bundle.tar.gz");
    let bundle = there.path().join("bundle.tar.gz");
    std::fs::copy(here.path().join("greenproof-evidence/canary/bundle.tar.gz"), &bundle)?;
    drop(here);

    let unpacked = there.path().join("unpacked");
    std::fs::create_dir(&unpacked)?;
    tar(&["-xzf", text(&bundle)?, "-C", text(&unpacked)?])?;
    holds_no_secret(&bundle, &unpacked)?;

    let (code, told) = greenproof(there.path(), &["reproduce", "bundle.tar.gz"])?;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("the same failure:") && told.contains("the disk is on fire"), "{told}");

    let file = unpacked.join("scenario/canary.toml");
    let mended = std::fs::read_to_string(&file)?.replace("exit 3", "exit 0");
    std::fs::write(&file, mended)?;
    tar(&["-cf", text(&there.path().join("mended.tar"))?, "-C", text(&unpacked)?, "."])?;
    let (code, told) = greenproof(there.path(), &["reproduce", "mended.tar"])?;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("not the same:") && told.contains("SUCCEEDED SUCCESSFUL"), "{told}");
    Ok(())
}

/// Neither the archive nor a file in it has the secret: raw, in a URL, in base64 with whatever before it, or a part of it.
fn holds_no_secret(bundle: &Path, unpacked: &Path) -> Result<()> {
    let mut all = vec![(bundle.to_owned(), std::fs::read(bundle)?)];
    let mut folders = vec![unpacked.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir()?.flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                all.push((entry.path(), std::fs::read(entry.path())?));
            }
        }
    }
    assert!(all.iter().any(|(path, _)| path.ends_with("evidence/com.example.Canary.log")), "{all:?}");
    let (first, second) = CANARY.split_at(16);
    let spread: String = CANARY.chars().flat_map(|letter| [letter, ' ']).collect();
    // Base64 of the secret, alone and as a password, without the letters that depend on what stands around it.
    let alone = "Y25yeS9BYjEyQ2QzNEVmNTZHaDc4SWo5MCtLbDEyTW4zNE9";
    let password = "jbnJ5L0FiMTJDZDM0RWY1NkdoNzhJajkwK0tsMTJNbjM0T";
    let url = "cnry%2FAb12Cd34Ef56Gh78Ij90%2BKl12Mn34Op";
    let forms = [CANARY, first, second, spread.trim(), alone, password, url, &first[5..], "Gh78Ij90", "ghp_"];
    for (path, bytes) in &all {
        for form in forms {
            // In the rules that say which tokens there are, `ghp_` alone is no token.
            let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
            anyhow::ensure!(!found, "`{}` holds `{form}`", path.display());
        }
    }
    Ok(())
}

#[test]
fn what_is_no_bundle_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("x.tar.gz"), "text")?;
    for words in [["reproduce", "x.tar.gz"], ["reproduce", "nowhere"], ["reproduce", "F999"]] {
        let (code, told) = greenproof(folder.path(), &words)?;
        assert!(code == 2 && told.contains("error: ") && told.contains("hint: "), "{words:?}: {told}");
    }
    Ok(())
}

/// A failure of the library happens as stated, and the fix is told; one that can't happen here is refused with the reason.
#[test]
fn a_failure_of_the_library_is_shown() -> Result<()> {
    fidelity!("reproduce-4");
    let folder = tempfile::tempdir()?;
    let (code, told) = greenproof(folder.path(), &["reproduce", "F14"])?;
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("happens as stated") && told.contains("fix:    Allow secretsmanager:GetSecretValue"),
        "{told}"
    );
    let (code, told) = greenproof(folder.path(), &["reproduce", "F57"])?;
    assert!(code == 2 && told.contains("F57 can't be made to happen here"), "{told}");
    Ok(())
}

/// What a device showed, as files.
fn device(name: &str) -> Result<PathBuf> {
    Ok(fixture("devices").join(name).canonicalize()?)
}

/// Logs, configuration, recipe and policies of a device whose role may not read the secret.
#[test]
fn a_device_without_permission_is_built_again() -> Result<()> {
    fidelity!("reproduce-5");
    let folder = tempfile::tempdir()?;
    let device = device("secret-not-permitted")?;
    let (code, told) = greenproof(folder.path(), &["reproduce", "--no-shrink", text(&device)?])?;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("the logs show F14") && told.contains("the same failure:"), "{told}");
    assert!(told.contains("token-exchange.json: policy of the token exchange role"), "{told}");
    assert!(told.contains("not brought: the certificate's IoT policies"), "{told}");
    Ok(())
}

/// A script that fails by itself: its recipe fails here, too, with the same words, and of all that was brought the recipe
/// alone matters.
#[test]
fn a_script_that_fails_by_itself_fails_here_too_and_is_made_small() -> Result<()> {
    fidelity!("reproduce-5", "reproduce-6");
    let folder = tempfile::tempdir()?;
    let (code, told) = greenproof(folder.path(), &["reproduce", text(&device("script-fails")?)?])?;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("the recipe is run as it is") && told.contains("the same failure:"), "{told}");
    assert!(
        told.contains("  not needed: the device's names") && told.contains("  needed: the brought recipe"),
        "{told}"
    );
    assert!(told.contains("it takes: the brought recipe\n"), "{told}");
    let file = folder.path().join("greenproof-evidence/script-fails-scenario/script-fails.toml");
    let scenario = greenproof::Scenario::load(&file)?;
    assert!(scenario.components.iter().any(|component| component.name == "com.example.Calibrate"));
    assert_eq!(scenario.device.thing, None, "the device's name does not matter");
    Ok(())
}

/// A device whose Python is externally managed.
#[test]
fn an_externally_managed_device_is_built_again() -> Result<()> {
    fidelity!("reproduce-5");
    let folder = tempfile::tempdir()?;
    let (code, told) = greenproof(folder.path(), &["reproduce", "--no-shrink", text(&device("externally-managed")?)?])?;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("the logs show F24") && told.contains("the same failure:"), "{told}");
    Ok(())
}
