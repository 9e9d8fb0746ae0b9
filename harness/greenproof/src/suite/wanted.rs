//! Which scenarios of many are wanted: by name and by tag.

use crate::scenario::Scenario;
use regex::Regex;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// What a scenario has to have. Of several tags one is enough, and of several filters.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Its tags.
    pub tags: Vec<String>,
    /// Its name.
    pub filters: Vec<Filter>,
}

/// A part of a name; or, with `*` and `?`, a pattern of the whole name.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    pattern: Regex,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("use a part of a name, or a pattern such as `F1*`".to_owned());
        }
        let escaped = regex::escape(text);
        let pattern = if text.contains(['*', '?']) {
            format!("^{}$", escaped.replace(r"\*", ".*").replace(r"\?", "."))
        } else {
            escaped
        };
        let pattern = Regex::new(&pattern).map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), pattern })
    }
}

impl Wanted {
    /// Whether a name is wanted.
    #[must_use]
    pub fn name(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.pattern.is_match(name))
    }

    /// The filters that fit none of the names.
    pub(super) fn idle_filters(&self, names: &[String]) -> impl Iterator<Item = String> {
        let idle = |filter: &&Filter| !names.iter().any(|name| filter.pattern.is_match(name));
        self.filters.iter().filter(idle).map(|filter| format!("`--filter {}`", filter.text))
    }

    /// The tags that are none of these.
    pub(super) fn idle_tags(&self, known: &BTreeSet<String>) -> impl Iterator<Item = String> {
        self.tags.iter().filter(|tag| !known.contains(*tag)).map(|tag| format!("`--tag {tag}`"))
    }

    /// Whether a scenario's tags are wanted.
    #[must_use]
    pub fn tags(&self, scenario: &Scenario) -> bool {
        self.tags.is_empty() || self.tags.iter().any(|tag| scenario.tags.contains(tag))
    }
}

/// What is wanted, such as ` with tag "slow" and a name like "F1*"`; nothing where all are.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = |texts: Vec<&str>| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ");
        let tags = any(self.tags.iter().map(String::as_str).collect());
        let filters = any(self.filters.iter().map(|filter| filter.text.as_str()).collect());
        match (tags.is_empty(), filters.is_empty()) {
            (true, true) => Ok(()),
            (false, true) => write!(f, " with tag {tags}"),
            (true, false) => write!(f, " with a name like {filters}"),
            (false, false) => write!(f, " with tag {tags} and a name like {filters}"),
        }
    }
}
