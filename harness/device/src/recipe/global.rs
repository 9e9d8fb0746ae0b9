//! The global lifecycle, filtered by the selections of the manifest that was chosen.

use crate::log::Line;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const LOGGER: &str = "com.aws.greengrass.config.PlatformResolver";

/// Chooses at every level of a tree.
pub(super) struct Filter<'a> {
    /// The selections of all manifests, and `all`.
    pub(super) keywords: BTreeSet<&'a str>,
    /// Those of the manifest that was chosen, by priority.
    pub(super) selections: &'a [String],
    /// What the nucleus logs about levels that mix selections with other keys.
    pub(super) complaints: Vec<Line>,
}

impl Filter<'_> {
    /// What is left of `value`, if anything.
    pub(super) fn apply(&mut self, value: &Value) -> Option<Value> {
        let Value::Object(map) = value else { return (!value.is_null()).then(|| value.clone()) };
        if !map.keys().any(|key| self.keywords.contains(key.as_str())) {
            let kept = map.iter().filter_map(|(key, value)| Some((key.clone(), self.apply(value)?)));
            return Some(Value::Object(kept.collect()));
        }
        let present = |key: &str| map.get(key).filter(|value| !value.is_null());
        let chosen = self.selections.iter().find_map(|selection| present(selection)).or_else(|| present("all"));
        self.complain(map, chosen);
        self.apply(chosen?)
    }

    fn complain(&mut self, map: &Map<String, Value>, chosen: Option<&Value>) {
        let others: Vec<&str> = map.keys().map(String::as_str).filter(|key| !self.keywords.contains(key)).collect();
        if others.is_empty() {
            return;
        }
        let message = "Configuration section contains both selector and non-selector keys at same level. \
                       Non-selector keys are ignored.";
        // The nucleus prints the other keys twice.
        let others = format!("[{}]", others.join(", "));
        let line = Line::error(LOGGER).message(message).with("selectors", &others);
        let chosen = chosen.map_or_else(|| "null".into(), shown);
        self.complaints.push(line.with("nonSelectors", others).with("selected", chosen));
    }
}

/// A value as Java prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}
