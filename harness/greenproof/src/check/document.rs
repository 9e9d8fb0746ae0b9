//! A recipe's text with its parts at hand.

use super::{Level, Place, Remark};
use device::inspect::{Content, Key, Node};
use std::{collections::BTreeSet, ops::Range};

/// The steps of a lifecycle, in lower case.
pub(super) const STEPS: [&str; 7] = ["bootstrap", "install", "startup", "run", "shutdown", "recover", "uninstall"];

/// A recipe.
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) root: &'a Node,
    /// Whether the text is JSON.
    pub(super) json: bool,
    pub(super) manifests: Vec<&'a Node>,
    /// The selections of all manifests, and `all`.
    pub(super) keywords: BTreeSet<&'a str>,
    pub(super) steps: Vec<Step<'a>>,
    /// The maps with environment variables.
    pub(super) setenv: Vec<&'a Node>,
    lines: Vec<&'a str>,
}

/// A step of a lifecycle.
pub(super) struct Step<'a> {
    /// Its name as written.
    pub(super) key: &'a Key,
    /// Its name in lower case.
    pub(super) name: String,
    /// The whole step.
    pub(super) node: &'a Node,
    /// Its script.
    pub(super) script: Option<Script<'a>>,
    /// The manifest whose lifecycle it is part of; the global lifecycle is everyone's.
    pub(super) manifest: Option<usize>,
}

/// A script.
#[derive(Clone, Copy)]
pub(super) struct Script<'a> {
    pub(super) text: &'a str,
    pub(super) node: &'a Node,
}

/// The value of a map under a key of any case; of several the last.
pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entry(node, key).map(|(_, value)| value)
}

/// The entry of a map under a key of any case.
pub(super) fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a (Key, Node)> {
    entries(node).iter().rev().find(|(known, _)| known.text.eq_ignore_ascii_case(key))
}

/// The entries of a map.
pub(super) fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.content {
        Content::Map(entries) => entries,
        _ => &[],
    }
}

/// The items of a list.
pub(super) fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.content) {
        Some(Content::List(items)) => items,
        _ => &[],
    }
}

/// A text, or nothing.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

/// Calls `visit` for a node and everything below it.
pub(super) fn walk<'a>(node: &'a Node, visit: &mut impl FnMut(&'a Node)) {
    visit(node);
    match &node.content {
        Content::List(items) => items.iter().for_each(|item| walk(item, visit)),
        Content::Map(entries) => entries.iter().for_each(|(_, value)| walk(value, visit)),
        _ => {}
    }
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, root: &'a Node) -> Self {
        let manifests: Vec<&Node> = items(get(root, "Manifests")).iter().collect();
        let selections = manifests.iter().flat_map(|manifest| items(get(manifest, "Selections")));
        let keywords = selections.filter_map(self::text).chain(["all"]).collect();
        let json = text.trim_start().starts_with('{');
        let lines = text.lines().collect();
        let mut document = Self { text, root, json, manifests, keywords, steps: Vec::new(), setenv: Vec::new(), lines };
        for index in 0..document.manifests.len() {
            if let Some(lifecycle) = get(document.manifests[index], "Lifecycle") {
                document.lifecycle(lifecycle, Some(index));
            }
        }
        if let Some(lifecycle) = get(root, "Lifecycle") {
            document.lifecycle(lifecycle, None);
        }
        document
    }

    /// Takes in the steps of a lifecycle, below selectors too.
    fn lifecycle(&mut self, node: &'a Node, manifest: Option<usize>) {
        for (key, value) in entries(node) {
            let name = key.text.to_ascii_lowercase();
            if self.keywords.contains(key.text.as_str()) {
                self.lifecycle(value, manifest);
            } else if name == "setenv" {
                self.setenv.push(value);
            } else if STEPS.contains(&name.as_str()) {
                self.step(key, value, manifest);
            }
        }
    }

    fn step(&mut self, key: &'a Key, node: &'a Node, manifest: Option<usize>) {
        let keywords = &self.keywords;
        let below = entries(node).iter().filter(|(key, _)| keywords.contains(key.text.as_str()));
        let below: Vec<&Node> = below.map(|(_, value)| value).collect();
        if !below.is_empty() {
            for value in below {
                self.step(key, value, manifest);
            }
            return;
        }
        if let Some(setenv) = get(node, "Setenv") {
            self.setenv.push(setenv);
        }
        let body = if entries(node).is_empty() { Some(node) } else { get(node, "Script") };
        let script = body.and_then(|node| Some(Script { text: text(node)?, node }));
        self.steps.push(Step { key, name: key.text.to_ascii_lowercase(), node, script, manifest });
    }

    /// The steps that have a script.
    pub(super) fn scripts(&self) -> impl Iterator<Item = (&Step<'a>, Script<'a>)> {
        self.steps.iter().filter_map(|step| Some((step, step.script?)))
    }

    /// The names of the components that it depends on.
    pub(super) fn dependencies(&self) -> BTreeSet<&'a str> {
        let dependencies = get(self.root, "ComponentDependencies").map(entries).unwrap_or_default();
        dependencies.iter().map(|(key, _)| key.text.as_str()).collect()
    }

    /// The artifacts of a manifest.
    pub(super) fn artifacts(&self, manifest: usize) -> &'a [Node] {
        items(get(self.manifests[manifest], "Artifacts"))
    }

    /// Where a part of a value's text stands in the file; the value itself where it is spelled differently there.
    fn within(&self, node: &Node, whole: &str, part: Range<usize>) -> Place {
        let offset = part.start;
        let line = whole[part].lines().next().unwrap_or_default();
        if line.is_empty() {
            return node.place;
        }
        let mut left = whole[..offset].matches(line).count();
        for (index, text) in self.lines.iter().enumerate().skip(node.place.line - 1) {
            let start = if index + 1 == node.place.line { column(text, node.place.column) } else { 0 };
            for (at, _) in text[start..].match_indices(line) {
                if left == 0 {
                    return Place { line: index + 1, column: text[..start + at].chars().count() + 1 };
                }
                left -= 1;
            }
        }
        node.place
    }

    /// A remark about a part of a value's text.
    pub(super) fn about(
        &self,
        (rule, level): (&'static str, Level),
        (node, whole): (&Node, &str),
        part: Range<usize>,
        message: String,
        fix: &'static str,
    ) -> Remark {
        Remark { rule, level, place: self.within(node, whole, part), message, fix }
    }
}

/// Byte position of a column.
fn column(text: &str, column: usize) -> usize {
    text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at)
}
