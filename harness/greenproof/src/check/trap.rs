//! What the nucleus takes, and does something else with than it seems to say.

use super::{
    Level, Place, Remark,
    document::{Document, STEPS, entries, entry, get, text, walk},
};
use device::inspect::{Content, Node};
use std::collections::BTreeSet;

const TOP: &[&str] = &[
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentType",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentSource",
    "ComponentConfiguration",
    "ComponentDependencies",
    "Manifests",
    "Lifecycle",
];
const MANIFEST: &[&str] = &["Platform", "Name", "Lifecycle", "Artifacts", "Selections"];
const ARTIFACT: &[&str] = &["Uri", "Digest", "Algorithm", "Unarchive", "Permission"];
const STEP: &[&str] = &["Script", "RequiresPrivilege", "SkipIf", "Setenv", "Timeout", "Doc", "BootstrapOnRollback"];

pub(super) fn remarks(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = unknown(document);
    remarks.extend(values(document.root));
    remarks.extend(manifests(document));
    remarks.extend(lifecycles(document));
    remarks
}

fn warning(rule: &'static str, place: Place, message: String, fix: &'static str) -> Remark {
    Remark { rule, level: Level::Warning, place, message, fix }
}

/// Keys that nobody reads.
fn unknown(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut among = |node: &Node, known: &[&str], keywords: &BTreeSet<&str>| {
        for (key, _) in entries(node) {
            let read = known.iter().any(|known| known.eq_ignore_ascii_case(&key.text));
            if !read && !keywords.contains(key.text.as_str()) {
                let message = format!("nothing reads `{}`", key.text);
                remarks.push(warning("unknown-key", key.place, message, "correct its spelling or remove it"));
            }
        }
    };
    let none = BTreeSet::new();
    among(document.root, TOP, &none);
    if let Some(configuration) = get(document.root, "ComponentConfiguration") {
        among(configuration, &["DefaultConfiguration"], &none);
    }
    for (_, dependency) in get(document.root, "ComponentDependencies").map(entries).unwrap_or_default() {
        among(dependency, &["VersionRequirement", "DependencyType"], &none);
    }
    for (index, manifest) in document.manifests.iter().enumerate() {
        among(manifest, MANIFEST, &none);
        for artifact in document.artifacts(index) {
            among(artifact, ARTIFACT, &none);
            if let Some(permission) = get(artifact, "Permission") {
                among(permission, &["Read", "Execute"], &none);
            }
        }
        // A manifest's own lifecycle is taken as it is: selectors mean nothing there.
        if let Some(lifecycle) = get(manifest, "Lifecycle") {
            among(lifecycle, &[&STEPS[..], &["setenv", "errorResetTime"]].concat(), &none);
        }
    }
    for step in &document.steps {
        among(step.node, STEP, &document.keywords);
    }
    if let Some(lifecycle) = get(document.root, "Lifecycle") {
        among(lifecycle, &[&STEPS[..], &["setenv", "errorResetTime"]].concat(), &document.keywords);
    }
    remarks
}

/// Values that are read as something else, and keys of which only the last counts.
fn values(root: &Node) -> Vec<Remark> {
    let mut remarks = Vec::new();
    walk(root, &mut |node: &Node| {
        if node.alias {
            let message =
                format!("the nucleus doesn't follow `*{0}`, it takes the text `{0}`", text(node).unwrap_or_default());
            remarks.push(warning("alias", node.place, message, "write the value out"));
        }
        if let Some(written) = &node.reread {
            let message = format!("`{written}` without quotes is {}", node.value());
            remarks.push(warning("plain-scalar", node.place, message, "put it in quotes, or write what it means"));
        }
        let mut seen = BTreeSet::new();
        for (key, _) in entries(node) {
            if !seen.insert(key.text.to_ascii_lowercase()) {
                let message = format!("`{}` stands here twice, and only one counts", key.text);
                remarks.push(warning("duplicate-key", key.place, message, "remove one"));
            }
        }
    });
    remarks
}

fn manifests(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut open: Option<usize> = None;
    for (index, manifest) in document.manifests.iter().enumerate() {
        if let Some(first) = open {
            let message = format!("no device comes to this manifest, since manifest {} fits every one", first + 1);
            remarks.push(warning("unreachable-manifest", manifest.place, message, "put the general manifest last"));
        }
        let platform = get(manifest, "Platform").map(entries).unwrap_or_default();
        let any = |node: &Node| matches!(&node.content, Content::Null) || text(node) == Some("*");
        if platform.iter().all(|(_, value)| any(value)) {
            open = open.or(Some(index));
        }
        for (key, value) in platform {
            let lower = key.text.to_ascii_lowercase();
            if lower != key.text && matches!(lower.as_str(), "os" | "architecture" | "runtime") {
                let message = format!("keys of `Platform` are case-sensitive: no device has `{}`", key.text);
                remarks.push(warning("platform-key", key.place, message, "write it in lower case"));
            }
            if text(value)
                .is_some_and(|text| !text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/*".contains(c)))
            {
                let message = "this value never matches".to_owned();
                remarks.push(warning("platform-value", value.place, message, "write a name, `*` or `/REGEX/`"));
            }
        }
    }
    remarks
}

fn lifecycles(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let own = |manifest: &&Node| get(manifest, "Lifecycle").is_some_and(|lifecycle| !entries(lifecycle).is_empty());
    if let Some((key, global)) = entry(document.root, "Lifecycle")
        && !entries(global).is_empty()
        && !document.manifests.is_empty()
        && document.manifests.iter().all(own)
    {
        let message = "every manifest has its own lifecycle, so this one is never used".to_owned();
        remarks.push(warning("unused-lifecycle", key.place, message, "remove it, or the manifests' lifecycles"));
    }
    for manifest in (0..document.manifests.len()).map(Some).chain([None]) {
        let step = |name| document.steps.iter().find(|step| step.manifest == manifest && step.name == name);
        if let (Some(startup), Some(run)) = (step("startup"), step("run"))
            && get(startup.node, "SkipIf").is_none()
        {
            let message = "`startup` comes first, so this step never runs".to_owned();
            remarks.push(warning("startup-and-run", run.key.place, message, "keep one of the two"));
        }
    }
    if let Some(lifecycle) = get(document.root, "Lifecycle") {
        walk(lifecycle, &mut |node: &Node| {
            let is_selector = |key: &str| document.keywords.contains(key);
            if entries(node).iter().any(|(key, _)| is_selector(&key.text)) {
                for (key, _) in entries(node).iter().filter(|(key, _)| !is_selector(&key.text)) {
                    let message = format!("`{}` stands beside selectors and is dropped", key.text);
                    remarks.push(warning("beside-selectors", key.place, message, "move it below each selector"));
                }
            }
        });
    }
    remarks
}
