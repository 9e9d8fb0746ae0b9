//! The reader for a CI server: a JUnit XML document with one case a scenario.

use super::Outcome;
use crate::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The outcomes as JUnit XML. Unsupported scenarios are skipped cases; our own faults are errors.
///
/// # Errors
/// When the document can't be written, which only a text that XML can't hold would cause.
pub fn junit(outcomes: &[Outcome]) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new("greenproof");
    for outcome in outcomes {
        let mut case = TestCase::new(outcome.scenario.name.clone(), status(&outcome.verdict));
        case.set_classname("greenproof.scenario").set_time(outcome.took);
        if let Some(evidence) = &outcome.evidence {
            let logs: String = evidence.component_logs.values().map(String::as_str).collect();
            case.set_system_out(logs + &super::leaks::lines(outcome).join("\n"));
        }
        suite.add_test_case(case);
    }
    let mut report = Report::new("greenproof");
    report.add_test_suite(suite);
    report.to_string()
}

fn status(verdict: &Verdict) -> TestCaseStatus {
    match verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed { findings } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let lines: Vec<_> = findings
                .iter()
                .map(|finding| format!("{}: expected {}; seen {}", finding.kind, finding.expected, finding.seen))
                .collect();
            status.set_message(lines.first().cloned().unwrap_or_default()).set_description(lines.join("\n"));
            status
        }
        Verdict::Unsupported { what } | Verdict::Skipped { why: what } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(what.clone());
            status
        }
        Verdict::Broken { what } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(what.clone());
            status
        }
    }
}
