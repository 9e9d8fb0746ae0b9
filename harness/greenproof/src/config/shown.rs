//! A configuration as a person reads it, which is itself a configuration file, and as a program does.

use super::{Config, Key, Origin, key::Form};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A configuration file that says the same: each value with its meaning, other ways to say it, and where it was said.
#[must_use]
pub fn human(config: &Config) -> String {
    let mut text = String::new();
    for key in Key::ALL {
        let ways: Vec<_> = key.flag().into_iter().chain(key.variables().iter().copied()).collect();
        _ = writeln!(text, "# {} [{}]", key.meaning(), ways.join(", "));
        let origin = config.origin(key);
        _ = match shown(config, key) {
            // What a file can't say is no line of one.
            Some(value) if !key.is_of_files() => writeln!(text, "# {} = {value} # {origin}", key.name()),
            Some(value) => writeln!(text, "{} = {value} # {origin}", key.name()),
            None => writeln!(text, "# {} is not set", key.name()),
        };
        text.push('\n');
    }
    for (name, value) in &config.build_arguments {
        _ = writeln!(text, "# Image builds take over {name}={}", without_password(value));
    }
    text.trim_end().to_owned() + "\n"
}

/// A JSON object: `settings`, each with value, origin and meaning, and `build_arguments`.
#[must_use]
pub fn json(config: &Config) -> String {
    let setting = |key: Key| {
        let origin = match config.origin(key) {
            Origin::Default => json!({ "kind": "default" }),
            Origin::File { path, line } => json!({ "kind": "file", "file": path, "line": line }),
            Origin::Variable(name) => json!({ "kind": "variable", "variable": name }),
        };
        json!({
            "key": key.name(), "value": value(config, key), "origin": origin, "flag": key.flag(),
            "variables": key.variables(), "meaning": key.meaning(),
        })
    };
    let arguments = config.build_arguments.iter().map(|(name, value)| (name.clone(), without_password(value).into()));
    let all = json!({
        "settings": Key::ALL.map(setting),
        "build_arguments": arguments.collect::<serde_json::Map<_, _>>(),
    });
    format!("{all:#}\n")
}

/// A value as TOML has it.
fn shown(config: &Config, key: Key) -> Option<String> {
    match value(config, key) {
        Value::Null => None,
        Value::String(text) => Some(toml::Value::String(text).to_string()),
        other => Some(other.to_string()),
    }
}

fn value(config: &Config, key: Key) -> Value {
    let Some(text) = config.text(key) else { return Value::Null };
    match key.form() {
        Form::Factor | Form::Count | Form::Truth => serde_json::from_str(text).unwrap_or_default(),
        _ => without_password(text).into(),
    }
}

/// A URL may hold a user and a password, which are nobody's business.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let host = rest.find('/').unwrap_or(rest.len());
    match rest[..host].rfind('@') {
        Some(at) => format!("{scheme}://***{}", &rest[at..]),
        None => text.to_owned(),
    }
}
