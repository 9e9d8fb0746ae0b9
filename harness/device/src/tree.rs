//! Operations on configuration trees, whose keys compare without regard to case and keep their spelling.

use crate::log;
use serde_json::Value;
use std::collections::BTreeMap;

/// The entry of `tree` under `key`, with the key as it is spelled there.
pub(crate) fn entry<'a>(tree: &'a Value, key: &str) -> Option<(&'a str, &'a Value)> {
    let map = tree.as_object()?;
    map.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(known, value)| (known.as_str(), value))
}

/// The value of `tree` under `key`.
pub(crate) fn get<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    entry(tree, key).map(|(_, value)| value)
}

/// The text of `tree` under `key`; numbers and booleans count as text.
pub(crate) fn text(tree: &Value, key: &str) -> Option<String> {
    match get(tree, key)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// The tree as the nucleus's maps have it: the keys of its tables sorted without regard to case, those of maps in lists by
/// their characters.
pub(crate) fn sorted(value: &Value) -> Value {
    let Value::Object(map) = value else { return by_key(value) };
    let mut entries: Vec<(String, Value)> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
    entries.sort_by_key(|(key, _)| key.to_lowercase());
    Value::Object(entries.into_iter().collect())
}

/// The value with the keys of all maps sorted by their characters.
pub(crate) fn by_key(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(by_key).collect(),
        Value::Object(map) => {
            let entries: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, by_key(value))).collect();
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        other => other.clone(),
    }
}

/// The value with the entries of all maps in the order of Java's `HashMap`.
pub(crate) fn hashed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(hashed).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> =
                map.iter().map(|(key, value)| (key.clone(), hashed(value))).collect();
            log::hash_order(&mut entries);
            Value::Object(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}

/// Turns whole numbers into floating ones, as the parser of IoT job documents does.
pub(crate) fn doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        Value::Array(items) => items.iter().map(doubles).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), doubles(value))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_as_the_nucleus_has_them() {
        fidelity::fidelity!("core-interpolation-1");
        let tree = json!({"b": [{"b": 1, "A": 1, "a": 1}], "a": {"d": 1, "C": 1}, "B2": 1});
        let text = |value: Value| value.to_string();
        assert_eq!(text(sorted(&tree)), r#"{"a":{"C":1,"d":1},"b":[{"A":1,"a":1,"b":1}],"B2":1}"#);
        assert_eq!(text(by_key(&tree)), r#"{"B2":1,"a":{"C":1,"d":1},"b":[{"A":1,"a":1,"b":1}]}"#);
    }

    #[test]
    fn whole_numbers_become_floating_ones() {
        fidelity::fidelity!("core-config-1");
        let tree = json!({"a": {"b": 1, "c": [1, 2.5]}, "old": true});
        assert_eq!(doubles(&tree), json!({"a": {"b": 1.0, "c": [1.0, 2.5]}, "old": true}));
    }
}
