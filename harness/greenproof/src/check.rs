//! What a recipe file is worth before it meets a device: what the classic nucleus makes of it, what nucleus lite would
//! refuse, and what is bad style. It reads the text alone, runs nothing and needs no Docker.

mod document;
mod lite;
mod model;
mod report;
mod script;
mod style;
mod trap;

pub use device::inspect::Place;
pub use report::{human, json};

use device::inspect::Node;
use document::Document;
use std::collections::BTreeMap;

/// The platforms that a recipe is tried for.
const ARCHITECTURES: [&str; 3] = ["amd64", "aarch64", "arm"];

/// How much a remark weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The classic nucleus, or the cloud before it, refuses the recipe.
    Error,
    /// The nucleus takes it and does something else than it seems to say.
    Warning,
    /// It works, and is trouble waiting to happen.
    Style,
    /// Nucleus lite refuses it or does something else.
    Lite,
}

/// One thing to say about a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The rule's id.
    pub rule: &'static str,
    /// Its weight.
    pub level: Level,
    /// Where in the file.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: &'static str,
}

/// All there is to say about a recipe.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The remarks in the order of the text.
    pub remarks: Vec<Remark>,
    /// The manifest that the classic nucleus chooses, counted from 1, by architecture of a Linux device.
    pub manifests: BTreeMap<&'static str, usize>,
}

impl Verdict {
    /// Whether there is a remark of this level.
    #[must_use]
    pub fn has(&self, level: Level) -> bool {
        self.remarks.iter().any(|remark| remark.level == level)
    }
}

/// Reads a recipe, JSON or YAML.
#[must_use]
pub fn check(text: &str) -> Verdict {
    let root = match Node::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let fix = "correct the file's syntax";
            let remark =
                Remark { rule: "syntax", level: Level::Error, place: error.place, message: error.message, fix };
            return Verdict { remarks: vec![remark], manifests: BTreeMap::new() };
        }
    };
    let manifests: BTreeMap<&str, usize> = ARCHITECTURES
        .into_iter()
        .filter_map(|architecture| {
            let platform =
                BTreeMap::from([("os".into(), "linux".into()), ("architecture".into(), architecture.into())]);
            Some((architecture, device::inspect::choose(text.as_bytes(), &platform).ok()?.manifest + 1))
        })
        .collect();
    let document = Document::new(text, &root);
    let mut remarks = model::remarks(&document, manifests.is_empty());
    remarks.extend(trap::remarks(&document));
    remarks.extend(script::remarks(&document));
    remarks.extend(style::remarks(&document));
    remarks.extend(lite::remarks(&document));
    remarks.sort_by(|a, b| (a.place, a.level, a.rule, &a.message).cmp(&(b.place, b.level, b.rule, &b.message)));
    remarks.dedup();
    Verdict { remarks, manifests }
}

#[cfg(test)]
mod tests;
