//! A failure of the library, made to happen as the library states it.

use crate::{
    Verdict,
    failure::{Failure, Library},
    report::{Reader, Told},
    run,
    scenario::{self, Scenario},
    scratch::Scratch,
    stage::{self, Stage},
};
use std::{io, path::Path};

/// Why a failure of the library can't be made to happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't exist here, or there is no scenario of it.
    #[error("{id} can't be made to happen here: {why}")]
    Cannot {
        /// Its id.
        id: String,
        /// Why not.
        why: String,
    },
    /// The library can't be written.
    #[error("writing the failure library: {0}")]
    Io(#[from] io::Error),
    /// Its scenario can't be used.
    #[error(transparent)]
    Scenario(#[from] scenario::Error),
    /// Its world can't be raised.
    #[error(transparent)]
    Stage(#[from] stage::Error),
}

/// Why a failure can't be made to happen anywhere that greenproof runs, if so.
#[must_use]
pub fn cannot(failure: &Failure) -> Option<Error> {
    let why = || failure.cannot.clone().unwrap_or_else(|| "the library has no scenario of it".to_owned());
    failure.reproduction().is_none().then(|| Error::Cannot { id: failure.id.clone(), why: why() })
}

/// Runs a failure's scenario; says whether it happens as stated, why it happens and what to do about it.
///
/// # Errors
/// When it can't be made to happen here.
///
/// # Panics
/// Never: what has no scenario has a reason.
pub async fn demonstrate(
    stage: &Stage,
    failure: &Failure,
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<bool, Error> {
    let Some(path) = failure.reproduction() else {
        return Err(cannot(failure).expect("a failure without a scenario can't be made to happen"));
    };
    let folder = Scratch::new("library")?;
    Library::embedded().write(folder.path())?;
    let scenario = Scenario::load(&folder.path().join(path))?;
    if let Some(why) = stage.lacks(&scenario) {
        return Err(stage::Error::surrounding("reproducing the failure", why, "").into());
    }
    let stated = scenario.must_fail.clone();
    let outcome = Box::pin(run::run(stage, scenario, evidence, reader)).await?;
    let differences = match (&stated, &outcome.evidence) {
        (Some(stated), Some(seen)) => stated.differences(&outcome.scenario, &outcome.verdict, seen),
        (None, _) if matches!(outcome.verdict, Verdict::Passed) => Vec::new(),
        _ => vec![format!("it must come out as stated, but the verdict is {:?}", outcome.verdict)],
    };
    let told = if differences.is_empty() { "happens as stated".to_owned() } else { differences.join("\n") };
    let Failure { id, title, cause, fix, source, .. } = failure;
    reader.tell(Told::note(format!("{id} {title}: {told}\n  cause:  {cause}\n  fix:    {fix}\n  source: {source}")));
    Ok(differences.is_empty())
}
