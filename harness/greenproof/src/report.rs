//! What a run tells: one typed stream of [`Told`], many readers.
//!
//! Nobody else prints. [`Terminal`] writes for a person, [`junit()`] for a CI server.

mod junit;
mod leaks;
mod terminal;

pub use junit::junit;
pub use terminal::Terminal;

use crate::{
    bundle,
    evidence::{Evidence, StepSeen},
    scenario::Scenario,
    verdict::Verdict,
};
use std::{path::PathBuf, time::Duration};

/// One thing that a run tells.
#[derive(Debug)]
pub enum Told<'a> {
    /// An image is being made; one line of its builder's output.
    Building {
        /// The image.
        image: &'a str,
        /// The line.
        line: &'a str,
    },
    /// Something that a person may want to know.
    Note(&'a str),
    /// A scenario begins.
    Begun(&'a Scenario),
    /// Something was seen while its deployment goes on.
    Seen(&'a str),
    /// A stage of it is done.
    Stage {
        /// The stage, such as `environment`.
        stage: &'a str,
        /// What came out of it.
        detail: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// A step is done.
    Step {
        /// Which, from 0.
        index: usize,
        /// What was seen of it.
        seen: &'a StepSeen,
        /// Whether that is what it expects.
        as_expected: bool,
        /// How long it took.
        took: Duration,
    },
    /// A scenario is judged.
    Judged(&'a Outcome),
}

/// A judged run.
#[derive(Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// The judgement.
    pub verdict: Verdict,
    /// What it was judged on; absent when the world could not be raised.
    pub evidence: Option<Evidence>,
    /// Where the evidence was written.
    pub folder: Option<PathBuf>,
    /// From start to verdict.
    pub took: Duration,
}

impl Outcome {
    /// Where the bundle is that makes a failed run happen again.
    #[must_use]
    pub fn bundle(&self) -> Option<PathBuf> {
        bundle::of(self.folder.as_deref()?)
    }
}

/// A reader of what a run tells.
pub trait Reader: Send + Sync {
    /// Takes the next thing.
    fn told(&self, told: &Told<'_>);
}

/// A reader that ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Reader for Silent {
    fn told(&self, _: &Told<'_>) {}
}
