//! Faults from the command line: in a run, in an environment that stands, and what is left of them.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use serde_json::Value;
use std::process::Output;
use tests::{fixture, program, standing_of};

fn greenproof(words: &[&str]) -> Result<Output> {
    Ok(Checked::new(program()).args(words).output()?)
}

fn succeeds(words: &[&str]) -> Result<()> {
    let output = greenproof(words)?;
    anyhow::ensure!(output.status.success(), "{words:?}: {}", said(&output));
    Ok(())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// What is mounted in memory on the host, but for what the engine mounts for containers.
fn mounts() -> Result<Vec<String>> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let in_memory = |line: &&str| line.contains("tmpfs") && !line.contains("/containers/");
    Ok(mounts.lines().filter(in_memory).map(str::to_owned).collect())
}

/// A run that begins with faults is judged as ever, and leaves nothing running or mounted.
#[test]
fn a_run_with_faults_is_judged_and_leaves_nothing() -> Result<()> {
    fidelity!("device-2", "device-6");
    let folder = tempfile::tempdir()?;
    let evidence = folder.path().to_str().context("the folder's path is UTF-8")?;
    let scenario = fixture("scenarios/inline.toml");
    let scenario = scenario.to_str().context("the fixture's path is UTF-8")?;
    let before = mounts()?;
    let faults = ["--fault", "disk.full path=/tmp size=64K", "--fault", "net.rate bytes=1M"];
    let run = greenproof(&[&["run", scenario, "--evidence", evidence], &faults[..]].concat())?;
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let log = std::fs::read_to_string(folder.path().join("inline/com.example.InlineCustomPack.log"))?;
    assert!(log.contains("No space left on device"), "{log}");
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("inline/evidence.json"))?)?;
    assert_eq!(standing_of(seen["environment"].as_str().context("it has an id")?)?, "");
    assert_eq!(mounts()?, before);
    Ok(())
}

/// Asks GitHub as root, who has no token.
const ASK: &str = "git ls-remote https://github.com/cm-ichida/myawsname.git";

/// Takes over a megabyte from the package index.
const FETCH: &str = "pip3 download --no-cache-dir --no-deps --dest /var/tmp setuptools";

/// Faults begin and end in an environment that stands; one that needs the device's start is refused with what to do.
#[test]
fn faults_come_and_go_in_a_kept_environment() -> Result<()> {
    fidelity!("device-3", "device-6");
    let scenario = fixture("scenarios/inline.toml");
    let scenario = scenario.to_str().context("the fixture's path is UTF-8")?;
    succeeds(&[
        "up",
        scenario,
        "--name",
        "faulty",
        "--fault",
        "device.no-jq",
        "--fault",
        "disk.full path=/tmp size=1M",
    ])?;
    let on_device = |command: &str| greenproof(&["exec", "--name", "faulty", "--root", "--", "sh", "-c", command]);
    // What ends by itself may take as long as a busy machine needs.
    let endless = |command: &str| on_device(&format!("timeout 5 {command}")).map(|output| output.status.code());
    let fault = |words: &[&str]| greenproof(&[&["fault", "--name", "faulty"], words].concat());

    assert!(said(&on_device("jq --version")?).contains("jq: not found"));
    assert!(said(&on_device("head -c 2M /dev/zero > /tmp/full")?).contains("No space left on device"));
    for end in ["device.no-jq", "disk.full"] {
        assert!(fault(&["--end", end])?.status.success());
    }
    assert!(on_device("jq --version && head -c 2M /dev/zero > /tmp/full")?.status.success());

    assert!(said(&on_device(ASK)?).contains("could not read Username"), "GitHub answers");
    assert!(fault(&["net.reset host=github.com"])?.status.success());
    assert!(said(&on_device(ASK)?).contains("Connection reset by peer"));
    assert!(fault(&["--end", "net.reset"])?.status.success());
    assert!(fault(&["net.cut host=github.com"])?.status.success());
    assert_eq!(endless(ASK)?, Some(124), "nobody answers");
    assert!(fault(&["--end", "net.cut"])?.status.success());
    assert!(said(&on_device(ASK)?).contains("could not read Username"), "GitHub answers again");

    for slow in ["net.rate bytes=64K", "net.loss percent=100", "net.cut"] {
        assert!(fault(&[slow])?.status.success());
        assert_eq!(endless(FETCH)?, Some(124), "{slow}: it takes longer");
        let name = slow.split(' ').next().context("a fault has a name")?;
        assert!(fault(&["--end", name])?.status.success());
    }
    let fetched = on_device(FETCH)?;
    assert!(fetched.status.success(), "{}", said(&fetched));
    // Not every kernel has netem.
    let delayed = fault(&["net.delay seconds=0.1"])?;
    assert!(delayed.status.success() || said(&delayed).contains("this kernel has no netem"), "{}", said(&delayed));

    let late = fault(&["device.noexec path=/tmp"])?;
    let told = said(&late);
    assert!(late.status.code() == Some(3) && told.contains("from the device's start or not at all"), "{told}");
    assert!(told.contains("raise the environment with `--fault`"), "{told}");
    let unknown = fault(&["device.on-fire"])?;
    assert!(unknown.status.code() == Some(2) && said(&unknown).contains("`device.on-fire` is no fault"));
    succeeds(&["down", "--name", "faulty"])?;
    let gone = greenproof(&["status", "--name", "faulty"])?;
    assert!(said(&gone).contains("none is called `faulty`"), "{}", said(&gone));
    Ok(())
}
