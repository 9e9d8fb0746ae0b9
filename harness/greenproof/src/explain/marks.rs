//! What any log says of trouble and success, whatever the failure: data, in `marks.toml`.

use super::vocabulary::Meaning;
use crate::failure::Sign;
use serde::Deserialize;

const MARKS: &str = include_str!("marks.toml");

/// The marks, by what they mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    trouble: Vec<Sign>,
    complaint: Vec<Sign>,
    noise: Vec<Sign>,
    success: Vec<Sign>,
    succeeded: Vec<Sign>,
    failed: Vec<Sign>,
    up: Vec<Sign>,
    down: Vec<Sign>,
}

impl Marks {
    pub(super) fn load() -> Self {
        toml::from_str(MARKS).unwrap_or_else(|error| panic!("the embedded marks are valid: {error}"))
    }

    /// Each mark with its meaning.
    pub(super) fn meanings(self) -> impl Iterator<Item = (Meaning, Sign)> {
        let with = |meaning, signs: Vec<Sign>| signs.into_iter().map(move |sign| (meaning, sign));
        with(Meaning::Noise, self.noise)
            .chain(with(Meaning::Success, self.success))
            .chain(with(Meaning::Succeeded, self.succeeded))
            .chain(with(Meaning::Failed, self.failed))
            .chain(with(Meaning::Up, self.up))
            .chain(with(Meaning::Down, self.down))
            .chain(with(Meaning::Trouble, self.trouble))
            .chain(with(Meaning::Complaint, self.complaint))
    }
}
