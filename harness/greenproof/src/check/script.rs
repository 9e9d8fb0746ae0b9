//! Recipe variables in scripts, and files that scripts call.

use super::{
    Level, Remark,
    document::{Document, Script, entries, get, items, text, walk},
};
use device::inspect::{Content, Node};
use regex::Regex;
use std::sync::LazyLock;

static OWN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([.A-Za-z0-9_-]+):([^:}]*)\}").expect("the pattern is valid"));
static CROSS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([.A-Za-z0-9_-]+):([.A-Za-z0-9_-]+):([^:}]*)\}").expect("the pattern is valid"));
static CALLED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)(?:^|&&|\|\||;)\s*(?:exec\s+|sudo\s+)?(\{artifacts:(?:path|decompressedPath)\}/[^\s;&|]+)")
        .expect("the pattern is valid")
});

pub(super) fn remarks(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for step in &document.steps {
        walk(step.node, &mut |node: &Node| {
            if let Some(whole) = text(node) {
                own(document, node, whole, &mut remarks);
                cross(document, node, whole, &mut remarks);
            }
        });
    }
    for (step, script) in document.scripts() {
        executables(document, step.manifest, script, &mut remarks);
    }
    for setenv in &document.setenv {
        for (key, value) in entries(setenv) {
            if text(value).is_some_and(|text| text.contains('$')) {
                let message = format!("no shell expands the value of `{}`: it stays as it is", key.text);
                let fix = "set it in the script, or use a recipe variable";
                let remark = Remark { rule: "setenv-shell", level: Level::Warning, place: value.place, message, fix };
                remarks.push(remark);
            }
        }
    }
    remarks
}

fn own(document: &Document<'_>, node: &Node, whole: &str, remarks: &mut Vec<Remark>) {
    for found in OWN.captures_iter(whole) {
        let (Some(part), space, key) = (found.get(0), &found[1], &found[2]) else { continue };
        let (rule, level, message, fix) = match (space, key) {
            ("configuration", pointer) if !pointer.is_empty() && !pointer.starts_with('/') => (
                "pointer",
                Level::Error,
                format!("`{pointer}` is no JSON pointer, over which the deployment fails"),
                "begin it with `/`",
            ),
            ("configuration", pointer) if !has(document, pointer) => (
                "unset-variable",
                Level::Warning,
                format!("the default configuration has nothing at `{pointer}`, so the variable stays literally"),
                "give it a default, and mind that keys are case-sensitive here",
            ),
            ("configuration", _)
            | ("artifacts", "path" | "decompressedPath")
            | ("work", "path")
            | ("kernel", "rootPath")
            | ("iot", "thingName") => continue,
            ("artifacts" | "work" | "kernel" | "iot", _) => (
                "unknown-variable",
                Level::Warning,
                format!("there is no variable `{}`, it stays literally", part.as_str()),
                "names of variables are case-sensitive",
            ),
            _ => (
                "not-a-variable",
                Level::Style,
                format!("`{}` looks like a recipe variable: it stays, and costs an ERROR line", part.as_str()),
                "write it in another way if you can",
            ),
        };
        remarks.push(document.about((rule, level), (node, whole), part.range(), message, fix));
    }
}

fn cross(document: &Document<'_>, node: &Node, whole: &str, remarks: &mut Vec<Remark>) {
    for found in CROSS.captures_iter(whole) {
        let Some(part) = found.get(0) else { continue };
        let (component, space, key) = (&found[1], &found[2], &found[3]);
        if !document.dependencies().contains(component) {
            let message = format!("`{component}` is no dependency of this component, so the variable stays literally");
            let (rule, fix) = (("foreign-variable", Level::Warning), "add it to `ComponentDependencies`");
            remarks.push(document.about(rule, (node, whole), part.range(), message, fix));
        } else if space == "configuration" && !key.is_empty() && !key.starts_with('/') {
            let message = format!("`{key}` is no JSON pointer, over which the deployment fails");
            let rule = ("pointer", Level::Error);
            remarks.push(document.about(rule, (node, whole), part.range(), message, "begin it with `/`"));
        }
    }
}

/// Whether the default configuration has something at a JSON pointer.
fn has(document: &Document<'_>, pointer: &str) -> bool {
    let configuration = get(document.root, "ComponentConfiguration");
    let defaults = configuration.and_then(|configuration| get(configuration, "DefaultConfiguration"));
    let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    let below = |node: &'_ Node, step: &str| match &node.content {
        Content::List(items) => step.parse().ok().filter(|index| *index < items.len()),
        Content::Map(entries) => entries.iter().rposition(|(key, _)| key.text == *step),
        _ => None,
    };
    let found = steps.try_fold(defaults, |node, step| {
        let node = node?;
        let index = below(node, &step)?;
        Some(match &node.content {
            Content::List(items) => items.get(index),
            Content::Map(entries) => entries.get(index).map(|(_, value)| value),
            _ => None,
        })
    });
    pointer.is_empty() || found.flatten().is_some()
}

/// Files of artifacts that a script runs by their path, though nobody may execute them.
fn executables(document: &Document<'_>, manifest: Option<usize>, script: Script<'_>, remarks: &mut Vec<Remark>) {
    let artifacts = (0..document.manifests.len()).filter(|index| manifest.is_none_or(|own| own == *index));
    let artifacts: Vec<&Node> = artifacts.flat_map(|index| document.artifacts(index)).collect();
    let runs = |artifact: &&Node| {
        let execute = get(artifact, "Permission").and_then(|permission| get(permission, "Execute")).and_then(text);
        execute.is_some_and(|execute| !execute.eq_ignore_ascii_case("NONE"))
    };
    if artifacts.is_empty() || artifacts.iter().any(runs) {
        return;
    }
    for found in CALLED.captures_iter(script.text) {
        let Some(part) = found.get(1) else { continue };
        let message = format!("`{}` can't be executed: artifacts have mode 0440", part.as_str());
        let fix = "set the artifact's `Permission: {Execute: OWNER}`, or call it with its interpreter";
        let rule = ("not-executable", Level::Warning);
        remarks.push(document.about(rule, (script.node, script.text), part.range(), message, fix));
    }
}

/// Whether some artifact of the recipe is unpacked.
pub(super) fn unpacks(document: &Document<'_>) -> bool {
    let zip = |artifact: &Node| {
        get(artifact, "Unarchive").and_then(text).is_some_and(|text| text.eq_ignore_ascii_case("ZIP"))
    };
    document.manifests.iter().any(|manifest| items(get(manifest, "Artifacts")).iter().any(zip))
}
