//! The evidence folder: one file for each thing that a person looks for.

use super::Evidence;
use cloud::event::What;
use serde_json::{Value, json};
use std::{io, path::Path};

/// What every evidence folder has.
pub const NAME: &str = "evidence.json";

/// Whether a folder is none that a run may make anew: it holds something, and that is no run's evidence.
#[must_use]
pub fn is_somebody_elses(folder: &Path) -> bool {
    let holds = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    (holds && !folder.join(NAME).is_file()) || folder.is_file()
}

/// Makes an evidence folder anew.
///
/// # Errors
/// When it can't be made, or holds what is no run's evidence.
pub(crate) fn anew(folder: &Path) -> io::Result<()> {
    if is_somebody_elses(folder) {
        let error = format!("`{}` holds something else: name another evidence folder", folder.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, error));
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(folder),
    }
}

/// Writes the evidence into a folder, which is made anew.
///
/// | file | content |
/// |---|---|
/// | `evidence.json` | everything, to be judged again |
/// | `core.log` | `greengrass.log` |
/// | `COMPONENT.log` | the component's log |
/// | `job.json` | the document of each deployment and each status that the device reported |
/// | `api-calls.jsonl` | calls to AWS with the decision, a CloudTrail-shaped record a line |
/// | `dns.jsonl`, `git.jsonl` | names asked, requests to the git server |
/// | `leaks.json` | secrets found where others can read them, and how the search went |
/// | `packages.json`, `timings.json` | Python packages, stage durations |
/// | `devices/THING/` | the same of each device of a fleet, without `evidence.json` |
///
/// A run adds what it takes to tell and judge it again: `run.jsonl`, `manifest.json` and `scenario/`.
///
/// # Errors
/// When the folder can't be made, holds what is no evidence, or a file can't be written.
pub fn write(evidence: &Evidence, folder: &Path) -> io::Result<()> {
    anew(folder)?;
    std::fs::write(folder.join(NAME), pretty(&serde_json::to_value(evidence)?))?;
    parts(evidence, folder)?;
    for device in &evidence.devices {
        let folder = folder.join(DEVICES).join(&device.thing);
        std::fs::create_dir_all(&folder)?;
        parts(device, &folder)?;
    }
    Ok(())
}

/// The folder of a fleet's devices.
pub(crate) const DEVICES: &str = "devices";

/// Writes what a person looks for.
fn parts(evidence: &Evidence, folder: &Path) -> io::Result<()> {
    let file = |name: &str, text: String| std::fs::write(folder.join(name), text);
    file("core.log", evidence.core_log.clone())?;
    for (component, log) in &evidence.component_logs {
        file(&format!("{component}.log"), log.clone())?;
    }
    file("job.json", pretty(&job(evidence)))?;
    file("api-calls.jsonl", lines(evidence, |what| matches!(what, What::Api(_))))?;
    file("dns.jsonl", lines(evidence, |what| matches!(what, What::Dns { .. } | What::RawAddress { .. })))?;
    file("git.jsonl", lines(evidence, |what| matches!(what, What::Git { .. } | What::Index { .. })))?;
    file("leaks.json", pretty(&json!({ "leaks": evidence.leaks, "search": evidence.search })))?;
    file("packages.json", pretty(&serde_json::to_value(&evidence.packages)?))?;
    file("timings.json", pretty(&serde_json::to_value(&evidence.timings)?))
}

fn job(evidence: &Evidence) -> Value {
    let mut documents = Vec::new();
    let mut statuses = Vec::new();
    for event in &evidence.events {
        if let What::Job { deployment, thing: None, status, details, document, .. } = &event.what {
            documents.extend(document.clone());
            statuses.push(json!({
                "time": event.time, "deployment": deployment, "status": status, "statusDetails": details,
            }));
        }
    }
    json!({ "documents": documents, "statuses": statuses })
}

fn lines(evidence: &Evidence, of: impl Fn(&What) -> bool) -> String {
    evidence
        .events
        .iter()
        .filter(|event| of(&event.what))
        .map(|event| serde_json::to_string(event).expect("an event always serialises") + "\n")
        .collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value always serialises") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_takes_the_place_of_evidence_alone() {
        fidelity::fidelity!("judge-4");
        let recorded = crate::verdict::tests::recorded();
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("HelloWorld");
        write(&recorded, &folder).unwrap();
        std::fs::write(folder.join("stale"), "").unwrap();
        write(&recorded, &folder).unwrap();
        assert!(!folder.join("stale").exists() && !is_somebody_elses(&folder));

        let component = place.path().join("component");
        std::fs::create_dir(&component).unwrap();
        assert!(!is_somebody_elses(&component), "an empty folder is anybody's");
        std::fs::write(component.join("main.py"), "work of days").unwrap();
        let error = write(&recorded, &component).unwrap_err();
        assert!(error.to_string().contains("component` holds something else: name another evidence folder"), "{error}");
        assert_eq!(std::fs::read_to_string(component.join("main.py")).unwrap(), "work of days");
    }
}
