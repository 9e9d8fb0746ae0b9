//! Which manifest of a recipe fits this device.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The device's platform attributes, as they are also sent to the cloud.
pub(crate) type Attributes = BTreeMap<String, String>;

/// The attributes of the machine that runs us, with the nucleus's `platformOverride`.
pub(crate) fn attributes(overrides: Option<&Value>) -> Attributes {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "x86",
        "aarch64" => "aarch64",
        "arm" => "arm",
        _ => "unknown",
    };
    let mut attributes =
        Attributes::from([("os".to_owned(), "linux".to_owned()), ("architecture".to_owned(), architecture.to_owned())]);
    for (key, value) in overrides.and_then(Value::as_object).into_iter().flatten() {
        if let Some(text) = value.as_str() {
            attributes.insert(key.clone(), text.to_owned());
        }
    }
    attributes
}

/// Whether a manifest's `Platform` fits. Absent keys on the manifest's side don't matter.
pub(crate) fn matches(platform: Option<&Map<String, Value>>, device: &Attributes) -> bool {
    platform.is_none_or(|platform| platform.iter().all(|(key, value)| attribute_matches(key, value, device)))
}

fn attribute_matches(key: &str, template: &Value, device: &Attributes) -> bool {
    let template = match template {
        Value::Null => return true,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if template == "*" {
        return true;
    }
    let Some(actual) = device.get(key) else { return false };
    if let Some(pattern) = template.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(actual));
    }
    if matches!(template.as_str(), "all" | "any") && matches!(key, "os" | "architecture") {
        return true;
    }
    template.starts_with(|first: char| first.is_alphanumeric()) && template == *actual
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // [core-recipe-1]
    #[test]
    fn templates() {
        let device = Attributes::from([("os".into(), "linux".into()), ("architecture".into(), "amd64".into())]);
        let fits = |platform: Value| matches(platform.as_object(), &device);
        assert!(fits(json!({})));
        assert!(fits(json!({"os": "linux", "architecture": "amd64"})));
        assert!(fits(json!({"os": "all", "architecture": "*", "runtime": "*"})));
        assert!(fits(json!({"os": "/windows|linux/"})));
        assert!(!fits(json!({"os": "/lin/"})));
        assert!(!fits(json!({"os": "Linux"})));
        assert!(!fits(json!({"runtime": "aws_nucleus_lite"})));
        assert!(!fits(json!({"runtime": "all"})));
        assert!(!fits(json!({"os": "!windows"})));
        assert!(!fits(json!({"OS": "linux"})));
    }
}
