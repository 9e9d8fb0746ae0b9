//! Makes faults happen to the device, and ends them.
//!
//! What a program of the device can do to it is done by a script that root runs there: before the core starts for the
//! faults that a scenario begins with, later by an exec. It notes what it has begun, so that a device that is started
//! again has the same faults, and who ends one needs its name alone. Only the engine mounts folders and limits memory;
//! what is mounted is lifted by a helper in the device's mount namespace, since the device itself may not mount.

use crate::{
    docker::{Container, ContainerSpec, Engine, Upload},
    fault::{Device, Name},
    scenario::Scenario,
    stage::Error,
};
use std::collections::BTreeMap;

const SCRIPT: &str = include_str!("fault.sh");
/// Where it is on the device.
const PLACE: &str = "/etc/greenproof/fault.sh";
/// Where it notes what has begun.
const NOTED: &str = "/etc/greenproof/faults";
/// Where files wait for folders that something is mounted on.
const STAGED: &str = "/etc/greenproof/staged";

/// Begins what is noted, then becomes the program that follows.
const START: &str = "[ ! -d /etc/greenproof/faults ] || sh /etc/greenproof/fault.sh again || exit 1; exec \"$@\"";

/// The device with the faults that its scenario begins with.
pub(super) fn faulty(spec: ContainerSpec, scenario: &Scenario) -> ContainerSpec {
    let opening = scenario.steps[..scenario.opening()].iter().filter_map(|step| step.fault()?.device());
    let mut faults: Vec<_> = opening.cloned().collect();
    if scenario.device.pep668 {
        faults.push(Device::ExternallyManaged);
    }
    let mounted: Vec<_> = faults.iter().filter_map(Device::mount).collect();
    let mut files: Vec<_> = spec.files.into_iter().map(|file| staged(file, &mounted)).collect();
    files.push(Upload::file(PLACE, SCRIPT, 0o755));
    files.extend(notes(&faults));
    let start = ["sh", "-c", START, "sh"].map(str::to_owned);
    ContainerSpec {
        command: start.into_iter().chain(spec.command).collect(),
        files,
        mounts: mounted.iter().map(|(path, options)| ((*path).to_owned(), with_mode(path, options))).collect(),
        memory: faults.iter().filter_map(Device::memory).next_back(),
        ..spec
    }
}

/// A file that would be hidden by a mount waits elsewhere until the device fills the folder.
fn staged(file: Upload, mounted: &[(&str, String)]) -> Upload {
    let hidden = mounted.iter().any(|(path, _)| file.path().starts_with(&format!("{path}/")));
    if hidden { file.below(STAGED) } else { file }
}

/// The options of a mount, with the mode that the folder has otherwise.
fn with_mode(path: &str, options: &str) -> String {
    let mode = if path.ends_with("/tmp") { "1777" } else { "755" };
    format!("{options},mode={mode}")
}

/// What the script would have noted of these faults: a line each.
fn notes(faults: &[Device]) -> Vec<Upload> {
    let mut notes: BTreeMap<&str, String> = BTreeMap::new();
    for fault in faults {
        let note = notes.entry(fault.name()).or_default();
        note.push_str(&fault.parameters());
        note.push('\n');
    }
    notes.into_iter().map(|(name, note)| Upload::file(&format!("{NOTED}/{name}"), note, 0o644)).collect()
}

/// Lets a fault happen to a running device.
///
/// # Errors
/// When it can only be there from the device's start, or the device or its kernel can't do it.
pub(crate) async fn begin(engine: &Engine, device: &Container, fault: &Device) -> Result<(), Error> {
    let doing = format!("beginning the fault `{fault}`");
    if fault.mount().is_some() {
        let noted = format!("{NOTED}/{}", fault.name());
        if engine.exec(&device.id, "0:0", &["test", "-e", &noted], &[]).await?.exit_code == 0 {
            return Ok(());
        }
        let hint = "begin the scenario with it, or raise the environment with `--fault`";
        return Err(Error::surrounding(&doing, "it is there from the device's start or not at all", hint));
    }
    if let Some(bytes) = fault.memory() {
        engine.limit_memory(device, Some(bytes)).await?;
    }
    let parameters = fault.parameters();
    let words = ["begin", fault.name()].into_iter().chain(parameters.split_ascii_whitespace());
    script(engine, device, &doing, words).await
}

/// Ends a fault of a running device; one that is over already is no error.
///
/// # Errors
/// When the engine refuses, or the device can't.
pub(crate) async fn end(engine: &Engine, device: &Container, name: &Name) -> Result<(), Error> {
    let name = name.to_string();
    match name.as_str() {
        "device.memory" => engine.limit_memory(device, None).await?,
        "device.noexec" | "device.read-only" | "disk.full" => {
            engine.remount(device, &["sh", PLACE, "free", &name]).await?;
        }
        _ => {}
    }
    script(engine, device, &format!("ending the fault `{name}`"), ["end", &name].into_iter()).await
}

async fn script(
    engine: &Engine,
    device: &Container,
    doing: &str,
    words: impl Iterator<Item = &str>,
) -> Result<(), Error> {
    let command: Vec<_> = ["sh", PLACE].into_iter().chain(words).collect();
    let done = engine.exec(&device.id, "0:0", &command, &[]).await?;
    match done.exit_code {
        0 => Ok(()),
        _ => Err(Error::surrounding(doing, done.stderr.trim(), "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A device that is given two files, with the faults that a scenario begins with.
    fn device(faults: &[&str]) -> ContainerSpec {
        let inline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/inline.toml");
        let mut scenario = Scenario::load(&inline).unwrap();
        scenario.begin_with(&faults.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        let files = ["/greengrass/v2/key", "/etc/pip.conf"].map(|path| Upload::file(path, "", 0o600)).into();
        faulty(ContainerSpec { command: vec!["core".to_owned()], files, ..ContainerSpec::default() }, &scenario)
    }

    fn paths(spec: &ContainerSpec) -> Vec<&str> {
        spec.files.iter().map(Upload::path).collect()
    }

    #[test]
    fn without_faults_the_device_has_the_script_alone() {
        let spec = device(&["s3.503"]);
        assert_eq!(paths(&spec), ["/greengrass/v2/key", "/etc/pip.conf", PLACE]);
        assert_eq!((spec.mounts.len(), spec.memory), (0, None));
        assert_eq!(spec.command, ["sh", "-c", START, "sh", "core"]);
    }

    #[test]
    fn what_a_mount_would_hide_waits_until_the_device_fills_it() {
        let spec =
            device(&["disk.full path=/greengrass size=8M", "disk.full path=/tmp size=1M", "device.memory limit=1G"]);
        let staged = "/etc/greenproof/staged/greengrass/v2/key";
        let notes = ["/etc/greenproof/faults/device.memory", "/etc/greenproof/faults/disk.full"];
        assert_eq!(paths(&spec), [staged, "/etc/pip.conf", PLACE, notes[0], notes[1]]);
        let mounts = [("/greengrass", "exec,size=8388608,mode=755"), ("/tmp", "exec,size=1048576,mode=1777")];
        assert_eq!(spec.mounts, mounts.map(|(path, options)| (path.to_owned(), options.to_owned())));
        assert_eq!(spec.memory, Some(1 << 30));
    }

    #[test]
    fn a_note_is_what_the_script_takes() {
        let parameters = |text: &str| text.parse::<crate::fault::Fault>().unwrap().device().unwrap().parameters();
        assert_eq!(parameters("net.loss percent=25"), "probability=0.25");
        assert_eq!(parameters("net.rate bytes=2K"), "bytes=2048");
        assert_eq!(parameters("net.cut host=GitHub.com"), "host=github.com");
        assert_eq!(parameters("device.no-git"), "");
    }
}
