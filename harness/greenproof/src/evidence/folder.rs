//! The evidence folder: one file for each thing that a person looks for.

use super::Evidence;
use cloud::event::What;
use serde_json::{Value, json};
use std::{io, path::Path};

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
/// When the folder can't be made or a file can't be written.
pub fn write(evidence: &Evidence, folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => std::fs::create_dir_all(folder)?,
    }
    std::fs::write(folder.join("evidence.json"), pretty(&serde_json::to_value(evidence)?))?;
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
