//! What an audit searches: secrets that are given, an environment's own, or shapes.

use crate::{
    environment::Standing,
    plan::{DEVICE_KEY, Plan},
    scenario::Scenario,
    stage::Error,
};
use leak::{Canary, Finder, Found, Kind, Patterns, Place, Search};
use serde_json::Value;
use std::collections::BTreeSet;

const PACKAGED: &str = "it came with a package of the system, as an example or a test";

/// What is searched.
#[derive(Debug)]
pub enum Secrets {
    /// These.
    Given(Box<Finder>),
    /// What looks like one.
    Patterns(Patterns),
}

/// A file of secrets that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("it has no secret of 12 characters or more")]
pub struct Malformed;

impl Secrets {
    /// What looks like a secret.
    #[must_use]
    pub const fn patterns() -> Self {
        Self::Patterns(Patterns)
    }

    /// Those of a file's text: a JSON object of names and values, or one a line, as `NAME=VALUE` or alone; a private key in
    /// PEM takes several lines.
    ///
    /// # Errors
    /// When there is none that can be searched.
    pub fn of_text(text: &str) -> Result<Self, Malformed> {
        let canaries = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => fields.iter().flat_map(|(name, value)| of_field(name, value)).collect(),
            _ => of_lines(text),
        };
        let finder = Finder::new(canaries);
        let searched = finder.canaries().len() > finder.unsearched().count();
        if searched { Ok(Self::Given(Box::new(finder))) } else { Err(Malformed) }
    }

    /// All secrets of an environment that stands.
    ///
    /// # Errors
    /// When its record makes no sense.
    pub fn of_kept(scenario: Scenario, standing: &Standing) -> Result<Self, Error> {
        let plan = Plan::standing(scenario, &standing.world, &standing.record);
        let plan = plan.map_err(|error| Error::surrounding("reading the environment's secrets", error, ""))?;
        let stated =
            standing.world.secrets.iter().flat_map(|secret| {
                Canary::of_value(&format!("secret `{}`", secret.name), &secret.value.0, Kind::Lasting)
            });
        Ok(Self::Given(Box::new(Finder::new(plan.canaries().into_iter().chain(stated).collect()))))
    }

    pub(super) fn search(&self) -> &dyn Search {
        match self {
            Self::Given(finder) => &**finder,
            Self::Patterns(patterns) => patterns,
        }
    }

    pub(super) fn unsearched(&self) -> Vec<String> {
        match self {
            Self::Given(finder) => finder.unsearched().map(|canary| canary.name.clone()).collect(),
            Self::Patterns(_) => Vec::new(),
        }
    }

    /// Why a secret may stand there, if it may. What looks like one in a file of the system's packages is an example or a
    /// test, unless the file is one that people change.
    pub(super) fn accepted(&self, found: &Found, packaged: &BTreeSet<String>) -> Option<&'static str> {
        let Place::File { path, inside, .. } = &found.place else { return None };
        match self {
            Self::Patterns(_) => (packaged.contains(path) && !path.starts_with("/etc/")).then_some(PACKAGED),
            Self::Given(_) => {
                let at_its_place = inside.is_empty() && path.ends_with("/private.pem.key") && found.readers == "root";
                (found.secret == DEVICE_KEY && at_its_place)
                    .then_some("the core signs with its device's key, and only root reads it")
            }
        }
    }
}

fn of_field(name: &str, value: &Value) -> Vec<Canary> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Canary::of_value(name, &text, Kind::Lasting)
}

fn of_lines(text: &str) -> Vec<Canary> {
    let mut canaries = Vec::new();
    let mut key = String::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with("-----BEGIN ") || !key.is_empty() {
            key = key + line + "\n";
            if line.starts_with("-----END ") {
                canaries.push(Canary::new(
                    format!("key that ends in line {}", index + 1),
                    &std::mem::take(&mut key),
                    Kind::Lasting,
                ));
            }
            continue;
        }
        let named = line.split_once('=').filter(|(name, value)| {
            !value.is_empty()
                && !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        match named {
            _ if line.is_empty() || line.starts_with('#') => {}
            Some((name, value)) => canaries.push(Canary::new(name, value, Kind::Lasting)),
            None => canaries.push(Canary::new(format!("secret in line {}", index + 1), line, Kind::Lasting)),
        }
    }
    canaries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        match Secrets::of_text(text) {
            Ok(Secrets::Given(finder)) => finder.canaries().iter().map(|canary| canary.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_file_of_secrets_is_json_or_lines() {
        assert_eq!(names(r#"{"a": "0123456789abcd", "b": {"c": "0123456789abcde"}}"#), ["a", "b, c"]);
        assert_eq!(names("# mine\nPAT=0123456789abcd\n\nabc/def+0123456789==\n"), ["PAT", "secret in line 4"]);
        let key = "-----BEGIN PRIVATE KEY-----\nMIIBVQ==\n-----END PRIVATE KEY-----\n";
        assert_eq!(names(key), ["key that ends in line 3"]);
        assert!(Secrets::of_text("short\n").is_err() && Secrets::of_text("").is_err());
    }
}
