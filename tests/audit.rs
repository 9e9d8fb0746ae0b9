//! `greenproof audit`: what it finds in logs, disks, containers and a kept environment, and what it never shows.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use leak::plant::{Draw, Form};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};
use tests::{block_on, docker, fixture, program, stage};

/// A token that no file of ours has.
fn token(seed: u64) -> String {
    format!("ghp_{}", Draw::new(seed ^ u64::from(std::process::id())).letters(36))
}

/// Exit code, and both outputs as one text, which no secret may be in.
fn audited(words: &[&str], input: &str, secret: &str) -> Result<(i32, String)> {
    let output = Checked::new(program()).arg("audit").args(words).write_stdin(input).output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    anyhow::ensure!(
        !secret.as_bytes()[4..].windows(12).any(|piece| text.contains(&*String::from_utf8_lossy(piece))),
        "it shows it"
    );
    Ok((output.status.code().context("it was not killed")?, text))
}

/// A container, gone at the end.
struct Running(String);

impl Drop for Running {
    fn drop(&mut self) {
        _ = docker(&["rm", "--force", &self.0]);
    }
}

/// Reads a container's output until it says so.
fn until_ready(running: &Running) -> Result<()> {
    let mut logs = Command::new("docker").args(["logs", "--follow", &running.0]).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(logs.stdout.take().context("it is piped")?).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "ready");
    logs.kill()?;
    logs.wait()?;
    anyhow::ensure!(ready, "it ended");
    Ok(())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

#[test]
fn a_log_is_audited_by_shape_and_by_secrets() -> Result<()> {
    let (folder, token) = (tempfile::tempdir()?, token(1));
    let log = format!("one\nCloning https://x:{token}@github.com/o/r.git\n");
    let (code, told) = audited(&["-"], &log, &token)?;
    assert_eq!(code, 5, "{told}");
    for part in [
        "standard input: 1 leak",
        "GitHub personal access token (raw)",
        "line 2",
        "https://x:***@github.com/o/r.git",
        "close:",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (code, told) = audited(&["-"], &log.replace(&token, "***"), &token)?;
    assert_eq!(code, 0, "{told}");
    let secrets = folder.path().join("secrets");
    fs::write(&secrets, format!("MINE={token}\n"))?;
    for form in Form::ALL {
        let (code, told) =
            audited(&["--secrets", text(&secrets), "--json", "-"], &form.of(&token, &mut Draw::new(7)), &token)?;
        let told: Value = serde_json::from_str(&told)?;
        assert_eq!((code, &told["leaks"][0]["secret"]), (5, &"MINE".into()), "{form:?}: {told}");
    }
    let (code, told) = audited(&["--secrets", text(&secrets), "-"], &log.replace(&token, &self::token(2)), &token)?;
    assert_eq!(code, 0, "another secret is none of these: {told}");
    Ok(())
}

#[test]
fn what_can_not_be_audited_is_told_with_code_2() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let empty = folder.path().join("empty");
    fs::write(&empty, "short\n")?;
    for (words, part) in [
        (vec!["nowhere"], "can't read `nowhere`: No such file"),
        (vec!["container"], "`container` needs a name"),
        (vec!["--secrets", "nowhere", "-"], "can't take secrets from `nowhere`"),
        (vec!["--secrets", text(&empty), "-"], "no secret of 12 characters"),
        (vec!["--secrets", text(&empty), "--patterns", "-"], "cannot be used with"),
    ] {
        let (code, told) = audited(&words, "", "01234567890123456789")?;
        assert!(code == 2 && told.contains(part), "{words:?}: {code} {told}");
    }
    let (code, told) = audited(&["container", "greenproof-none-such"], "", "01234567890123456789")?;
    assert!(code == 3 && told.contains("greenproof-none-such"), "{code} {told}");
    Ok(())
}

/// A container's disk and processes, while it runs and after, and the tar that the engine makes of it.
#[test]
fn a_container_shows_files_and_processes_with_their_readers() -> Result<()> {
    let (folder, token) = (tempfile::tempdir()?, token(3));
    let image = block_on(async { stage(1.0).await.images.device.clone() });
    let script = format!(
        "umask 022; mkdir -p /tmp/pip-req-build-x/.git /tmp/private; chmod 700 /tmp/private; \
         echo 'url = https://x:{token}@h' > /tmp/pip-req-build-x/.git/config; cp -r /tmp/pip-req-build-x /tmp/private/a; \
         cd /tmp && python3 -c 'import zipfile; zipfile.ZipFile(\"p.zip\", \"w\", 8).write(\"pip-req-build-x/.git/config\")'; \
         chown -R ggc_user /tmp/private; echo ready; exec env GIT_TOKEN={token} sleep 600"
    );
    let id = docker(&["run", "--detach", "--network", "none", "--entrypoint", "bash", &image, "-c", &script])?;
    let running = Running(id);
    until_ready(&running)?;
    let (code, told) = audited(&["--json", "container", &running.0], "", &token)?;
    assert_eq!(code, 5, "{told}");
    let seen = |told: &str| -> Result<Vec<String>> {
        let told: Value = serde_json::from_str(told)?;
        let leaks = told["leaks"].as_array().context("there are leaks")?;
        let mut seen: Vec<_> = leaks
            .iter()
            .filter(|leak| leak["secret"].as_str().is_some_and(|name| name.starts_with("GitHub")))
            .map(|leak| {
                format!("{}: {}", leak["at"].as_str().unwrap_or_default(), leak["readers"].as_str().unwrap_or_default())
            })
            .collect();
        seen.sort();
        Ok(seen)
    };
    let files = [
        "file /tmp/p.zip, in it pip-req-build-x/.git/config, line 1: every local user",
        "file /tmp/pip-req-build-x/.git/config, line 1: every local user",
        "file /tmp/private/a/.git/config, line 1: every process of ggc_user",
    ];
    let process = "environment of sleep, variable GIT_TOKEN: root";
    assert_eq!(seen(&told)?, [&[process], &files[..]].concat());
    docker(&["kill", &running.0])?;
    let (code, told) = audited(&["--json", "container", &running.0], "", &token)?;
    assert_eq!((code, seen(&told)?), (5, files.map(str::to_owned).to_vec()));
    let tar = folder.path().join("disk.tar");
    docker(&["export", "--output", text(&tar), &running.0])?;
    let (code, told) = audited(&["--json", text(&tar)], "", &token)?;
    assert_eq!((code, seen(&told)?), (5, files.map(str::to_owned).to_vec()));
    Ok(())
}

/// The device's key at its place is accepted; a token that a person leaves there is not.
#[test]
fn a_kept_environment_is_audited_by_its_own_secrets() -> Result<()> {
    let name = "audited";
    let up = Checked::new(program()).args(["up", text(&fixture("scenarios/inline.toml")), "--name", name]).output()?;
    anyhow::ensure!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let result = (|| {
        let (code, told) = audited(&["--name", name], "", "01234567890123456789")?;
        anyhow::ensure!(code == 0 && told.contains("accepted: the device's private key"), "{code} {told}");
        let copy = "cp /greengrass/v2/private.pem.key /tmp/copy && chmod 644 /tmp/copy";
        let words = ["exec", "--name", name, "--root", "--", "sh", "-c", copy];
        anyhow::ensure!(Checked::new(program()).args(words).output()?.status.success(), "the key is copied");
        let (code, told) = audited(&["--name", name], "", "01234567890123456789")?;
        anyhow::ensure!(code == 5 && told.contains("where: file /tmp/copy, line"), "{code} {told}");
        anyhow::ensure!(told.contains("who:   every local user"), "{told}");
        Ok(())
    })();
    Checked::new(program()).args(["down", "--name", name]).output()?;
    result
}
