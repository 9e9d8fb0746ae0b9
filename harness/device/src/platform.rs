//! Which manifest of a recipe fits this device.

use crate::log;
use regex::Regex;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fs};

/// The device's platform attributes, as they are also sent to the cloud.
pub(crate) type Attributes = BTreeMap<String, String>;

/// The kinds of ARM that a nucleus tells apart.
const ARM: [&str; 6] = ["armv6l", "armv7l", "armv8l", "armv6b", "armv7b", "armv8b"];

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
    if matches!(architecture, "arm" | "aarch64") {
        let machine = fs::read_to_string("/proc/sys/kernel/arch").unwrap_or_default().trim().to_lowercase();
        if ARM.contains(&machine.as_str()) {
            attributes.insert("architecture.detail".into(), machine);
        }
    }
    for (key, value) in overrides.and_then(Value::as_object).into_iter().flatten() {
        if let Some(text) = value.as_str() {
            attributes.insert(key.clone(), text.to_owned());
        }
    }
    attributes
}

/// Attributes as Java prints its map of them.
pub(crate) fn shown(attributes: &Attributes) -> String {
    let entries: Vec<(String, String)> = attributes.clone().into_iter().collect();
    let entries: Vec<String> = log::java_order(&entries).iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", entries.join(", "))
}

/// Whether a manifest's `Platform` fits. Keys that the manifest doesn't have don't matter.
pub(crate) fn matches(platform: &Map<String, Value>, device: &Attributes) -> bool {
    platform.iter().all(|(key, value)| attribute_matches(key, value, device))
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
    let Some(actual) = device.get(key).filter(|actual| !actual.is_empty()) else { return false };
    if let Some(pattern) = template.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return fully_matches(pattern, actual);
    }
    if matches!(template.as_str(), "all" | "any") && matches!(key, "os" | "architecture") {
        return true;
    }
    template.starts_with(|first: char| first.is_ascii_alphanumeric()) && template == *actual
}

/// Whether a regular expression covers the whole text, as Java's `String.matches` wants it.
fn fully_matches(pattern: &str, text: &str) -> bool {
    Regex::new(&format!(r"\A(?:{pattern})\z")).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates() {
        fidelity::fidelity!("core-recipe-1");
        let device = Attributes::from([
            ("os".into(), "linux".into()),
            ("architecture".into(), "amd64".into()),
            ("empty".into(), String::new()),
            ("site".into(), "1".into()),
        ]);
        let fits = |platform: Value| matches(platform.as_object().unwrap(), &device);
        for platform in [
            json!({}),
            json!({"os": "linux", "architecture": "amd64"}),
            json!({"os": "all", "architecture": "any"}),
            json!({"os": "*", "runtime": "*", "nothing": null}),
            json!({"os": "/windows|linux/"}),
            json!({"os": "/^linux$/"}),
            json!({"os": "/l[a-z]+/", "site": 1}),
            json!({"os": "/(?i)LINUX/"}),
        ] {
            assert!(fits(platform.clone()), "{platform}");
        }
        for platform in [
            json!({"os": "windows"}),
            json!({"os": "Linux"}),
            json!({"OS": "linux"}),
            json!({"os": "/lin/"}),
            json!({"os": "/inux|lin/"}),
            json!({"os": "/(/"}),
            json!({"os": "/"}),
            json!({"os": "//"}),
            json!({"os": "All"}),
            json!({"os": "!windows"}),
            json!({"os": "<linux"}),
            json!({"os": ""}),
            json!({"runtime": "aws_nucleus_lite"}),
            json!({"runtime": "all"}),
            json!({"site": "any"}),
            json!({"empty": "/.*/"}),
            json!({"os": "linux", "architecture": "arm"}),
        ] {
            assert!(!fits(platform.clone()), "{platform}");
        }
    }

    #[test]
    fn overrides_replace_and_add_texts() {
        fidelity::fidelity!("core-recipe-1");
        let overrides = json!({"architecture": "arm", "architecture.detail": "armv7l", "site": "x", "n": 5});
        let attributes = attributes(Some(&overrides));
        assert_eq!(attributes["os"], "linux");
        let expected = "{site=x, os=linux, architecture.detail=armv7l, architecture=arm}";
        let mut shown: Vec<_> = shown(&attributes).trim_matches(['{', '}']).split(", ").map(str::to_owned).collect();
        let mut expected: Vec<_> = expected.trim_matches(['{', '}']).split(", ").map(str::to_owned).collect();
        shown.sort();
        expected.sort();
        assert_eq!(shown, expected);
    }
}
