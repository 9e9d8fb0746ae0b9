//! Recipe variables such as `{configuration:/token}` and `{DEPENDENCY:work:path}`.
//!
//! One pass, no quoting, no escaping; a placeholder that can't be resolved stays as it is.

use regex::{Captures, Regex};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::Path, sync::LazyLock};

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\{([.A-Za-z0-9_-]+):([^:}]*)\}|\{(?<component>[.A-Za-z0-9_-]+):(?<space>[.A-Za-z0-9_-]+):(?<key>[^:}]*)\}",
    )
    .expect("the pattern is valid")
});

/// A component as placeholders see it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The component's name.
    pub(crate) name: String,
    /// Its resolved version.
    pub(crate) version: String,
    /// Its merged configuration.
    pub(crate) configuration: Value,
}

/// What the placeholders of one component may refer to.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// The component itself.
    pub(crate) own: &'a Subject,
    /// Its direct dependencies by name.
    pub(crate) dependencies: &'a BTreeMap<String, Subject>,
    /// The nucleus's root folder.
    pub(crate) root: &'a Path,
    /// The thing name.
    pub(crate) thing: &'a str,
}

/// A placeholder that stayed: the log message and its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The message of the log line.
    pub(crate) message: &'static str,
    /// Its context.
    pub(crate) context: Vec<(&'static str, String)>,
}

impl Scope<'_> {
    /// Replaces the placeholders in every text of `tree`; keys stay.
    pub(crate) fn interpolate(&self, tree: &Value, complaints: &mut Vec<Complaint>) -> Value {
        match tree {
            Value::String(text) => Value::String(self.text(text, complaints)),
            Value::Array(items) => items.iter().map(|item| self.interpolate(item, complaints)).collect(),
            Value::Object(map) => Value::Object(
                map.iter().map(|(key, value)| (key.clone(), self.interpolate(value, complaints))).collect(),
            ),
            other => other.clone(),
        }
    }

    fn text(&self, text: &str, complaints: &mut Vec<Complaint>) -> String {
        let replace = |captures: &Captures<'_>| {
            self.placeholder(captures).unwrap_or_else(|complaint| {
                complaints.extend(complaint);
                captures[0].to_owned()
            })
        };
        PLACEHOLDER.replace_all(text, replace).into_owned()
    }

    fn placeholder(&self, captures: &Captures<'_>) -> Result<String, Option<Complaint>> {
        let Some(component) = captures.name("component") else {
            return self.variable(&captures[0], self.own, &captures[1], &captures[2]);
        };
        let Some(subject) = self.dependencies.get(component.as_str()) else {
            return Err(Some(Complaint {
                message: "Failed to interpolate because the target component it's not a direct dependency",
                context: vec![("interpolation placeholder", captures[0].into())],
            }));
        };
        self.variable(&captures[0], subject, &captures["space"], &captures["key"])
    }

    fn variable(&self, whole: &str, of: &Subject, space: &str, key: &str) -> Result<String, Option<Complaint>> {
        let packages = self.root.join("packages");
        let path = match (space, key) {
            ("configuration", pointer) => {
                return of.configuration.pointer(pointer).map(rendered).ok_or_else(|| {
                    Some(Complaint {
                        message: "Failed to interpolate configuration due to missing value node at given path",
                        context: vec![("Path", pointer.into())],
                    })
                });
            }
            ("artifacts", "path") => packages.join("artifacts").join(&of.name).join(&of.version),
            ("artifacts", "decompressedPath") => packages.join("artifacts-unarchived").join(&of.name).join(&of.version),
            ("work", "path") => self.root.join("work").join(&of.name),
            ("kernel", "rootPath") => self.root.to_owned(),
            ("iot", "thingName") => return Ok(self.thing.into()),
            ("artifacts" | "work" | "kernel" | "iot", _) => return Err(None),
            _ => {
                return Err(Some(Complaint {
                    message: "Failed to interpolate because of unrecognized namespace for interpolation",
                    context: vec![("interpolation placeholder", whole.into()), ("namespace", space.into())],
                }));
            }
        };
        Ok(path.to_string_lossy().into_owned())
    }
}

/// A configuration value as it appears in a script: raw text, else compact JSON with sorted keys.
fn rendered(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => sorted(other).to_string(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keys: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(keys.into_iter().map(|(key, value)| (key.clone(), value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // [core-interpolation-1] [core-interpolation-2]
    #[test]
    fn placeholders() {
        let subject = |name: &str, configuration| Subject { name: name.into(), version: "1.0.0".into(), configuration };
        let own = subject("a.B", json!({"t": "x y", "n": 5.0, "o": {"b": 1, "a": null}, "nested": "{work:path}"}));
        let dependencies = BTreeMap::from([("dep".to_owned(), subject("dep", json!({"k": true})))]);
        let scope = Scope { own: &own, dependencies: &dependencies, root: Path::new("/g"), thing: "T" };
        let mut complaints = Vec::new();
        for (script, expected) in [
            ("{configuration:/t} {configuration:/n}", "x y 5.0"),
            ("{configuration:/o}", r#"{"a":null,"b":1}"#),
            ("{artifacts:decompressedPath}/z", "/g/packages/artifacts-unarchived/a.B/1.0.0/z"),
            ("{dep:configuration:/k}{dep:work:path}", "true/g/work/dep"),
            ("{configuration:/nested}", "{work:path}"),
            (r#"${X} {print $1} {1..3} {"a":1}"#, r#"${X} {print $1} {1..3} {"a":1}"#),
            ("{artifacts:foo}", "{artifacts:foo}"),
        ] {
            assert_eq!(scope.interpolate(&json!(script), &mut complaints), json!(expected));
        }
        assert_eq!(complaints, []);
        let kept = "{configuration:/no} ${VAR:-x} {other:work:path}";
        assert_eq!(scope.interpolate(&json!(kept), &mut complaints), json!(kept));
        assert_eq!(complaints.len(), 3);
    }
}
