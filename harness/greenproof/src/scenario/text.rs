//! Placeholders in the texts of a scenario, which only a run can fill in.

use std::collections::BTreeMap;

/// The text with each `{NAME}` that is known replaced by its value; any other brace stays.
pub(super) fn fill(text: &str, known: &BTreeMap<&str, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
