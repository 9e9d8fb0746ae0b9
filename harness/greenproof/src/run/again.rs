//! A scenario that is red is run again, on request. What passes then is flaky, not green.

use super::{Attempt, attempt, written};
use crate::{
    kept::Ending,
    report::{self, Outcome, Reader, Told, html},
    scenario::Scenario,
    stage::{Error, Stage},
    verdict::Verdict,
};
use std::path::Path;

/// Runs a scenario again until it passes, at most so many times, and tells how it came out.
///
/// Each attempt is a scenario of its own, called `NAME-attempt-2` and so on, with its own evidence folder. The verdict, the
/// findings and the evidence stay those of the first attempt, unless a later one passes: then the verdict says so.
///
/// # Errors
/// When a world can't be raised; how the first attempt came out is told before.
pub(super) async fn settled(
    stage: &Stage,
    mut first: Attempt<'_>,
    (ending, retries): (Ending, usize),
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<Outcome, Error> {
    let all = retries + 1;
    let mut error = None;
    for number in 2..=all {
        if !may_pass(&first.outcome) {
            break;
        }
        stays(&mut first);
        first.telling.tell(Told::note(format!("  run again: attempt {number} of {all}")));
        match Box::pin(attempt(stage, named(&first.outcome.scenario, number), ending, evidence, reader)).await {
            Ok(mut again) => {
                stays(&mut again);
                first.outcome = with(first.outcome, again.outcome);
            }
            Err(failure) => {
                error = Some(failure);
                break;
            }
        }
    }
    if !first.outcome.again.is_empty() {
        rewrite(&first, evidence);
    }
    first.telling.judged(&first.outcome);
    stays(&mut first);
    error.map_or(Ok(first.outcome), Err)
}

/// Tells how the environment of an attempt is found, if it stays.
fn stays(attempt: &mut Attempt<'_>) {
    if let Some(stays) = attempt.stays.take() {
        attempt.telling.tell(Told::note(stays));
    }
}

/// Whether it is worth to be run again: what is not emulated is not there the next time either.
fn may_pass(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Failed { .. } | Verdict::Broken { .. })
}

/// The scenario as a later attempt.
fn named(scenario: &Scenario, number: usize) -> Scenario {
    Scenario { name: format!("{}-attempt-{number}", scenario.name), ..scenario.clone() }
}

/// An outcome with that of a later attempt.
fn with(mut first: Outcome, again: Outcome) -> Outcome {
    if matches!(again.verdict, Verdict::Passed) {
        first.verdict = first.verdict.flaky(first.again.len() + 2);
    }
    first.again.push(again);
    first
}

/// Writes the verdict into the first attempt's folder, which was written before it was known.
fn rewrite(first: &Attempt<'_>, evidence: &Path) {
    let Some(folder) = &first.outcome.folder else { return };
    written(first.telling.write(&first.outcome, &folder.join(report::NAME)), folder, &first.telling);
    written(html::write(&first.outcome, first.documents.as_ref(), evidence), folder, &first.telling);
}

#[cfg(test)]
mod tests;
