//! Exit codes, the tool's contract with scripts.

use crate::{
    report::Outcome,
    verdict::{Kind, Verdict},
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
    let any = |code: u8| outcomes.iter().any(|outcome| of(&outcome.verdict) == code);
    match outcomes {
        [] => NOTHING,
        _ if outcomes.iter().all(|outcome| matches!(outcome.verdict, Verdict::Skipped { .. })) => NOTHING,
        _ if any(FAULT) => FAULT,
        _ if any(FINDING) => FINDING,
        _ if any(LEAKS) => LEAKS,
        _ => PASSED,
    }
}

fn of(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Passed | Verdict::Skipped { .. } => PASSED,
        Verdict::Failed { findings } if findings.iter().all(|finding| finding.kind == Kind::Leak) => LEAKS,
        Verdict::Failed { .. } => FINDING,
        Verdict::Unsupported { .. } | Verdict::Broken { .. } => FAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Finding;
    use std::{path::Path, time::Duration};

    fn outcome(verdict: Verdict) -> Outcome {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
        let scenario = crate::Scenario::load(&path).expect("the reference is valid");
        Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::ZERO }
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
        let unsupported = Verdict::Unsupported { what: "IPC".into() };
        assert_eq!(of(vec![failed(&[Kind::Line]), unsupported]), FAULT);
    }
}
