//! Recipe variables such as `{configuration:/token}` and `{DEPENDENCY:work:path}`.
//!
//! No quoting and no escaping; a placeholder that can't be resolved stays as it is. The nucleus goes through the text
//! once for the component's own variables and once more for those of its dependencies, each time replacing every
//! occurrence of what it found in the text as it then is. So what a value brings in is replaced only where the same
//! placeholder stands after it in the text, or where it names a dependency.

pub(crate) mod java;

use regex::{Captures, Regex};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::LazyLock,
};

static OWN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([.A-Za-z0-9_-]+):([^:}]*)\}").expect("the pattern is valid"));
static CROSS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([.A-Za-z0-9_-]+):([.A-Za-z0-9_-]+):([^:}]*)\}").expect("the pattern is valid"));

/// How much text one value may become, and a bound for the work that it costs. The real nucleus has none.
const LIMIT: usize = 16 * 1024 * 1024;

/// A component as placeholders see it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The component's name.
    pub(crate) name: String,
    /// Its resolved version.
    pub(crate) version: String,
    /// Its merged configuration, with its keys in the order in which they are printed.
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
    /// Whether `configuration` is a namespace: it is in lifecycles, and isn't in configurations.
    pub(crate) configuration: bool,
}

/// A placeholder that stayed: the log message and its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The message of the log line.
    pub(crate) message: &'static str,
    /// Its context.
    pub(crate) context: Vec<(&'static str, String)>,
}

/// A pointer into the configuration that doesn't begin with a slash, over which the nucleus stumbles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid input: JSON Pointer expression must start with '/': \"{0}\"")]
pub(crate) struct BadPointer(String);

impl BadPointer {
    /// # Errors
    /// If `pointer` is no JSON pointer.
    pub(crate) fn check(pointer: &str) -> Result<(), Self> {
        if pointer.is_empty() || pointer.starts_with('/') { Ok(()) } else { Err(Self(pointer.into())) }
    }
}

/// The text that a placeholder becomes, if it becomes one.
type Replacement = Result<Option<String>, BadPointer>;

impl Scope<'_> {
    /// Replaces the placeholders in every text of `tree`; keys stay.
    ///
    /// # Errors
    /// If a placeholder's pointer is none.
    pub(crate) fn interpolate(&self, tree: &Value, complaints: &mut Vec<Complaint>) -> Result<Value, BadPointer> {
        Ok(match tree {
            Value::String(text) => Value::String(self.text(text, complaints)?),
            Value::Array(items) => {
                items.iter().map(|item| self.interpolate(item, complaints)).collect::<Result<_, _>>()?
            }
            Value::Object(map) => {
                let entry = |(key, value): (&String, &Value)| Ok((key.clone(), self.interpolate(value, complaints)?));
                Value::Object(map.iter().map(entry).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str, complaints: &mut Vec<Complaint>) -> Result<String, BadPointer> {
        let text = pass(text, &OWN, complaints, &mut |captures, complaints| {
            self.variable(&captures[0], self.own, &captures[1], &captures[2], complaints)
        })?;
        pass(&text, &CROSS, complaints, &mut |captures, complaints| {
            if let Some(subject) = self.dependencies.get(&captures[1]) {
                return self.variable(&captures[0], subject, &captures[2], &captures[3], complaints);
            }
            complaints.push(self.stranger(&captures[0], &captures[1]));
            Ok(None)
        })
    }

    fn stranger(&self, whole: &str, target: &str) -> Complaint {
        Complaint {
            message: "Failed to interpolate because the target component it's not a direct dependency.",
            context: vec![
                ("interpolation text", whole.into()),
                ("target component", target.into()),
                ("main component", self.own.name.clone()),
            ],
        }
    }

    fn variable(
        &self,
        whole: &str,
        of: &Subject,
        space: &str,
        key: &str,
        complaints: &mut Vec<Complaint>,
    ) -> Replacement {
        let packages = self.root.join("packages");
        let path = match (space, key) {
            ("configuration", pointer) if self.configuration => return configured(of, pointer, complaints),
            ("artifacts", "path") => packages.join("artifacts").join(&of.name).join(&of.version),
            ("artifacts", "decompressedPath") => packages.join("artifacts-unarchived").join(&of.name).join(&of.version),
            ("work", "path") => self.root.join("work").join(&of.name),
            ("kernel", "rootPath") => self.root.to_owned(),
            ("iot", "thingName") => return Ok(Some(self.thing.into())),
            ("artifacts" | "work" | "kernel" | "iot", _) => return Ok(None),
            _ => {
                complaints.push(Complaint {
                    message: "Failed to interpolate because of unrecognized namespace for interpolation.",
                    context: vec![("interpolation placeholder", whole.into()), ("namespace", space.into())],
                });
                return Ok(None);
            }
        };
        Ok(Some(path.to_string_lossy().into_owned()))
    }
}

/// The value at a JSON pointer of a component's configuration.
fn configured(of: &Subject, pointer: &str, complaints: &mut Vec<Complaint>) -> Replacement {
    BadPointer::check(pointer)?;
    let value = of.configuration.pointer(pointer).map(java::rendered);
    if value.is_none() {
        complaints.push(Complaint {
            message: "Failed to interpolate configuration due to missing value node at given path",
            context: vec![("Path", pointer.into())],
        });
    }
    Ok(value)
}

/// One pass over a text.
fn pass(
    text: &str,
    pattern: &Regex,
    complaints: &mut Vec<Complaint>,
    replacement: &mut dyn FnMut(&Captures<'_>, &mut Vec<Complaint>) -> Replacement,
) -> Result<String, BadPointer> {
    let mut values: HashMap<&str, String> = HashMap::new();
    let mut found: Vec<regex::Match<'_>> = Vec::new();
    for captures in pattern.captures_iter(text) {
        if let Some(whole) = captures.get(0)
            && let Some(value) = replacement(&captures, complaints)?
        {
            values.insert(whole.as_str(), value);
            found.push(whole);
        }
    }
    if found.is_empty() {
        return Ok(text.into());
    }
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    for whole in &found {
        result.push_str(&text[copied..whole.start()]);
        result.push_str(&values[whole.as_str()]);
        copied = whole.end();
        if result.len() > LIMIT {
            complaints.push(stopped());
            break;
        }
    }
    result.push_str(&text[copied..]);
    // Only a value can have brought in what is replaced again.
    if pattern.find_iter(&result).any(|whole| values.contains_key(whole.as_str())) {
        return Ok(one_by_one(text, &found, &values, complaints));
    }
    Ok(result)
}

/// The same, replacing each placeholder everywhere before the next one.
fn one_by_one(
    text: &str,
    found: &[regex::Match<'_>],
    values: &HashMap<&str, String>,
    complaints: &mut Vec<Complaint>,
) -> String {
    let mut result = text.to_owned();
    let mut work = 0;
    for whole in found {
        let value = &values[whole.as_str()];
        let longer = result.matches(whole.as_str()).count() * value.len();
        work += result.len() + longer;
        if work > LIMIT {
            complaints.push(stopped());
            break;
        }
        result = result.replace(whole.as_str(), value);
    }
    result
}

fn stopped() -> Complaint {
    let context = vec![("bytes", LIMIT.to_string())];
    Complaint { message: "Stopped to interpolate because the text grows too long", context }
}

#[cfg(test)]
mod tests;
