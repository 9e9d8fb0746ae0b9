//! What nucleus lite refuses, or does something else with. Its keys are case-sensitive, and few variables exist.

use super::{
    Level, Place, Remark,
    document::{Document, STEPS, entries, entry, get, text, walk},
};
use device::inspect::{Content, Node};
use regex::Regex;
use std::sync::LazyLock;

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\{(?:artifacts:path|artifacts:decompressedPath|work:path|kernel:rootPath|iot:thingName|configuration:/[^}:]+)\}")
        .expect("the pattern is valid")
});
/// The largest recipe that it reads.
const LARGEST: usize = 8196;
/// Keys outside lifecycles, as it spells them.
const KEYS: [&str; 21] = [
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentType",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentConfiguration",
    "DefaultConfiguration",
    "ComponentDependencies",
    "VersionRequirement",
    "DependencyType",
    "Manifests",
    "Platform",
    "Lifecycle",
    "Artifacts",
    "Selections",
    "Uri",
    "Unarchive",
    "Digest",
    "Algorithm",
    "Permission",
];
/// Keys of a step.
const FIELDS: [&str; 4] = ["Script", "RequiresPrivilege", "Setenv", "Timeout"];

pub(super) fn remarks(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if let Some(node) = get(document.root, "ComponentType")
        && !text(node).is_some_and(|kind| kind.eq_ignore_ascii_case("aws.greengrass.generic"))
    {
        let message = "it runs components of the type aws.greengrass.generic only".to_owned();
        remarks.push(lite("lite-type", node.place, message, "keep this component for the classic nucleus"));
    }
    if document.text.len() > LARGEST {
        let message = format!("the recipe has {} bytes, and it reads {LARGEST}", document.text.len());
        remarks.push(lite("lite-size", document.root.place, message, "move scripts into an artifact"));
    }
    remarks.extend(keys(document));
    remarks.extend(manifests(document));
    remarks.extend(steps(document));
    remarks.extend(texts(document));
    remarks.extend(configuration(document));
    remarks
}

fn lite(rule: &'static str, place: Place, message: String, fix: &'static str) -> Remark {
    Remark { rule, level: Level::Lite, place, message, fix }
}

fn keys(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut among = |node: &Node, known: &[&'static str]| {
        for (key, _) in entries(node) {
            let spelled = known.iter().find(|known| known.eq_ignore_ascii_case(&key.text));
            if let Some(spelled) = spelled.filter(|spelled| **spelled != key.text) {
                let message = format!("keys are case-sensitive: `{}` must be `{spelled}`", key.text);
                remarks.push(lite("lite-key-case", key.place, message, "write the key as nucleus lite does"));
            }
        }
    };
    among(document.root, &KEYS);
    if let Some(configuration) = get(document.root, "ComponentConfiguration") {
        among(configuration, &KEYS);
    }
    for (_, dependency) in get(document.root, "ComponentDependencies").map(entries).unwrap_or_default() {
        among(dependency, &KEYS);
    }
    let lifecycle = [&STEPS[..], &["Setenv"]].concat();
    for (index, manifest) in document.manifests.iter().enumerate() {
        among(manifest, &KEYS);
        document.artifacts(index).iter().for_each(|artifact| among(artifact, &KEYS));
        if let Some(own) = get(manifest, "Lifecycle") {
            among(own, &lifecycle);
        }
    }
    if let Some(global) = get(document.root, "Lifecycle") {
        among(global, &lifecycle);
        for (_, below) in entries(global).iter().filter(|(key, _)| document.keywords.contains(key.text.as_str())) {
            among(below, &lifecycle);
        }
    }
    document.steps.iter().for_each(|step| among(step.node, &FIELDS));
    remarks
}

fn manifests(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for manifest in &document.manifests {
        let mut say = |place, message: &str, fix| remarks.push(lite("lite-platform", place, message.into(), fix));
        let Some((key, platform)) = entry(manifest, "Platform").map(|(key, platform)| (key, platform)) else {
            say(
                manifest.place,
                "a manifest without `Platform` is refused",
                "add `Platform: {os: linux, runtime: \"*\"}`",
            );
            continue;
        };
        let of = |name: &str| get(platform, name).and_then(text);
        match of("runtime") {
            Some("*" | "aws_nucleus_lite") => {}
            Some(_) => say(key.place, "`runtime` fits nothing", "write `runtime: \"*\"` or aws_nucleus_lite"),
            None => say(key.place, "`Platform` without `runtime` is never chosen", "add `runtime: \"*\"`"),
        }
        match of("os") {
            Some("linux" | "all" | "*") => {}
            Some(os) if os.starts_with('/') => say(key.place, "regular expressions don't work", "write `os: linux`"),
            Some(_) => continue,
            None => say(key.place, "`Platform` without `os` is never chosen", "add `os: linux`"),
        }
        if of("architecture").is_some_and(|architecture| architecture.starts_with('/')) {
            say(key.place, "regular expressions don't work", "write one manifest for each architecture");
        }
        if entry(manifest, "Artifacts").is_none() {
            let message = "a recipe from the cloud needs `Artifacts` in each manifest".to_owned();
            remarks.push(lite("lite-artifacts", manifest.place, message, "add `Artifacts: []`"));
        }
    }
    if let Some((key, global)) = entry(document.root, "Lifecycle")
        && !entries(global).is_empty()
        && entries(global).iter().all(|(key, _)| key.text != "all" && key.text != "linux")
    {
        let message = "the global lifecycle needs the selector `all`".to_owned();
        remarks.push(lite("lite-selector", key.place, message, "put the steps below `all`"));
    }
    remarks
}

fn steps(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for step in &document.steps {
        let place = step.key.place;
        match step.name.as_str() {
            name @ ("shutdown" | "recover" | "uninstall") => {
                let message = format!("the step `{name}` is ignored");
                remarks.push(lite("lite-step", place, message, "do without it, or trap SIGTERM in the script"));
            }
            "bootstrap" => {
                let message = "the step `bootstrap` reboots the device whatever its exit code".to_owned();
                remarks.push(lite("lite-step", place, message, "use `install`"));
            }
            _ => {}
        }
        if let Some((key, _)) = entry(step.node, "SkipIf") {
            let message = "SkipIf is ignored, so the step always runs".to_owned();
            remarks.push(lite("lite-skipif", key.place, message, "test for it in the script"));
        }
    }
    for setenv in &document.setenv {
        for (_, value) in entries(setenv) {
            let quoted = |text: &str| text.len() > 1 && text.starts_with('\'') && text.ends_with('\'');
            if text(value).is_some_and(|text| {
                !quoted(text) && text.contains([' ', '\'', ';', '&', '|', '<', '>', '(', ')', '*', '?'])
            }) {
                let message = "the shell reads the value without quotes".to_owned();
                remarks.push(lite("lite-setenv", value.place, message, "put single quotes into the value"));
            }
        }
    }
    remarks
}

/// Braces: any that is no variable ends the script there.
fn texts(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (_, script) in document.scripts() {
        let other = |at: &usize| !VARIABLE.is_match(&script.text[*at..]);
        let Some(at) = script.text.match_indices('{').map(|(at, _)| at).find(other) else { continue };
        let rest = script.text[at..].lines().next().unwrap_or_default();
        let end = rest.find(|c: char| c == '}' || c.is_whitespace()).map_or(rest.len(), |end| end + 1);
        let end = rest.char_indices().map(|(at, c)| at + c.len_utf8()).find(|next| *next >= end).unwrap_or(rest.len());
        let part = &rest[..end];
        let message = format!("`{}` is none of its variables: the script is cut off here, and run", part.trim());
        let fix = "write it without braces: $NAME, a function with ( ), no ${NAME:-default}";
        remarks.push(document.about(
            ("lite-brace", Level::Lite),
            (script.node, script.text),
            at..at + end,
            message,
            fix,
        ));
    }
    remarks
}

/// Values of a YAML recipe that lose their type.
fn configuration(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let configuration = get(document.root, "ComponentConfiguration");
    if let Some(defaults) = configuration.and_then(|configuration| get(configuration, "DefaultConfiguration"))
        && !document.json
    {
        walk(defaults, &mut |node: &Node| {
            if matches!(node.content, Content::Number(_) | Content::Bool(_)) {
                let message = format!("every value of a YAML recipe is a text: this one is \"{}\"", node.value());
                remarks.push(lite(
                    "lite-yaml-text",
                    node.place,
                    message,
                    "write the recipe in JSON if the type matters",
                ));
            }
        });
    }
    remarks
}
