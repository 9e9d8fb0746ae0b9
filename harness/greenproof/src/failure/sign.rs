//! How a log shows a failure.

use regex::bytes::Regex;
use serde::{Deserialize, Deserializer};

/// One way in which a log shows a failure: a line that says so, and what stands with it or must not.
///
/// ```toml
/// [[failure.sign]]
/// has = "Remote branch"                          # a line contains it; of several texts, any
/// matches = 'Remote branch \S+ not found'        # and the same line matches it
/// near = ["fatal: "]                             # one of these stands on a line near by, or on the same
/// with = ["git clone"]                           # each of these stands somewhere in the log
/// unless = ["Could not resolve host"]            # none of these stands near by
/// until = ["Successfully installed"]             # a later line that has one of these shows that it was overcome
/// sure = 0.95                                    # how sure it makes, up to 1
/// of = "log"                                     # what kind of file it stands in: "log", "config" or "policy"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sign {
    /// Texts of which the line contains one.
    #[serde(deserialize_with = "texts")]
    pub has: Vec<String>,
    /// What the line matches besides.
    #[serde(default)]
    pub matches: Option<String>,
    /// Texts of which one stands near by.
    #[serde(default, deserialize_with = "texts")]
    pub near: Vec<String>,
    /// Texts that stand somewhere in the log.
    #[serde(default, deserialize_with = "texts")]
    pub with: Vec<String>,
    /// Texts of which none stands near by.
    #[serde(default, deserialize_with = "texts")]
    pub unless: Vec<String>,
    /// Texts that show later that it was overcome.
    #[serde(default, deserialize_with = "texts")]
    pub until: Vec<String>,
    /// How sure it makes, above 0 and up to 1.
    #[serde(default = "sure")]
    pub sure: f64,
    /// What kind of file it stands in.
    #[serde(default)]
    pub of: Of,
}

/// A kind of file that tells of failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// What was written as it happened: a log, a journal, a tool's output, a job's status.
    #[default]
    Log,
    /// `effectiveConfig.yaml`, or a recipe.
    Config,
    /// A policy document.
    Policy,
}

impl Sign {
    /// Whether it can be looked for.
    pub(crate) fn check(&self) -> Result<(), String> {
        let texts = [&self.has, &self.near, &self.with, &self.unless, &self.until];
        if self.has.is_empty() || texts.iter().any(|texts| texts.iter().any(|text| text.trim().is_empty())) {
            return Err("a sign has a text, and no text is empty".into());
        }
        if !(self.sure > 0.0 && self.sure <= 1.0) {
            return Err(format!("`sure = {}` is not above 0 and up to 1", self.sure));
        }
        match self.matches.as_deref().map(Regex::new) {
            Some(Err(error)) => Err(format!("`matches` is no pattern: {}", error.to_string().replace('\n', " "))),
            _ => Ok(()),
        }
    }
}

fn sure() -> f64 {
    0.9
}

/// A text, or a list of texts.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::Several(texts) => texts,
    })
}
