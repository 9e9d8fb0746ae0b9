//! Makes a failure happen again, and says whether it is the same one.
//!
//! [`replay`] runs a bundle's scenario and holds what happens against the bundle's [`Signature`]; [`demonstrate`] shows a
//! failure of the library; [`Trials`] builds the world of a device from what a person brings of it ([`Brought`]), and leaves
//! out of it what its failure does not need.

mod brought;
mod conditions;
mod library;
mod shrink;

pub use brought::{Brought, Names};
pub use conditions::{Condition, Site};
pub use library::{Error as LibraryError, cannot, demonstrate};
pub use shrink::{Error as DeviceError, Reproduced, Trials};

pub(crate) use brought::{explained, explains};

use crate::{
    bundle::{Bundle, Signature, signature::Comparison},
    report::{Outcome, Reader, Told},
    run,
    stage::{Error, Stage},
};
use std::path::Path;

/// A failure that was to happen again, and what did.
#[derive(Debug)]
pub struct Replayed {
    /// The run.
    pub outcome: Outcome,
    /// Its signature beside that of the failure.
    pub comparison: Comparison,
}

impl Replayed {
    /// Whether the same failure happened.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.comparison.is_same()
    }
}

/// Runs a bundle's scenario and compares.
///
/// # Errors
/// When its world can't be raised, or something that it needs is not here.
pub async fn replay(stage: &Stage, bundle: &Bundle, evidence: &Path, reader: &dyn Reader) -> Result<Replayed, Error> {
    if let Some(why) = stage.lacks(&bundle.scenario) {
        return Err(Error::surrounding("reproducing the failure", why, ""));
    }
    let outcome = Box::pin(run::run(stage, bundle.scenario.clone(), evidence, reader)).await?;
    let here = outcome.evidence.as_ref().map(|seen| Signature::of(&outcome.verdict, seen)).unwrap_or_default();
    let comparison = Comparison::of(&bundle.manifest.signature, &here);
    let verdict = if comparison.is_same() { "the same failure" } else { "not the same" };
    reader.tell(Told::note(format!("{verdict}:\n{}", comparison.table("bundle", "here"))));
    Ok(Replayed { outcome, comparison })
}
