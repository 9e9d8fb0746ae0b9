//! Exit codes, the tool's contract with scripts.

use crate::{
    report::{Came, Judged, Outcome},
    verdict::Kind,
};

/// All scenarios passed.
pub const PASSED: u8 = 0;
/// A scenario has a finding.
pub const FINDING: u8 = 1;
/// Usage or scenario error.
pub const USAGE: u8 = 2;
/// The environment is missing or could not be raised.
pub const ENVIRONMENT: u8 = 3;
/// Nothing ran.
pub const NOTHING: u8 = 4;
/// The only findings are leaks.
pub const LEAKS: u8 = 5;
/// Our own fault, or something that is not emulated.
pub const FAULT: u8 = 6;
/// A command on the device can't be run.
pub const NOT_RUN: u8 = 126;
/// A command on the device is not there.
pub const NOT_FOUND: u8 = 127;
/// Interrupted, and cleaned up.
pub const INTERRUPTED: u8 = 130;

/// The exit code of these outcomes: of 6, 1 and 5 the first that applies, else 0; 4 when there are none, or all were
/// skipped.
#[must_use]
pub fn code(outcomes: &[Outcome]) -> u8 {
    let leaks = |outcome: &Outcome| outcome.verdict.findings().iter().all(|finding| finding.kind == Kind::Leak);
    worst(outcomes.iter().map(|outcome| (Came::of(&outcome.verdict), leaks(outcome))))
}

/// The exit code of runs that came out so, as [`code`].
pub(crate) fn told<'a>(judged: impl Iterator<Item = &'a Judged>) -> u8 {
    worst(judged.map(|judged| (judged.verdict, judged.findings.iter().all(|finding| finding.kind == Kind::Leak))))
}

/// The exit code of runs, each with whether it has no finding but leaks.
fn worst(all: impl Iterator<Item = (Came, bool)>) -> u8 {
    let codes: Vec<_> = all.filter_map(|(came, only_leaks)| of(came, only_leaks)).collect();
    let order = [FAULT, FINDING, LEAKS, PASSED];
    order.into_iter().find(|code| codes.contains(code)).unwrap_or(NOTHING)
}

/// The code of a run; none of one that was not run.
const fn of(came: Came, only_leaks: bool) -> Option<u8> {
    match came {
        Came::Skipped => None,
        Came::Passed => Some(PASSED),
        Came::Failed if only_leaks => Some(LEAKS),
        // Whatever a flaky one was first: what is red now and then is red.
        Came::Failed | Came::Flaky => Some(FINDING),
        Came::Unsupported | Came::Broken => Some(FAULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Finding, Verdict};
    use std::{path::Path, time::Duration};

    fn outcome(verdict: Verdict) -> Outcome {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
        let scenario = crate::Scenario::load(&path).expect("the reference is valid");
        Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::ZERO, again: Vec::new() }
    }

    fn failed(kinds: &[Kind]) -> Verdict {
        let finding = |kind: &Kind| Finding { kind: *kind, expected: String::new(), seen: String::new() };
        Verdict::Failed { findings: kinds.iter().map(finding).collect() }
    }

    #[test]
    fn the_worst_outcome_decides() {
        fidelity::fidelity!("lite-1");
        let of = |verdicts: Vec<Verdict>| code(&verdicts.into_iter().map(outcome).collect::<Vec<_>>());
        assert_eq!(of(vec![]), NOTHING);
        let skipped = || Verdict::Skipped { why: "no nucleus lite".into() };
        assert_eq!(of(vec![skipped()]), NOTHING);
        assert_eq!(of(vec![skipped(), Verdict::Passed]), PASSED);
        assert_eq!(of(vec![skipped(), failed(&[Kind::Line])]), FINDING);
        assert_eq!(of(vec![Verdict::Passed]), PASSED);
        assert_eq!(of(vec![Verdict::Passed, failed(&[Kind::Leak])]), LEAKS);
        assert_eq!(of(vec![failed(&[Kind::Leak, Kind::Line])]), FINDING);
        assert_eq!(of(vec![failed(&[Kind::Leak]), failed(&[Kind::Line])]), FINDING);
        fidelity::fidelity!("retry-2");
        assert_eq!(of(vec![Verdict::Passed, failed(&[Kind::Leak]).flaky(2)]), FINDING);
        let unsupported = Verdict::Unsupported { what: "IPC".into() };
        assert_eq!(of(vec![failed(&[Kind::Line]), unsupported]), FAULT);
    }
}
