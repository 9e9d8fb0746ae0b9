//! `greenproof doctor`, on this machine and on one that really lacks something: each check tells what is missing, and the
//! fix.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use serde_json::{Value, json};
use std::process::Command;
use tests::{
    block_on,
    filtered::{self, Fate, Filter},
    program, stage,
};

/// What the doctor says with these variables: its exit code and its lines.
fn asked(variables: &[(&str, &str)]) -> Result<(i32, String)> {
    let mut command = Checked::new(program());
    let output = command.arg("doctor").envs(variables.iter().copied()).output()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().with_context(|| error.clone())?;
    anyhow::ensure!(error.is_empty(), "{error}");
    Ok((code, String::from_utf8(output.stdout)?))
}

/// Has the images made, if no other test has yet.
fn with_images() {
    drop(block_on(stage(1.0)));
}

/// What the doctor says of an engine behind a filter.
fn behind(filter: Filter) -> Result<(i32, String)> {
    asked(&[("DOCKER_HOST", &filtered::engine(filter)?)])
}

/// The check of this name: its line, and its fix.
fn check<'a>(said: &'a str, name: &str) -> (&'a str, Option<&'a str>) {
    let mut lines = said.lines().skip_while(|line| !line.chars().skip(2).collect::<String>().starts_with(name));
    let line = lines.next().unwrap_or_default();
    (line, lines.next().and_then(|line| line.strip_prefix("    fix: ")))
}

fn lacks(said: &str, name: &str, line: &str, fix: &str) {
    assert_eq!(check(said, name), (line, Some(fix)), "{said}");
}

#[test]
fn a_machine_that_can_run_is_told_so() -> Result<()> {
    fidelity!("doctor-1");
    with_images();
    let (code, said) = asked(&[])?;
    assert_eq!(code, 0, "{said}");
    for (name, begins) in [
        ("docker ", "✓ docker "),
        ("cores ", "✓ cores "),
        ("image ", "✓ image          device is here (greenproof/device:"),
        ("raw addresses", "✓ raw addresses  caught by a rule of iptables"),
        ("leaks: process", "✓ leaks: process the kernel tells of every process"),
        ("leaks: files", "✓ leaks: files   the kernel tells of every file that is written"),
        ("temporary", "✓ temporary "),
        ("cache", "✓ cache "),
    ] {
        assert!(check(&said, name).0.starts_with(begins), "{name}: {said}");
    }
    assert!(said.ends_with("a run can be made\n"), "{said}");
    let json = Checked::new(program()).args(["doctor", "--json"]).output()?;
    let json: Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!(json["ready"], true, "{json}");
    assert_eq!(json["checks"][0]["name"], "docker");
    assert_eq!(json["checks"][0]["state"], "good");
    assert_eq!(json["checks"][0]["fix"], Value::Null);
    Ok(())
}

#[test]
fn an_engine_that_does_not_answer_is_told_with_its_fix() -> Result<()> {
    fidelity!("doctor-2");
    let (code, said) = asked(&[("DOCKER_HOST", "unix:///nowhere/docker.sock")])?;
    assert_eq!(code, 3, "{said}");
    let line = "✗ docker         connecting to Docker at unix:///nowhere/docker.sock: there is no socket `/nowhere/docker.sock`";
    let fix =
        "start the engine at unix:///nowhere/docker.sock, or take this machine's own: unset DOCKER_HOST DOCKER_CONTEXT";
    lacks(&said, "docker", line, fix);
    assert!(said.ends_with("no run can be made here yet\n"), "{said}");
    Ok(())
}

/// Runs the doctor where the shell has prepared a place that no other process sees.
fn within(script: &str, variables: &[(&str, &str)]) -> Result<(i32, String)> {
    let script = format!("{script}; exec \"$0\" doctor");
    let words = ["--mount", "--propagation", "private", "sh", "-ec", &script];
    let output = Command::new("unshare").args(words).arg(program()).envs(variables.iter().copied()).output()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().context("it was not killed")?, String::from_utf8(output.stdout)? + &error))
}

#[test]
fn disks_that_are_too_small_or_closed_are_told_with_their_fix() -> Result<()> {
    fidelity!("doctor-3");
    let folder = tempfile::tempdir()?;
    let small = folder.path().to_str().context("a temporary path is UTF-8")?;
    let mount = format!("mount -t tmpfs -o size=1M tmpfs {small}");
    let dead = ("DOCKER_HOST", "unix:///nowhere");
    let (code, said) = within(&mount, &[dead, ("TMPDIR", small), ("GREENPROOF_CACHE", small)])?;
    assert_eq!(code, 3, "{said}");
    let line = |name: &str, needed: &str| format!("✗ {name:<14} 1.0 MiB free in {small}; it takes {needed}");
    lacks(&said, "temporary", &line("temporary", "64.0 MiB"), "export TMPDIR=/var/tmp");
    lacks(&said, "cache", &line("cache", "512.0 MiB"), "export GREENPROOF_CACHE=/var/tmp/greenproof");
    let (code, said) = asked(&[("GREENPROOF_CACHE", "/dev/null/cache"), ("GREENPROOF_LITE", "/nowhere/lite.deb")])?;
    assert_eq!(code, 3, "{said}");
    let line = "✗ cache          can't make /dev/null/cache: Not a directory (os error 20)";
    lacks(&said, "cache", line, "export GREENPROOF_CACHE=/var/tmp/greenproof");
    lacks(
        &said,
        "lite",
        "✗ lite           there is no /nowhere/lite.deb",
        "export GREENPROOF_LITE=PATH of its package",
    );
    Ok(())
}

/// No image is here, and no registry answers.
fn bare(method: &str, path: &str) -> Fate {
    match (method, path) {
        ("GET", path) if path.starts_with("/images/") && path.ends_with("/json") => {
            Fate::Answer(404, r#"{"message": "No such image"}"#)
        }
        ("GET", path) if path.starts_with("/distribution/") => {
            Fate::Answer(500, r#"{"message": "dial tcp: no route to host"}"#)
        }
        _ => Fate::Pass,
    }
}

#[test]
fn images_that_are_missing_are_told_with_how_they_are_had() -> Result<()> {
    fidelity!("doctor-4");
    let without = "for tool in debootstrap mmdebstrap; do \
                   for folder in /usr/sbin /usr/bin; do \
                   if [ -e $folder/$tool ]; then mount -t tmpfs tmpfs $folder; fi; done; done";
    let engine = filtered::engine(bare)?;
    let (code, said) = within(&format!("PATH=$PATH:/bin:/usr/bin; {without}"), &[("DOCKER_HOST", &engine)])?;
    assert_eq!(code, 3, "{said}");
    let line = "✗ debootstrap    neither debootstrap nor mmdebstrap is installed, and a base is to be made";
    lacks(&said, "debootstrap", line, "sudo apt-get install debootstrap debian-archive-keyring");
    for line in [
        "✓ image          bookworm is missing: it is made from Debian's bookworm packages with the next run",
        "✓ image          device is missing: it is built on bookworm with the next run",
        "✓ image          localstack is missing: it is built on trixie with the next run",
        "✓ registry       does not answer, so bases are made: dial tcp: no route to host",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    lacks(&said, "kernel", "! kernel         not tried: images are missing", "greenproof run && greenproof doctor");
    let (_, said) = behind(|method, path| match bare(method, path) {
        Fate::Answer(500, _) => Fate::Answer(200, r#"{"Descriptor": {}, "Platforms": []}"#),
        fate => fate,
    })?;
    let line = "✓ image          bookworm is missing: debian:bookworm-slim is pulled with the next run";
    assert!(said.contains(line) && said.contains("✓ registry       answers"), "{said}");
    let image = ("GREENPROOF_LOCALSTACK_IMAGE", "mine:1");
    let (code, said) = asked(&[("DOCKER_HOST", &engine), image])?;
    let line = "✗ image          localstack is missing, and no registry has it (mine:1)";
    assert_eq!(code, 3);
    assert!(said.contains(&format!("{line}\n    fix: docker load < localstack.tar")), "{said}");
    Ok(())
}

#[test]
fn an_engine_that_has_too_little_is_told_with_its_fix() -> Result<()> {
    fidelity!("doctor-5");
    let (code, said) = behind(|_, path| match path {
        "/info" => Fate::Changed(|info| {
            info["MemTotal"] = json!(512 << 20);
            info["NCPU"] = json!(1);
            info["Architecture"] = json!("riscv64");
        }),
        _ => Fate::Pass,
    })?;
    assert_eq!(code, 3, "{said}");
    let fix = "give Docker's machine 2 GiB or more (Docker Desktop: Settings, Resources)";
    lacks(&said, "memory", "✗ memory         512.0 MiB for containers; a run takes 900.0 MiB", fix);
    let line = "! cores          1 for containers: everything takes longer";
    lacks(&said, "cores", line, "export GREENPROOF_PATIENCE=2");
    assert!(check(&said, "docker ").0.contains("linux/riscv64") && said.starts_with('✗'), "{said}");
    Ok(())
}

#[test]
fn a_kernel_that_refuses_is_told_with_its_fix() -> Result<()> {
    fidelity!("doctor-6");
    with_images();
    let (code, said) = behind(|_, path| match path {
        path if path.starts_with("/containers/create") => Fate::Asked(|spec| {
            spec["HostConfig"]["CapAdd"] = json!([]);
            // The kernel tells of processes in the machine's own network alone.
            if spec["HostConfig"]["NetworkMode"] == "host" {
                spec["HostConfig"]["NetworkMode"] = json!("none");
            }
        }),
        _ => Fate::Pass,
    })?;
    assert_eq!(code, 3, "{said}");
    let (raw, fix) = check(&said, "raw addresses");
    assert!(raw.starts_with("✗ raw addresses  not caught: "), "{said}");
    assert_eq!(fix, Some("sudo modprobe -a iptable_nat xt_addrtype xt_REDIRECT"));
    let (line, fix) = check(&said, "leaks: process");
    assert!(line.starts_with("! leaks: process processes are only looked for again and again: "), "{said}");
    assert!(fix.is_some_and(|fix| fix.contains("CONFIG_PROC_EVENTS")), "{said}");
    let (line, fix) = check(&said, "leaks: files");
    assert!(line.starts_with("! leaks: files   files are not watched while they live: "), "{said}");
    assert!(fix.is_some_and(|fix| fix.contains("CONFIG_FANOTIFY")), "{said}");
    let (_, said) = behind(|_, path| match path {
        path if path.starts_with("/containers/create") => {
            Fate::Asked(|spec| spec["HostConfig"]["PidsLimit"] = json!(50))
        }
        _ => Fate::Pass,
    })?;
    let fix = "raise the engine's limit of processes for a container";
    lacks(&said, "processes", "! processes      a device may have 50", fix);
    Ok(())
}

/// What a dead run left is told, and the command that is named removes it.
#[test]
fn what_dead_runs_left_is_told_with_its_fix() -> Result<()> {
    fidelity!("doctor-7");
    let cache = tempfile::tempdir()?;
    let own = ("GREENPROOF_CACHE", cache.path().to_str().context("a temporary path is UTF-8")?);
    std::fs::write(cache.path().join("owner"), "0d0c0000")?;
    let labels = ["greenproof=1", "greenproof.environment=dead0000", "greenproof.role=device"];
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let image = own_image()?;
    let made = Command::new("docker")
        .args(["create", "--label", "greenproof.lease=0d0c0000/elsewhere/1/1"])
        .args(labels)
        .args([&image, "true"])
        .output()?;
    anyhow::ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (_, said) = asked(&[own])?;
    let swept = Checked::new(program()).args(["sweep", "--json"]).env(own.0, own.1).output()?;
    lacks(&said, "leftovers", "! leftovers      1 container of dead runs", "greenproof sweep");
    let swept: Value = serde_json::from_slice(&swept.stdout)?;
    assert_eq!(swept, json!({ "containers": 1, "networks": 0, "volumes": 0, "folders": 0 }));
    assert_eq!(check(&asked(&[own])?.1, "leftovers").0, "✓ leftovers      none of dead runs");
    Ok(())
}

fn own_image() -> Result<String> {
    let words = ["images", "--format", "{{.Repository}}:{{.Tag}}", "greenproof/device-system"];
    let listed = String::from_utf8(Command::new("docker").args(words).output()?.stdout)?;
    Ok(listed.lines().next().context("the images are built")?.to_owned())
}

/// The doctor leaves nothing behind.
#[test]
fn alone_what_the_doctor_raises_is_removed() -> Result<()> {
    with_images();
    let before = tests::standing()?;
    assert_eq!(asked(&[])?.0, 0);
    assert_eq!(tests::standing()?, before);
    Ok(())
}
