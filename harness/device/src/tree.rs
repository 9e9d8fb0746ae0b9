//! Operations on configuration trees, whose keys compare without regard to case and keep their spelling.

use serde_json::{Map, Value};

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

/// Merges `update` into `base`: objects deeply, anything else is replaced.
pub(crate) fn merge(base: &mut Value, update: &Value) {
    combine(base, update, true);
}

/// Adds what `base` doesn't have yet.
pub(crate) fn fill(base: &mut Value, defaults: &Value) {
    combine(base, defaults, false);
}

fn combine(base: &mut Value, other: &Value, replace: bool) {
    match (base, other) {
        (Value::Object(base), Value::Object(other)) => {
            for (key, value) in other {
                match own_key(base, key) {
                    Some(key) => combine(&mut base[&key], value, replace),
                    None => _ = base.insert(key.clone(), value.clone()),
                }
            }
        }
        (base, other) if replace => *base = other.clone(),
        _ => {}
    }
}

/// Removes what a JSON pointer points at. Returns false if it points into a list, which isn't supported.
pub(crate) fn reset(base: &mut Value, pointer: &str) -> bool {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let Some((last, parents)) = steps.split_last() else {
        *base = Value::Object(Map::new());
        return true;
    };
    let mut node = base;
    for step in parents {
        let Value::Object(map) = node else { return !node.is_array() };
        let Some(key) = own_key(map, step) else { return true };
        node = &mut map[&key];
    }
    let Value::Object(map) = node else { return !node.is_array() };
    if let Some(key) = own_key(map, last) {
        map.shift_remove(&key);
    }
    true
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

fn own_key(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.keys().find(|known| known.eq_ignore_ascii_case(key)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // [core-config-1]
    #[test]
    fn update() {
        let mut base = json!({"a": {"b": 1, "c": [1, 2]}, "old": true});
        assert!(reset(&mut base, "/old"));
        assert!(!reset(&mut base, "/a/c/0"));
        merge(&mut base, &doubles(&json!({"A": {"b": 5, "c": [3]}})));
        fill(&mut base, &json!({"a": {"b": 9, "new": "n"}}));
        assert_eq!(base, json!({"a": {"b": 5.0, "c": [3.0], "new": "n"}}));
        assert!(reset(&mut base, ""));
        assert_eq!(base, json!({}));
    }
}
