//! What the classic nucleus or the cloud refuses.

use super::{
    ARCHITECTURES, Level, Place, Remark,
    document::{Document, entries, entry, get, text, walk},
};
use device::inspect::{Content, Node};
use regex::Regex;
use std::sync::LazyLock;

static SKIP_IF: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^!?\s*(exists|onpath) +\S").expect("the pattern is valid"));
/// The largest recipe that the cloud takes.
const CLOUD: usize = 16_000;

/// `unused` tells that no manifest was chosen on any Linux device.
pub(super) fn remarks(document: &Document<'_>, unused: bool) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if let Err(message) = device::inspect::read(document.text.as_bytes()) {
        let message = message.split_once(". ").map_or(message.as_str(), |(_, reason)| reason).to_owned();
        let place = named(document.root, &message).unwrap_or(document.root.place);
        remarks.push(error("model", place, message, "follow the recipe reference"));
        return remarks;
    }
    if document.manifests.is_empty() {
        let message = "the recipe has no manifest, so no device can use it".to_owned();
        remarks.push(error("no-manifest", document.root.place, message, "add `Manifests` with one entry at least"));
    } else if unused {
        let place = entry(document.root, "Manifests").map_or(document.root.place, |(key, _)| key.place);
        let message = format!("no manifest fits Linux on any of {}", ARCHITECTURES.join(", "));
        remarks.push(error("no-match", place, message, "add a manifest whose `Platform` fits, or one without"));
    }
    if document.text.len() > CLOUD {
        let message = format!("the recipe has {} bytes, and the cloud takes {CLOUD}", document.text.len());
        remarks.push(error("cloud-size", document.root.place, message, "move scripts into an artifact"));
    }
    remarks.extend(artifacts(document));
    remarks.extend(steps(document));
    remarks
}

fn error(rule: &'static str, place: Place, message: String, fix: &'static str) -> Remark {
    Remark { rule, level: Level::Error, place, message, fix }
}

/// The place of the first key that a message names, else of the first value.
fn named(root: &Node, message: &str) -> Option<Place> {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 2);
    let mut found = None;
    for word in words {
        walk(root, &mut |node: &Node| found = found.or(entry(node, word).map(|(key, _)| key.place)));
    }
    let words = message.split([' ', '`', ',']).map(|word| word.trim_end_matches(':')).filter(|word| word.len() > 2);
    for word in words {
        let same = |node: &Node| match &node.content {
            Content::Text(text) => text == word,
            Content::Number(number) => number.to_string() == word,
            _ => false,
        };
        walk(root, &mut |node: &Node| found = found.or(same(node).then_some(node.place)));
    }
    found
}

fn artifacts(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let docker = document.dependencies().contains("aws.greengrass.DockerApplicationManager");
    for artifact in (0..document.manifests.len()).flat_map(|manifest| document.artifacts(manifest)) {
        let Some(node) = get(artifact, "Uri") else { continue };
        let Some(uri) = text(node) else { continue };
        let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let (message, fix) = match scheme.as_deref() {
            Some("s3")
                if uri
                    .strip_prefix("s3://")
                    .and_then(|rest| rest.split_once('/'))
                    .is_none_or(|(b, k)| b.is_empty() || k.is_empty()) =>
            {
                (format!("`{uri}` names no object"), "write s3://BUCKET/KEY")
            }
            Some("docker") if !docker => (
                "a `docker:` artifact needs the component aws.greengrass.DockerApplicationManager".to_owned(),
                "add it to `ComponentDependencies`",
            ),
            Some("s3" | "greengrass" | "docker") => continue,
            _ => {
                (format!("the nucleus has no downloader for `{uri}`"), "put the file into S3 and write s3://BUCKET/KEY")
            }
        };
        remarks.push(error("artifact-uri", node.place, message, fix));
    }
    remarks
}

fn steps(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for step in &document.steps {
        if !entries(step.node).is_empty() && step.script.is_none() {
            let message = format!("the step `{}` has no script, which breaks the component", step.key.text);
            remarks.push(error("missing-script", step.key.place, message, "add `Script`"));
        }
        if let Some(node) = get(step.node, "SkipIf")
            && !text(node).is_some_and(|text| SKIP_IF.is_match(text.trim()))
        {
            let message = "SkipIf has another form than `onpath COMMAND` or `exists PATH`, which breaks the component";
            remarks.push(error("skipif", node.place, message.into(), "write `onpath COMMAND` or `exists PATH`"));
        }
        if let Some(node) = get(step.node, "Timeout")
            && !is_seconds(node)
        {
            let message = "Timeout is no whole number of seconds: the nucleus takes the one that it begins with, or 0";
            remarks.push(error("timeout", node.place, message.into(), "write a whole number"));
        }
    }
    remarks
}

fn is_seconds(node: &Node) -> bool {
    match &node.content {
        Content::Number(number) => number.is_u64() || number.is_i64(),
        Content::Text(text) => text.parse::<i32>().is_ok() || text.starts_with('{'),
        _ => false,
    }
}
