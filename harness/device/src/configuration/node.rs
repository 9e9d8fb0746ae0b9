//! A node of the configuration: a value, or a table of nodes, each with the time of its last modification.

use crate::tree;
use serde_json::{Map, Value};

/// The time that marks a recipe's default, in milliseconds since 1970.
const DEFAULT: i64 = 1;

/// A node. Keys compare without regard to case and keep their spelling; lists are values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A value and when it was set, in milliseconds since 1970.
    Leaf { value: Value, modified: i64 },
    /// Nodes by their keys, in the order in which they came.
    Table(Vec<(String, Node)>),
}

/// What an update does with what it doesn't mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Keep,
    Remove,
}

impl Node {
    /// A table without entries.
    pub(crate) fn empty() -> Self {
        Self::Table(Vec::new())
    }

    /// The node as a plain value.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Leaf { value, .. } => value.clone(),
            Self::Table(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
        }
    }

    /// The node as the nucleus takes it over: without what begins with an underscore, and sorted.
    pub(crate) fn plain(&self) -> Value {
        tree::sorted(&self.without_private())
    }

    fn without_private(&self) -> Value {
        let Self::Table(entries) = self else { return self.value() };
        let kept = entries.iter().filter(|(key, _)| !key.starts_with('_'));
        Value::Object(kept.map(|(key, node)| (key.clone(), node.without_private())).collect())
    }

    /// The entries of a table; none of a leaf.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Leaf { .. } => &[],
            Self::Table(entries) => entries,
        }
    }

    /// The node at `path`.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| {
            node.entries().iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, node)| node)
        })
    }

    /// The value at `path`.
    pub(crate) fn get(&self, path: &[&str]) -> Option<Value> {
        self.find(path).map(Self::value)
    }

    /// The text at `path`; numbers and booleans count as text.
    pub(crate) fn text(&self, path: &[&str]) -> Option<String> {
        let (last, parents) = path.split_last()?;
        tree::text(&Value::Object(Map::from_iter([((*last).to_owned(), self.find(parents)?.get(&[last])?)])), last)
    }

    /// Merges `update` at `path` as of `time`: what is newer there stays, as does what the update doesn't mention.
    pub(crate) fn merge(&mut self, path: &[&str], update: &Value, time: i64) {
        self.at(path).update(update, time, Others::Keep);
    }

    /// Makes the node at `path` what `update` says as of `time`; values that are newer there stay.
    pub(crate) fn replace(&mut self, path: &[&str], update: &Value, time: i64) {
        self.at(path).update(update, time, Others::Remove);
    }

    /// Adds those of `defaults` that are not there yet.
    pub(crate) fn fill(&mut self, path: &[&str], defaults: &Value) {
        self.merge(path, defaults, DEFAULT);
    }

    /// Puts a node at `path`, whatever was there.
    pub(crate) fn put(&mut self, path: &[&str], node: Self) {
        *self.at(path) = node;
    }

    /// Removes the node at `path` and returns it.
    pub(crate) fn remove(&mut self, path: &[&str]) -> Option<Self> {
        let (last, parents) = path.split_last()?;
        self.find(parents)?;
        let Self::Table(entries) = self.at(parents) else { return None };
        let place = entries.iter().position(|(known, _)| known.eq_ignore_ascii_case(last))?;
        Some(entries.remove(place).1)
    }

    /// Removes every component's section but those that `keep` names.
    pub(crate) fn keep_components(&mut self, keep: impl Fn(&String) -> bool) {
        if let Self::Table(entries) = self.at(&["services"]) {
            entries.retain(|(name, _)| super::is_built_in(name) || keep(name));
        }
    }

    /// Removes what a JSON pointer points at below `path`. Returns false if it points into a list, which can't be done.
    pub(crate) fn reset(&mut self, path: &[&str], pointer: &str) -> bool {
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        if steps.is_empty() {
            self.put(path, Self::empty());
            return true;
        }
        if steps.iter().any(|step| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())) {
            return false;
        }
        let path: Vec<&str> = path.iter().copied().chain(steps.iter().map(String::as_str)).collect();
        self.remove(&path);
        true
    }

    /// The node at `path`, made if it isn't there; a leaf on the way gives way.
    fn at(&mut self, path: &[&str]) -> &mut Self {
        let Some((first, rest)) = path.split_first() else { return self };
        if matches!(self, Self::Leaf { .. }) {
            *self = Self::empty();
        }
        let Self::Table(entries) = self else { unreachable!("a leaf has just given way to a table") };
        let place = entries.iter().position(|(known, _)| known.eq_ignore_ascii_case(first));
        let place = place.unwrap_or_else(|| {
            entries.push(((*first).to_owned(), Self::empty()));
            entries.len() - 1
        });
        entries[place].1.at(rest)
    }

    fn update(&mut self, update: &Value, time: i64, others: Others) {
        let Value::Object(update) = update else {
            return self.set(update, time);
        };
        if matches!(self, Self::Leaf { .. }) {
            *self = Self::empty();
        }
        if let Self::Table(entries) = self
            && others == Others::Remove
        {
            entries.retain(|(known, _)| update.keys().any(|key| key.eq_ignore_ascii_case(known)));
        }
        for (key, value) in update {
            self.at(&[key]).update(value, time, others);
        }
    }

    fn set(&mut self, new: &Value, time: i64) {
        if let Self::Leaf { value, modified } = self {
            if time >= *modified {
                *modified = time;
                new.clone_into(value);
            }
            return;
        }
        *self = Self::Leaf { value: new.clone(), modified: time };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(value: &Value, time: i64) -> Node {
        let mut node = Node::empty();
        node.merge(&[], value, time);
        node
    }

    #[test]
    fn older_values_are_ignored_leaf_by_leaf() {
        fidelity::fidelity!("core-config-2");
        let mut config = node(&json!({"a": {"old": 1, "new": 1}}), 10);
        config.merge(&["a", "new"], &json!(2), 30);
        config.merge(&[], &json!({"A": {"OLD": 3, "new": 3, "more": [1]}}), 20);
        assert_eq!(config.value(), json!({"a": {"old": 3, "new": 2, "more": [1]}}));
        // The same value again is newer from then on.
        config.merge(&[], &json!({"a": {"old": 3}}), 40);
        config.merge(&[], &json!({"a": {"old": 9}}), 35);
        assert_eq!(config.get(&["a", "old"]), Some(json!(3)));
    }

    #[test]
    fn defaults_only_fill() {
        fidelity::fidelity!("core-config-1");
        let mut config = node(&json!({"a": "mine", "list": [1]}), 10);
        config.fill(&[], &json!({"a": "theirs", "list": [2, 3], "b": {"c": null}}));
        assert_eq!(config.value(), json!({"a": "mine", "list": [1], "b": {"c": null}}));
    }

    #[test]
    fn a_table_and_a_value_replace_each_other() {
        fidelity::fidelity!("core-config-2");
        let mut config = node(&json!({"a": {"b": 1}, "c": 1}), 10);
        config.merge(&[], &json!({"a": "leaf", "c": {"d": 1}}), 5);
        assert_eq!(config.value(), json!({"a": "leaf", "c": {"d": 1}}));
    }

    #[test]
    fn replacing_removes_and_keeps_newer_values() {
        fidelity::fidelity!("core-config-2");
        let mut config = node(&json!({"a": 1, "b": 1, "gone": {"x": 1}}), 10);
        config.merge(&["b"], &json!(2), 30);
        config.replace(&[], &json!({"a": 5, "b": 5}), 20);
        assert_eq!(config.value(), json!({"a": 5, "b": 2}));
    }

    #[test]
    fn what_begins_with_an_underscore_is_not_taken_over() {
        fidelity::fidelity!("core-config-1");
        let config = node(&json!({"b": {"_p": 1, "q": [{"_r": 1}]}, "_c": 1, "A": null}), 10);
        assert_eq!(config.plain().to_string(), r#"{"A":null,"b":{"q":[{"_r":1}]}}"#);
    }

    #[test]
    fn resets() {
        fidelity::fidelity!("core-config-1");
        let mut config = node(&json!({"a": {"B": 1, "c/d": [1, 2]}, "old": true}), 10);
        assert!(config.reset(&[], "/OLD"));
        assert!(config.reset(&[], "/missing/too"));
        assert!(config.reset(&["a"], "/c~1d"));
        assert!(!config.reset(&[], "/a/c/0"));
        assert_eq!(config.value(), json!({"a": {"B": 1}}));
        assert!(config.reset(&["a"], ""));
        assert_eq!(config.value(), json!({"a": {}}));
    }
}
