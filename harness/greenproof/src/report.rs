//! What greenproof tells: one typed stream of [`Event`]s, many readers.
//!
//! Nobody else prints, and no reader knows anything that is not in the stream; so a stored one shows all of it again.
//! [`Terminal`] writes for a person, [`Json`] for a program, [`junit()`], [`GitHub`] and [`markdown()`] for a CI server. What is [`Told`] of a scenario holds no secret: it
//! goes through a [`Telling`], which also keeps it for the evidence folder.

mod event;
mod github;
pub mod html;
mod json;
mod junit;
#[cfg(test)]
mod kept;
mod leaks;
mod markdown;
mod place;
mod record;
mod telling;
mod terminal;
mod turns;

pub(crate) use event::reproduce;
pub use event::{Attempt, Came, Device, Event, Found, Judged, Sight, Told, VERSION};
pub use github::GitHub;
pub use json::Json;
pub use junit::junit;
pub use markdown::{LIMIT as SUMMARY_LIMIT, markdown};
pub(crate) use record::write as write_stream;
pub use record::{NAME, Record};
pub use telling::Telling;
pub use terminal::{Look, Terminal};
pub use turns::{Turn, Turns};

use crate::{bundle, evidence::Evidence, scenario::Scenario, verdict::Verdict};
use std::{path::PathBuf, sync::Arc, time::Duration};

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
    /// What came of it when it was run again, if it was.
    pub again: Vec<Self>,
}

impl Outcome {
    /// Whether it was run and did not pass.
    #[must_use]
    pub const fn is_red(&self) -> bool {
        !matches!(self.verdict, Verdict::Passed | Verdict::Skipped { .. })
    }

    /// Where the bundle is that makes a failed run happen again.
    #[must_use]
    pub fn bundle(&self) -> Option<PathBuf> {
        bundle::of(self.folder.as_deref()?)
    }
}

/// A reader of what is told.
pub trait Reader: Send + Sync {
    /// Takes the next event.
    fn take(&self, event: &Event);

    /// Tells something now.
    fn tell(&self, told: Told) {
        self.take(&Event::now(told));
    }
}

impl Reader for Vec<Arc<dyn Reader>> {
    fn take(&self, event: &Event) {
        for reader in self {
            reader.take(event);
        }
    }
}

/// A reader that ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Reader for Silent {
    fn take(&self, _: &Event) {}
}
